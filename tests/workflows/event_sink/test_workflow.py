"""A sink's receiver that is away, slow or picky: what it gets in the end, and what its EventSink shows meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from activities.models import budgets
from activities.models.event_sinks import EventSinkInput, PromotionEvent, SinkOutcome
from providers.errors import ProviderError, ProviderRateLimited, ProviderRejected, ProviderUnauthorized
from tests.activities.event_sinks.samples import TRACKER, event
from tests.workflows.event_sink.world import AWAY, SINK, ids, playing
from tests.worlds.played import Played
from workflows.event_sink.workflow import LOOK_AGAIN, EventSinkWorkflow
from workflows.identity import Queues

OTHER = replace(TRACKER, name="web-413", uid="uid-413")


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
        assert timedelta(hours=1) <= played.loop.now() - begun < timedelta(hours=1, minutes=30)
        await world.until(lambda: world.published[-1].delivered)
        assert world.published[-1].dropped == 1
        assert world.shown() == [(False, "Refused"), (True, "Delivered")]


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


async def test_the_workflow_ends_with_its_sink_and_looks_for_it_where_no_one_reports_its_end(played: Played) -> None:
    async with playing(played) as world:
        await world.send(event())
        await world.until(lambda: bool(world.taken))
        world.outcome = SinkOutcome.GONE
        execution = played.execution(world.id)
        await asyncio.sleep((LOOK_AGAIN + timedelta(minutes=1)).total_seconds())
        assert execution.result.done()
        assert world.attempts[-1].events == ()
        assert len(world.attempts) == 2


async def test_long_histories_are_continued_without_a_loss_also_while_the_receiver_is_away(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        events = [event(number=number) for number in range(1, 101)]
        start = EventSinkInput(installation=world.installation, sink=SINK, history_limit=50)
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


async def test_a_change_of_the_sink_during_a_long_history_s_last_attempt_ends_the_pause_of_the_next_run(
    played: Played,
) -> None:
    async with playing(played) as world:
        pokes: list[asyncio.Task[None]] = []

        def refuses(_event: PromotionEvent) -> ProviderError | None:
            if pokes:
                return None
            pokes.append(asyncio.create_task(world.port.poke(SINK)))
            return ProviderRateLimited("later", status=429, retry_after=timedelta(hours=1))

        world.refuses = refuses
        start = EventSinkInput(installation=world.installation, sink=SINK, history_limit=8)
        queue = Queues(installation=world.installation).promotions
        await world.client.start_workflow(EventSinkWorkflow.run, start, id=world.id, task_queue=queue)
        first = (await world.handle.describe()).run_id
        await world.send(event())
        await asyncio.sleep(60)
        assert world.taken == ids(event())
        assert (await world.handle.describe()).run_id != first


async def test_a_sink_that_is_suspended_shows_that_nothing_waits_any_more_and_its_last_error(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        await world.send(*[event(number=number) for number in range(1, 6)])
        await world.until(lambda: bool(world.published))
        assert world.published[-1].waiting == 5
        world.outcome = SinkOutcome.SUSPENDED
        await world.port.poke(SINK)
        await world.until(lambda: world.published[-1].waiting == 0)
        failed, emptied = world.published
        assert emptied == replace(failed, waiting=0)
        await world.send(event(number=6))
        await asyncio.sleep(LOOK_AGAIN.total_seconds())
        assert len(world.published) == 2


async def test_a_run_that_continues_knows_that_its_sink_shows_events_that_wait(played: Played) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        start = EventSinkInput(installation=world.installation, sink=SINK, history_limit=20)
        await world.client.start_workflow(EventSinkWorkflow.run, start, id=world.id, task_queue="any")
        await world.send(*[event(number=number) for number in range(1, 6)])
        await world.until(lambda: len(world.attempts) >= 8)
        published = len(world.published)
        world.outcome = SinkOutcome.SUSPENDED
        await world.port.poke(SINK)
        await world.until(lambda: world.published[-1].waiting == 0)
        assert len(world.published) == published + 1
