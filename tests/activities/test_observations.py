"""Following deployments over the stream."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

import activities.observations
from activities.models.delivery import ReadDeploymentsResult, WatchDeploymentsInput
from activities.observations import StreamActivities
from activities.observing import observe
from providers.errors import ProviderUnavailable
from tests.activities.fakes import NEW, OLD, FakeConnections, FakeDeployments, application
from tests.activities.test_deployments import SPEC


def watching(
    argocd: FakeDeployments, *, seconds: float, environment: ActivityEnvironment | None = None
) -> "asyncio.Task[ReadDeploymentsResult]":
    request = WatchDeploymentsInput(
        namespace="shop",
        repository="web",
        deployments=(SPEC,),
        known=(observe(SPEC, application()),),
        duration=timedelta(seconds=seconds),
    )
    activities = StreamActivities(FakeConnections(argocd=argocd))
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
