"""Reading many deployments: what it costs, what hides none of them, and how long it may last."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

import activities.observations
import activities.reading
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, WatchDeploymentsInput
from activities.observations import StreamActivities
from activities.observing import unreadable
from activities.reading import LISTED_FROM, SILENT_AFTER, ArgoCDObserver
from providers.application_models import ApplicationRef, ApplicationState
from providers.errors import ProviderBusy, ProviderError, ProviderMalformed, ProviderNotFound, ProviderUnavailable
from providers.ports import Deployments
from tests.activities.conftest import bounded_environment
from tests.activities.fakes import NOON, FakeDeployments, FakeOpener, application, observe
from tests.activities.test_deployments import SPEC
from tests.worlds.refusals import missing, unread

UNBELIEVABLE = NOON - timedelta(seconds=5)


def specs(number: int) -> list[DeploymentSpec]:
    return [replace(SPEC, name=f"web-{one}", application=f"web-{one}") for one in range(number)]


def server(number: int, *, favoured: bool = True) -> FakeDeployments:
    return FakeDeployments(
        applications={f"web-{one}": application(name=f"web-{one}") for one in range(number)}, favoured=favoured
    )


async def read(argocd: Deployments, number: int, *, refresh: bool = False) -> tuple[Observation, ...]:
    return (
        await ArgoCDObserver(FakeOpener(argocd=argocd)).observe("shop", specs(number), refresh=refresh)
    ).observations


async def test_few_of_a_large_project_are_read_one_by_one() -> None:
    argocd = server(LISTED_FROM, favoured=False)
    assert not any(one.problem for one in await read(argocd, LISTED_FROM))
    assert argocd.calls == ["get"] * LISTED_FROM


@pytest.mark.parametrize("why", ["the answer is larger than 8388608 bytes", "`metadata.name` is missing"])
async def test_a_list_that_others_make_useless_hides_none(why: str) -> None:
    argocd = server(LISTED_FROM)
    argocd.errors["list"] = [ProviderMalformed(why)]
    assert not any(one.problem for one in await read(argocd, LISTED_FROM))
    assert argocd.calls == ["list"] + ["get"] * LISTED_FROM


async def test_a_list_that_fails_is_the_problem_of_all_and_costs_no_call_for_each() -> None:
    argocd = server(LISTED_FROM)
    argocd.errors["list"] = [ProviderUnavailable("503")]
    assert all("503" in one.problem for one in await read(argocd, LISTED_FROM))
    assert argocd.calls == ["list"]


@pytest.mark.parametrize(("error", "passing"), [(ProviderUnavailable("503"), True), (ProviderNotFound("no"), False)])
async def test_trouble_that_usually_passes_is_distinguished_from_what_a_person_must_fix(
    error: ProviderError, passing: bool
) -> None:
    argocd = server(1)
    argocd.errors["get"] = [error]
    (observed,) = await read(argocd, 1)
    assert (bool(observed.problem), observed.passing) == (True, passing)


@pytest.mark.parametrize("attempt", [1, 2, 3])
async def test_our_own_busyness_is_left_to_the_next_attempt_and_then_hides_only_what_it_concerns(attempt: int) -> None:
    argocd = server(2)
    argocd.errors["get"] = [ProviderBusy("20 in flight")]
    environment = bounded_environment(attempt=attempt)
    if attempt < 3:
        with pytest.raises(ProviderBusy):
            await environment.run(read, argocd, 2)
        return
    observed = await environment.run(read, argocd, 2)
    assert [(bool(one.problem), one.passing) for one in observed] == [(True, True), (False, False)]


@dataclass
class SlowRefresh(FakeDeployments):
    """An Argo CD server on which a refresh never ends for some."""

    stuck: set[str] = field(default_factory=set)

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        if refresh and ref.name in self.stuck:
            await asyncio.Event().wait()
        return await super().get(ref, refresh=refresh)


async def test_refreshes_end_in_time_and_what_was_not_refreshed_is_shown_as_it_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activities.reading, "REFRESHING", timedelta(milliseconds=100))
    states = {f"web-{one}": application(name=f"web-{one}", reconciled_at=UNBELIEVABLE) for one in range(3)}
    observed = await read(SlowRefresh(applications=states, stuck={"web-1"}), 3, refresh=True)
    assert [(one.settled, one.problem) for one in observed] == [(True, ""), (False, ""), (True, "")]


async def test_a_watch_beats_until_its_answer_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities.observations, "HEARTBEAT", timedelta(milliseconds=5))
    environment, read_at, beats = ActivityEnvironment(), asyncio.Event(), 0
    answered = asyncio.Event()

    @dataclass
    class SlowServer(FakeDeployments):
        async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
            read_at.set()
            await answered.wait()
            return await super().get(ref, refresh=refresh)

        async def stream(self, ref: ApplicationRef):  # type: ignore[no-untyped-def]
            yield application(health="Degraded")

    def beat(*_: object) -> None:
        nonlocal beats
        beats += read_at.is_set()
        if beats == 3:
            answered.set()

    environment.on_heartbeat = beat
    request = WatchDeploymentsInput(
        namespace="shop",
        repository="web",
        deployments=(SPEC,),
        known=(observe(SPEC, application()),),
        duration=timedelta(seconds=30),
    )
    watch = StreamActivities(FakeOpener(argocd=SlowServer(applications={"web-staging": application()})))
    answer = await asyncio.wait_for(environment.run(watch.watch_deployments, request), timeout=10)
    assert answer.observations[0].problem == ""


async def test_a_deployment_whose_application_is_not_known_is_not_followed() -> None:
    argocd = FakeDeployments(applications={"web-staging": application()})
    unresolved = replace(SPEC, name="eu", application="", failure=unread("NothingSelected"))
    request = WatchDeploymentsInput(
        namespace="shop",
        repository="web",
        deployments=(unresolved, SPEC),
        known=(unreadable(unresolved, unread("NothingSelected")), observe(SPEC, application())),
        duration=timedelta(milliseconds=50),
    )
    watch = StreamActivities(FakeOpener(argocd=argocd))
    answer = await ActivityEnvironment().run(watch.watch_deployments, request)
    assert [one.problem for one in answer.observations] == ["NothingSelected", ""]
    assert argocd.calls.count("stream") == 1


@dataclass
class Instances(FakeOpener):
    """Several instances, of which one may be missing."""

    missing: str = ""

    async def deployments(self, namespace: str, instance: str) -> Deployments:
        if instance == self.missing:
            return await FakeOpener().deployments(namespace, instance)
        return await super().deployments(namespace, instance)


async def test_what_could_not_be_resolved_is_unreadable_and_the_others_are_observed() -> None:
    opener = Instances(argocd=server(2), missing="far")
    far, near = (replace(one, instance=instance) for one, instance in zip(specs(2), ("far", "near"), strict=True))
    unresolved = replace(SPEC, name="eu", application="", failure=missing("Secret/argocd-eu").brief())
    observed = (await ArgoCDObserver(opener).observe("shop", [far, near, unresolved], refresh=True)).observations
    assert [one.deployment for one in observed] == ["web-0", "web-1", "eu"]
    assert [one.problem.partition(":")[0] for one in observed] == ["ArgoCDInstance/far", "", "Secret/argocd-eu"]


@dataclass
class Slow(FakeDeployments):
    """An Argo CD that answers for no application; it is asked for a few at a time."""

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        self.note("get")
        return await asyncio.Future()


@dataclass
class NearAndFar(FakeOpener):
    far: Deployments = field(default_factory=Slow)

    async def deployments(self, namespace: str, instance: str) -> Deployments:
        return self.far if instance == "far" else await super().deployments(namespace, instance)


async def test_an_argo_cd_that_does_not_answer_in_time_makes_only_its_own_deployments_unreadable() -> None:
    far = [replace(one, name=f"far-{one.name}", instance="far") for one in specs(40)]
    opener = NearAndFar(argocd=server(20, favoured=False), far=Slow(favoured=False))
    answer = await ArgoCDObserver(opener).observe(
        "shop", [*far, *specs(20)], refresh=True, within=timedelta(milliseconds=200)
    )
    unread = {one.deployment: one.passing for one in answer.observations if one.problem}
    assert unread == {one.name: True for one in far}
    assert all("ArgoCDInstance/far" in one.problem for one in answer.observations[: len(far)])


async def test_an_argo_cd_without_connection_is_not_called_for_each_of_its_applications() -> None:
    far = FakeDeployments(favoured=False)
    far.errors["get"] = [ProviderUnavailable("no connection", status=503) for _ in range(40)]
    answer = await ArgoCDObserver(NearAndFar(argocd=server(1), far=far)).observe(
        "shop", [replace(one, instance="far") for one in specs(40)]
    )
    assert all("no connection" in one.problem and one.passing for one in answer.observations)
    assert far.calls.count("get") == SILENT_AFTER


async def test_one_application_without_an_answer_hides_no_other() -> None:
    argocd = server(10, favoured=False)
    argocd.errors["get"] = [ProviderUnavailable("no answer in time", status=504)]
    assert [bool(one.problem) for one in await read(argocd, 10)] == [True] + [False] * 9
