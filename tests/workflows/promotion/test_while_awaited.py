"""What comes while a step awaits an answer counts: the step decides on what is true then, and a poke asks again."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.configuration import FindPolicyInput, FindPolicyResult, ReadRepositoryInput, ReadRepositoryResult
from activities.models.memberships import TakeLaneInput, TakeLaneResult
from activities.models.promotion import Verb
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import Phase, State
from tests.workflows.promotion.world import FAST, MINE, NEWER, OLD, World, merged, promotion_in
from tests.worlds.played import Played
from tests.worlds.refusals import missing

HOUR = timedelta(hours=1)
RARELY = replace(FAST, reference_initial=HOUR, reference_maximum=HOUR, merge_initial=HOUR, merge_maximum=HOUR)
SOON_SECONDS = 60.0


@dataclass
class HeldUp(World):
    """A world some of whose answers wait for the test."""

    held_up: str = ""
    """Commit of which the host answers late, or what cannot be read at first."""
    at_lane: dict[str, str] = field(default_factory=dict)
    """Environment -> what it has come to run, unseen by its place, as its lane is taken."""
    asked: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def _hold_up(self) -> None:
        self.reached.set()
        await self.gate.wait()

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        if any(self.held_up in (one.base, one.head) for one in request.pairs):
            await self._hold_up()
        return await super().compare_revisions(request)

    @activity.defn
    async def take_lane(self, request: TakeLaneInput) -> TakeLaneResult:
        if (revision := self.at_lane.get(request.view.environment)) is not None:
            self.runs[request.view.environment] = dict.fromkeys(self.runs[request.view.environment], revision)
        return await super().take_lane(request)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        if self.held_up == "GitRepository/web":
            self.asked += 1
            if self.asked == 1:
                await self._hold_up()
                return ReadRepositoryResult(failure=missing(self.held_up))
        return await super().read_repository(request)

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        if self.held_up == "PromotionPolicy":
            self.asked += 1
            if self.asked == 1:
                await self._hold_up()
                raise ApplicationError("promotionpolicies is forbidden", type="Forbidden", non_retryable=True)
        return await super().find_policy(request)


async def test_a_target_that_is_rolled_back_while_it_is_compared_has_not_the_change(played: Played) -> None:
    async with promotion_in(HeldUp, played) as (world, start):
        world.held_up = NEWER
        world.policy("dev", "staging", auto=False)
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await world.deploy("staging", NEWER)
        await world.reached.wait()
        await world.deploy("staging", OLD)
        world.gate.set()
        await asyncio.sleep(SOON_SECONDS)
        assert (world.status.state, world.status.promotions) == (State.READY_TO_PROMOTE, ())


async def test_a_source_that_is_rolled_back_while_it_is_compared_has_not_the_change(played: Played) -> None:
    async with promotion_in(HeldUp, played) as (world, start):
        world.held_up = NEWER
        world.environment("dev", OLD)
        await start()
        await world.until(State.AWAITING_SYNC)
        await world.deploy("dev", NEWER)
        await world.reached.wait()
        await world.deploy("dev", OLD)
        world.gate.set()
        await asyncio.sleep(SOON_SECONDS)
        assert world.status.state is State.AWAITING_SYNC
        assert not any(one.startswith(f"{MINE[:12]} runs in") for one in world.sentences)


async def test_what_the_holder_reads_counts_as_arrived_only_while_it_is_true(played: Played) -> None:
    async with promotion_in(HeldUp, played) as (world, start):
        world.held_up, world.at_lane = NEWER, {"staging": NEWER}
        await start()
        await world.reached.wait()
        assert world.status.state is State.PROMOTING
        world.runs["staging"] = dict.fromkeys(world.runs["staging"], OLD)
        # Longer than a read may be old, and shorter than an attempt.
        await asyncio.sleep(10)
        world.gate.set()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE}
        assert [one.result for one in world.status.promotions] == ["Promoted"]


async def test_what_is_fixed_while_it_is_asked_for_is_asked_for_again_at_once(played: Played) -> None:
    async with promotion_in(HeldUp, played, timings=RARELY) as (world, start):
        world.held_up = "GitRepository/web"
        run = await start()
        await world.reached.wait()
        await run.handle.signal("poke")
        world.gate.set()
        async with asyncio.timeout(SOON_SECONDS):
            await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE}


async def test_who_is_ahead_is_asked_again_at_once_where_a_poke_came_meanwhile(played: Played) -> None:
    async with promotion_in(HeldUp, played, timings=RARELY) as (world, start):
        world.held_up = "PromotionPolicy"
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        await run.command(Verb.HOLD)
        await world.reached.wait()
        await run.handle.signal("poke")
        world.gate.set()
        async with asyncio.timeout(SOON_SECONDS):
            await world.eventually(lambda: any(one.held for _, one in world.members))
        assert Phase.WORKING in {one.phase for _, one in world.members if one.held}
