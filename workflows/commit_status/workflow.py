"""CommitStatusWorkflow: one context of one commit, posted in the order of its events.

A receiver signals each verdict before it answers the sender, so that none is lost. The newest one by the time of its
event is posted; what comes while a post is under way, or while the host wants no calls, is one post of the newest
after it. A run that does not know what the host shows looks first, so that neither a replay nor an older event
overwrites anything. It ends an hour after the last event; the next event starts it again.
"""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import CommitStatusActivities, PostRecordActivities, SupersessionActivities
from activities.models import budgets
from activities.models.commit_statuses import (
    PENDING,
    CloseSupersededInput,
    CommitStatusInput,
    CommitVerdict,
    PostCommitStatusInput,
    PostCommitStatusResult,
    PostOutcome,
    PublishPostInput,
)
from activities.models.failures import Failure
from activities.models.status import PublishStatusResult
from crds.reasons.problems import FailureKind
from workflows import policies
from workflows.commit_status.ordering import Slot
from workflows.commit_status.presentation import CommitStatusProgress, details, record
from workflows.failures import failure_of
from workflows.identity import COMMIT_STATUS_WORKFLOW, POKE_SIGNAL, PROGRESS_QUERY, VERDICT_SIGNAL, Queues
from workflows.runtime import lifetime
from workflows.runtime.backoff import pause_before_sending_again
from workflows.runtime.publishing import Publisher
from workflows.runtime.timers import wait_until

IDLE = timedelta(hours=1)
"""How long a run remembers what the host shows after the last event."""
GIVE_UP = timedelta(hours=24)
"""How long a verdict is tried: who was away for a day looks at newer commits."""
PUBLISH_GAP = timedelta(minutes=1)
"""Between two writes of the same kind of record: a Provider posts for many commits."""
_NEVER_ACCEPTED = frozenset({FailureKind.REJECTED, FailureKind.CONFLICT})


@workflow.defn(name=COMMIT_STATUS_WORKFLOW)
class CommitStatusWorkflow:
    """Post the newest verdict; end when none comes any more."""

    @workflow.init
    def __init__(self, start: CommitStatusInput) -> None:
        self._start = start
        self._queues = Queues(installation=start.installation)
        self._slot = Slot(posted=start.posted, wanted=start.wanted)
        self._last_event = start.wanted or start.posted
        self._ignored = 0
        self._failures = start.failures
        self._refused_since = start.refused_since
        self._not_before = start.not_before
        self._fresh = start.fresh
        self._tried = start.tried
        self._error = ""
        self._poked = start.poked
        self._publisher = self._make_publisher()

    @workflow.run
    async def run(self, start: CommitStatusInput) -> None:
        """Post until an hour has passed without an event."""
        if start.unpublished is not None:
            self._publisher.offer(start.unpublished)
        while True:
            if lifetime.due(start.history_limit):
                await self._hand_over()
            if self._slot.wanted is not None:
                await self._wait_for_host()
                # The newest at the end of the pause, whatever began it.
                if (verdict := self._slot.begin()) is not None:
                    await self._post(verdict)
            elif not await self._event_within(IDLE):
                await self._publisher.drain()
                if self._slot.wanted is None:
                    return

    @workflow.signal(name=VERDICT_SIGNAL, description="An event has a verdict for the commit")
    def verdict(self, arrived: CommitVerdict) -> None:
        """Take a verdict."""
        arrived = replace(arrived, received=workflow.now())
        if self._slot.take(arrived):
            self._last_event = arrived
        else:
            self._ignored += 1

    @workflow.signal(name=POKE_SIGNAL, description="Something may have changed: try again at once")
    def poke(self) -> None:
        """Try again at once."""
        self._poked = True

    @workflow.query(name=PROGRESS_QUERY, description="The last event, the last post, and why there is none")
    def progress(self) -> CommitStatusProgress:
        """Return the last event, the last post, and why there is none."""
        return CommitStatusProgress(
            slot=self._start.slot,
            last_event=self._last_event,
            last_post=self._slot.posted,
            last_error=self._error,
            ignored=self._ignored,
            next_attempt=self._not_before,
            pending=self._slot.wanted is not None,
        )

    async def _event_within(self, pause: timedelta) -> bool:
        def came() -> bool:
            return self._slot.wanted is not None

        # One that comes as the time ends counts as well.
        return await wait_until(came, at_most=pause, why="forget what the host shows") or came()

    async def _wait_for_host(self) -> None:
        """Keep the quiet that the host asked for, or the pause after a failure; events that come meanwhile gather."""
        if self._not_before is None or (left := self._not_before - workflow.now()) <= timedelta(0):
            return
        await wait_until(lambda: self._poked, at_most=left, why="post again")

    async def _post(self, verdict: CommitVerdict) -> None:
        # Taken before anything is awaited: what is fixed meanwhile must cause another attempt.
        self._poked = False
        start, slot = self._start, self._slot
        request = PostCommitStatusInput(
            namespace=start.slot.namespace,
            slot=start.slot,
            verdict=verdict,
            look_first=slot.posted is None,
            fresh=self._fresh,
            tried=self._tried,
        )
        config = policies.scm_post(self._queues, start.timings, summary=f"{verdict.state}: {start.slot.title}")
        try:
            result = await workflow.execute_activity_method(
                CommitStatusActivities.post_commit_status, request, **config
            )
        except ActivityError as refusal:
            self._refused(failure_of(refusal), verdict)
        else:
            self._answered(result, verdict)
            await self._close_superseded(verdict)
        workflow.set_current_details(details(self.progress()))

    def _answered(self, result: PostCommitStatusResult, verdict: CommitVerdict) -> None:
        self._failures, self._refused_since, self._not_before, self._error = 0, None, None, ""
        match result.outcome:
            case PostOutcome.POSTED | PostOutcome.UNCHANGED:
                self._fresh, self._tried = False, ()
                self._slot.shown()
                self._publisher.offer(record(self._start.slot, verdict, at=workflow.now()))
            case PostOutcome.OVERTAKEN:
                # What the host shows no event of ours describes.
                self._slot.dropped(unknown=True)
            case PostOutcome.GONE if not result.handed_on:
                self._slot.dropped()
                self._error = f"Provider/{self._start.slot.provider} does not exist any more: this is never posted"
                self._publisher.offer(record(self._start.slot, verdict, at=workflow.now(), error=self._error))
            case PostOutcome.SUSPENDED | PostOutcome.GONE:
                self._slot.dropped()

    def _refused(self, failure: Failure, verdict: CommitVerdict) -> None:
        """Keep why it was not posted, and when it is tried again; what the host never accepts is dropped."""
        now = workflow.now()
        self._error = failure.named
        if not (failure.asks_to_wait or failure.ours):
            # A host that asks for quiet is well, and an attempt that was lost here is no evidence of it.
            self._failures += 1
        self._refused_since = self._refused_since or now
        self._publisher.offer(record(self._start.slot, verdict, at=now, error=failure.named))
        # Where the answer was lost and not the write, what the host shows is unknown.
        unknown = not failure.began_nothing
        if unknown and (self._fresh or self._tried):
            self._fresh, self._tried = False, (*self._tried, verdict)[-budgets.POSTS_TRIED :]
        # One that came during an outage has its own time: the host may show it alone once it is back.
        tried_since = max(self._refused_since, verdict.received or self._refused_since)
        if failure.kind in _NEVER_ACCEPTED or now - tried_since >= GIVE_UP:
            self._slot.dropped(unknown=unknown)
            self._failures, self._refused_since, self._not_before = 0, None, None
            return
        self._slot.failed(unknown=unknown)
        self._not_before = now + pause_before_sending_again(failure, self._failures)

    async def _close_superseded(self, verdict: CommitVerdict) -> None:
        """Close what older commits still show as pending in this context; brief, since it holds up the next post."""
        if not verdict.closes_superseded or verdict.state == PENDING:
            return
        start = self._start
        request = CloseSupersededInput(
            installation=start.installation,
            namespace=start.slot.namespace,
            slot=start.slot,
            at=verdict.at,
            timings=start.timings,
        )
        config = policies.config_read_shown(
            self._queues, start.timings, summary=f"close what {start.slot.title} overtook"
        )
        try:
            await workflow.execute_activity_method(SupersessionActivities.close_superseded, request, **config)
        except ActivityError as refusal:
            workflow.logger.warning("superseded commits are not closed", exc_info=refusal)

    async def _hand_over(self) -> None:
        unpublished = await self._publisher.give_up()
        lifetime.hand_over(
            replace(
                self._start,
                wanted=self._slot.wanted,
                posted=self._slot.posted,
                fresh=self._fresh,
                tried=self._tried,
                failures=self._failures,
                refused_since=self._refused_since,
                not_before=self._not_before,
                poked=self._poked,
                unpublished=unpublished,
            )
        )

    def _make_publisher(self) -> Publisher[PublishPostInput]:
        async def send(payload: PublishPostInput) -> PublishStatusResult:
            what = payload.record.error or payload.record.state
            config = policies.kubernetes_publish(self._queues, self._start.timings, summary=f"publish: {what}")
            return await workflow.execute_activity_method(PostRecordActivities.publish_post, payload, **config)

        return Publisher(
            send=send,
            stamp=lambda payload, _sequence: payload,
            merge=lambda _older, newer: newer,
            adds=lambda sent, payload: sent != payload,
            at_once=lambda sent, payload: bool(sent.record.error) != bool(payload.record.error),
            gap=PUBLISH_GAP,
        )
