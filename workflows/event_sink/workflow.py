"""EventSinkWorkflow: what happens to the promotions of a namespace, sent to one receiver in order, at least once.

Who publishes a tracker's status signals its events before that publication counts as done, so that none is lost; the
promotion waits for no receiver. Events leave in the order in which they came. One that is not taken holds up those
after it, is tried again with growing pauses, and keeps its id. A receiver that stays away costs the oldest events, and
learns how many. The workflow lives as long as its EventSink.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import EventSinkActivities, EventSinkStatusActivities
from activities.models.event_sinks import (
    DeliverEventsInput,
    DeliverEventsResult,
    EventSinkInput,
    PromotionEvent,
    PublishEventSinkInput,
    SinkOutcome,
)
from activities.models.failures import Failure
from activities.models.status import PublishStatusResult
from crds.reasons.conditions import ConditionReason
from crds.reasons.problems import FailureKind
from workflows import policies
from workflows.event_sink.event_queue import EventQueue
from workflows.event_sink.presentation import EventSinkProgress, details, reason_of
from workflows.failures import failure_of
from workflows.identity import EVENT_SINK_WORKFLOW, EVENTS_SIGNAL, POKE_SIGNAL, PROGRESS_QUERY, Queues
from workflows.runtime import lifetime
from workflows.runtime.backoff import pause_before_sending_again
from workflows.runtime.publishing import Publisher
from workflows.runtime.timers import wait_until

LOOK_AGAIN = timedelta(days=1)
"""How often an idle workflow looks whether its sink is still there: a watcher that is away misses its deletion."""
REFUSED_FOR = timedelta(hours=1)
"""How long an event that its receiver refuses is tried: one that is never taken must not keep all others from it."""
PUBLISH_GAP = timedelta(minutes=1)
"""Between two writes of the sink's status that show details of the same."""
_REFUSED = frozenset({FailureKind.REJECTED, FailureKind.CONFLICT})


@workflow.defn(name=EVENT_SINK_WORKFLOW)
class EventSinkWorkflow:
    """Send what comes; end with the sink."""

    @workflow.init
    def __init__(self, start: EventSinkInput) -> None:
        self._start = start
        self._queues = Queues(installation=start.installation)
        self._queue = EventQueue(start.waiting, start.seen, dropped=start.dropped, omitted=start.omitted)
        self._failures = start.failures
        self._refused_since = start.refused_since
        self._not_before = start.not_before
        self._last_success = start.last_success
        self._error = ""
        self._waiting_shown = start.waiting_shown
        self._poked = start.poked
        self._gone = False
        self._publisher = self._make_publisher()

    @workflow.run
    async def run(self, start: EventSinkInput) -> None:
        """Send until the sink is gone."""
        if start.unpublished is not None:
            self._publisher.offer(start.unpublished)
        while not self._gone:
            if self._due:
                await self._hand_over()
            if not self._queue:
                await self._wait_for_events()
            elif not await self._receiver_may_be_called():
                continue
            await self._deliver()
            workflow.set_current_details(details(self.progress()))
        await self._publisher.drain()

    @workflow.signal(name=EVENTS_SIGNAL, description="Something happened to a promotion")
    def events(self, arrived: tuple[PromotionEvent, ...]) -> None:
        """Take events of one tracker, oldest first."""
        self._queue.take(arrived)

    @workflow.signal(name=POKE_SIGNAL, description="The sink changed or is gone: try again at once")
    def poke(self) -> None:
        """Try again at once."""
        self._poked = True

    @workflow.query(name=PROGRESS_QUERY, description="What waits, and why")
    def progress(self) -> EventSinkProgress:
        """Return what waits, and why."""
        return EventSinkProgress(
            sink=self._start.sink,
            waiting=len(self._queue),
            dropped=self._queue.dropped,
            last_success=self._last_success,
            last_error=self._error,
            next_attempt=self._not_before,
        )

    @property
    def _due(self) -> bool:
        return lifetime.due(self._start.history_limit)

    async def _wait_for_events(self) -> None:
        why = "look whether the sink is there"
        await wait_until(lambda: bool(self._queue) or self._poked, at_most=LOOK_AGAIN, why=why)

    async def _receiver_may_be_called(self) -> bool:
        """Keep the quiet that the receiver asked for, or the pause after a failure; False where the run is due first.

        Events that come meanwhile lengthen the history, whose end would lose them all.
        """
        if self._not_before is None or (left := self._not_before - workflow.now()) <= timedelta(0):
            return True
        woken = await wait_until(lambda: self._poked or self._due, at_most=left, why="send again")
        return self._poked or not woken

    async def _deliver(self) -> None:
        # Taken before anything is awaited: what is fixed meanwhile must cause another attempt.
        poked, self._poked = self._poked, False
        start, batch = self._start, self._queue.begin()
        request = DeliverEventsInput(
            namespace=start.sink.namespace,
            installation=start.installation,
            sink=start.sink,
            events=batch,
            changed=poked or not batch or self._failures > 0,
        )
        what = f"send {batch[0].reason} of {batch[0].tracker.name}" if batch else "look whether the sink is there"
        more = f" and {len(batch) - 1} more" if len(batch) > 1 else ""
        config = policies.deliver_events(self._queues, start.timings, summary=f"{what}{more}")
        try:
            result = await workflow.execute_activity_method(EventSinkActivities.deliver_events, request, **config)
        except ActivityError as refusal:
            self._queue.end(0)
            self._refused(failure_of(refusal, f"EventSink/{start.sink.name}"))
        else:
            self._answered(result)

    def _answered(self, result: DeliverEventsResult) -> None:
        self._queue.end(result.delivered)
        self._failures, self._refused_since, self._not_before, self._error = 0, None, None, ""
        match result.outcome:
            case SinkOutcome.DELIVERED if result.delivered:
                self._last_success = workflow.now()
                self._publish(delivered=True, reason=ConditionReason.DELIVERED)
            case SinkOutcome.SUSPENDED:
                self._queue.clear()
                self._publish_emptied()
            case SinkOutcome.GONE:
                self._queue.clear()
                self._gone = True
            case _:
                pass

    def _refused(self, failure: Failure) -> None:
        """Keep why nothing was taken, and when it is tried again."""
        now = workflow.now()
        if not (failure.asks_to_wait or failure.ours):
            self._failures += 1
        if failure.kind in _REFUSED:
            self._refused_since = self._refused_since or now
            if now - self._refused_since >= REFUSED_FOR and self._queue:
                self._queue.refuse_first()
                self._refused_since = None
        self._error = failure.named
        self._not_before = now + pause_before_sending_again(failure, self._failures)
        # An attempt that was lost here, or waits for its turn, is no evidence of the receiver.
        if not (failure.kind is FailureKind.BUSY or failure.ours):
            self._publish(delivered=False, reason=reason_of(failure.kind), message=failure.named)

    def _publish(self, *, delivered: bool, reason: str, message: str = "") -> None:
        payload = PublishEventSinkInput(
            namespace=self._start.sink.namespace,
            sink=self._start.sink,
            delivered=delivered,
            reason=reason,
            message=message,
            at=workflow.now(),
            last_success=self._last_success,
            waiting=len(self._queue),
            dropped=self._queue.dropped,
        )
        self._waiting_shown = payload if payload.waiting else None
        self._publisher.offer(payload)

    def _publish_emptied(self) -> None:
        """Show that nothing waits any more, where the status shows that something does; all else stays as it is."""
        shown, self._waiting_shown = self._waiting_shown, None
        if shown is not None:
            self._publisher.offer(replace(shown, waiting=len(self._queue), dropped=self._queue.dropped))

    async def _hand_over(self) -> None:
        unpublished = await self._publisher.give_up()
        lifetime.hand_over(
            replace(
                self._start,
                waiting=self._queue.waiting,
                seen=self._queue.seen,
                dropped=self._queue.dropped,
                omitted=self._queue.omitted,
                failures=self._failures,
                refused_since=self._refused_since,
                not_before=self._not_before,
                poked=self._poked,
                last_success=self._last_success,
                unpublished=unpublished,
                waiting_shown=self._waiting_shown,
            )
        )

    def _make_publisher(self) -> Publisher[PublishEventSinkInput]:
        async def send(payload: PublishEventSinkInput) -> PublishStatusResult:
            config = policies.kubernetes_publish(
                self._queues, self._start.timings, summary=f"publish: {payload.reason}, {payload.waiting} wait"
            )
            return await workflow.execute_activity_method(
                EventSinkStatusActivities.publish_event_sink, payload, **config
            )

        return Publisher(
            send=send,
            stamp=lambda payload, _sequence: payload,
            merge=lambda _older, newer: newer,
            adds=lambda sent, payload: replace(sent, at=payload.at) != payload,
            at_once=lambda sent, payload: sent.delivered != payload.delivered,
            gap=PUBLISH_GAP,
        )
