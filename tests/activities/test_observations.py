"""Following deployments over the stream."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

import activities.observations
from activities.models.delivery import ReadDeploymentsResult, WatchDeploymentsInput
from activities.models.tracking import Artifact
from activities.observations import StreamActivities
from activities.observing import differs
from providers.application_models import ApplicationRef, ApplicationState
from providers.errors import ProviderUnavailable
from tests.activities.fakes import NEW, NOON, OLD, FakeDeployments, FakeOpener, application, observe
from tests.activities.test_deployments import ARTIFACT, SPEC
from tests.workflows.environment.puppets import eventually


def watching(
    argocd: FakeDeployments,
    *,
    seconds: float,
    environment: ActivityEnvironment | None = None,
    known: ApplicationState | None = None,
    artifacts: tuple[Artifact, ...] = (),
) -> "asyncio.Task[ReadDeploymentsResult]":
    request = WatchDeploymentsInput(
        namespace="shop",
        repository="web",
        deployments=(SPEC,),
        known=(observe(SPEC, known or application()),),
        duration=timedelta(seconds=seconds),
        artifacts=artifacts,
    )
    activities = StreamActivities(FakeOpener(argocd=argocd))
    return asyncio.create_task((environment or ActivityEnvironment()).run(activities.watch_deployments, request))


async def test_the_first_change_that_matters_ends_the_watch() -> None:
    argocd = FakeDeployments(applications={"web-staging": application()})
    task = watching(argocd, seconds=30)
    await asyncio.sleep(0.05)
    assert not task.done()
    argocd.applications["web-staging"] = application(health_message="still the same")
    argocd.changed.set()
    await asyncio.sleep(0.05)
    assert not task.done()
    argocd.applications["web-staging"] = application(synced_revisions=(NEW,))
    argocd.changed.set()
    result = await asyncio.wait_for(task, timeout=5)
    assert result.observations[0].runs == NEW


async def test_without_a_change_it_returns_a_fresh_read_after_its_duration() -> None:
    result = await watching(FakeDeployments(applications={"web-staging": application()}), seconds=0.05)
    assert result.observations[0].runs == OLD


async def test_a_stream_that_breaks_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities.observations, "_RECONNECT", timedelta(seconds=0))
    argocd = FakeDeployments(applications={"web-staging": application(health="Degraded")})
    argocd.errors["stream"] = [ProviderUnavailable("cut"), ProviderUnavailable("cut")]
    result = await asyncio.wait_for(watching(argocd, seconds=30), timeout=5)
    assert result.observations[0].health == "Degraded"
    assert argocd.calls.count("stream") == 3


async def test_cancelling_leaves_nothing_behind() -> None:
    before = len(asyncio.all_tasks())
    task = watching(FakeDeployments(applications={"web-staging": application()}), seconds=30)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == before


async def test_a_worker_that_stops_is_not_kept_waiting() -> None:
    argocd = FakeDeployments(applications={"web-staging": application()})
    environment = ActivityEnvironment()
    task = watching(argocd, seconds=30, environment=environment)
    await asyncio.sleep(0.05)
    assert not task.done()
    environment.worker_shutdown()
    result = await asyncio.wait_for(task, timeout=5)
    assert result.observations[0].runs == OLD


class SlowToRefresh(FakeDeployments):
    """A server whose refresh lasts as long as a reconciliation."""

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        if refresh:
            await asyncio.sleep(0.2)
        return await super().get(ref, refresh=refresh)


async def test_a_watch_beats_until_its_last_read_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities.observations, "HEARTBEAT", timedelta(milliseconds=5))
    state = application(reconciled_at=NOON, finished_at=NOON + timedelta(seconds=9))
    argocd, environment, beats = SlowToRefresh(applications={"web-staging": state}), ActivityEnvironment(), list[str]()
    environment.on_heartbeat = lambda *_details: beats.append(argocd.calls[-1] if argocd.calls else "")
    result = await asyncio.wait_for(watching(argocd, seconds=0, environment=environment), timeout=5)
    assert result.observations[0].runs == OLD
    assert argocd.calls[-1] == "refresh"
    # While the refresh lasts, the read before it is what was answered last.
    assert beats.count("get") > 5


ON_THE_WAY = application(
    target_revisions=(NEW,), sync_status="OutOfSync", phase="Running", operation_key="k", operation_revisions=(NEW,)
)
SYNCED = application(
    target_revisions=(NEW,),
    synced_revisions=(NEW,),
    deployed_revisions=(NEW,),
    operation_synced_revisions=(NEW,),
    finished_at=NOON + timedelta(seconds=9),
)
SETTLED = replace(SYNCED, reconciled_at=NOON + timedelta(seconds=10))
UNHEALTHY_YET = replace(SYNCED, health="Progressing")
NOT_COMPARED_YET = replace(application(), target_revisions=(NEW,))
FAILED = replace(ON_THE_WAY, phase="Failed", operation_message="hook failed")


@pytest.mark.parametrize(
    "state", [NOT_COMPARED_YET, replace(ON_THE_WAY, phase="", operation_revisions=()), ON_THE_WAY, UNHEALTHY_YET]
)
def test_the_holders_own_rollout_on_its_way_is_no_difference(state: ApplicationState) -> None:
    known, seen = observe(SPEC, application()), observe(SPEC, state)
    assert not differs(known, seen, (ARTIFACT,))
    # To everybody else it is one.
    assert differs(known, seen)
    assert differs(known, seen, (replace(ARTIFACT, component="api"),))


@pytest.mark.parametrize(
    "state",
    [
        SETTLED,
        FAILED,
        replace(ON_THE_WAY, health="Degraded"),
        replace(ON_THE_WAY, target_revisions=("c" * 40,)),
        replace(ON_THE_WAY, operation_revisions=("c" * 40,)),
    ],
)
def test_its_end_its_failure_and_what_displaces_it_are_differences(state: ApplicationState) -> None:
    for known in (application(), ON_THE_WAY):
        assert differs(observe(SPEC, known), observe(SPEC, state), (ARTIFACT,))


def test_a_write_that_is_taken_back_is_a_difference() -> None:
    before, written = observe(SPEC, application()), observe(SPEC, NOT_COMPARED_YET)
    assert not differs(before, written, (ARTIFACT,))
    assert differs(written, before, (ARTIFACT,))


async def test_a_failure_like_the_one_before_ends_the_watch_once_the_holder_had_begun_again() -> None:
    argocd = FakeDeployments(applications={"web-staging": ON_THE_WAY})
    task = watching(argocd, seconds=30, known=FAILED, artifacts=(ARTIFACT,))
    await eventually(lambda: "get" in argocd.calls)
    argocd.applications["web-staging"] = FAILED
    argocd.changed.set()
    result = await asyncio.wait_for(task, timeout=5)
    assert result.observations[0].operation_phase == "Failed"


async def test_the_end_of_an_operation_is_asked_for_where_argo_cd_does_not_show_it_yet() -> None:
    argocd = FakeDeployments(applications={"web-staging": replace(SETTLED, reconciled_at=NOON)})
    result = await asyncio.wait_for(watching(argocd, seconds=30, artifacts=(ARTIFACT,)), timeout=5)
    assert result.observations[0].settled
    assert "refresh" in argocd.calls
