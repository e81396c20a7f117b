"""What a hop costs: one activity for each step of it, whatever the number of its tests."""

from collections import Counter
from dataclasses import dataclass

from temporalio import activity

from activities.models.status import State
from activities.models.testing import PollTestsInput, PollTestsResult, RunState
from tests.workflows.promotion.world import World, a_test, promotion_in


@dataclass
class TwoTicks(World):
    """A world whose runs are over at the second poll."""

    polls: int = 0

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        self.polls += 1
        verdict = RunState.PASSED if self.polls > 1 else RunState.RUNNING
        self.verdicts.update(dict.fromkeys(("unit", "e2e", "smoke"), verdict))
        return await super().poll_tests(request)


async def test_three_tests_and_two_ticks_cost_three_activities_and_no_read_of_the_source(temporal_server: str) -> None:
    async with promotion_in(TwoTicks, temporal_server) as (world, start):
        world.policy("dev", "prod", tests=(a_test("unit"), a_test("e2e"), a_test("smoke")))
        run = await start()
        assert await run.end() is State.COMPLETED
        events = (await run.handle.fetch_history()).events
        names = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
        first = names.index("trigger_round")
        spent = Counter(name for name in names[first:] if name)
        assert {one: spent[one] for one in ("trigger_round", "trigger_test", "poll_tests")} == {
            "trigger_round": 1,
            "trigger_test": 0,
            "poll_tests": 2,
        }
        # The source is read with the triggers and with the last poll: until the lane is ours, nobody reads alone.
        write = names.index("deliver_application")
        before = [name for name in names[first:write] if name == "read_deployments"]
        assert (spent["deliver_application"], spent["sync_application"]) == (1, 0)
        assert len(before) <= 1, "the target is read before it is written"
        assert len(world.triggers) == 3
