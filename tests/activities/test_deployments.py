"""Compare-and-set writes and marked syncs."""

from dataclasses import replace
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.deployments import ArgoCDActivities
from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    Observation,
    ReadDeploymentsInput,
    SyncApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.models.tracking import Artifact
from crds.reasons.conditions import ConditionReason
from crds.reasons.problems import FailureKind
from providers.application_models import HelmParameter, SyncWindow
from providers.errors import (
    ProviderBlocked,
    ProviderConflict,
    ProviderError,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import NEW, NOON, OLD, OTHER, FakeDeployments, FakeOpener, application, observe

SPEC = DeploymentSpec(
    name="web",
    component="web",
    wave=0,
    instance="argocd",
    project="shop",
    application="web-staging",
    write=WriteSpec(),
    repository="acme/web",
)
ARTIFACT = Artifact(component="web", revision=NEW)


def server(**changes: Any) -> FakeDeployments:
    return FakeDeployments(applications={"web-staging": application(**changes)})


async def update(argocd: FakeDeployments, *, expected: str = OLD, deployment: DeploymentSpec = SPEC) -> WriteResult:
    return (await deliver(argocd, ActivityEnvironment(), expected=expected, deployment=deployment)).written


async def deliver(
    argocd: FakeDeployments, environment: ActivityEnvironment, *, expected: str = OLD, deployment: DeploymentSpec = SPEC
) -> DeliverApplicationResult:
    request = DeliverApplicationInput(
        namespace="shop", deployment=deployment, artifact=ARTIFACT, expected=expected, key="k", allowed=(OLD,)
    )
    return await environment.run(ArgoCDActivities(FakeOpener(argocd=argocd)).deliver_application, request)


async def sync(argocd: FakeDeployments, *, deployment: DeploymentSpec = SPEC) -> WriteResult:
    request = SyncApplicationInput(namespace="shop", deployment=deployment, artifact=ARTIFACT, key="k", allowed=(OLD,))
    return await ActivityEnvironment().run(ArgoCDActivities(FakeOpener(argocd=argocd)).sync_application, request)


async def read(argocd: FakeDeployments, *specs: DeploymentSpec, refresh: bool = False) -> tuple[Observation, ...]:
    request = ReadDeploymentsInput(namespace="shop", repository="web", deployments=specs, refresh=refresh)
    activities = ArgoCDActivities(FakeOpener(argocd=argocd))
    return (await ActivityEnvironment().run(activities.read_deployments, request)).observations


async def test_a_write_tests_the_value_it_replaces() -> None:
    argocd = server()
    result = await update(argocd)
    assert (result.outcome, result.written_raw) == (WriteOutcome.DONE, NEW)
    assert argocd.patches == [
        (
            {"op": "test", "path": "/spec/source/targetRevision", "value": OLD},
            {"op": "replace", "path": "/spec/source/targetRevision", "value": NEW},
        )
    ]


async def test_a_write_whose_reply_was_lost_is_already_there() -> None:
    argocd = server()
    await update(argocd)
    assert (await update(argocd)).outcome is WriteOutcome.ALREADY
    assert len(argocd.patches) == 1


async def test_a_value_that_was_not_compared_is_a_conflict_and_stays() -> None:
    argocd = server(target_revisions=(OTHER,))
    result = await update(argocd)
    assert (result.outcome, result.written_raw, argocd.patches) == (WriteOutcome.CONFLICT, OTHER, [])


async def test_a_compare_and_set_lost_at_the_server_is_a_conflict() -> None:
    argocd = server()
    argocd.errors["patch"] = [ProviderConflict("testing value failed")]
    assert (await update(argocd)).outcome is WriteOutcome.CONFLICT


async def test_an_outage_is_no_outcome() -> None:
    argocd = server()
    argocd.errors["patch"] = [ProviderUnavailable("502")]
    with pytest.raises(ApplicationError, match="502"):
        await update(argocd)


async def test_an_application_that_its_owner_would_revert_is_refused_unless_allowed() -> None:
    argocd = server(owner="ApplicationSet/web")
    result = await update(argocd)
    assert result.outcome is WriteOutcome.REFUSED
    assert result.message.startswith("OwnedBy ApplicationSet/web")
    allowed = replace(SPEC, write=WriteSpec(allow_managed=True))
    assert (await update(argocd, deployment=allowed)).outcome is WriteOutcome.DONE


@pytest.mark.parametrize("operation", ["get", "patch"])
async def test_a_missing_right_is_refused_with_what_to_fix(operation: str) -> None:
    argocd = server()
    argocd.errors[operation] = [ProviderUnauthorized("permission denied", status=403)]
    result = await update(argocd)
    assert result.outcome is WriteOutcome.REFUSED
    assert "fix the token" in result.message


async def test_a_refused_write_is_reported_as_one() -> None:
    argocd = server()
    argocd.errors["patch"] = [ProviderUnauthorized("permission denied: applications, update", status=403)]
    result = await update(argocd)
    assert (result.outcome, argocd.patches) == (WriteOutcome.REFUSED, [])
    assert "cannot be written" in result.message
    assert "right update" in result.message


@pytest.mark.parametrize(
    ("changes", "prune", "pruned"),
    [
        ({}, False, [False]),
        ({}, True, [True]),
        # What auto-sync would do counts where it is on, and it does it itself but for what it tried already.
        ({"auto_sync": True, "auto_prune": True}, False, []),
        ({"auto_sync": True, "auto_prune": True, "operation_of_spec": True}, False, [True]),
        ({"auto_sync": True, "operation_of_spec": True}, True, [False]),
    ],
)
async def test_a_sync_prunes_as_the_application_or_the_environment_declares(
    changes: dict[str, Any], prune: bool, pruned: list[bool]
) -> None:
    argocd = server(target_revisions=(NEW,), **changes)
    result = await sync(argocd, deployment=replace(SPEC, write=WriteSpec(prune=prune)))
    assert result.outcome is (WriteOutcome.DONE if pruned else WriteOutcome.ALREADY)
    assert argocd.pruned == pruned


async def test_a_sync_that_auto_sync_did_not_begin_is_ours() -> None:
    argocd = server(target_revisions=(NEW,), auto_sync=True, auto_prune=True)
    request = SyncApplicationInput(
        namespace="shop", deployment=SPEC, artifact=ARTIFACT, key="k", allowed=(OLD,), insist=True
    )
    done = await ActivityEnvironment().run(ArgoCDActivities(FakeOpener(argocd=argocd)).sync_application, request)
    assert (done.outcome, argocd.pruned) == (WriteOutcome.DONE, [True])


async def test_an_image_write_needs_a_tag() -> None:
    deployment = replace(SPEC, write=WriteSpec(kind=WriteKind.KUSTOMIZE_IMAGE, image="acme/web"))
    result = await update(server(kustomize_images=("acme/web:old",), kustomize_paths=("/x",)), deployment=deployment)
    assert (result.outcome, "image tag" in result.message) == (WriteOutcome.REFUSED, True)


async def test_a_sync_follows_a_tag_that_abbreviates_what_was_compared() -> None:
    image = replace(
        SPEC, image="acme/web", tag="${revision}", write=WriteSpec(kind=WriteKind.HELM_PARAMETER, parameter="tag")
    )
    parameter = HelmParameter(name="tag", value=NEW[:8], pointer="/x")
    argocd = server(images=(f"acme/web:{OLD[:8]}",), helm_parameters=(parameter,))
    artifact = Artifact(component="web", revision=NEW, tag=NEW[:8])
    request = SyncApplicationInput(namespace="shop", deployment=image, artifact=artifact, key="k", allowed=(OLD,))
    done = await ActivityEnvironment().run(ArgoCDActivities(FakeOpener(argocd=argocd)).sync_application, request)
    assert (done.outcome, argocd.syncs) == (WriteOutcome.DONE, [("web-staging", (), "k")])


async def test_a_sync_is_marked_and_goes_to_our_revision() -> None:
    argocd = server(target_revisions=(NEW,))
    assert (await sync(argocd)).outcome is WriteOutcome.DONE
    assert argocd.syncs == [("web-staging", (NEW,), "k")]


async def test_a_sync_whose_reply_was_lost_is_not_requested_twice() -> None:
    argocd = server(target_revisions=(NEW,))
    await sync(argocd)
    assert (await sync(argocd)).outcome is WriteOutcome.ALREADY
    assert len(argocd.syncs) == 1


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"target_revisions": (OTHER,)}, WriteOutcome.CONFLICT),
        ({"synced_revisions": (OTHER,)}, WriteOutcome.CONFLICT),
        ({"phase": "Running", "operation_revisions": (OTHER,)}, WriteOutcome.CONFLICT),
        ({"phase": "Running", "operation_revisions": (OLD,), "operation_key": "theirs"}, WriteOutcome.BUSY),
        ({"phase": "Running", "operation_revisions": (NEW,), "auto_sync": True}, WriteOutcome.ALREADY),
        ({"phase": "Failed", "operation_key": "k"}, WriteOutcome.ALREADY),
        ({"phase": "Failed", "operation_key": "theirs"}, WriteOutcome.DONE),
    ],
)
async def test_the_re_read_decides_about_the_sync(changes: dict[str, Any], outcome: WriteOutcome) -> None:
    argocd = server(**{"target_revisions": (NEW,), **changes})
    assert (await sync(argocd)).outcome is outcome
    assert bool(argocd.syncs) is (outcome is WriteOutcome.DONE)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ProviderConflict("another operation is already in progress"), WriteOutcome.BUSY),
        (ProviderRejected("unable to resolve the revision"), WriteOutcome.REFUSED),
        (ProviderBlocked("cannot sync: blocked by sync window", status=403), WriteOutcome.BLOCKED),
    ],
)
async def test_a_sync_that_argo_cd_does_not_take_gives_the_reason(error: ProviderError, outcome: WriteOutcome) -> None:
    argocd = server(target_revisions=(NEW,))
    argocd.errors["sync"] = [error]
    result = await sync(argocd)
    assert result.outcome is outcome
    assert str(error) in result.message


async def test_a_sync_window_is_named_with_its_end() -> None:
    argocd = server(target_revisions=(NEW,))
    argocd.errors["sync"] = [ProviderBlocked("cannot sync: blocked by sync window", status=403)]
    argocd.windows = (SyncWindow(kind="deny", schedule="0 22 * * *", duration="8h", until=NOON),)
    result = await sync(argocd)
    assert (result.outcome, result.until) == (WriteOutcome.BLOCKED, NOON)
    assert "deny window `0 22 * * *` of 8h, until 2026-01-02 12:00 UTC" in result.message


async def test_a_missing_right_is_known_before_the_first_write() -> None:
    argocd = server()
    argocd.forbidden = {"sync"}
    (seen,) = await read(argocd, SPEC)
    assert seen.obstacle == ConditionReason.NOT_PERMITTED
    assert "`applications, sync, shop/web-staging`" in seen.writable
    assert (seen.problem, seen.runs) == ("", OLD)
    (observed,) = await read(argocd, replace(SPEC, write=None))
    assert observed.writable == ""
    argocd.errors["can-i"] = [ProviderUnauthorized("no session")] * 2
    assert (await read(argocd, SPEC))[0].writable == ""


async def test_one_deployments_problem_does_not_hide_the_others() -> None:
    gone = replace(SPEC, name="gone", application="web-gone")
    seen = await read(server(), gone, SPEC)
    assert [observation.deployment for observation in seen] == ["gone", "web"]
    assert "create it" in seen[0].problem
    assert (seen[1].problem, seen[1].runs) == ("", OLD)


async def test_many_deployments_cost_one_list() -> None:
    argocd = FakeDeployments(applications={f"web-{n}": application(f"web-{n}") for n in range(200)})
    specs = tuple(replace(SPEC, name=f"web-{n}", application=f"web-{n}") for n in range(200))
    assert len(await read(argocd, *specs)) == 200
    assert argocd.calls == ["list"]


async def test_a_missing_instance_is_the_problem_of_its_deployments() -> None:
    request = ReadDeploymentsInput(namespace="shop", repository="web", deployments=(SPEC,))
    activities = ArgoCDActivities(FakeOpener())
    result = await ActivityEnvironment().run(activities.read_deployments, request)
    assert result.observations[0].problem == "ArgoCDInstance/argocd: it does not exist: create it"


async def test_only_what_is_not_believable_is_refreshed() -> None:
    argocd = server(reconciled_at=None)
    assert not (await read(argocd, SPEC))[0].settled
    assert (await read(argocd, SPEC, refresh=True))[0].settled
    assert (await read(argocd, SPEC, refresh=True))[0].settled
    assert argocd.calls == ["get", "get", "refresh", "get"]


def test_a_compared_revision_does_not_count_as_running() -> None:
    state = application(target_revisions=(NEW,), synced_revisions=(NEW,), sync_status="OutOfSync")
    seen = observe(SPEC, state)
    assert (seen.runs, seen.written, seen.settled) == (OLD, NEW, False)


async def test_a_delivery_writes_and_syncs_once_and_reports_both() -> None:
    argocd = server()
    answer = await deliver(argocd, ActivityEnvironment())
    assert (answer.written.outcome, answer.failure) == (WriteOutcome.DONE, None)
    assert answer.synced is not None
    assert answer.synced.outcome is WriteOutcome.DONE
    assert (len(argocd.patches), len(argocd.syncs)) == (1, 1)


async def test_a_write_that_was_lost_or_refused_is_followed_by_no_sync() -> None:
    argocd = server()
    answer = await deliver(argocd, ActivityEnvironment(), expected=OTHER)
    assert (answer.written.outcome, answer.synced, answer.failure) == (WriteOutcome.CONFLICT, None, None)
    assert (argocd.patches, argocd.syncs) == ([], [])


@pytest.mark.parametrize("received", [True, False], ids=["with its heartbeat", "without"])
async def test_a_reply_lost_between_write_and_sync_repeats_neither(received: bool) -> None:
    argocd, heartbeats = server(), list[Any]()
    argocd.errors["sync"] = [ProviderUnavailable("late")]
    first = bounded_environment()
    first.on_heartbeat = lambda *details: heartbeats.extend(details)
    with pytest.raises(ApplicationError) as caught:
        await deliver(argocd, first)
    assert not caught.value.non_retryable
    second = bounded_environment(attempt=2)
    second.info = replace(second.info, heartbeat_details=heartbeats if received else [])
    answer = await deliver(argocd, second)
    # That the write is ours is known by the heartbeat alone; that it stands, in any case.
    assert answer.written.outcome is (WriteOutcome.DONE if received else WriteOutcome.ALREADY)
    assert answer.synced is not None
    assert (len(argocd.patches), len(argocd.syncs)) == (1, 1)


async def test_a_sync_that_fails_for_good_hides_no_write() -> None:
    argocd = server()
    argocd.errors["sync"] = [ProviderUnavailable("down")]
    answer = await deliver(argocd, bounded_environment(attempt=3, attempts=3))
    assert answer.written.outcome is WriteOutcome.DONE
    assert answer.synced is None
    assert answer.failure is not None
    assert answer.failure.kind is FailureKind.UNAVAILABLE
