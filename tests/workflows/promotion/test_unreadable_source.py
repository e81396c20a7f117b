"""A source that cannot be read: the round goes on meanwhile, as far as it can without it."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult
from activities.models.promotion import Verb
from activities.models.status import State, Waiting
from activities.models.testing import RunState
from tests.workflows.promotion.world import FAST, World, promotion, promotion_in


@dataclass
class SilentWorld(World):
    """A world whose Argo CD may be away."""

    away: bool = False

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        if self.away:
            raise ApplicationError("503", type="ProviderUnavailable", non_retryable=True)
        return await super().read_deployments(request)

    def shows(self, text: str) -> bool:
        """Tell whether the newest status says that this is what is waited for."""
        waiting = self.statuses[-1].waiting_for if self.statuses else None
        return waiting is not None and text in waiting.observed


def _round_of(world: World, seconds: float) -> None:
    found = world.policies["dev"]
    assert found.policy is not None
    world.policies["dev"] = replace(found, policy=replace(found.policy, timeout=timedelta(seconds=seconds)))


async def test_deadlines_and_retest_hold_while_the_source_cannot_be_read(temporal_server: str) -> None:
    async with promotion_in(SilentWorld, temporal_server) as (world, start):
        _round_of(world, 2)
        world.verdicts |= {"unit": RunState.RUNNING, "e2e": RunState.RUNNING, "look": RunState.RUNNING}
        world.before_confirm.append(lambda: setattr(world, "away", True))
        run = await start()
        await world.eventually(lambda: len(world.cancelled) == 3)
        status = await world.until(State.TESTING)
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.REFERENCE
        world.away = False
        world.verdicts.clear()
        await run.say(Verb.RETEST, target="staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert len(world.triggers) == 7


async def test_retest_does_not_wait_for_a_source_that_cannot_be_read(temporal_server: str) -> None:
    async with promotion_in(SilentWorld, temporal_server) as (world, start):
        world.before_confirm.append(lambda: setattr(world, "away", True))
        run = await start()
        await world.eventually(lambda: world.shows("503"))
        await run.say(Verb.RETEST, target="staging")
        await world.eventually(lambda: len(world.triggers) == 6)
        world.away = False
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == ["web-staging-0"]


async def test_a_verdict_waits_for_a_source_that_cannot_be_read_and_says_so(temporal_server: str) -> None:
    async with promotion_in(SilentWorld, temporal_server) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await asyncio.sleep(0.5)
        world.away = True
        world.verdicts["unit"] = RunState.PASSED
        await world.eventually(lambda: world.shows("503"))
        assert {test.state for test in world.status.tests} == {RunState.PASSED}
        assert world.writes == []
        world.away = False
        status = await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert status.waiting_for is not None
        assert status.waiting_for.what is Waiting.PROMOTE_COMMAND


async def test_a_verdict_that_nobody_looked_for_in_time_counts(temporal_server: str) -> None:
    seldom = replace(FAST, poll_initial=timedelta(minutes=1), poll_maximum=timedelta(minutes=1))
    async with promotion(temporal_server, timings=seldom) as (world, start):
        _round_of(world, 1)
        await start()
        await world.eventually(lambda: bool(world.statuses and world.status.promotions))
        assert world.cancelled == []
        assert world.writes == ["web-staging-0"]
