"""Labels, annotations and selectors that Kubernetes, or Argo CD, would refuse or read as something else."""

from typing import Any

import pytest

from crds.fields import LabelSelector
from crds.rules.environments import validate_environment
from crds.rules.label_syntax import annotation_errors, label_errors, selector_errors
from crds.rules.promotion_policies import validate_policy
from crds.rules.repositories import discovery_errors
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from tests.crds.resources import deployment, document, environment, repository

GOOD_KEYS = ["team", "app.kubernetes.io/name", "a", "A_b.c-1", "a" * 63, f"{'a.' * 126}a/b"]
BAD_KEYS = [
    "",
    "not a key!",
    "-team",
    "team-",
    "a/b/c",
    "/team",
    "Acme.io/team",
    "a" * 64,
    f"{'a.' * 127}a/b",
    "a,b",
    "team\n",
]


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_key_that_kubernetes_takes_is_no_error(key: str) -> None:
    assert label_errors("spec.labels", {key: "web"}) == annotation_errors("spec.annotations", {key: "any text!"}) == []


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_kubernetes_refuses_is_named(key: str) -> None:
    assert [one.path for one in label_errors("spec.labels", {key: "web"})] == [f"spec.labels.{key[:64]}"]


def test_an_annotation_may_have_a_prefix_in_capitals() -> None:
    assert annotation_errors("spec.annotations", {"Acme.io/team": "web"}) == []
    assert [one.path for one in annotation_errors("spec.annotations", {"bad key!!": "x"})] == [
        "spec.annotations.bad key!!"
    ]


@pytest.mark.parametrize(
    ("value", "wrong"), [("", 0), ("web", 0), ("v1.2_3-x", 0), ("no value, either!", 1), ("-web", 1)]
)
def test_a_value_of_a_label_is_short_and_plain(value: str, wrong: int) -> None:
    assert len(label_errors("spec.labels", {"team": value})) == wrong


def test_every_part_of_a_selector_is_judged() -> None:
    selector = LabelSelector.from_wire(
        {
            "matchLabels": {"team": "a,tier!=prod", "x y": "z"},
            "matchExpressions": [{"key": "a in (b)", "operator": "In", "values": ["web", "a),b in (c"]}],
        }
    )
    assert sorted(one.path for one in selector_errors("s", selector)) == [
        "s.matchExpressions[0].key",
        "s.matchExpressions[0].values[1]",
        "s.matchLabels.team",
        "s.matchLabels.x y",
    ]


def test_an_environment_is_not_valid_with_a_selector_that_changes_the_query() -> None:
    argocd = {
        "instanceRef": {"name": "argocd"},
        "project": "shop",
        "selector": {"matchLabels": {"team": "a,tier!=prod"}},
    }
    [error] = validate_environment(environment("dev", deployment(argocd=argocd)))
    assert error.path == "spec.deployments[0].argocd.selector.matchLabels.team"
    assert "`a,tier!=prod` is no value of a label" in error.message


def test_a_repository_is_not_valid_with_a_template_of_which_no_tracker_can_be_made() -> None:
    template = {"labels": {"not a key!": "web", "team": "no value, either!"}, "annotations": {"bad key!!": "x"}}
    discovery = {"baseBranches": [{"baseBranch": "main", "environment": "dev"}], "trackerTemplate": template}
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}, "discovery": discovery}
    checked = GitRepository.from_wire({"metadata": {"name": "web"}, "spec": spec})
    path = "spec.discovery.trackerTemplate"
    for environments in (["dev"], None):
        assert [one.path for one in discovery_errors(checked, environments)] == [
            f"{path}.labels.not a key!",
            f"{path}.labels.team",
            f"{path}.annotations.bad key!!",
        ]


def _policy(label: str | None, *repositories: str) -> PromotionPolicy:
    references: list[Any] = [{"name": name} for name in repositories]
    spec: dict[str, Any] = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "repositoryRefs": references}
    spec |= {} if label is None else {"label": label}
    return PromotionPolicy.from_wire(document("PromotionPolicy", "dev-to-staging", spec))


def _labelled(name: str, prefix: str) -> GitRepository:
    wire = repository().to_wire()
    wire["metadata"]["name"] = name
    wire["spec"]["labels"] = {"prefix": prefix}
    return GitRepository.from_wire(wire)


@pytest.mark.parametrize(
    ("label", "named", "wrong"),
    [
        ("pilotage/hold", (), True),
        ("Pilotage/Testing", (), True),
        ("promoted/staging", (), False),
        ("acme/env/dev", ("web",), True),
        ("acme/env/dev", ("api",), False),
        ("acme/env/dev", (), True),
    ],
    ids=["default", "case", "own", "of-the-repository", "of-another", "of-all"],
)
def test_a_policy_gives_no_label_that_pilotage_reads_as_its_own(
    label: str, named: tuple[str, ...], *, wrong: bool
) -> None:
    known = {"web": _labelled("web", "acme/"), "api": _labelled("api", "api/")}
    errors = validate_policy(_policy(label, *named), repositories=known)
    assert ["spec.label" for _ in range(wrong)] == [one.path for one in errors]


def test_the_default_prefix_is_refused_also_where_no_repository_is_known() -> None:
    [error] = validate_policy(_policy("pilotage/env/dev"))
    assert error.message == "`pilotage/env/dev` begins with `pilotage/`, as Pilotage's own labels do"


def test_a_label_that_the_policy_does_not_name_is_judged_too() -> None:
    [error] = validate_policy(_policy(None, "web"), repositories={"web": _labelled("web", "promoted/")})
    assert str(error) == "spec.label: `promoted/staging` begins with `promoted/`, as Pilotage's own labels do"
