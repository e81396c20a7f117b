"""What a hop costs: one activity for each step of it, whatever the number of its tests."""

from collections import Counter
from dataclasses import dataclass

from temporalio import activity

from activities.models.places import PlaceSignal, SendViewInput
from activities.models.testing import PollTestsInput, PollTestsResult, RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import World, a_test, promotion_in

AWAITED_PER_HOP = 6
"""Activities that steps await, from the triggers on: each costs six events."""
IN_THE_BACKGROUND = ("publish_status", "present_on_pull_request", "create_drift_monitors")


@dataclass
class TwoTicks(World):
    """A world whose runs are over at the second poll, and whose places answer in the call."""

    polls: int = 0

    @activity.defn
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        self.members.append((request.environment, request.signal))
        return self.view_of(request.environment, answers=request.signal) if request.signal.awaits_answer else None

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
        opened = Counter(name for name in names[names.index("open_hop") : names.index("trigger_round")] if name)
        assert opened - Counter(IN_THE_BACKGROUND * 9) == Counter(open_hop=1)
        first = names.index("trigger_round")
        spent = Counter(name for name in names[first:] if name)
        assert {one: spent[one] for one in ("trigger_round", "trigger_test", "poll_tests")} == {
            "trigger_round": 1,
            "trigger_test": 0,
            "poll_tests": 2,
        }
        # The source is read with the triggers and with the last poll, the target with its lane: no step reads alone.
        assert spent["read_deployments"] == 0
        assert (spent["take_lane"], spent["deliver_application"], spent["sync_application"]) == (1, 1, 0)
        # Both places are sent the farewell together; who stands in line takes a free lane in the same call.
        assert (spent["send_views"], spent["send_view"]) == (1, 0)
        assert len(world.triggers) == 3
        # Events depend on the machine's speed, by what is published and shown meanwhile; what steps await does not.
        assert sum(spent.values()) - sum(spent[one] for one in IN_THE_BACKGROUND) <= AWAITED_PER_HOP
