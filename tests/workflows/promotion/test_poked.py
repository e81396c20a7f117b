"""A poke, such as a webhook's, where everything else would be looked at hours later."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import timedelta

from temporalio import activity

from activities.models.pull_requests_news import PullRequestNews
from activities.models.revisions import ReadPullRequestInput, ReadPullRequestResult
from activities.models.testing import PollTestsInput, PollTestsResult, RunState
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, World, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now
from workflows.identity import PULL_REQUEST_SIGNAL

HOURS = timedelta(hours=4)
RARE = replace(
    FAST,
    poll_initial=HOURS,
    poll_maximum=HOURS,
    poll_gap=HOURS,
    poke_gap=timedelta(milliseconds=50),
    merge_initial=HOURS,
    merge_maximum=HOURS,
)


@dataclass
class CountingWorld(World):
    """A world that counts what it was asked."""

    polls: int = 0
    reads: int = 0

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        self.polls += 1
        return await super().poll_tests(request)

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        self.reads += 1
        return await super().read_pull_request(request)

    async def until_polled(self, count: int) -> None:
        """Wait until the runs were polled so often."""
        await self.eventually(lambda: self.polls >= count)


async def test_each_poke_has_the_runs_polled_whatever_the_gap_between_polls(played: Played) -> None:
    async with promotion_in(CountingWorld, played, timings=RARE) as (world, start):
        world.verdicts = defaultdict(lambda: RunState.RUNNING)
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        for count in (1, 2, 3):
            await run.handle.signal("poke")
            await world.until_polled(count)
        world.verdicts = defaultdict(lambda: RunState.PASSED)
        await run.handle.signal("poke")
        # The next hop's test.
        await world.eventually(lambda: len(world.triggers) == 4)
        assert [one.test for one in world.triggers[3:]] == ["smoke"]


async def test_a_poke_has_the_pull_request_read_and_a_merge_seen(played: Played) -> None:
    async with promotion_in(CountingWorld, played, timings=RARE) as (world, start):
        merged = world.pull_request
        world.pull_request = replace(merged, state=PullRequestState.OPEN, merge_sha=None)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        before = world.reads
        await run.handle.signal("poke")
        await world.eventually(lambda: world.reads > before)
        world.pull_request = merged
        await run.handle.signal("poke")
        await world.eventually(lambda: len(world.triggers) == 3)
        assert world.status.pull_request is not None


async def test_news_of_a_merge_need_no_read_of_the_pull_request(played: Played) -> None:
    async with promotion_in(CountingWorld, played, timings=RARE) as (world, start):
        merged = world.pull_request
        world.pull_request = replace(merged, state=PullRequestState.OPEN, merge_sha=None)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        before = world.reads
        news = PullRequestNews(pull_request=merged, listed_at=now())
        await run.handle.signal(PULL_REQUEST_SIGNAL, news)
        await world.eventually(lambda: len(world.triggers) == 3)
        assert world.reads == before
