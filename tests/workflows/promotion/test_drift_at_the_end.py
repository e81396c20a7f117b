"""What drifts, or does no more, while a promotion ends is shown all the same: nothing shows it afterwards."""

from dataclasses import dataclass, replace

import pytest
from temporalio import activity

from activities.models.drift import DriftNotice
from activities.models.promotion import Verb
from activities.models.revisions import PresentInput, PresentResult
from activities.models.state_labels import DRIFTED, state_label
from activities.models.tracking import Timings
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, World, promotion_in
from tests.worlds.played import Played
from workflows.identity import DRIFT_SIGNAL

LINE = "- **Unhealthy** dev/web-0: observed Degraded"
GATHERING = replace(FAST, publish_within=Timings().publish_within)


@dataclass
class Drifting(World):
    """A world in which a monitor has news just as the end is shown."""

    notice: DriftNotice | None = None

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        found = await super().present_on_pull_request(request)
        if request.state_label == state_label(State.COMPLETED) and self.notice is not None:
            notice, self.notice = self.notice, None
            await self.client.get_workflow_handle(self.workflow_id).signal(DRIFT_SIGNAL, notice)
        return found


@pytest.mark.parametrize("drifted", [False, True])
async def test_news_of_drift_that_come_as_the_end_is_shown_are_shown_too(played: Played, drifted: bool) -> None:
    async with promotion_in(Drifting, played, timings=GATHERING) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        before = DriftNotice(order=1, drifted=not drifted, lines=() if drifted else (LINE,))
        await run.handle.signal(DRIFT_SIGNAL, before)
        world.notice = DriftNotice(order=2, drifted=drifted, lines=(LINE,) if drifted else ())
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        last = world.presented[-1]
        assert (DRIFTED in last.steering_labels, DRIFTED in last.cleared, LINE in last.comment) == (
            drifted,
            not drifted,
            drifted,
        )


async def test_an_attempt_shows_from_its_beginning_what_the_monitors_of_the_one_before_it_report(
    played: Played,
) -> None:
    async with promotion_in(World, played) as (world, start):
        start.drift = DriftNotice(order=7, drifted=True, lines=(LINE,))
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        # A notice may come late that is older than what the attempt began with.
        await run.handle.signal(DRIFT_SIGNAL, DriftNotice(order=6, drifted=False))
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        assert all(LINE in one.comment and DRIFTED in one.steering_labels for one in world.presented)
