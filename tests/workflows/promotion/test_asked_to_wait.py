"""A host that asked for quiet is not called earlier because the run that it asked gave way to the next."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.places import EnvironmentInput
from activities.models.revisions import CompareRevisionsResult, PresentResult, Relation, RevisionPair, Shown
from activities.models.testing import RunRef
from activities.models.tracking import Artifact, Timings
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_writing import POLICY, SEEN, SPEC
from tests.workflows.promotion.view.test_pull_request import REQUEST, in_hop
from workflows.environment.ancestry import Comparer
from workflows.environment.state import ComparerState
from workflows.identity import Queues
from workflows.promotion.cancelling import Cancelling
from workflows.promotion.rules.boundaries import end_wave
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, OpenCancel, PromotionState, Round
from workflows.promotion.steps import delivery
from workflows.promotion.steps.presenting import Presenting
from workflows.promotion.steps.source import SourceReader
from workflows.promotion.steps.writing import write
from workflows.promotion.view import status as status_view
from workflows.runtime.asking import Asking

BEGIN = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
QUIET = "ProviderRateLimited: not before an hour"
OBJECT = f"Environment/{POLICY.source}"


def refused() -> ActivityError:
    """What an activity fails of whose host asked to wait for an hour."""
    error = ActivityError(
        "failed",
        scheduled_event_id=1,
        started_event_id=1,
        identity="",
        activity_type="",
        activity_id="",
        retry_state=None,
    )
    error.__cause__ = ApplicationError("not before an hour", type="ProviderRateLimited", next_retry_delay=HOUR)
    return error


class Clock:
    """The time of workflows, which passes where one waits."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = BEGIN
        self.calls: list[timedelta] = []
        """When the host was called, counted from the beginning."""
        self.answer: Any = None
        patch.setattr(workflow, "now", lambda: self.now)
        patch.setattr(workflow, "random", lambda: SimpleNamespace(random=lambda: 0.5))
        patch.setattr(workflow, "wait_condition", self.wait_condition)
        patch.setattr(workflow, "execute_activity_method", self.execute)

    async def wait_condition(self, ready: Callable[[], bool], **limit: Any) -> None:
        await asyncio.sleep(0)
        if not ready():
            self.now += limit["timeout"]
            raise TimeoutError(limit["timeout_summary"])

    async def execute(self, *_activity: Any, **_config: Any) -> Any:
        return await self.call()

    async def call(self) -> Any:
        self.calls.append(self.now - BEGIN)
        if self.answer is None:
            raise refused()
        return self.answer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let time pass at the pace of the waits."""
    return Clock(monkeypatch)


class Run:
    """What one run of a promotion gives its questions."""

    def __init__(self, clock: Clock, story: PromotionState) -> None:
        self.clock = clock
        self.story = story
        self.request = REQUEST
        self.timings = Timings()
        self.queues = Queues(installation="main")
        self.pokes = 0
        self.command_waits = False
        self.poked_after: timedelta | None = None
        self.again_at: datetime | None = None
        self.events: list[tuple[timedelta, str]] = []
        self.asking = Asking(self, story)
        self.views: dict[str, Any] = {}
        self.relations: dict[str, str] = {}

    def heed_commands(self) -> None:
        pass

    def stop_if_ended(self) -> None:
        pass

    def changed(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        self.events.append((self.clock.now - BEGIN, f"{reason} {message}"))

    async def wait(
        self,
        ready: Callable[[], bool],
        *,
        at_most: timedelta | None = None,
        why: str,
        quiet: bool = False,
        again_at: datetime | None = None,
    ) -> bool:
        assert at_most is not None
        self.again_at = again_at
        if self.poked_after is not None:
            at_most, self.poked_after = self.poked_after, None
            self.pokes += 1
        self.clock.now += at_most
        return ready()

    def still_asked_to_wait(self, object_: str) -> timedelta:
        return self.asking.still_asked_to_wait(object_)


async def until(holds: Callable[[], bool]) -> None:
    """Let tasks go on until it holds."""
    for _ in range(100):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never held")


def continued(run: Run) -> Run:
    """Return the run that goes on with what another one hands over."""
    return Run(run.clock, replace(run.story))


async def test_a_question_is_asked_again_by_the_next_run_when_its_host_may_be_called(clock: Clock) -> None:
    first = Run(clock, PromotionState(started_at=BEGIN))
    assert await first.asking.try_once(clock.call, object_=OBJECT) is None
    clock.now += MINUTE
    second, clock.answer = continued(first), "merged"
    assert await second.asking.retry_until_answered(clock.call, object_=OBJECT, why="read") == "merged"
    assert clock.calls == [timedelta(0), HOUR]
    # No one was mentioned before the next run began; it mentions once that has lasted.
    assert second.events == [(Timings().passing, f"WaitingForReference {OBJECT}: {QUIET}")]


async def test_who_asks_while_a_question_waits_gets_the_time_of_its_next_try(clock: Clock) -> None:
    run = Run(clock, PromotionState(started_at=BEGIN))
    await run.asking.try_once(clock.call, object_=OBJECT)
    second, clock.answer = continued(run), "merged"
    await second.asking.retry_until_answered(clock.call, object_=OBJECT, why="read")
    # Also while it wakes in between, to show what has lasted.
    assert second.again_at == BEGIN + HOUR


async def test_a_poke_has_the_next_run_ask_at_once(clock: Clock) -> None:
    first = Run(clock, PromotionState(started_at=BEGIN))
    await first.asking.try_once(clock.call, object_=OBJECT)
    second, clock.answer = continued(first), "merged"
    second.poked_after = MINUTE
    await second.asking.retry_until_answered(clock.call, object_=OBJECT, why="read")
    assert clock.calls == [timedelta(0), MINUTE]


async def test_another_question_and_one_that_begins_again_in_the_same_run_are_asked_at_once(clock: Clock) -> None:
    first = Run(clock, PromotionState(started_at=BEGIN))
    await first.asking.try_once(clock.call, object_=OBJECT)
    second, clock.answer = continued(first), "merged"
    await second.asking.retry_until_answered(clock.call, object_="GitRepository/web", why="read")
    await first.asking.retry_until_answered(clock.call, object_=OBJECT, why="read")
    assert clock.calls == [timedelta(0)] * 3


async def test_the_next_run_reads_the_source_of_a_round_when_its_host_may_be_called(clock: Clock) -> None:
    hop = Hop(number=1, policy=POLICY)
    first = Run(clock, PromotionState(started_at=BEGIN))
    await first.asking.try_once(clock.call, object_=OBJECT)
    reader = SourceReader(cast("PromotionRun", continued(first)), hop)
    assert (reader.may_read, reader.unread, reader.at_most(HOUR * 2)) == (False, True, HOUR)
    clock.now += HOUR
    assert reader.may_read
    assert SourceReader(cast("PromotionRun", Run(clock, PromotionState(started_at=BEGIN))), hop).may_read


async def test_the_next_run_writes_when_argo_cd_may_be_called_and_shows_its_answer_meanwhile(clock: Clock) -> None:
    hop, run = Hop(number=1, policy=POLICY), Run(clock, PromotionState(started_at=BEGIN))
    ctx, artifact = cast("PromotionRun", run), Artifact(component=SPEC.component, revision="b" * 40)
    hop.round = Round(number=1, artifacts=(artifact,), tests=[], started_at=BEGIN)
    await write(ctx, hop, SPEC, SEEN, artifact=artifact, key="k")
    writes = delivery.Writes(keys={})
    clock.now += MINUTE
    assert await delivery._write_all(ctx, hop, [SPEC], {SPEC.name: SEEN}, writes) == {}
    assert writes.hindered == {SPEC.name: WriteResult(outcome=WriteOutcome.BUSY, message=QUIET)}
    assert len(clock.calls) == 1
    clock.now += HOUR
    await delivery._write_all(ctx, hop, [SPEC], {SPEC.name: SEEN}, writes)
    assert len(clock.calls) == 2
    end_wave(hop)
    assert hop.write_after is None


async def test_the_next_run_cancels_when_the_ci_system_may_be_called(clock: Clock) -> None:
    story = PromotionState(started_at=BEGIN)
    story.cancels = [OpenCancel(runner="ci", runs=(RunRef(runner="ci", job="unit", key="k", id="7"),), since=BEGIN)]
    first = Cancelling(Run(clock, story))
    first.resume()
    await until(lambda: story.cancels[0].again_at is not None)
    first.tasks.stop()
    assert story.cancels[0].again_at == BEGIN + HOUR
    clock.now, clock.answer = BEGIN, "cancelled"
    second = Cancelling(Run(clock, replace(story)))
    second.resume()
    await until(lambda: second.tasks.idle)
    assert clock.calls == [timedelta(0), HOUR]


async def test_the_next_run_presents_when_the_host_may_be_called_and_a_poke_at_once(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = status_view.View(state=State.TESTING, waiting=None, obstacle=None)
    monkeypatch.setattr(status_view, "view", lambda _ctx: shown)
    story = in_hop(State.TESTING)
    await Presenting(cast("PromotionRun", Run(clock, story)))._show()
    assert story.present_after == BEGIN + HOUR
    clock.answer = PresentResult(writes=1, shown=Shown(labels=(), comment_id="1"))
    again = Presenting(cast("PromotionRun", Run(clock, replace(story))))
    again.offer(State.TESTING)
    await until(lambda: again.idle)
    assert clock.calls == [timedelta(0), HOUR]
    clock.now = BEGIN
    run = Run(clock, replace(story, present_after=BEGIN + HOUR, presentation_owed=True))
    poked = Presenting(cast("PromotionRun", run))
    run.pokes += 1
    poked.offer(State.TESTING)
    await until(lambda: poked.idle)
    assert clock.calls == [timedelta(0), HOUR, timedelta(0)]


async def test_the_next_run_of_a_place_compares_when_the_host_may_be_called_and_shows_why(clock: Clock) -> None:
    start = EnvironmentInput(
        installation="main", namespace="shop", environment="prod", repository="web", timings=Timings()
    )
    tasks: list[Any] = []
    background = SimpleNamespace(start=tasks.append)
    pairs = [RevisionPair(base="a" * 40, head="b" * 40)]
    first = Comparer(start, cast("Any", background), (), ComparerState(failing_since=BEGIN - HOUR))
    first.pursue(pairs, clock.now)
    await tasks.pop()
    carried = first.state()
    assert carried == ComparerState(
        problem=f"revisions cannot be compared: {QUIET}", failing_since=BEGIN - HOUR, again_at=BEGIN + HOUR
    )
    second = Comparer(start, cast("Any", background), (), carried)
    second.pursue(pairs, clock.now)
    assert (tasks, second.problem, second.next_deadline()) == ([], carried.problem, BEGIN + HOUR)
    clock.now, clock.answer = BEGIN + HOUR, CompareRevisionsResult(relations=(Relation.AHEAD,))
    second.pursue(pairs, clock.now)
    await tasks.pop()
    assert second.state() == ComparerState()
