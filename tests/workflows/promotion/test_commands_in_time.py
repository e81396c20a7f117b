"""A person's command means what was to be seen when it was given."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.models.configuration import FindPolicyInput, FindPolicyResult
from activities.models.promotion import Verb
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult
from activities.models.testing import TriggerTestInput, TriggerTestResult
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, HOTFIX, MINE, World, merged, promotion_in
from tests.worlds.played import Played

UNSEEN = "e" * 40


@dataclass
class DarkWorld(World):
    """A world whose SCM host may be down."""

    dark: bool = False

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        if self.dark:
            raise ApplicationError("down", type="ProviderUnavailable", non_retryable=True)
        return await super().compare_revisions(request)


async def test_promote_accepts_what_was_shown_and_not_what_came_since(played: Played) -> None:
    async with promotion_in(DarkWorld, played) as (world, start):
        world.environment("staging", HOTFIX)
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        world.dark = True
        await world.deploy("staging", UNSEEN)
        await world.eventually(lambda: world.status.reason == "WaitingForReference")
        await run.command(Verb.PROMOTE, target="staging", reason="the hotfix is obsolete")
        world.dark = False
        await run.handle.signal("poke")
        await world.eventually(lambda: UNSEEN[:8] in world.status.message)
        assert (world.status.reason, world.writes) == ("TargetDiverged", [])
        await run.command(Verb.PROMOTE, target="staging", reason="that one as well")
        await world.eventually(lambda: world.runs["staging"] == {"web-0": MINE})


@dataclass
class SlowWorld(World):
    """A world whose CI system takes its time to answer."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        self.asked.set()
        await self.go.wait()
        return await super().trigger_test(request)


async def test_after_an_abort_nothing_is_promised_any_more(played: Played) -> None:
    async with promotion_in(SlowWorld, played) as (world, start):
        run = await start()
        await asyncio.wait_for(world.asked.wait(), 30)
        await run.command(Verb.ABORT, request_id="a")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await run.command(Verb.HOLD)
        assert "Aborted" in str(refused.value.cause)
        assert (await run.command(Verb.ABORT, request_id="a")).accepted
        world.go.set()
        assert await run.end() is State.ABORTED


async def test_a_refusal_that_is_kept_stands_although_the_command_would_fit_by_now(played: Played) -> None:
    async with promotion_in(SlowWorld, played) as (world, start):
        run = await start()
        await asyncio.wait_for(world.asked.wait(), 30)
        with pytest.raises(WorkflowUpdateFailedError):
            await run.command(Verb.RELEASE, request_id="unkept")
        refused = await run.command(Verb.RELEASE, request_id="kept", keep_refusal=True)
        assert not refused.accepted
        await run.command(Verb.HOLD)
        assert await run.command(Verb.RELEASE, request_id="kept") == refused
        assert (await run.command(Verb.RELEASE, request_id="unkept")).accepted
        await run.command(Verb.ABORT)
        world.go.set()
        assert await run.end() is State.ABORTED


@dataclass
class UnknownWayWorld(World):
    """A world whose policies may be out of reach."""

    forbidden: bool = False

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        if self.forbidden:
            raise ApplicationError("promotionpolicies is forbidden", type="Forbidden", non_retryable=True)
        return await super().find_policy(request)


async def test_a_hold_counts_ahead_as_soon_as_policies_can_be_read_although_nothing_else_happens(
    played: Played,
) -> None:
    # The look for the merge is an hour away: nothing but the hold has a reason to ask.
    timings = replace(FAST, merge_initial=timedelta(hours=1), merge_maximum=timedelta(hours=1))
    async with promotion_in(UnknownWayWorld, played, timings=timings) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        world.policies["dev"] = replace(world.policies["dev"], ahead=("staging", "prod"))
        world.forbidden = True
        run = await start()
        await world.until(State.AWAITING_MERGE)
        await run.command(Verb.HOLD, reason="freeze")
        await world.eventually(lambda: "promotionpolicies is forbidden" in observed(world))
        assert world.members == []
        world.forbidden = False
        await world.eventually(lambda: {place for place, one in world.members if one.held} == {"staging", "prod"})
        await world.eventually(lambda: observed(world) == "held by ada: freeze")


def observed(world: World) -> str:
    """Return what the newest status shows of what it waits for."""
    return world.status.waiting_for.observed if world.status.waiting_for else ""
