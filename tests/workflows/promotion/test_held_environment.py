"""A promotion that meets an environment hold: it waits with the lane, writes nothing, and goes on once it is over."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporalio import activity

from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    WriteOutcome,
    WriteResult,
)
from crds.reasons.trackers import WaitingReason
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import OLD, World, promotion_in
from tests.worlds.played import Played

HELD = WriteResult(
    outcome=WriteOutcome.HELD,
    message="staging is held by alice until 2030-01-01 06:00:00 UTC (hold hold-staging-1)",
    until=datetime(2030, 1, 1, 6, tzinfo=UTC),
)


@dataclass
class HeldWorld(World):
    """A world in which somebody holds each environment."""

    held: bool = True
    asked: list[str] = field(default_factory=list)

    @activity.defn
    async def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        self.asked.append(request.environment)
        return DeliverApplicationResult(written=HELD) if self.held else await super().deliver_application(request)


def _until(world: World) -> datetime | None:
    return world.status.waiting_for.until if world.status.waiting_for else None


async def test_a_held_environment_is_waited_for_with_its_reason_and_written_once_it_is_released(played: Played) -> None:
    async with promotion_in(HeldWorld, played) as (world, start):
        world.environment("staging", OLD)
        run = await start()
        await world.eventually(lambda: "EnvironmentHeld" in world.events)
        status = await world.until(State.PROMOTING)
        assert status.waiting_for is not None
        await world.eventually(
            lambda: world.status.waiting_for is not None and world.status.waiting_for.until == HELD.until
        )
        waiting = world.status.waiting_for
        assert waiting is not None
        assert (waiting.reason_code, waiting.unblock_with) == (
            WaitingReason.ENVIRONMENT_HELD,
            "let its holder release staging: pilotage -n shop envs staging",
        )
        assert (world.writes, set(world.asked)) == ([], {"staging"})
        world.held = False
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert len(world.writes) > 0
