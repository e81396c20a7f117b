"""An approval that was taken with the lane, and by which nothing was written, outlives a `retest`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult
from activities.models.promotion import Verb
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import Length, continued, length
from tests.workflows.promotion.world import NEWER, Run, World, promotion_in
from tests.worlds.played import Played

__all__ = ["length"]


@dataclass
class Away(World):
    """A world whose Argo CD of one environment may be away, so that nothing is written there."""

    away: str = ""

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        if self.away and any(self.away in one.application for one in request.deployments):
            raise ApplicationError("503", type="ProviderUnavailable", non_retryable=True)
        return await super().read_deployments(request)


async def approved(world: Away, start: Callable[[], Awaitable[Run]]) -> Run:
    """Return a promotion that was approved, has the lane, and has written nothing."""
    found = world.policies["dev"]
    assert found.policy is not None
    world.policies["dev"] = replace(found, policy=replace(found.policy, auto_promote=False))
    run = await start()
    await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
    world.away = "staging"
    assert (await run.command(Verb.PROMOTE, target="staging")).accepted
    await world.until(State.PROMOTING, reason="WaitingForReference")
    assert world.writes == []
    return run


@pytest.mark.parametrize("continues", [False, True])
async def test_a_retest_before_the_first_write_keeps_the_approval_for_the_same_revisions(
    played: Played, length: Length, continues: bool
) -> None:
    async with promotion_in(Away, played) as (world, start):
        run = await approved(world, start)
        if continues:
            await continued(run, length)
        assert (await run.command(Verb.RETEST)).accepted
        world.away = ""
        await world.eventually(lambda: [one.promoted_by for one in world.status.promotions] == ["ada"])
        assert (world.writes, "CommandSuperseded" in world.events) == (["web-staging-0"], False)
        assert sum(one.test == "unit" for one in world.triggers) == 2


async def test_an_approval_that_was_taken_counts_for_no_other_revision(played: Played) -> None:
    async with promotion_in(Away, played) as (world, start):
        run = await approved(world, start)
        await world.deploy("dev", NEWER)
        assert (await run.command(Verb.RETEST)).accepted
        world.away = ""
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert (world.writes, "CommandSuperseded" in world.events) == ([], True)
