"""Commits that the SCM host does not know: it may know them by the next look, so that it did not is not remembered."""

import asyncio
from dataclasses import dataclass

from temporalio import activity

from activities.models.promotion import Verb
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult, Relation
from crds.reasons.vocabulary import Phase, State
from tests.workflows.promotion.world import LOOKS, NEWER, Run, Starter, World, promotion_in
from tests.worlds.played import Played


@dataclass
class LateWorld(World):
    """A host that learns of the newest commits late."""

    known: bool = False
    compared: int = 0

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        self.compared += 1
        if self.known:
            return await super().compare_revisions(request)
        return CompareRevisionsResult(relations=tuple(Relation.UNKNOWN for _ in request.pairs))


async def test_what_runs_is_compared_again_at_the_next_signal_of_its_place(played: Played) -> None:
    async with promotion_in(LateWorld, played) as (world, start):
        await world.deploy("dev", NEWER)
        await start()
        await world.until(State.AWAITING_SYNC)
        await world.eventually(lambda: world.compared >= 1)
        world.known = True
        # The place may signal while the first answer is still on its way.
        for _ in range(LOOKS):
            await world.publish("dev")
            await asyncio.sleep(0.1)
            if world.status.state is not State.AWAITING_SYNC:
                break
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.compared >= 2


async def test_what_runs_is_compared_again_by_itself_after_a_while(played: Played) -> None:
    async with promotion_in(LateWorld, played) as (world, start):
        world.environment("dev", NEWER)
        await start()
        await world.until(State.AWAITING_SYNC)
        await world.eventually(lambda: world.compared >= 1)
        world.known = True
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.compared >= 2


async def _diverged(world: LateWorld, start: Starter) -> Run:
    """Come to a target that seems to have diverged, until the host is asked again."""
    run = await start()
    await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
    world.known = True
    return run


async def test_a_target_is_compared_again_at_a_poke(played: Played) -> None:
    async with promotion_in(LateWorld, played) as (world, start):
        run = await _diverged(world, start)
        compared = world.compared
        await run.handle.signal("poke")
        await world.eventually(lambda: world.compared > compared)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.compared > compared


async def test_a_target_is_compared_again_at_a_command(played: Played) -> None:
    async with promotion_in(LateWorld, played) as (world, start):
        run = await _diverged(world, start)
        await run.command(Verb.RETEST)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert Phase.HOLDER in {signal.phase for place, signal in world.members if place == "staging"}
