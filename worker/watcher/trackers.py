"""Reconcile PullRequestTrackers: start each one's workflow, signal its end, and report where the workflow is gone.

The mirror of trackers calls `follow` with each change; the queue hands out one key at a time, so that one tracker is
never reconciled twice at once in this process. Another watcher may do the same at any moment: starting is by id,
signals may be repeated, and every write is guarded by uid or version. What only an event could show (a tracker that
went away, a poke) is kept here until it was delivered.

A workflow that was started once is never started again by itself: where it is gone, a condition states it, and a person
may restart the tracker. The finalizer waits until the workflow of a deleted tracker has ended, ten minutes at most.
Commands are carried out by `commands.py`; the status comes from the workflow through `activities/resources.py`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from activities.models.drift import GoneTracker
from crds.api.ports import (
    REFUSES_EVENT,
    ApiConflict,
    ApiForbidden,
    ApiInvalid,
    ApiNotFound,
    Document,
    Kubernetes,
    resource_of,
)
from crds.api.publishing import WATCHER_MANAGER, WantedCondition, publish_conditions
from crds.api.reflector import Key, ObjectChange
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.reasons.events import EventReason
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from worker.temporal.outcomes import Look, WorkflowState, WorkflowsUnavailable
from worker.watcher.entries import FINALIZER, TrackerEntry, read_tracker
from worker.watcher.log_lines import begin_key, bind_workflow
from worker.watcher.owed import taking
from worker.watcher.ports import Promotions
from worker.watcher.queue import KeyedQueue
from worker.watcher.tracker_monitors import TrackerMonitors

logger = logging.getLogger(__name__)

TRACKERS = resource_of(PullRequestTracker.definition)

DELETION_LIMIT = timedelta(minutes=10)
"""How long the finalizer waits for the workflow to cancel its runs."""
DELETION_LOOK = timedelta(seconds=2)
ENDING_LOOK = timedelta(seconds=5)
"""How often a workflow that published its end is looked for until it ended."""
STALL_LOOK = timedelta(minutes=1)
"""How often a workflow is looked for that has not published yet, or does not go on."""
CONFLICT_PAUSE = timedelta(milliseconds=200)

_GONE: Mapping[WorkflowState, tuple[ConditionReason, str]] = {
    WorkflowState.TERMINATED: (ConditionReason.TERMINATED, "was terminated or cancelled from outside"),
    WorkflowState.FAILED: (ConditionReason.FAILED, "failed"),
    WorkflowState.COMPLETED: (ConditionReason.LOST, "ended without publishing how"),
    WorkflowState.ABSENT: (ConditionReason.LOST, "is not known to Temporal any more"),
}


class TrackerController:
    """Reconcile trackers. Two of them may work on the same cluster: everything it does may be repeated."""

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        promotions: Promotions,
        find: Callable[[Key], TrackerEntry | None],
        on_lost: Callable[[], None] = lambda: None,
        clear_drift: Callable[[Key, GoneTracker], Awaitable[None]],
        repository_of: Callable[[TrackerEntry], str] = lambda _entry: "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kubernetes = kubernetes
        self._promotions = promotions
        self._find = find
        self._on_lost = on_lost
        self._monitors = TrackerMonitors(kubernetes, clear_drift)
        self._repository_of = repository_of
        self._clock = clock
        self._signalled_deleted: set[str] = set()
        """Uids of trackers whose workflows were signalled; signalling again after a restart does no harm."""
        self._vanished: dict[Key, list[TrackerEntry]] = {}
        """Deleted or recreated trackers whose workflows have not been signalled."""
        self._poked: set[Key] = set()
        self._due: set[Key] = set()
        """Trackers whose workflow is to be looked for: those just seen, and all of them at each resync."""
        self.queue: KeyedQueue[Key] = KeyedQueue(
            name="trackers", handle=self.reconcile, namespace_of=lambda key: key.namespace, workers=8
        )

    def follow(self, change: ObjectChange[TrackerEntry]) -> None:
        """Take note of a changed tracker."""
        old, new = change.old, change.new
        if old is not None and (new is None or new.uid != old.uid) and old.uid not in self._signalled_deleted:
            self._vanished.setdefault(change.key, []).append(old)
        if old is not None and new is not None and old.uid == new.uid and old.poke != new.poke:
            self._poked.add(change.key)
        if old is not None and (new is None or new.uid != old.uid):
            self._signalled_deleted.discard(old.uid)
        if new is not None and (old is None or old is new or old.uid != new.uid):
            self._due.add(change.key)
        self.queue.add(change.key)

    def look_for(self, key: Key) -> None:
        """Look for the workflow of a tracker that did not answer where it should."""
        self._due.add(key)
        self.queue.add(key)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Bring one tracker and its workflow together; returns when to look again, if ever."""
        with taking(self._due, key) as due:
            return await self._reconcile(key, due)

    async def _reconcile(self, key: Key, due: bool) -> timedelta | None:
        entry = self._find(key)
        begin_key(tracker=str(key))
        if entry is not None:
            bind_workflow(self._promotions, entry)
        if entry is not None and entry.deleting_since is not None:
            # First, since its limit holds whether or not others of its name can be signalled.
            pause = await self._finalize(entry)
            await self._notify_deleted(key)
            return pause
        await self._notify_deleted(key)
        if entry is None or entry.terminal:
            self._poked.discard(key)
            return None if entry is None else await self._finish(entry)
        if not await self._prepare(entry):
            if due:
                self._due.add(key)
            return CONFLICT_PAUSE
        poked_in_vain = key in self._poked and not await self._poke(key, entry)
        if entry.running and _already_published(entry, _running(entry)) and not (due or poked_in_vain):
            # Most changes are our own status writes; asking Temporal at each would double its load.
            return None
        return await self._look_after(entry)

    async def _prepare(self, entry: TrackerEntry) -> bool:
        """Have the tracker wait for us when it is deleted, and end the attempt before the one that it asks for.

        Return False where it changed meanwhile.
        """
        if entry.finalizer:
            await self._keep_labels(entry)
        elif not await self._add_finalizer(entry):
            return False
        if entry.status_attempt not in (0, entry.attempt):
            # A raised attempt is a new workflow; the one before it must not go on at the same time.
            await self._promotions.signal_deleted(entry.of_attempt(entry.status_attempt))
        return True

    async def _look_after(self, entry: TrackerEntry) -> timedelta | None:
        """Start the workflow of a tracker, or look whether it runs, and publish that."""
        found = await self._ensure_workflow(entry)
        if found.state is WorkflowState.RUNNING:
            await self._publish_running(entry, found.stall)
        else:
            await self._report_gone(entry, found.state)
        # Nothing else brings one back here that does not go on, or never published that it runs.
        silent = found.state is WorkflowState.RUNNING and (found.stall or not entry.running)
        return STALL_LOOK if silent else None

    async def _poke(self, key: Key, entry: TrackerEntry) -> bool:
        """Have a workflow look; False where none runs, which is poked once it does."""
        with taking(self._poked, key):
            delivered = await self._promotions.poke(entry.current)
        if not delivered:
            self._poked.add(key)
        return delivered

    async def _keep_labels(self, entry: TrackerEntry) -> None:
        """Have the labels show what spec and status hold. A status cannot carry them: its subresource keeps metadata.

        What changed meanwhile brings the tracker back here.
        """
        if entry.relabel:
            await self._change(entry, {"labels": dict(entry.relabel)})

    async def _ensure_workflow(self, entry: TrackerEntry) -> Look:
        # A workflow that was started once is missed, never silently started again: only a person may decide that.
        if entry.running:
            return await self._promotions.look(entry.current)
        state = await self._promotions.start(
            entry.current,
            entry.spec,
            generation=entry.generation,
            repository=self._repository_of(entry),
            # Its pull request shows it; no look sends it again unless something changes.
            drift=await self._monitors.notice(entry) if entry.attempt > 1 else None,
        )
        if state is WorkflowState.RUNNING and entry.accepted:
            # An earlier look started it.
            return await self._promotions.look(entry.current)
        if state is WorkflowState.RUNNING:
            logger.info("workflow of tracker %s/%s is started", entry.namespace, entry.name)
        return Look(state=state)

    async def _publish_running(self, entry: TrackerEntry, stall: str = "") -> None:
        wanted = _stalled(entry, stall) if stall else _running(entry)
        if not _already_published(entry, wanted):
            await self._publish(entry, wanted)

    async def _finish(self, entry: TrackerEntry) -> timedelta | None:
        """Show that the attempt has ended, once its workflow has."""
        await self._keep_labels(entry)
        if not entry.accepted or _already_published(entry, wanted := _finished(entry)):
            return None
        if await self._promotions.read_state(entry.current) is WorkflowState.RUNNING:
            # Its last presentation may take long, and its status may be one that is replaced once more.
            await self._publish_running(entry)
            return ENDING_LOOK
        await self._publish(entry, wanted)
        return None

    async def _report_gone(self, entry: TrackerEntry, state: WorkflowState) -> None:
        # The cache may be older than the workflow's last status.
        try:
            fresh = read_tracker(await self._kubernetes.get(TRACKERS, entry.namespace, entry.name))
        except ApiNotFound:
            return
        if fresh.uid != entry.uid or fresh.attempt != entry.attempt or fresh.terminal or fresh.deleting_since:
            return
        reason, what = _GONE[state]
        if fresh.available != reason:
            logger.warning("workflow of tracker %s/%s %s", entry.namespace, entry.name, what)
            if state is WorkflowState.ABSENT:
                # What Temporal forgot is seldom one workflow alone: it may have been restored from an old copy.
                self._on_lost()
        await self._publish(
            fresh,
            WantedCondition(
                type=ConditionType.WORKFLOW_AVAILABLE,
                status=False,
                reason=reason,
                message=f"the workflow of attempt {entry.attempt} {what}; Pilotage does not start it again by itself. "
                f"`pilotage -n {entry.namespace} restart {entry.name}` starts a new attempt",
            ),
        )

    async def _publish(self, entry: TrackerEntry, available: WantedCondition) -> None:
        accepted = WantedCondition(
            type=ConditionType.ACCEPTED,
            status=True,
            reason=ConditionReason.ACCEPTED,
            message=f"attempt {entry.attempt} is accepted",
        )
        await publish_conditions(
            self._kubernetes,
            PullRequestTracker.definition,
            namespace=entry.namespace,
            name=entry.name,
            uid=entry.uid,
            wanted=(accepted, available),
            now=self._clock(),
        )

    async def _notify_deleted(self, key: Key) -> None:
        for entry in list(self._vanished.get(key, ())):
            await self._promotions.signal_deleted(entry.current)
            self._vanished[key].remove(entry)
        if not self._vanished.get(key):
            self._vanished.pop(key, None)
        await self._monitors.clear_owed(key)

    async def _finalize(self, entry: TrackerEntry) -> timedelta | None:
        if not entry.finalizer or entry.deleting_since is None:
            return None
        late = self._clock() - entry.deleting_since >= DELETION_LIMIT
        minutes = int(DELETION_LIMIT.total_seconds() // 60)
        try:
            ended = await self._ended(entry)
            what = f"did not end within {minutes} minutes of the deletion"
        except WorkflowsUnavailable:
            if not late:
                raise
            # The watcher that sees the tracker go signals the workflow once Temporal is back.
            ended, what = (
                False,
                f"got no signal within {minutes} minutes of the deletion: Temporal does not answer",
            )
        if not ended:
            if not late:
                return DELETION_LOOK
            await self._warn_of_rest(entry, what)
        try:
            await self._monitors.delete(entry, patiently=not late)
        except (ApiForbidden, ApiInvalid, ApiNotFound) as error:
            if not late:
                raise
            # Of the cluster's definitions or roles, which may be of an older release: the tracker owns its monitors, so
            # that the cluster removes them.
            logger.warning("monitors of %s/%s are left to the cluster: %s", entry.namespace, entry.name, error)
        return None if await self._remove_finalizer(entry) else CONFLICT_PAUSE

    async def _ended(self, entry: TrackerEntry) -> bool:
        """Signal the workflows of a deleted tracker, and return whether none of them runs any more."""
        attempts = sorted({entry.attempt, entry.status_attempt} - {0})
        if entry.uid not in self._signalled_deleted:
            for attempt in attempts:
                await self._promotions.signal_deleted(entry.of_attempt(attempt))
            self._signalled_deleted.add(entry.uid)
        states = [await self._promotions.read_state(entry.of_attempt(attempt)) for attempt in attempts]
        return WorkflowState.RUNNING not in states

    async def _warn_of_rest(self, entry: TrackerEntry, what: str) -> None:
        message = (
            f"the workflow of attempt {entry.attempt} {what}; "
            f"runs and operations of {entry.repository} #{entry.number} may still go on (state {entry.state})"
        )
        target = TRACKERS.target(
            namespace=entry.namespace,
            name=entry.name,
            uid=entry.uid,
        )
        try:
            await self._kubernetes.post_event(
                target,
                name=f"{entry.name}.{entry.uid}.deletion",
                reason=EventReason.DELETION_INCOMPLETE,
                message=message,
                warning=True,
                component=WATCHER_MANAGER,
            )
        except REFUSES_EVENT:
            # Neither the tracker nor its namespace, which may be about to go as well, waits for it.
            logger.warning("tracker %s/%s is let go: %s", entry.namespace, entry.name, message)

    async def _add_finalizer(self, entry: TrackerEntry) -> bool:
        change: Document = {"finalizers": [*entry.finalizers, FINALIZER]}
        return await self._change(entry, {**change, "labels": dict(entry.relabel)} if entry.relabel else change)

    async def _remove_finalizer(self, entry: TrackerEntry) -> bool:
        return await self._change(entry, {"finalizers": [one for one in entry.finalizers if one != FINALIZER]})

    async def _change(self, entry: TrackerEntry, metadata: Document) -> bool:
        """Write metadata as a compare-and-set of what was seen.

        Return False where the tracker changed meanwhile; its event, or a short pause, brings it back here.
        """
        seen = {"uid": entry.uid, "resourceVersion": entry.resource_version}
        try:
            await self._kubernetes.merge(TRACKERS, entry.namespace, entry.name, {"metadata": {**seen, **metadata}})
        except ApiNotFound:
            return True
        except ApiConflict:
            return False
        return True


def _running(entry: TrackerEntry) -> WantedCondition:
    return WantedCondition(
        type=ConditionType.WORKFLOW_AVAILABLE,
        status=True,
        reason=ConditionReason.RUNNING,
        message=f"attempt {entry.attempt} is running",
    )


def _stalled(entry: TrackerEntry, stall: str) -> WantedCondition:
    return WantedCondition(
        type=ConditionType.WORKFLOW_AVAILABLE,
        status=False,
        reason=ConditionReason.WORKFLOW_STALLED,
        message=f"the workflow of attempt {entry.attempt} does not go on: {stall}; `pilotage doctor` checks the "
        "workers. It goes on by itself once they can",
    )


def _finished(entry: TrackerEntry) -> WantedCondition:
    return WantedCondition(
        type=ConditionType.WORKFLOW_AVAILABLE,
        status=True,
        reason=ConditionReason.FINISHED,
        message=f"attempt {entry.attempt} ended as {entry.state}",
    )


def _already_published(entry: TrackerEntry, wanted: WantedCondition) -> bool:
    """Return whether the tracker states it already; what it states of an earlier attempt does not count."""
    if not entry.accepted or entry.available != wanted.reason:
        return False
    # Watchers of two releases, whose texts may differ, would else rewrite each other's without an end.
    # A stall is news with each cause.
    stands = entry.available_generation == entry.generation and wanted.reason != ConditionReason.WORKFLOW_STALLED
    return stands or entry.available_message == wanted.message
