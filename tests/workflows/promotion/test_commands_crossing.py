"""Commands that meet a step while it awaits something, or each other: each takes effect once, or is answered."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import activity

from activities.models.configuration import ReadEnvironmentInput, ReadEnvironmentResult
from activities.models.places import PlaceSignal, SendViewInput
from activities.models.promotion import CommandAnswer, Verb
from activities.models.revisions import ReadPullRequestInput, ReadPullRequestResult
from activities.models.testing import RunState
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import Phase, State
from tests.workflows.promotion.test_continued import Length, continued
from tests.workflows.promotion.world import MINE, NEWER, Run, Starter, World, a_test, merged, promotion_in
from tests.worlds.played import Played

TESTS = (a_test("unit"), a_test("look", required=False))


@dataclass
class GatedWorld(World):
    """A world in which one activity takes until it is let go."""

    gate: Callable[[Any], bool] | None = None
    """Which request is to wait."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_gate(self, request: Any) -> None:
        if self.gate is not None and self.gate(request):
            self.reached.set()
            await self.opened.wait()

    async def at_gate(self) -> None:
        await asyncio.wait_for(self.reached.wait(), 30)

    def open(self) -> None:
        self.gate = None
        self.opened.set()

    @activity.defn
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        await self.pass_gate(request)
        return await super().send_view(request)

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        await self.pass_gate(request)
        return await super().read_environment(request)

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        answer = await super().read_pull_request(request)
        await self.pass_gate(request)
        return answer

    def results(self) -> list[tuple[str, int]]:
        """Return how each hop ended, and the round whose tests counted."""
        return [(one.result, one.tests[0].round if one.tests else 0) for one in self.status.promotions]


@dataclass
class AnsweringWorld(GatedWorld):
    """A world whose places answer in the call, so that a free lane is taken by the call that asks for it."""

    @activity.defn
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        await self.pass_gate(request)
        self.members.append((request.environment, request.signal))
        return self.view_of(request.environment, answers=request.signal) if request.signal.awaits_answer else None

    def sent(self, environment: str) -> list[Phase]:
        """Return the phases that a place was sent, without repetitions."""
        phases = [one.phase for place, one in self.members if place == environment]
        return [one for one, before in zip(phases, [None, *phases], strict=False) if one is not before]


def taking_the_lane(request: Any) -> bool:
    return isinstance(request, SendViewInput) and (request.signal.phase is Phase.HOLDER or request.signal.takes)


def reading(environment: str) -> Callable[[Any], bool]:
    return lambda request: isinstance(request, ReadEnvironmentInput) and request.environment == environment


async def at_the_lane(world: GatedWorld, run: Run) -> None:
    """Return once the change waits for a lane that somebody else has."""
    await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
    world.grants, world.blocked_by = False, "web-411"
    assert (await run.command(Verb.PROMOTE, target="staging")).accepted
    await world.until(State.READY_TO_PROMOTE, reason="BlockedBy")


async def meet_at_the_lane(
    world: GatedWorld, start: Starter, verb: Verb, target: str = ""
) -> tuple[Run, CommandAnswer]:
    """Give a command during the call that takes the lane, then let that end."""
    world.gate = taking_the_lane
    run = await start()
    await world.at_gate()
    answer = await run.command(verb, target=target)
    world.open()
    return run, answer


async def hand_on_the_lane(world: GatedWorld) -> None:
    """Have the place give the lane to each that asks for it from now on, and to the one that has asked."""
    world.grants, world.blocked_by = True, ""
    asked = next(member for place, member in reversed(world.members) if place == "staging")
    await World.publish(world, "staging", answers=asked)


async def test_a_retest_at_the_moment_of_the_grant_hands_the_lane_back(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        _, answer = await meet_at_the_lane(world, start, Verb.RETEST, "staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert answer.accepted
        assert world.results() == [("Promoted", 2)]
        assert world.writes == ["web-staging-0"]


async def test_each_retry_releases_one_failure(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.sync_fails = "web-staging-0"
        run = await start()
        await world.until(State.PROMOTION_FAILED)
        world.gate = reading("staging")
        first = await run.command(Verb.RETRY, target="staging", request_id="first")
        await world.at_gate()
        second = await run.command(Verb.RETRY, target="staging", request_id="second")
        world.open()
        await world.eventually(lambda: len(world.status.promotions) == 2)
        await world.until(State.PROMOTION_FAILED)
        assert (first.accepted, second.accepted) == (True, False)
        assert await run.command(Verb.RETRY, target="staging", request_id="second") == second
        assert [result for result, _round in world.results()] == ["Failed", "Failed"]


async def test_a_retest_during_the_call_that_takes_a_free_lane_hands_it_back(played: Played) -> None:
    async with promotion_in(AnsweringWorld, played) as (world, start):
        _, answer = await meet_at_the_lane(world, start, Verb.RETEST, "staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert answer.accepted
        assert world.results() == [("Promoted", 2)]
        assert world.writes == ["web-staging-0"]
        # A Ready that takes the lane is the last that the place is sent until it is handed back.
        assert world.sent("staging")[:4] == [Phase.WORKING, Phase.READY, Phase.WORKING, Phase.READY]


async def test_a_hold_during_the_call_that_takes_a_free_lane_hands_it_back_before_the_first_write(
    played: Played,
) -> None:
    async with promotion_in(AnsweringWorld, played) as (world, start):
        run, _ = await meet_at_the_lane(world, start, Verb.HOLD)
        await world.until(State.HELD)
        await world.eventually(lambda: world.sent("staging")[-2:] == [Phase.HOLDER, Phase.WORKING])
        assert world.writes == []
        await run.command(Verb.RELEASE)
        await world.eventually(lambda: world.writes == ["web-staging-0"])


async def test_an_abort_during_the_call_that_takes_a_free_lane_leaves_it_without_a_write(played: Played) -> None:
    async with promotion_in(AnsweringWorld, played) as (world, start):
        run, _ = await meet_at_the_lane(world, start, Verb.ABORT)
        assert await run.end() is State.ABORTED
        assert world.writes == []
        assert world.sent("staging")[-1] is Phase.GONE


@pytest.mark.parametrize("order", [(Verb.RETEST, Verb.PROMOTE), (Verb.PROMOTE, Verb.RETEST)])
async def test_an_approval_and_a_retest_both_take_effect_whichever_comes_first(
    order: tuple[Verb, Verb], played: Played
) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("dev", "staging", auto=False, tests=TESTS)
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        world.gate = reading("dev")
        if order[0] is Verb.PROMOTE:
            world.grants, world.blocked_by = False, "web-411"
        answers: list[CommandAnswer] = [await run.command(verb, target="staging") for verb in order]
        await world.at_gate()
        world.grants, world.blocked_by = True, ""
        world.open()
        await world.eventually(lambda: world.results() == [("Promoted", 2)])
        assert [answer.accepted for answer in answers] == [True, True]
        assert world.status.promotions[0].promoted_by == "ada"
        assert world.writes == ["web-staging-0"]


async def test_an_approval_does_not_count_for_a_revision_that_its_sender_was_not_shown(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("dev", "staging", auto=False, tests=TESTS)
        run = await start()
        await at_the_lane(world, run)
        await world.deploy("dev", NEWER)
        await run.command(Verb.RETEST, target="staging")
        await world.eventually(lambda: bool(world.status.superseded))
        assert "the promote of ada" in world.status.superseded[0]
        assert "CommandSuperseded" in world.events
        world.grants, world.blocked_by = True, ""
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == []


@pytest.mark.parametrize("verb", [Verb.RETEST, Verb.PROMOTE])
async def test_what_waits_for_a_release_is_answered_when_another_change_ends_the_hop(
    verb: Verb, played: Played
) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("dev", "staging", auto=False, tests=TESTS)
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.HOLD)
        answer = await run.command(verb, target="staging")
        await world.deploy("staging", MINE)
        await world.eventually(lambda: bool(world.results()))
        await world.eventually(lambda: "CommandSuperseded" in world.events)
        assert answer.accepted
        assert [result for result, _round in world.results()] == ["AlreadyContained"]


async def test_a_retest_that_waits_for_a_release_is_carried_into_the_next_run(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("dev", "staging", auto=False, tests=TESTS)
        length = Length(monkeypatch)
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.HOLD)
        assert (await run.command(Verb.RETEST, target="staging")).accepted
        await continued(run, length)
        assert [one.round for one in world.status.tests] == [1, 1]
        await run.command(Verb.RELEASE)
        await world.eventually(lambda: {one.round for one in world.status.tests} == {2})


async def test_an_abort_comes_before_an_end_that_was_found_meanwhile(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        world.gate = lambda request: isinstance(request, ReadPullRequestInput)
        world.pull_request = merged(world.pull_request, PullRequestState.CLOSED)
        await run.handle.signal("poke")
        await world.at_gate()
        assert (await run.command(Verb.ABORT)).accepted
        world.open()
        assert await run.end() is State.ABORTED


async def test_an_abort_while_the_lane_is_taken_writes_nothing_and_answers_the_approval(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("dev", "staging", auto=False, tests=TESTS)
        run = await start()
        await at_the_lane(world, run)
        await run.command(Verb.ABORT)
        assert await run.end() is State.ABORTED
        assert world.writes == []
        assert "CommandSuperseded" in world.events


async def test_a_hold_at_the_moment_of_the_grant_stops_before_the_first_write(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        run, _ = await meet_at_the_lane(world, start, Verb.HOLD)
        await world.until(State.HELD)
        assert world.writes == []
        await run.command(Verb.RELEASE)
        await world.eventually(lambda: world.writes == ["web-staging-0"])


async def test_a_hold_that_comes_with_the_last_write_is_answered_at_the_end(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("staging", "prod", tests=(a_test("smoke"),))
        world.at_sync["web-prod-0"] = lambda: run.command(Verb.HOLD)
        run = await start()
        assert await run.end() is State.COMPLETED
        assert "HoldEnded" in world.events


async def test_a_promote_and_a_hold_and_a_release_promote_once(played: Played) -> None:
    async with promotion_in(GatedWorld, played) as (world, start):
        world.policy("dev", "staging", auto=False, tests=TESTS)
        run = await start()
        await at_the_lane(world, run)
        await run.command(Verb.HOLD)
        await hand_on_the_lane(world)
        await world.until(State.HELD)
        assert world.writes == []
        await run.command(Verb.RELEASE)
        await world.eventually(lambda: [one.promoted_by for one in world.status.promotions] == ["ada"])
        assert world.writes == ["web-staging-0"]
        assert world.verdicts.get("smoke") is not RunState.FAILED
