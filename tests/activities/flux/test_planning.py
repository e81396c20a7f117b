"""What is made of an event: matched, dropped with the reason, or a commit status."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from activities.flux.events import FluxEvent
from activities.flux.matching import NO_OBJECT, ObjectLabels, Source, Subscription, wants_labels
from activities.flux.planning import ProviderTarget, StatusPlan, plan
from activities.flux.subscriptions import from_alert, from_commit_status, from_flux_provider, from_provider
from activities.models.revisions import CommitState
from crds.rules.flux_expressions import evaluate
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import Provider
from deploy.local.environment.processes import ROOT
from tests.activities.flux.events import KUSTOMIZE, SHA, document, event, sent_on, subscription, target

FLUX_EXAMPLE = (
    "(event.involvedObject.kind + '/' + event.involvedObject.name + '/' +"
    " provider.metadata.uid.split('-').first().value()).lowerAscii()"
)
GUIDE = ROOT / "docs" / "guides" / "flux-events.md"
CLUSTERS = ("dev", "prod")


def planned(
    given: FluxEvent, one: Subscription | None = None, to: ProviderTarget | None = None, **options: Any
) -> StatusPlan:
    found = to or target()
    (made,) = plan(given, [one or subscription()], targets=lambda _: found, evaluate=evaluate, **options)
    return made


def test_a_reconciled_kustomization_is_a_success_with_its_message() -> None:
    wanted = planned(event()).wanted
    assert wanted is not None
    assert (wanted.commit, wanted.verdict) == (SHA, CommitState.SUCCESS)
    assert wanted.context == "kustomization/webapp/0c9c2e41"
    assert wanted.description == "Reconciliation finished in 1.2s, next run in 10m0s"
    assert str(wanted.repository) == "github.com/acme/web"


def test_a_prefix_makes_a_context_that_no_other_object_has() -> None:
    wanted = planned(event(), subscription(prefix="dev", target_url="https://ui.example.com")).wanted
    assert wanted is not None
    assert wanted.context == "dev/kustomization/flux-system/webapp"
    assert wanted.target_url == "https://ui.example.com"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        (
            {"severity": "error", "reason": "BuildFailed", "metadata": {f"{KUSTOMIZE}/revision": SHA}},
            CommitState.FAILURE,
        ),
        ({"reason": "Progressing", "metadata": {f"{KUSTOMIZE}/revision": SHA}}, CommitState.PENDING),
        ({"reason": "ProgressingWithRetry"}, CommitState.PENDING),
        ({"reason": "DependencyNotReady"}, CommitState.PENDING),
        ({"reason": "HealthCheckCanceled"}, CommitState.PENDING),
    ],
)
def test_an_object_that_is_not_ready_yet_is_pending_and_an_error_a_failure(
    changes: dict[str, Any], verdict: CommitState
) -> None:
    wanted = planned(event(**changes)).wanted
    assert wanted is not None
    assert wanted.verdict is verdict


@pytest.mark.parametrize(
    ("changes", "reason", "fault"),
    [
        ({"metadata": {f"{KUSTOMIZE}/revision": SHA}, "reason": "HealthCheckPassed"}, "step on the way", False),
        ({"severity": "trace"}, "severity `trace`", False),
        ({"severity": "error", "metadata": {}}, "missing revision metadata", True),
        ({"metadata": {f"{KUSTOMIZE}/revision": "main", f"{KUSTOMIZE}/commit_status": "update"}}, "'main'", True),
    ],
)
def test_an_event_that_gives_no_status_gives_the_reason(changes: dict[str, Any], reason: str, fault: bool) -> None:
    made = planned(event(**changes))
    assert made.matched
    assert made.wanted is None
    assert reason in made.reason
    assert made.fault is fault


def test_other_kinds_need_the_annotation_that_names_a_commit() -> None:
    release = {
        "kind": "HelmRelease",
        "namespace": "flux-system",
        "name": "db",
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
    }
    one = subscription(sources=(Source(kind="HelmRelease", name="db", namespace="flux-system"),))
    missing = planned(event(involvedObject=release, metadata={"helm.toolkit.fluxcd.io/revision": "6.5.0"}), one)
    assert missing.wanted is None
    assert "event.toolkit.fluxcd.io/commit" in missing.reason
    assert missing.fault
    annotated = planned(event(involvedObject=release, metadata={"event.toolkit.fluxcd.io/commit": SHA}), one)
    assert annotated.wanted is not None
    assert annotated.wanted.context == "helmrelease/db/0c9c2e41"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suspended": True}, "suspended"),
        ({"sources": (Source(kind="Kustomization", name="other", namespace="flux-system"),)}, "no event source"),
        ({"sources": (Source(kind="Kustomization", name="web*", namespace="flux-system"),)}, "no event source"),
        ({"sources": (Source(kind="Kustomization", name="*", namespace="*"),)}, "no event source"),
        ({"severity": "error"}, "severity `info` is not `error`"),
        ({"inclusions": ("failed",)}, "inclusionList"),
        ({"exclusions": ("finished",)}, "exclusionList"),
        ({"inclusions": ("(",)}, "inclusionList"),
    ],
)
def test_an_event_that_is_not_taken_gives_the_reason(changes: dict[str, Any], reason: str) -> None:
    made = planned(event(), subscription(**changes))
    assert not made.matched
    assert reason in made.reason


def test_labels_decide_where_a_source_names_some() -> None:
    source = Source(kind="Kustomization", name="*", namespace="flux-system", labels={"team": "a"})
    one = subscription(sources=(source,))
    assert wants_labels([one], event())
    assert not wants_labels([subscription()], event())
    assert planned(event(), one, labels=ObjectLabels(found={"team": "a", "other": "b"})).wanted is not None
    for labels, reason, fault in (
        (ObjectLabels(found={"team": "b"}), "labels differ", False),
        (NO_OBJECT, "no such object", False),
        (ObjectLabels(fault="the receiver may not read it"), "may not read", True),
    ):
        made = planned(event(), one, labels=labels)
        assert (made.matched, reason in made.reason, made.fault) == (False, True, fault)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"suspended": True}, "suspended"),
        ({"type": "slack"}, "no commit statuses"),
        ({"address": "https://user:s3cret@github.com/acme"}, "spec.address"),
        ({"expression": "event.metadata.nothing + ''"}, "commitStatusExpr"),
        ({"secret": ""}, "spec.secretRef"),
    ],
)
def test_a_provider_that_cannot_post_gives_the_reason_without_its_credential(
    changes: dict[str, Any], reason: str
) -> None:
    made = planned(event(), to=target(**changes))
    assert made.wanted is None
    assert reason in made.reason
    assert "s3cret" not in made.reason


def test_a_provider_that_does_not_exist_is_a_fault() -> None:
    (made,) = plan(event(), [subscription()], targets=lambda _: None, evaluate=evaluate)
    assert made.fault
    assert "`github` does not exist" in made.reason


@pytest.mark.parametrize(
    ("one", "to"),
    [
        (subscription(), target()),
        (subscription(prefix="p" * 64), target()),
        (subscription(), target(expression="event.involvedObject.name + event.involvedObject.name + 'x'")),
    ],
)
def test_long_contexts_that_differ_at_their_end_stay_two(one: Subscription, to: ProviderTarget) -> None:
    contexts = set()
    for last in "ab":
        involved = {**document()["involvedObject"], "namespace": "flux-system", "name": "n" * 252 + last}
        wanted = planned(event(involvedObject=involved), one, to).wanted
        assert wanted is not None
        contexts.add(wanted.context)
    assert {len(context) for context in contexts} == {255}
    assert len(contexts) == 2


def test_the_providers_of_one_long_name_do_not_share_a_context() -> None:
    involved = {**document()["involvedObject"], "name": "n" * 253}
    found = [planned(event(involvedObject=involved), to=target(uid=uid)).wanted for uid in ("1a-2b", "3c-4d")]
    assert len({wanted.context for wanted in found if wanted is not None}) == 2
    as_flux = planned(event(involvedObject=involved), to=target(uid="1a-2b"), compat=True).wanted
    assert as_flux is not None
    assert as_flux.context == f"kustomization/{'n' * 253}/1a"


@pytest.mark.parametrize(
    ("expression", "context"),
    [
        ("alert.metadata.labels.cluster + ''", "dev"),
        ("alert.spec.eventSources[0].name + alert.spec.providerRef.name + ''", "*github"),
        ("alert.spec.eventMetadata.region + event.metadata.region + ''", "eueu"),
        ("event.reportingController + '/' + event.reportingInstance", "kustomize-controller/kustomize-controller-abc"),
        ("has(event.involvedObject.fieldPath) ? 'field' : 'none'", "none"),
        ("event.involvedObject.?resourceVersion.orValue('none') + ''", "none"),
    ],
)
def test_an_expression_sees_the_whole_event_and_the_whole_alert(expression: str, context: str) -> None:
    alert = from_alert(
        {
            "metadata": {"name": "dev", "namespace": "flux-system", "labels": {"cluster": "dev"}},
            "spec": {
                "providerRef": {"name": "github"},
                "eventSources": [{"kind": "Kustomization", "name": "*"}],
                "eventMetadata": {"region": "eu"},
            },
        }
    )
    wanted = planned(event(), alert, target(expression=expression)).wanted
    assert wanted is not None
    assert wanted.context == context


@pytest.mark.parametrize("alert", [False, True], ids=["CommitStatus", "Alert"])
def test_an_expression_sees_all_of_an_object_but_its_status(alert: bool) -> None:
    expression = "[alert, provider].map(one, one.apiVersion + '/' + one.kind + '/' + one.metadata.name).join(' ')"
    one, to = objects(alert=alert, expression=expression)
    wanted = planned(event(), one, to).wanted
    group = "notification.toolkit.fluxcd.io/v1beta3" if alert else "pilotage.dev/v1alpha1"
    assert wanted is not None
    assert wanted.context == f"{group}/{one.kind}/all {group}/Provider/github"
    severity = planned(event(), *objects(alert=alert, expression="alert.spec.eventSeverity + ''")).wanted
    # A file leaves out what the API server sets.
    assert severity is not None
    assert severity.context == "info"


def objects(*, alert: bool, expression: str) -> tuple[Subscription, ProviderTarget]:
    """Return a subscription and its Provider as they are declared, of Flux's group or ours."""
    provider = {
        "metadata": {"name": "github", "namespace": "flux-system", "uid": "1a-2b", "managedFields": [{}]},
        "spec": {
            "type": "github",
            "address": "https://github.com/acme/web",
            "secretRef": {"name": "token"},
            "commitStatusExpr": expression,
        },
    }
    subscribed = {
        "metadata": {"name": "all", "namespace": "flux-system", "managedFields": [{}]},
        "spec": {"providerRef": {"name": "github"}, "eventSources": [{"kind": "Kustomization", "name": "*"}]},
    }
    if alert:
        return from_alert(subscribed), from_flux_provider(provider)
    return from_commit_status(CommitStatus.from_wire(subscribed)), from_provider(Provider.from_wire(provider))


def test_an_event_without_metadata_has_none_for_an_expression() -> None:
    seen: list[dict[str, Any]] = []

    def evaluated(_expression: str, values: Mapping[str, Any]) -> str:
        seen.append(dict(values["event"]))
        return "context"

    plan(
        event(metadata={}, severity="error"),
        [subscription()],
        targets=lambda _: target(expression="x"),
        evaluate=evaluated,
        compat=True,
    )
    assert "metadata" not in seen[0]


def test_the_address_of_a_provider_of_flux_may_stand_in_its_secret() -> None:
    wanted = planned(event(), to=target(is_flux=True, address="")).wanted
    assert wanted is not None
    assert wanted.place == ("Secret/token", SHA, "kustomization/webapp/0c9c2e41")
    assert "spec.address" in planned(event(), to=target(address="")).reason


def test_no_one_takes_a_status_from_another_namespace_by_a_name_that_comes_first() -> None:
    source = Source(kind="Kustomization", name="*", namespace="flux-system")
    both = [subscription(namespace=name, sources=(source,)) for name in ("aaa", "flux-system")]
    made = plan(event(), both, targets=lambda one: target(namespace=one.namespace), evaluate=evaluate)
    assert [one.wanted is not None for one in made] == [True, True]


def test_an_expression_makes_the_context() -> None:
    wanted = planned(event(), to=target(expression=FLUX_EXAMPLE)).wanted
    assert wanted is not None
    assert wanted.context == "kustomization/webapp/0c9c2e41"


def test_the_documented_expression_gives_each_cluster_a_context_by_what_its_alert_adds() -> None:
    [documented] = re.findall(r"commitStatusExpr: >-\n +(.+)\n", GUIDE.read_text())
    found = [
        planned(event(**sent_on(document(), cluster=one)), to=target(expression=documented)).wanted for one in CLUSTERS
    ]
    assert [one.context for one in found if one] == [f"{one}/kustomization/flux-system/webapp" for one in CLUSTERS]


def test_two_subscriptions_with_one_context_give_one_status() -> None:
    both = [subscription(kind="Alert", name="alert"), subscription()]
    first, second = plan(event(), both, targets=lambda _: target(), evaluate=evaluate)
    assert first.subscription.kind == "CommitStatus"
    assert first.wanted is not None
    assert second.wanted is None
    assert second.matched


@pytest.mark.parametrize(
    ("changes", "type_", "verdict"),
    [
        ({"reason": "Progressing"}, "gitea", CommitState.PENDING),
        ({"reason": "Progressing"}, "github", None),
        ({"reason": "DependencyNotReady"}, "github", CommitState.SUCCESS),
        ({"severity": "trace"}, "github", None),
        ({"severity": "trace"}, "gitea", None),
        ({"severity": "trace", "reason": "Progressing"}, "gitea", CommitState.PENDING),
        ({"reason": "Progressing", "metadata": {f"{KUSTOMIZE}/revision": SHA}}, "gitea", None),
        ({"severity": "error"}, "gitlab", CommitState.FAILURE),
        ({"severity": "error"}, "azuredevops", CommitState.ERROR),
    ],
)
def test_compat_shows_what_flux_shows(changes: dict[str, Any], type_: str, verdict: CommitState | None) -> None:
    address = "https://dev.azure.com/acme/shop/_git/web" if type_ == "azuredevops" else "https://github.com/acme/web"
    made = planned(event(**changes), to=target(type=type_, address=address), compat=True)
    assert (made.wanted.verdict if made.wanted else None) is verdict


@pytest.mark.parametrize(
    ("reason", "description"),
    [
        ("ApplySucceeded", "apply succeeded"),
        ("InvalidCELExpression", "invalid cel expression"),
        ("ReconciliationSucceeded", "reconciliation succeeded"),
        ("Error2Big", "error 2 big"),
        ("", ""),
        # By Unicode's category, each character by itself: Go's rule, held against its functions.
        ("A²b", "a ² b"),
        ("aªb", "a ª b"),
        ("OAΣ", "oaσ"),
        ("Ẁİb", "ẁ ib"),
    ],
)
def test_compat_describes_by_the_text_of_the_reason(reason: str, description: str) -> None:
    wanted = planned(event(reason=reason), compat=True).wanted
    assert wanted is not None
    assert wanted.description == description


@pytest.mark.parametrize(
    ("changes", "to", "reason", "fault"),
    [
        ({"reason": "Progressing", "metadata": {f"{KUSTOMIZE}/commit_status": "update"}}, {}, "skipped", False),
        ({"reason": "Progressing"}, {"address": "nowhere"}, "spec.address", True),
        ({"reason": "Progressing"}, {"expression": "1"}, "commitStatusExpr", True),
        ({"severity": "trace", "metadata": {f"{KUSTOMIZE}/commit_status": "update"}}, {}, "missing revision", True),
        ({"severity": "trace"}, {}, "`trace` has no state at github", True),
        (
            {"metadata": {f"{KUSTOMIZE}/commit": "", f"{KUSTOMIZE}/revision": SHA}, "severity": "error"},
            {},
            "from '' revision",
            True,
        ),
    ],
)
def test_compat_names_the_first_of_several_faults_as_flux_does(
    changes: dict[str, Any], to: dict[str, Any], reason: str, fault: bool
) -> None:
    made = planned(event(**changes), to=target(**to), compat=True)
    assert (made.wanted, made.fault, reason in made.reason) == (None, fault, True)


def test_a_description_holds_no_control_characters_and_one_line() -> None:
    wanted = planned(event(message="a\x1b[31m\nb\u202ec\x00")).wanted
    assert wanted is not None
    assert wanted.description == "a\ufffd[31m bc\ufffd"
