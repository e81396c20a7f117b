"""How long a presentation is tried, what its failure shows, and that it repeats and fails nothing else."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.exceptions import ApplicationError

from activities.failures import reported
from activities.models.revisions import PresentInput, PresentResult
from activities.models.status import ConditionStatus, TrackerStatus
from activities.models.tracking import Timings
from crds.reasons.vocabulary import Phase, State
from providers.errors import ProviderRejected
from tests.workflows.promotion.world import FAST, Run, World, a_test, promotion, promotion_in
from tests.worlds.played import Played

PATIENT = replace(FAST, present_deadline=Timings().present_deadline)
LAST = "pilotage/completed"
UNTIL_SHOWN = 10_000
"""More refusals than there are tries: it ends once the status showed it."""
GONE = [("prod", Phase.GONE)]
ONCE = ("trigger_round", "deliver_application")


@dataclass
class Refusing(World):
    """A host that refuses presentations for a while."""

    refusals: int = 0
    last_refusals: int = 0
    """Of the presentation of the end."""
    rejections: int = 0
    """Refusals of the end that mean that the same request will be refused again."""

    @activity.defn
    @reported
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        soon = timedelta(milliseconds=50)
        if request.state_label == LAST and self.rejections:
            self.rejections -= 1
            raise ProviderRejected("422 Validation Failed", retry_after=soon)
        if request.state_label == LAST and self.last_refusals:
            self.last_refusals -= 1
            raise ApplicationError("down", type="ProviderUnavailable", next_retry_delay=soon)
        if request.state_label != LAST and self.refusals:
            self.refusals -= 1
            raise ApplicationError("no right", type="ProviderUnauthorized", non_retryable=True)
        self.presented.append(request)
        return PresentResult(writes=1)


def presented(status: TrackerStatus) -> ConditionStatus | None:
    return next((one for one in status.conditions if one.type == "Presented"), None)


def shown(world: World) -> list[str]:
    """Return what the condition showed, each change once."""
    found: list[str] = []
    for one in world.statuses:
        condition = presented(one)
        text = condition.status if condition else "absent"
        found += [] if found[-1:] == [text] else [text]
    return found


async def scheduled(run: Run) -> list[HistoryEvent]:
    events = (await run.handle.fetch_history()).events
    return [one for one in events if one.HasField("activity_task_scheduled_event_attributes")]


def test_by_default_the_end_is_tried_for_a_day() -> None:
    assert Timings().present_deadline == timedelta(hours=24)


async def test_the_end_is_tried_again_until_it_is_shown_and_nothing_else_is_repeated(temporal_server: str) -> None:
    async with promotion_in(Refusing, temporal_server, timings=PATIENT) as (world, start):
        world.policy("dev", "prod", tests=(a_test("unit"),))
        world.refusals, world.last_refusals = 1, UNTIL_SHOWN
        run = await start()
        await world.until(State.COMPLETED)
        await world.eventually(lambda: shown(world)[-1] == "False")
        world.last_refusals = 1
        assert await run.end() is State.COMPLETED
        assert world.presented[-1].state_label == LAST
        assert shown(world) == ["absent", "False", "True"]
        events = [one.activity_task_scheduled_event_attributes for one in await scheduled(run)]
        names = Counter(one.activity_type.name for one in events)
        assert [names[one] for one in ONCE] == [1, 1]
        assert world.writes == ["web-prod-0"]
        # All tries of the end are attempts of one activity, which has a day and no bound of its own.
        last = [one for one in events if one.activity_type.name == "present_on_pull_request"][-1]
        assert last.schedule_to_close_timeout.ToTimedelta() == timedelta(hours=24)
        assert last.retry_policy.maximum_attempts == 0


async def test_also_what_the_host_rejects_is_tried_again_at_the_end(played: Played) -> None:
    async with promotion_in(Refusing, played, timings=PATIENT) as (world, start):
        world.policy("dev", "prod", tests=(a_test("unit"),))
        world.rejections = UNTIL_SHOWN
        run = await start()
        await world.eventually(lambda: shown(world)[-1] == "False")
        world.rejections = 1
        assert await run.end() is State.COMPLETED
        assert world.presented[-1].state_label == LAST
        assert shown(world) == ["absent", "True", "False", "True"]


async def test_why_the_end_is_not_shown_is_published_after_one_try(played: Played) -> None:
    async with promotion_in(Refusing, played, timings=PATIENT) as (world, start):
        world.policy("dev", "prod", tests=(a_test("unit"),))
        world.last_refusals = 1_000_000
        run = await start()
        await world.eventually(lambda: shown(world)[-1:] == ["False"])
        condition = presented(world.status)
        assert condition is not None
        assert condition.message == "ProviderUnavailable: down"
        assert world.status.state is State.COMPLETED
        sent = len(world.members)
        await run.handle.signal("place", replace(world.view_of("prod"), asks=True))
        # A place that has lost its memory keeps its lane from all until each tracker has answered.
        await world.eventually(lambda: [(place, one.phase) for place, one in world.members[sent:]] == GONE)
        world.last_refusals = 0
        assert await run.end() is State.COMPLETED
        assert shown(world)[-1] == "True"


async def test_after_the_deadline_the_condition_keeps_the_refusal_s_text_and_the_workflow_closes(
    played: Played,
) -> None:
    async with promotion(played) as (world, start):
        world.present_fails = True
        world.policy("dev", "prod", tests=(a_test("unit"),))
        run = await start()
        assert await run.end() is State.COMPLETED
        condition = presented(world.status)
        assert condition is not None
        assert (condition.status, condition.reason) == ("False", "PresentationFailed")
        assert condition.message == "ProviderUnauthorized: the token was refused"
        assert "True" not in shown(world)


async def test_a_delivery_that_lasts_is_shown_and_a_quick_one_costs_no_call(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("staging", "prod", tests=(a_test("smoke"),))
        await start()
        await world.until(State.COMPLETED)
        await world.eventually(lambda: world.presented[-1].state_label == LAST)
        assert "pilotage/promoting" not in {one.state_label for one in world.presented}
    async with promotion(played) as (world, start):
        world.slow_syncs = True
        run = await start()
        await world.eventually(lambda: "pilotage/promoting" in {one.state_label for one in world.presented})
        assert "**Waits for Delivery**" in world.presented[-1].comment
        await run.handle.terminate()


async def test_a_policy_s_own_label_is_kept_to_the_end(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "prod", tests=(a_test("unit"),))
        found = world.policies["dev"]
        assert found.policy is not None
        world.policies["dev"] = replace(found, policy=replace(found.policy, label="shipped"))
        run = await start()
        assert await run.end() is State.COMPLETED
        assert world.presented[-1].labels == ("shipped",)
