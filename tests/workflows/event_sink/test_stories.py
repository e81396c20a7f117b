"""What a sink's workflow does on a server as on what stands for one: these stories are recorded, and must replay."""

from activities.models.event_sinks import EventSinkInput, SinkOutcome
from tests.activities.event_sinks.samples import event
from tests.workflows.event_sink.world import AWAY, SINK, ids, playing
from tests.worlds.played import Server
from workflows.identity import EVENT_SINK_WORKFLOW, Queues


async def test_events_leave_in_the_order_in_which_they_came(played: Server) -> None:
    async with playing(played) as world:
        events = [event(number=number) for number in range(1, 30)]
        await world.send(*events[:3])
        await world.send(*events[3:])
        await world.until(lambda: len(world.taken) == len(events))
        assert world.taken == ids(*events)
        assert world.shown() == [(True, "Delivered")]


async def test_a_lost_answer_sends_the_same_ids_again_and_loses_nothing(played: Server) -> None:
    async with playing(played) as world:
        world.loses = 1
        events = [event(number=number) for number in (1, 2)]
        await world.send(*events)
        await world.until(lambda: len(world.taken) == 4)
        assert world.taken == ids(*events, *events)


async def test_a_suspended_sink_forgets_what_waits_and_sends_what_comes_later(played: Server) -> None:
    async with playing(played) as world:
        world.outcome = SinkOutcome.SUSPENDED
        await world.send(event(number=1))
        await world.until(lambda: bool(world.attempts))
        world.outcome = SinkOutcome.DELIVERED
        await world.send(event(number=2))
        await world.until(lambda: bool(world.taken))
        assert (world.taken, world.omitted) == (ids(event(number=2)), [0])


async def test_a_run_that_continues_sends_what_came_before_it(played: Server) -> None:
    async with playing(played) as world:
        world.refuses = lambda _event: AWAY
        start = EventSinkInput(installation=world.installation, sink=SINK, history_limit=20)
        queue = Queues(installation=world.installation).promotions
        await world.client.start_workflow(EVENT_SINK_WORKFLOW, start, id=world.id, task_queue=queue)
        events = [event(number=number) for number in range(1, 41)]
        for one in events:
            await world.send(one)
        world.refuses = lambda _event: None
        await world.port.poke(SINK)
        await world.until(lambda: len(world.taken) == len(events))
        assert world.taken == ids(*events)


async def test_the_workflow_ends_where_it_is_poked_after_its_sink_went(played: Server) -> None:
    async with playing(played) as world:
        await world.send(event())
        await world.until(lambda: bool(world.taken))
        world.outcome = SinkOutcome.GONE
        await world.port.poke(SINK)
        await world.until(lambda: len(world.attempts) == 2)
        assert (world.attempts[-1].events, world.attempts[-1].changed) == ((), True)
