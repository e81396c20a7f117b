import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crds.rules import documents as rules
from crds.rules.documents import validate_document, validate_documents
from tests.crds.bad_documents import BAD_DOCUMENTS, BadDocument
from tests.crds.resources import Document, a_test, deployment, document, environment_document, policy_document

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"


def load(folder: Path) -> list[Document]:
    return [each for path in sorted(folder.glob("*.yaml")) for each in YAML(typ="safe").load_all(path.read_text())]


def shown(documents: list[Any]) -> list[str]:
    return [str(error) for error in validate_documents(documents)]


def places(documents: list[Any]) -> list[tuple[str, str]]:
    """Return the resource and the field of each error."""
    return [(f"{one.kind}/{one.name}", one.error.path) for one in validate_documents(documents)]


@pytest.mark.parametrize("story", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_the_samples_are_valid_as_a_set(story: str) -> None:
    documents = load(SAMPLES / story)
    assert len(documents) > 0
    assert shown(documents) == []


@pytest.mark.parametrize("bad", BAD_DOCUMENTS, ids=lambda bad: str(bad.name))
def test_what_the_api_server_refuses_is_refused_offline(bad: BadDocument) -> None:
    errors = validate_document(bad.document)
    assert any(bad.offline in str(error) for error in errors), [str(error) for error in errors]


def change(documents: list[Document], kind: str, name: str, edit: Callable[[Document], None]) -> list[Document]:
    changed = deepcopy(documents)
    edit(next(each for each in changed if each["kind"] == kind and each["metadata"]["name"] == name))
    return changed


def test_a_chain_that_loops_is_found_across_documents() -> None:
    looping = change(
        load(SAMPLES / "main-job"),
        "PromotionPolicy",
        "staging-to-prod",
        lambda policy: policy["spec"].update(targetEnvironment="dev"),
    )
    assert ("PromotionPolicy/staging-to-prod", "spec.targetEnvironment") in places(looping)
    assert any("dev → staging → dev" in error for error in shown(looping))


def test_a_chain_that_ends_before_a_final_environment_is_found() -> None:
    documents = load(SAMPLES / "main-job")
    dead_end = [each for each in documents if each["metadata"]["name"] != "staging-to-prod"]
    assert places(dead_end) == [("PromotionPolicy/dev-to-staging", "spec.targetEnvironment")]


def test_an_unknown_variable_is_found_with_its_field_path() -> None:
    tests = [a_test("a", parameters={"X": "${home}"})]
    found = places([policy_document("dev", "staging", tests=tests)])
    assert found == [("PromotionPolicy/dev-to-staging", "spec.tests[0].parameters.X")]


def test_kinds_of_which_no_document_is_given_are_not_judged() -> None:
    assert shown([policy_document("dev", "staging", "web", tests=[a_test("a")])]) == []


def test_a_broken_document_does_not_make_others_report_it_as_missing() -> None:
    broken = change(
        load(SAMPLES / "main-job"), "Environment", "prod", lambda environment: environment["spec"].update(final="yes")
    )
    assert places(broken) == [("Environment/prod", "spec.final")]


def test_namespaces_do_not_see_each_other() -> None:
    gone = ("actions", "gitlab", "web-gitlab")
    documents = [each for each in load(SAMPLES / "main-job") if each["metadata"]["name"] not in gone]
    elsewhere = change(documents, "TestRunner", "jenkins", lambda runner: runner["metadata"].update(namespace="other"))
    assert shown(elsewhere) == []
    both = [*elsewhere, document("TestRunner", "ci", {"jenkins": {"url": "https://ci.example"}})]
    assert len(places(both)) == 4
    assert all(path.endswith(".runnerRef.name") for _, path in places(both))


@pytest.mark.parametrize(
    ("kind", "name", "edit", "problem"),
    [
        (
            "ScmProvider",
            "github",
            lambda one: one["metadata"].update(name="other"),
            "ScmProvider `github` does not exist",
        ),
        ("GitRepository", "web", lambda one: one["metadata"].update(name="api"), "GitRepository `web` does not exist"),
        ("Environment", "dev", lambda one: one["metadata"].update(name="test"), "Environment `dev` does not exist"),
        (
            "ScmProvider",
            "github",
            lambda one: one.update(spec={"gitea": {"domain": "git.example"}, "secretRef": {"name": "github-token"}}),
            "ScmProvider `github` is of `gitea`, and the repository of `github`",
        ),
        (
            "TestRunner",
            "actions",
            lambda one: one["spec"]["githubActions"]["repositoryRef"].update(name="web-gitlab"),
            "must be a repository of `github`; `web-gitlab` is of `gitlab`",
        ),
    ],
    ids=["provider", "repository", "environment", "host of the provider", "host of the runner"],
)
def test_references_of_each_kind_are_judged_within_the_set(
    kind: str, name: str, edit: Callable[[Document], None], problem: str
) -> None:
    found = shown(change(load(SAMPLES / "main-job"), kind, name, edit))
    assert any(problem in error for error in found), found


def test_many_repositories_and_policies_are_read_once_not_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("oldest_of", "PolicyIndex"):
        original = getattr(rules, name)

        def counted(given: Any, name: str = name, original: Callable[[Any], Any] = original) -> Any:
            calls.append(name)
            return original(given)

        monkeypatch.setattr(rules, name, counted)
    hosted = {"scmProviderRef": {"name": "github"}}
    many = [
        document("GitRepository", f"r{n}", {**hosted, "github": {"owner": "a", "name": f"r{n}"}}) for n in range(20)
    ]

    assert shown(many) == []
    assert calls.count("oldest_of") == calls.count("PolicyIndex") == 1


def test_a_resource_that_is_declared_twice_is_an_error() -> None:
    found = places([policy_document("dev", "staging"), policy_document("dev", "staging")])
    assert found == [("PromotionPolicy/dev-to-staging", "metadata.name")]


@pytest.mark.parametrize(
    ("given_document", "problem"),
    [
        ("text", "is not a Kubernetes object"),
        ([], "is not a Kubernetes object"),
        ({"kind": "Environment"}, "must be `pilotage.dev/v1alpha1`"),
        ({"apiVersion": "pilotage.dev/v2", "kind": "Environment"}, "must be `pilotage.dev/v1alpha1`"),
        ({"apiVersion": "pilotage.dev/v1alpha1", "kind": "Enviroment"}, "`Enviroment` is not known"),
        ({"apiVersion": "pilotage.dev/v1alpha1", "kind": "Environment"}, "metadata.name: is required"),
    ],
)
def test_what_is_no_resource_of_ours_is_reported_as_such(given_document: Any, problem: str) -> None:
    assert any(problem in error for error in shown([given_document]))


def test_resources_of_other_groups_and_empty_documents_are_passed_over() -> None:
    assert shown([None, {"apiVersion": "v1", "kind": "Secret"}, {"apiVersion": "apps/v1", "kind": "Deployment"}]) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["PromotionPolicy", "Environment", "PullRequestTracker", "GitRepository"]), json_values)
def test_no_document_makes_validation_fail_itself(kind: str, spec: Any) -> None:
    errors = validate_document({**document(kind, "x", {}), "spec": spec})
    assert errors
    assert all(error.path and error.message for error in errors)


def of_secrets(number: int) -> list[Document]:
    spec = {"jenkins": {"url": "https://ci.example.com"}, "secretRef": {"name": "s0"}}
    runners = [document("TestRunner", f"j{one}", spec) for one in range(number)]
    return [*runners, *({**document("Secret", f"s{one}", {}), "apiVersion": "v1"} for one in range(number))]


def of_ways(number: int) -> list[Document]:
    """Policies for all repositories one after another, and as many repositories with one of their own elsewhere."""
    general = [policy_document(f"e{one}", f"e{one + 1}", name=f"p{one}") for one in range(number)]
    return [*general, *(policy_document("x", "y", f"r{one}", name=f"q{one}") for one in range(number))]


def of_places(number: int) -> list[Document]:
    """Each with a repository, which all name the same."""
    spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
    places = [environment_document(f"e{one}", deployment(repository=f"r{one}")) for one in range(number)]
    return [*places, *(document("GitRepository", f"r{one}", spec) for one in range(number))]


def calls_of(work: Callable[[], object]) -> int:
    calls = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(("made", "number"), [(of_secrets, 15), (of_ways, 30), (of_places, 5)])
def test_twice_as_many_documents_cost_about_twice_as_much(made: Callable[[int], list[Document]], number: int) -> None:
    small, large = made(number), made(2 * number)
    validate_documents(small)
    assert calls_of(lambda: validate_documents(large)) < 2.1 * calls_of(lambda: validate_documents(small))


@pytest.mark.parametrize("domain", ["[2001:db8::7]", "[fd00::7]:3000", "https://[fd00::7]:3000/git"])
def test_a_host_may_be_an_address_of_ipv6(domain: str) -> None:
    spec = {"gitea": {"domain": domain}, "secretRef": {"name": "gitea-token"}}
    assert validate_document(document("ScmProvider", "gitea", spec)) == []
