"""What people write on a pull request is seen in time, and counts only for what they saw."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from activities.models.promotion import CommandAnswer, Verb
from activities.models.pull_requests_news import PullRequestNews
from activities.models.state_labels import HOLD
from activities.models.status import PublishStatusInput, PublishStatusResult
from activities.models.steering import Instruction, ReadInstructionsInput, ReadInstructionsResult
from activities.models.tracking import PullRequestState, Timings
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import Length, continued, length
from tests.workflows.promotion.world import FAST, Run, World, merged, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now
from workflows.identity import PULL_REQUEST_POKE_SIGNAL
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import PromotionState
from workflows.promotion.steps.steering import Steering

__all__ = ["length"]

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BACKSTOP = Timings().backstop
RELEASERS = "release-managers"


@dataclass(frozen=True)
class Written:
    """A comment of somebody who is in some teams, or a label of theirs."""

    number: int
    verb: str
    at: datetime
    teams: tuple[str, ...] = (RELEASERS,)
    label: str = ""


@dataclass
class Host(World):
    """A world whose host shows what was written, in its order, to each look behind the cursor; and judges by teams."""

    notes: list[Written] = field(default_factory=list)
    slow: timedelta = timedelta(0)
    """How long the next look takes."""
    failures: list[ApplicationError] = field(default_factory=list)
    """Of the attempts to come."""
    looks: list[datetime] = field(default_factory=list)
    """When each attempt began."""
    hinders: Callable[[], Awaitable[None]] | None = None
    """What happens while the next status is written."""

    @activity.defn
    async def read_instructions(self, request: ReadInstructionsInput) -> ReadInstructionsResult:
        self.looks.append(now())
        if self.failures:
            raise self.failures.pop(0)
        notes, slow, self.slow = tuple(self.notes), self.slow, timedelta(0)
        await asyncio.sleep(slow.total_seconds())
        after, team = int(request.comment_cursor or 0), request.teams.get("promote", "")
        fresh = [one for one in notes if one.number > after]
        return ReadInstructionsResult(
            instructions=tuple(_judged(one, allowed=one.verb != "promote" or team in one.teams) for one in fresh),
            comment_cursor=str(max((one.number for one in notes), default=0)),
            account="pilotage-bot",
        )

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        if self.hinders is not None:
            hinders, self.hinders = self.hinders, None
            await hinders()
        return await super().publish_status(request)

    def write(self, verb: str, *teams: str, label: str = "", at: datetime | None = None) -> None:
        """Have a person write something, now or as the host's clock shows it."""
        one = Written(len(self.notes) + 1, verb, at or now(), teams or (RELEASERS,), label)
        self.notes.append(one)

    def answered(self) -> list[str]:
        """Return what the summary comment answered last."""
        return [line for line in self.presented[-1].comment.splitlines() if "grace" in line]

    def approvals(self) -> list[tuple[str, str]]:
        """Return where the change was promoted to, and by whom."""
        return [(one.target, one.promoted_by or "") for one in self.status.promotions]

    def needs_approval(self, team: str = "") -> None:
        """Have the hop to staging need an approval; by comments, only of the team."""
        found = self.policies["dev"]
        assert found.policy is not None
        self.policies["dev"] = replace(found, policy=replace(found.policy, auto_promote=False))
        for environment in ("staging", "prod"):
            teams = {"promote": team or RELEASERS}
            self.environments[environment] = replace(self.environments[environment], teams=teams)

    async def within(self, time: timedelta, holds: Callable[[], bool]) -> timedelta:
        """Return how long it took until it holds, at most this time."""
        begun = now()
        while not holds():
            assert now() - begun <= time, f"not within {time}"
            await asyncio.sleep(1)
        return now() - begun


def _judged(one: Written, *, allowed: bool) -> Instruction:
    return Instruction(
        id=f"written-{one.number}",
        verb=one.verb,
        by="grace",
        allowed=allowed,
        why_not="" if allowed else "no member of the team",
        label=one.label,
        comment="" if one.label else str(one.number),
        at=one.at,
    )


async def ready(world: Host, start: Callable[[], Awaitable[Run]]) -> Run:
    """Return a promotion that waits for an approval, and has nothing to do."""
    world.needs_approval()
    run = await start()
    await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
    await asyncio.sleep(5)
    return run


async def webhook(run: Run) -> None:
    """Report that a person wrote something."""
    await run.handle.signal(PULL_REQUEST_POKE_SIGNAL, "grace")


async def test_a_comment_that_was_judged_by_one_targets_team_promotes_to_no_other(played: Played) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        world.environments["prod"] = replace(world.environments["prod"], teams={"promote": "prod-team"})
        # By a host whose clock is ahead, the comment even looks as if it were written after the hop began.
        world.write("promote", at=now() + HOUR)
        world.slow = timedelta(seconds=20)
        await webhook(run)
        await run.command(Verb.PROMOTE, target="staging")
        await asyncio.sleep(15)
        hop = world.status.hop
        assert hop is not None
        assert (hop.target, world.status.state) == ("prod", State.READY_TO_PROMOTE)
        await world.within(MINUTE, lambda: "CommentRejected" in world.events)
        assert "before this hop began" in str(world.answered())
        assert (world.writes, world.approvals()) == (["web-staging-0"], [("staging", "ada")])


async def test_a_promote_that_is_read_in_a_later_hop_promotes_nothing_and_one_for_this_hop_does(
    played: Played,
) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        # No webhook comes.
        world.write("promote")
        await asyncio.sleep(30)
        await run.command(Verb.PROMOTE, target="staging")
        await world.within(1.25 * BACKSTOP, lambda: "CommentRejected" in world.events)
        assert "before this hop began" in str(world.answered())
        assert world.approvals() == [("staging", "ada")]
        world.write("promote")
        await webhook(run)
        assert await run.end() is State.COMPLETED
        assert world.approvals() == [("staging", "ada"), ("prod", "grace")]


async def test_a_release_ends_no_hold_that_began_after_it_was_written(played: Played) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        await run.command(Verb.HOLD, reason="first")
        world.write("release")
        await asyncio.sleep(5)
        await run.command(Verb.RELEASE)
        await asyncio.sleep(600)
        await run.command(Verb.HOLD, reason="incident")
        await world.within(1.25 * BACKSTOP, lambda: "CommentRejected" in world.events)
        assert "before ada's hold began" in str(world.answered())
        assert world.status.state is State.HELD
        world.write("release")
        await webhook(run)
        await world.until(State.READY_TO_PROMOTE)


async def test_a_label_that_is_taken_off_before_its_hold_is_seen_releases_all_the_same(played: Played) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        world.write("hold", label=HOLD)
        world.slow = timedelta(seconds=10)
        await webhook(run)
        await asyncio.sleep(2)
        world.write("release", label=HOLD)
        await webhook(run)
        await world.within(MINUTE, lambda: "grace released the change" in world.sentences)
        await world.until(State.READY_TO_PROMOTE)
        assert (State.HELD in [one.state for one in world.statuses], "LabelRejected" in world.events) == (True, False)


async def test_a_look_that_continuing_as_new_cuts_off_is_made_by_the_next_run(played: Played, length: Length) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        world.write("hold", label=HOLD)
        world.slow = timedelta(seconds=30)
        # The label is remembered as seen, and lists show it again with each look at them.
        world.pull_request = replace(world.pull_request, labels=(HOLD,))
        news = PullRequestNews(pull_request=world.pull_request, listed_at=now())
        await run.handle.signal("pull_request_changed", news)
        await world.within(MINUTE, lambda: len(world.looks) == 1)
        await continued(run, length)
        await world.until(State.HELD)
        assert len(world.looks) == 2


async def test_a_webhook_that_comes_while_a_run_gives_way_to_the_next_is_looked_at_by_it(
    played: Played, length: Length
) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        before = await run.id()
        world.write("hold")

        async def gives_way() -> None:
            await asyncio.sleep(1)
            assert await run.id() == before
            await webhook(run)

        world.hinders = gives_way
        await length.end(run)
        # There is something to write before the run ends, and something that wakes it.
        titled = replace(world.pull_request, title="another")
        await run.handle.signal("pull_request_changed", PullRequestNews(pull_request=titled, listed_at=now()))
        await run.handle.signal("poke")
        await world.within(MINUTE, lambda: world.hinders is None)
        length.allow(10_000)
        await world.until(State.HELD)
        assert await run.id() != before


async def test_a_look_that_is_stopped_before_its_first_step_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait_condition(ready: Callable[[], bool]) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        assert ready()

    monkeypatch.setattr(workflow, "wait_condition", wait_condition)
    story = PromotionState(started_at=datetime(2026, 1, 1, tzinfo=UTC))
    ctx = cast("PromotionRun", SimpleNamespace(story=story))
    nothing = CommandAnswer(accepted=True, message="")
    steering = Steering(ctx, carry_out=lambda _verb, _command: nothing, answer=lambda: None)
    steering.look()
    assert not steering.idle
    steering.stop()
    await steering.drain()
    assert (steering.idle, story.steering_wanted) == (True, True)


async def test_a_look_that_failed_is_repeated_until_one_is_made(played: Played) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        world.failures = [ApplicationError("502", type="ProviderUnavailable") for _ in range(9)]
        world.write("hold")
        await webhook(run)
        assert await world.within(HOUR, lambda: world.status.state is State.HELD) > timedelta(seconds=5)
        assert len(world.looks) == 10
        assert world.status.state is State.HELD


async def test_a_host_that_asks_to_wait_is_not_looked_at_before_whatever_comes(played: Played) -> None:
    async with promotion_in(Host, played) as (world, start):
        run = await ready(world, start)
        world.failures = [
            ApplicationError("429", type="ProviderRateLimited", next_retry_delay=HOUR, non_retryable=True)
        ]
        world.write("hold")
        await webhook(run)
        await world.within(MINUTE, lambda: len(world.looks) == 1)
        await webhook(run)
        assert await world.within(2 * HOUR, lambda: world.status.state is State.HELD) >= HOUR - MINUTE
        assert len(world.looks) == 2


async def test_what_a_person_has_to_fix_is_looked_at_ever_more_rarely_and_at_once_after_a_webhook(
    played: Played,
) -> None:
    async with promotion_in(Host, played, timings=replace(Timings(), settling=FAST.settling)) as (world, start):
        run = await ready(world, start)
        refused = ApplicationError("only administrators may ask", type="ProviderUnauthorized", non_retryable=True)
        world.failures = [refused for _ in range(1000)]
        await webhook(run)
        await asyncio.sleep(timedelta(days=2).total_seconds())
        assert 10 <= len(world.looks) <= 20
        world.failures = []
        world.write("hold")
        await webhook(run)
        await world.until(State.HELD)


@pytest.mark.parametrize("state", [State.AWAITING_MERGE, State.READY_TO_PROMOTE])
async def test_without_webhooks_what_was_written_is_seen_after_the_backstop_at_the_latest(
    played: Played, state: State
) -> None:
    async with promotion_in(Host, played, timings=Timings()) as (world, start):
        world.needs_approval()
        if state is State.AWAITING_MERGE:
            world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        await start()
        await world.until(state)
        for number in range(1, 4):
            looks = len(world.looks)
            await world.within(BACKSTOP + MINUTE, lambda looks=looks: len(world.looks) > looks)  # type: ignore[misc]
            assert len(world.looks) == number
        world.write("hold")
        await world.within(BACKSTOP + MINUTE, lambda: world.status.state is State.HELD)
