"""A `sync` is answered with what it found: each of them, or it is refused at once."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity

from activities.models.label_sync import SyncResult
from activities.models.promotion import Verb
from activities.models.pull_requests_news import PullRequestNews
from activities.models.revisions import PresentInput, PresentResult
from activities.models.status import PublishStatusInput, PublishStatusResult
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import Length, length
from tests.workflows.promotion.world import Run, World, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now

__all__ = ["length"]


@dataclass
class Labelled(World):
    """A world whose host has labels, and may be slow."""

    slow: timedelta = timedelta(0)
    gives_way: Run | None = None
    """The run that a `sync` is sent to while it writes its last status."""

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        await asyncio.sleep(self.slow.total_seconds())
        found = await super().present_on_pull_request(request)
        return replace(found, labels=SyncResult(final_state=request.state_label, sync_time=now()))

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        if self.gives_way is not None:
            run, self.gives_way = self.gives_way, None
            await asyncio.sleep(1)
            await run.command(Verb.SYNC, request_id="late")
        return await super().publish_status(request)

    def results(self) -> list[str]:
        """Return the requests whose results were published, each once."""
        found = (one.label_sync for one in self.statuses)
        return list(dict.fromkeys(one.request for one in found if one is not None))


async def test_a_second_sync_is_refused_while_the_first_has_no_result_and_accepted_after_it(played: Played) -> None:
    async with promotion_in(Labelled, played) as (world, start):
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        world.slow = timedelta(seconds=3)
        assert (await run.command(Verb.SYNC, request_id="first")).accepted
        await asyncio.sleep(1)
        refused = await run.command(Verb.SYNC, request_id="second")
        assert (refused.accepted, "another sync is being carried out" in refused.message) == (False, True)
        await world.eventually(lambda: world.results() == ["first"])
        assert (await run.command(Verb.SYNC, request_id="third")).accepted
        await world.eventually(lambda: world.results() == ["first", "third"])


async def test_a_sync_that_comes_while_a_run_gives_way_to_the_next_is_answered_by_it(
    played: Played, length: Length
) -> None:
    async with promotion_in(Labelled, played) as (world, start):
        # The next one would be refused forever if this one were never answered.
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.until(State.TESTING)
        await asyncio.sleep(5)
        before = await run.id()
        world.gives_way = run
        await length.end(run)
        titled = replace(world.pull_request, title="another")
        await run.handle.signal("pull_request_changed", PullRequestNews(pull_request=titled, listed_at=now()))
        await run.handle.signal("poke")
        await world.eventually(lambda: world.gives_way is None)
        length.allow(10_000)
        await world.eventually(lambda: world.results() == ["late"])
        assert await run.id() != before
