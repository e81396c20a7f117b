"""What a refused trigger shows about earlier ones: only proof that nothing was sent makes the next one a first one."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.failures import Failure
from activities.models.testing import RunState, TriggerTestInput, TriggerTestResult
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import World, a_test, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now


@dataclass
class RefusingWorld(World):
    """A world whose first trigger is refused."""

    began: bool | None = None
    refusal: str = "ProviderRateLimited"
    asked: list[bool] = field(default_factory=list)
    """For each trigger whether it came with the warning that an earlier one may have been accepted."""

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        self.asked.append(request.again)
        if len(self.asked) == 1:
            failure = Failure(kind=FailureKind(self.refusal), message="wait", began=self.began)
            raise ApplicationError("wait", failure, type=self.refusal, non_retryable=True)
        return await super().trigger_test(request)


@pytest.mark.parametrize(("began", "warned"), [(None, False), (True, True)], ids=["first", "repetition"])
async def test_a_repetition_that_was_refused_is_no_proof_that_the_first_attempt_was(
    played: Played, began: bool | None, warned: bool
) -> None:
    async with promotion_in(RefusingWorld, played) as (world, start):
        world.began = began
        world.policy("dev", "staging", tests=(a_test("unit"),))
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.asked[:2] == [False, warned]


@pytest.mark.parametrize(
    ("refusal", "began", "warned"),
    [
        ("ReferenceMissing", None, False),
        ("InvalidParameters", None, False),
        ("ProviderUnavailable", None, True),
        ("ProviderUnavailable", False, False),
        ("ApiUnavailable", False, False),
    ],
)
async def test_what_fails_before_anything_is_sent_leaves_the_next_trigger_a_first_one(
    played: Played, refusal: str, began: bool | None, warned: bool
) -> None:
    async with promotion_in(RefusingWorld, played) as (world, start):
        world.refusal, world.began = refusal, began
        world.policy("dev", "staging", tests=(a_test("unit"),))
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.asked[:2] == [False, warned]


WAIT = timedelta(seconds=2)


@dataclass
class LimitedWorld(World):
    """A world whose CI system asks to wait, for longer than an activity would, before it takes the test `e2e`."""

    takes: bool = False
    asked: list[datetime] = field(default_factory=list)
    """When it was asked for the test `e2e`."""

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        if request.test == "e2e":
            self.asked.append(now())
            if not self.takes:
                raise ApplicationError("wait", type="ProviderRateLimited", non_retryable=True, next_retry_delay=WAIT)
        return await super().trigger_test(request)


async def test_a_ci_system_that_asks_to_wait_is_waited_for_and_stops_nothing_else(played: Played) -> None:
    async with promotion_in(LimitedWorld, played) as (world, start):
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: {one.name: one.state for one in world.status.tests}.get("unit") == "Passed")
        world.takes = True
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert min(later - one for one, later in pairwise(world.asked)) >= WAIT
        assert world.events.count("TriggerRefused") == 1


THEIRS = "https://ci.example/9 shows the promotion key and is not ours: it was started by `mallory`, not by `bot`"


@dataclass
class ContestedWorld(World):
    """A world in which others have started a run with the key of the test `unit`, whose verdict takes a while."""

    begun: dict[str, list[datetime | None]] = field(default_factory=dict)

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        self.begun.setdefault(request.test, []).append(request.began)
        result = await super().trigger_test(request)
        return replace(result, foreign=(THEIRS,) if request.test == "unit" else ())


async def test_a_foreign_run_is_shown_and_blocks_nothing(played: Played) -> None:
    async with promotion_in(ContestedWorld, played) as (world, start):
        world.policy("dev", "staging", tests=(a_test("unit"), a_test("e2e")))
        world.verdicts["unit"] = RunState.RUNNING
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: THEIRS in {one.name: one.message for one in world.status.tests}.get("unit", ""))
        assert world.status.waiting_for is not None
        assert THEIRS in world.status.waiting_for.observed
        assert world.events.count("ForeignRun") == 1
        assert not {one.name: one.message for one in world.status.tests}["e2e"]
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.cancelled == []
        # Each run is looked for from when its own key was made.
        began = [moment for moments in world.begun.values() for moment in moments]
        assert None not in began
