"""What a refused trigger says about earlier ones: only proof that nothing was sent lets the next one be a first one."""

from dataclasses import dataclass, field

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.status import State
from activities.models.testing import UNHEARD, UNSENT, TriggerTestInput, TriggerTestResult
from tests.workflows.promotion.world import World, a_test, promotion_in


@dataclass
class RefusingWorld(World):
    """A world whose first trigger is refused."""

    detail: tuple[str, ...] = ()
    refusal: str = "ProviderRateLimited"
    asked: list[bool] = field(default_factory=list)
    """For each trigger whether it came with the warning that an earlier one may have been accepted."""

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        self.asked.append(request.again)
        if len(self.asked) == 1:
            raise ApplicationError("wait", *self.detail, type=self.refusal, non_retryable=True)
        return await super().trigger_test(request)


@pytest.mark.parametrize(("detail", "warned"), [((), False), ((UNHEARD,), True)], ids=["first", "repetition"])
async def test_a_repetition_that_was_refused_is_no_proof_that_the_first_attempt_was(
    temporal_server: str, detail: tuple[str, ...], warned: bool
) -> None:
    async with promotion_in(RefusingWorld, temporal_server) as (world, start):
        world.detail = detail
        world.policy("dev", "staging", tests=(a_test("unit"),))
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.asked[:2] == [False, warned]


@pytest.mark.parametrize(
    ("refusal", "detail", "warned"),
    [
        ("ReferenceMissing", (), False),
        ("InvalidParameters", (), False),
        ("ProviderUnavailable", (), True),
        ("ProviderUnavailable", (UNSENT,), False),
        ("ApiUnavailable", (UNSENT,), False),
    ],
)
async def test_what_fails_before_anything_is_sent_leaves_the_next_trigger_a_first_one(
    temporal_server: str, refusal: str, detail: tuple[str, ...], warned: bool
) -> None:
    async with promotion_in(RefusingWorld, temporal_server) as (world, start):
        world.refusal, world.detail = refusal, detail
        world.policy("dev", "staging", tests=(a_test("unit"),))
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.asked[:2] == [False, warned]
