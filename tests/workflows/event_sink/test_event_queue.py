"""The queue of a sink: nothing twice, nothing out of order, and nothing lost in silence, whatever comes between."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from activities.models import budgets
from activities.models.event_sinks import PromotionEvent
from tests.activities.event_sinks.samples import TRACKER, event
from workflows.event_sink.event_queue import EventQueue
from workflows.sizes import encoded_size

TRACKERS = [replace(TRACKER, name=f"web-{number}", uid=f"uid-{number}") for number in range(3)]


def sent_all(queue: EventQueue) -> list[PromotionEvent]:
    """Send everything that waits."""
    sent = list[PromotionEvent]()
    while batch := queue.begin():
        sent += batch
        queue.end(len(batch))
    return sent


def test_whatever_comes_between_each_tracker_s_events_leave_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "SINK_EVENTS", 12)
    for seed in range(20):
        chance = random.Random(seed)
        queue, sent, came = EventQueue(), list[PromotionEvent](), {one.uid: 0 for one in TRACKERS}
        for _ in range(80):
            batch = queue.begin() if chance.random() < 0.3 else ()
            tracker = chance.choice(TRACKERS)
            new = [event(number=came[tracker.uid] + step, tracker=tracker) for step in (1, 2)]
            came[tracker.uid] += 2
            # A publication that is repeated brings the same again.
            queue.take([*new, *new] if chance.random() < 0.3 else new)
            if batch:
                delivered = chance.randint(0, len(batch))
                sent += batch[:delivered]
                queue.end(delivered)
            if chance.random() < 0.1:
                queue = EventQueue(queue.waiting, queue.seen, dropped=queue.dropped, omitted=queue.omitted)
        queue.take([event(number=came[TRACKERS[0].uid] + 1, tracker=TRACKERS[0])])
        came[TRACKERS[0].uid] += 1
        sent += sent_all(queue)
        for tracker in TRACKERS:
            numbers = [one.number for one in sent if one.tracker == tracker]
            assert all(one < two for one, two in pairwise(numbers)), seed
        assert len(sent) + queue.dropped == sum(came.values()), seed
        assert sum(one.omitted for one in sent) == queue.dropped, seed


def test_a_full_queue_keeps_the_newest_and_the_first_kept_names_how_many_are_missing() -> None:
    queue = EventQueue()
    queue.take(event(number=number) for number in range(1, budgets.SINK_EVENTS + 4))
    first = queue.waiting[0]
    assert (len(queue), queue.dropped) == (budgets.SINK_EVENTS, 3)
    assert (first.number, first.omitted) == (4, 3)


def test_a_queue_stays_within_its_bytes() -> None:
    queue = EventQueue()
    queue.take(event(number=number, message="🚢" * 250, title="🚢" * 75) for number in range(1, 400))
    assert sum(map(encoded_size, queue.waiting)) <= budgets.SINK_BYTES
    assert queue.waiting[-1].number == 399
    assert queue.waiting[0].omitted == queue.dropped > 0


def test_what_is_at_work_is_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "SINK_EVENTS", 5)
    queue = EventQueue()
    queue.take(event(number=number) for number in range(1, 6))
    at_work = queue.begin()
    queue.take(event(number=number) for number in range(6, 20))
    assert queue.waiting[: len(at_work)] == at_work
    queue.end(2)
    assert [one.number for one in queue.waiting] == [15, 16, 17, 18, 19]
    assert queue.waiting[0].omitted == queue.dropped == 12


def test_an_event_that_is_never_taken_goes_and_the_next_one_names_it() -> None:
    queue = EventQueue()
    queue.take([event(number=1)])
    queue.refuse_first()
    assert (len(queue), queue.dropped) == (0, 1)
    queue.take([event(number=2), event(number=3)])
    assert [one.omitted for one in queue.waiting] == [1, 0]


def test_a_delivery_holds_no_more_than_a_payload_takes() -> None:
    queue = EventQueue()
    queue.take(event(number=number, message="m" * 900) for number in range(1, 100))
    batch = queue.begin()
    assert len(batch) == budgets.SINK_DELIVERY
    assert sum(map(encoded_size, batch)) <= budgets.SINK_SIGNAL_BYTES


def test_events_of_a_workflow_that_was_reset_are_new_although_their_numbers_are_not() -> None:
    queue = EventQueue()
    queue.take([event(number=5)])
    sent_all(queue)
    queue.take([event(number=5)])
    assert not queue
    queue.take([event(number=3, at=event(number=5).at + timedelta(hours=1))])
    assert [one.number for one in queue.waiting] == [3]


def test_only_the_newest_attempts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "SINK_ATTEMPTS", 2)
    queue = EventQueue()
    for tracker in TRACKERS:
        queue.take([event(tracker=tracker)])
    assert list(queue.seen) == [f"{one.uid}.{one.attempt}" for one in TRACKERS[1:]]
