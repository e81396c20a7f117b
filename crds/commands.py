"""Carry out PromotionCommands: a person's word becomes one update of a workflow, and its answer a status."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from crds.cache import RESTARTS, CommandEntry, TrackerEntry, read_tracker
from crds.controller import TRACKERS
from crds.fields import format_time, truncate
from crds.log_lines import begin_key, bind_workflow
from crds.ports import ApiConflict, ApiNotFound, Document, Kubernetes, resource_of
from crds.promotions import Answer, Order, Promotions, WorkflowState
from crds.publishing import WATCHER_MANAGER, status_of
from crds.queueing import KeyedQueue
from crds.reflector import Change, Key
from crds.v1alpha1.promotion_command import CommandVerb, PromotionCommand, PromotionCommandSpec

logger = logging.getLogger(__name__)

COMMANDS = resource_of(PromotionCommand.definition)

STARTING_PAUSE = timedelta(seconds=1)
"""How long a command waits before it looks again for a workflow that is about to start."""
RESTARTS_KEPT = 10
MESSAGE_LIMIT = 1024


class CommandExecutor:
    """Execute each command once. Two executors may meet: updates repeat by id, everything else is compare-and-set."""

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        promotions: Promotions,
        find: Callable[[Key], CommandEntry | None],
        on_absent: Callable[[Key], None] = lambda key: None,
        workers: int = 8,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kubernetes = kubernetes
        self._promotions = promotions
        self._find = find
        self._on_absent = on_absent
        self._clock = clock
        self.queue: KeyedQueue[Key] = KeyedQueue(name="commands", handle=self.execute, workers=workers)

    def follow(self, change: Change[CommandEntry]) -> None:
        """Take note of a command; unanswered ones come again at every list and resync."""
        if change.new is not None and not change.new.answered:
            self.queue.add(change.key)

    async def execute(self, key: Key) -> timedelta | None:
        """Execute one command and write its answer; returns when to try again, if it has to wait."""
        entry = self._find(key)
        if entry is None or entry.spec is None:
            return None
        begin_key(command=str(key), tracker=str(Key(key.namespace, entry.spec.tracker_ref.name)))
        try:
            document = await self._kubernetes.get(COMMANDS, key.namespace, key.name)
        except ApiNotFound:
            return None
        if document["metadata"]["uid"] != entry.uid or status_of(document).get("accepted") is not None:
            return None
        answer = await self._answer(key, entry, entry.spec)
        if answer is None:
            return STARTING_PAUSE
        await self._publish(key, document, answer)
        logger.info(
            "command %s: %s %s by %s: %s",
            key,
            entry.spec.verb.value,
            entry.spec.tracker_ref.name,
            entry.spec.requested_by,
            "accepted" if answer.accepted else f"refused, {answer.message}",
        )
        return None

    async def _answer(self, key: Key, entry: CommandEntry, spec: PromotionCommandSpec) -> Answer | None:
        name = spec.tracker_ref.name
        try:
            document = await self._kubernetes.get(TRACKERS, key.namespace, name)
        except ApiNotFound:
            return _refuse(f"there is no PullRequestTracker {name} in namespace {key.namespace}")
        tracker = read_tracker(document)
        bind_workflow(self._promotions, tracker)
        if entry.created is not None and tracker.created is not None and entry.created < tracker.created:
            return _refuse(
                f"the command is older than the tracker {name}: it was meant for an earlier one of this name"
            )
        if tracker.deleting_since is not None:
            return _refuse(f"the tracker {name} is being deleted")
        if spec.verb is CommandVerb.RESTART:
            return await self._restart(entry, spec, tracker, document)
        return await self._pass_on(entry, spec, tracker)

    async def _pass_on(self, entry: CommandEntry, spec: PromotionCommandSpec, tracker: TrackerEntry) -> Answer | None:
        order = Order(
            verb=spec.verb.value,
            request_id=entry.uid,
            actor=spec.requested_by,
            environment=spec.environment,
            revision=spec.revision or "",
            reason=spec.reason or "",
        )
        answer = await self._promotions.execute(tracker.current, order)
        if answer is not None:
            return answer
        restart = f"`pilotage -n {tracker.namespace} restart {tracker.name}` begins a new attempt"
        if tracker.terminal:
            return _refuse(f"the promotion is over ({tracker.state}); {restart}")
        self._on_absent(Key(tracker.namespace, tracker.name))
        state = await self._promotions.read_state(tracker.current)
        if _goes_on(tracker, state):
            # However old the command is: it may have lain while nobody was there to start what it is meant to hold.
            return None
        return _refuse(f"the workflow of attempt {tracker.attempt} does not run ({state.value}); {restart}")

    async def _restart(
        self, entry: CommandEntry, spec: PromotionCommandSpec, tracker: TrackerEntry, document: Document
    ) -> Answer | None:
        annotations = document["metadata"].get("annotations") or {}
        done = [uid for uid in str(annotations.get(RESTARTS, "")).split(",") if uid]
        if entry.uid in done:
            return Answer(accepted=True, message=f"attempt {tracker.attempt} begins")
        if spec.environment != tracker.environment:
            # The right to restart was asked for the environment in the command: it has to be the tracker's.
            return _refuse(f"restart speaks of the tracker's environment `{tracker.environment}`, not of another one")
        if not tracker.terminal and _goes_on(tracker, await self._promotions.read_state(tracker.current)):
            return _refuse(f"attempt {tracker.attempt} still goes on ({tracker.state or 'starting'}); abort it first")
        attempt = tracker.attempt + 1
        changes = {
            "metadata": {
                "resourceVersion": tracker.resource_version,
                "annotations": {RESTARTS: ",".join([*done, entry.uid][-RESTARTS_KEPT:])},
            },
            "spec": {"attempt": attempt},
        }
        try:
            await self._kubernetes.merge(TRACKERS, tracker.namespace, tracker.name, changes)
        except (ApiConflict, ApiNotFound):
            return None
        return Answer(accepted=True, message=f"attempt {attempt} begins")

    async def _publish(self, key: Key, document: Document, answer: Answer) -> None:
        change = {
            "metadata": {"resourceVersion": document["metadata"]["resourceVersion"]},
            "status": {
                "accepted": answer.accepted,
                "message": truncate(answer.message, MESSAGE_LIMIT),
                "executedAt": format_time(self._clock()),
            },
        }
        try:
            await self._kubernetes.apply(
                COMMANDS, key.namespace, key.name, change, field_manager=WATCHER_MANAGER, subresource="status"
            )
        except ApiNotFound:
            logger.info("command %s was deleted before its answer", key)


def _goes_on(tracker: TrackerEntry, state: WorkflowState) -> bool:
    """Tell whether the workflow runs or will: a tracker that has not started yet is about to."""
    return state is WorkflowState.RUNNING or (state is WorkflowState.ABSENT and not tracker.running)


def _refuse(message: str) -> Answer:
    return Answer(accepted=False, message=message)
