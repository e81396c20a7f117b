"""A sink's receiver that is away, slow or picky: what it gets in the end, and what its EventSink shows meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import activity

from activities.contracts import EventSinkActivities, EventSinkStatusActivities
from activities.failures import reported
from activities.models import budgets
from activities.models.event_sinks import (
    DeliverEventsInput,
    DeliverEventsResult,
    EventSinkInput,
    PromotionEvent,
    PublishEventSinkInput,
    SinkOutcome,
    SinkRef,
)
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from providers.errors import (
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from tests.activities.event_sinks.samples import TRACKER, event
from tests.worlds.played import Played, served
from tests.worlds.serving import Activity
from worker.temporal.event_sinks import TemporalEventSinks
from workflows.event_sink.presentation import EventSinkProgress
from workflows.event_sink.workflow import EventSinkWorkflow
from workflows.identity import PROGRESS_QUERY, event_sink_workflow_id

SINK = SinkRef(namespace="shop", name="chat", uid="uid-1")
AWAY = ProviderUnavailable("no connection", status=503)
OTHER = replace(TRACKER, name="web-413", uid="uid-413")


@dataclass
class World(EventSinkActivities, EventSinkStatusActivities):
    """A receiver, and the API server."""

    played: Played
    taken: list[str] = field(default_factory=list)
    """Ids of what the receiver took, in order."""
    omitted: list[int] = field(default_factory=list)
    attempts: list[DeliverEventsInput] = field(default_factory=list)
    refuses: Callable[[PromotionEvent], ProviderError | None] = lambda _event: None
    outcome: SinkOutcome = SinkOutcome.DELIVERED
    loses: int = 0
    """How many of the next answers are lost although the receiver took everything."""
    published: list[PublishEventSinkInput] = field(default_factory=list)

    @activity.defn
    @reported
    async def deliver_events(self, request: DeliverEventsInput) -> DeliverEventsResult:
        self.attempts.append(request)
        if self.outcome is not SinkOutcome.DELIVERED:
            return DeliverEventsResult(outcome=self.outcome)
        for number, one in enumerate(request.events):
            if (error := self.refuses(one)) is not None:
                if number:
                    return DeliverEventsResult(outcome=self.outcome, delivered=number)
                raise error
            self.taken.append(one.id)
            self.omitted.append(one.omitted)
        if self.loses and request.events:
            self.loses -= 1
            raise ProviderUnavailable("the answer was lost", status=500)
        return DeliverEventsResult(outcome=self.outcome, delivered=len(request.events))

    @activity.defn
    async def publish_event_sink(self, request: PublishEventSinkInput) -> PublishStatusResult:
        self.published.append(request)
        return PublishStatusResult(written=True)

    @property
    def port(self) -> TemporalEventSinks:
        return TemporalEventSinks(client=self.played.client, installation="main", timings=Timings())

    @property
    def id(self) -> str:
        return event_sink_workflow_id("main", SINK.namespace, SINK.name, SINK.uid)

    async def send(self, *events: PromotionEvent) -> None:
        await self.port.send(SINK, events)

    async def progress(self) -> EventSinkProgress:
        handle = self.played.client.get_workflow_handle(self.id)
        found: EventSinkProgress = await handle.query(PROGRESS_QUERY, result_type=EventSinkProgress)
        return found

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Let time pass until something is so; it is virtual, and a day costs nothing."""
        async with asyncio.timeout(timedelta(days=3).total_seconds()):
            while not wanted():  # noqa: ASYNC110 -- activities bring it about
                await asyncio.sleep(1)

    def shown(self) -> list[tuple[bool, str]]:
        """Return what the condition was, without repetitions."""
        found = [(one.delivered, one.reason) for one in self.published]
        return [one for before, one in zip([None, *found], found, strict=False) if one != before]


@asynccontextmanager
async def playing(played: Played) -> AsyncIterator[World]:
    world = World(played)
    activities: dict[str, list[Activity]] = {"checks": [world.deliver_events], "kubernetes": [world.publish_event_sink]}
    async with served(played, played.client, "main", [EventSinkWorkflow], activities):
        yield world


def ids(*events: PromotionEvent) -> list[str]:
    return [one.id for one in events]


async def test_events_leave_in_the_order_in_which_they_came(played: Played) -> None:
    async with playing(played) as world:
        events = [event(number=number) for number in range(1, 30)]
        await world.send(*events[:3])
        await world.send(*events[3:])
        await world.until(lambda: len(world.taken) == len(events))
        assert world.taken == ids(*events)
        assert world.shown() == [(True, "Delivered")]


async def test_a_receiver_that_comes_back_gets_everything_in_order_and_its_sink_is_ready_again(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        events = [event(number=1), event(number=1, tracker=OTHER), event(number=2)]
        await world.send(events[0])
        await world.until(lambda: len(world.attempts) == 12)
        await world.send(*events[1:])
        assert ((await world.progress()).waiting, world.shown()) == (3, [(False, "Unavailable")])
        assert "no connection" in world.published[-1].message
        world.refuses = lambda _event: None
        await world.until(lambda: len(world.taken) == 3)
        await world.until(lambda: world.published[-1].delivered and world.published[-1].waiting == 0)
        assert world.taken == ids(*events)
        assert world.shown() == [(False, "Unavailable"), (True, "Delivered")]


async def test_pauses_grow_to_ten_minutes_and_a_changed_sink_is_tried_at_once(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: ProviderUnauthorized("401", status=401)
        begun = played.loop.time()
        await world.send(event())
        await world.until(lambda: len(world.attempts) == 20)
        # Eight pauses up to ten minutes, and eleven of about that long.
        assert timedelta(hours=1.5) < timedelta(seconds=played.loop.time() - begun) < timedelta(hours=3)
        world.refuses = lambda _event: None
        before = played.loop.time()
        await world.port.poke(SINK)
        await world.until(lambda: bool(world.taken))
        assert played.loop.time() - before < 10
        assert world.attempts[-1].changed
        assert world.shown() == [(False, "Unauthorized"), (True, "Delivered")]


async def test_a_receiver_that_asks_to_wait_gets_its_quiet(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: ProviderRateLimited("429", retry_after=timedelta(minutes=30), status=429)
        await world.send(event())
        await world.until(lambda: bool(world.published))
        until = (await world.progress()).next_attempt
        world.refuses = lambda _event: None
        await world.until(lambda: bool(world.taken))
        assert until is not None
        assert until <= played.loop.now() < until + timedelta(minutes=1)
        assert len(world.attempts) == 2


async def test_an_event_that_is_never_taken_gives_way_after_an_hour_and_the_next_one_names_it(played: Played) -> None:
    async with playing(played) as world:
        bad, good = event(number=1), event(number=2)
        world.refuses = lambda one: ProviderRejected("400", status=400) if one.number == 1 else None
        begun = played.loop.now()
        await world.send(bad, good)
        await world.until(lambda: bool(world.taken))
        assert (world.taken, world.omitted) == (ids(good), [1])
        assert timedelta(hours=1) <= played.loop.now() - begun < timedelta(hours=1, minutes=20)
        await world.until(lambda: world.published[-1].delivered)
        assert world.published[-1].dropped == 1
        assert world.shown() == [(False, "Refused"), (True, "Delivered")]


async def test_a_lost_answer_sends_the_same_ids_again_and_loses_nothing(played: Played) -> None:
    async with playing(played) as world:
        world.loses = 1
        events = [event(number=number) for number in (1, 2)]
        await world.send(*events)
        await world.until(lambda: len(world.taken) == 4)
        assert world.taken == ids(*events, *events)


async def test_a_receiver_that_stays_away_costs_the_oldest_events_and_learns_how_many(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        came = budgets.SINK_EVENTS + 100
        for number in range(1, came + 1, 50):
            await world.send(*(event(number=each) for each in range(number, number + 50)))
        world.refuses = lambda _event: None
        await world.until(lambda: world.taken[-1:] == ids(event(number=came)))
        await world.until(lambda: world.published[-1].delivered and world.published[-1].waiting == 0)
        dropped = world.published[-1].dropped
        assert dropped > 0
        assert len(world.taken) + dropped == came
        assert sum(world.omitted) == dropped


async def test_long_histories_are_continued_without_a_loss_also_while_the_receiver_is_away(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        events = [event(number=number) for number in range(1, 101)]
        start = EventSinkInput(installation="main", sink=SINK, history_limit=50)
        played.begin(world.id, EventSinkWorkflow, start)
        runs = set[int]()
        for one in events:
            await world.send(one)
            await asyncio.sleep(20)
            runs.add(id(played.execution(world.id).run))
        world.refuses = lambda _event: None
        await world.until(lambda: len(world.taken) == len(events))
        assert world.taken == ids(*events)
        assert len(runs) > 1


async def test_a_suspended_sink_forgets_what_waits_and_sends_what_comes_later(played: Played) -> None:
    async with playing(played) as world:
        world.outcome = SinkOutcome.SUSPENDED
        await world.send(event(number=1))
        await world.until(lambda: bool(world.attempts))
        world.outcome = SinkOutcome.DELIVERED
        await world.send(event(number=2))
        await world.until(lambda: bool(world.taken))
        assert (world.taken, world.omitted) == (ids(event(number=2)), [0])


async def test_the_workflow_ends_with_its_sink_and_looks_for_it_where_no_one_reports_its_end(played: Played) -> None:
    async with playing(played) as world:
        await world.send(event())
        await world.until(lambda: bool(world.taken))
        world.outcome = SinkOutcome.GONE
        execution = played.execution(world.id)
        await world.until(execution.result.done)
        assert world.attempts[-1].events == ()
        assert len(world.attempts) == 2
