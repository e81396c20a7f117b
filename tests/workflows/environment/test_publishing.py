"""The publisher loop in a workflow of its own: one write at a time, newest wins, no event lost."""

import asyncio
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.contracts import ResourceActivities
from activities.models.status import (
    EventNote,
    PublishPlaceInput,
    PublishStatusInput,
    PublishStatusResult,
    TrackerStatus,
)
from activities.models.tracking import Timings, TrackerRef
from crds.reasons.vocabulary import State
from worker.temporal.conversion import DATA_CONVERTER
from workflows.identity import Queues
from workflows.promotion.steps.publishing import status_publisher
from workflows.runtime.publishing import next_sequence


def payload(message: str, *events: str) -> PublishStatusInput:
    return PublishStatusInput(
        tracker=TrackerRef(namespace="shop", name="web-1", uid="u", attempt=1),
        status=TrackerStatus(state=State.TESTING, sequence=0, attempt=1, message=message),
        events=tuple(EventNote(id=one, warning=False, reason=one, message="") for one in events),
    )


@workflow.defn(sandboxed=False)
class Publishing:
    """Offer payloads as they come, and end when asked."""

    @workflow.init
    def __init__(self, installation: str) -> None:
        self.answers: list[PublishStatusResult] = []
        self.publisher = status_publisher(Queues(installation=installation), Timings(), answered=self.answers.append)
        self.done = False

    @workflow.run
    async def run(self, installation: str) -> int:
        await workflow.wait_condition(lambda: self.done)
        await self.publisher.drain()
        return self.publisher.sequence

    @workflow.signal
    def offer(self, payloads: list[PublishStatusInput]) -> None:
        for one in payloads:
            self.publisher.offer(one)

    @workflow.signal
    def end(self) -> None:
        self.done = True


@dataclass
class Kubernetes(ResourceActivities):
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    written: list[PublishStatusInput] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    refuse: str = ""
    ahead: list[int] = field(default_factory=list)
    """By how much others wrote ahead before each of the next writes."""

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.asked.set()
        await self.gate.wait()
        self.at_once -= 1
        if request.status.message == self.refuse:
            raise ApplicationError("invalid", type="Invalid", non_retryable=True)
        if self.ahead:
            there = request.status.sequence + self.ahead.pop(0)
            return PublishStatusResult(written=False, reason="OlderSequence", sequence=there)
        self.written.append(request)
        return PublishStatusResult(written=True)

    @activity.defn
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        raise AssertionError("no place here")


async def publish(
    address: str, offers: list[PublishStatusInput], *, refuse: str = "", ahead: list[int] | None = None
) -> tuple[Kubernetes, int]:
    """Offer the first payload, and the others while the API server has not answered yet."""
    client = await Client.connect(address, data_converter=DATA_CONVERTER)
    installation = f"test-{uuid.uuid4()}"
    api = Kubernetes(refuse=refuse, ahead=ahead or [])
    queues = Queues(installation=installation)
    async with (
        Worker(client, task_queue=queues.kubernetes, activities=[api.publish_status]),
        Worker(client, task_queue=queues.promotions, workflows=[Publishing]),
    ):
        handle = await client.start_workflow(
            Publishing.run, installation, id=f"publishing-{installation}", task_queue=queues.promotions
        )
        await handle.signal(Publishing.offer, offers[:1])
        await asyncio.wait_for(api.asked.wait(), 60)
        await handle.signal(Publishing.offer, offers[1:])
        await handle.signal(Publishing.end)
        api.gate.set()
        return api, await asyncio.wait_for(handle.result(), 60)


async def test_only_the_newest_of_many_is_written_with_the_events_of_all(temporal_server: str) -> None:
    api, sequence = await publish(
        temporal_server, [payload("one", "a"), payload("two", "b"), payload("three", "c", "b"), payload("four")]
    )
    assert [one.status.message for one in api.written] == ["one", "four"]
    assert [[event.id for event in one.events] for one in api.written] == [["a"], ["b", "c"]]
    assert api.most_at_once == 1
    assert api.written[0].status.sequence < api.written[1].status.sequence == sequence


async def test_what_shows_nothing_new_is_not_written_again(temporal_server: str) -> None:
    api, _ = await publish(temporal_server, [payload("one"), payload("two"), payload("one")])
    assert [one.status.message for one in api.written] == ["one"]


async def test_a_refused_status_does_not_stop_the_next_one(temporal_server: str) -> None:
    api, _ = await publish(temporal_server, [payload("bad"), payload("good")], refuse="bad")
    assert [one.status.message for one in api.written] == ["good"]


async def test_a_status_follows_one_that_others_wrote_ahead_of_it(temporal_server: str) -> None:
    api, sequence = await publish(temporal_server, [payload("one")], ahead=[400_000])
    (written,) = api.written
    assert written.status.sequence == sequence > datetime.now(UTC).timestamp() * 1000 + 300_000


async def test_who_keeps_writing_ahead_does_not_keep_the_workflow_busy(temporal_server: str) -> None:
    api, _ = await publish(temporal_server, [payload("one"), payload("two")], ahead=[1000] * 4)
    assert api.ahead == []
    # What was given up is offered with the next change.
    assert [one.status.message for one in api.written] == ["two"]


def test_a_sequence_grows_even_where_the_clock_does_not() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first = next_sequence(0, now)
    assert first == int(now.timestamp() * 1000)
    assert next_sequence(first, now) == first + 1
    assert next_sequence(first + 5000, now) == first + 5001


async def test_details_of_one_state_are_written_once_a_second_and_the_newest_is_not_lost(temporal_server: str) -> None:
    client = await Client.connect(temporal_server, data_converter=DATA_CONVERTER)
    installation = f"test-{uuid.uuid4()}"
    api = Kubernetes()
    api.gate.set()
    queues = Queues(installation=installation)
    async with (
        Worker(client, task_queue=queues.kubernetes, activities=[api.publish_status]),
        Worker(client, task_queue=queues.promotions, workflows=[Publishing]),
    ):
        handle = await client.start_workflow(
            Publishing.run, installation, id=f"publishing-{installation}", task_queue=queues.promotions
        )
        began = asyncio.get_running_loop().time()
        for number in range(20):
            await handle.signal(Publishing.offer, [payload(f"message {number}", f"event-{number}")])
        await handle.signal(Publishing.end)
        await asyncio.wait_for(handle.result(), 60)
        passed = asyncio.get_running_loop().time() - began
    assert api.written[-1].status.message == "message 19"
    assert [event.id for one in api.written for event in one.events] == [f"event-{number}" for number in range(20)]
    # The first, one at the end, and one a second between.
    assert len(api.written) <= passed / Timings().publish_gap.total_seconds() + 2
