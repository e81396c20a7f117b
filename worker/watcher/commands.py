"""Carry out PromotionCommands: each becomes one update of a workflow, and the workflow's answer its status.

The commands for one tracker are carried out one after the other, in the order of their creation; those for different
trackers side by side, however long a workflow takes to answer. The oldest unanswered command stays at the head of its
line (`command_lines.py`) until it has an answer or is deleted.

Several watchers see the same command. Who writes the claim into its status (`claims.py`), over the version that was
read, sends it and writes the answer; a claim of a minute without an answer is taken over. The update id is the
command's uid, so that a workflow which gets it twice answers twice and acts once. `restart` alone changes the tracker
instead, and `trackers.py` then starts the new attempt.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from activities.models.promotion import Command, CommandAnswer
from crds.api.ports import ApiConflict, ApiNotFound, ApiResource, Document, Kubernetes, resource_of
from crds.api.publishing import WATCHER_MANAGER, status_of
from crds.api.reflector import Key, ObjectChange
from crds.fields import format_time, truncate
from crds.readiness import answered
from crds.v1alpha1.promotion_command import CommandVerb, PromotionCommand, PromotionCommandSpec
from worker.temporal.outcomes import WorkflowState
from worker.watcher.claims import Claim, new_claimer, next_claim, read_claim
from worker.watcher.command_lines import CommandLines
from worker.watcher.entries import RESTARTS, CommandEntry, TrackerEntry, read_tracker
from worker.watcher.log_lines import begin_key, bind_workflow
from worker.watcher.place_holds import PlaceHolds
from worker.watcher.ports import Promotions
from worker.watcher.queue import KeyedQueue
from worker.watcher.trackers import TRACKERS

logger = logging.getLogger(__name__)

COMMANDS = resource_of(PromotionCommand.definition)

STARTING_PAUSE = timedelta(seconds=1)
"""How long a command waits before it looks again for a workflow that is about to start."""
CONFLICT_PAUSE = timedelta(milliseconds=200)
CALLS_AT_ONCE = 16
"""Calls to the API server. Waits for workflows are not bounded: one that does not answer must hold up no other's."""
RESTARTS_KEPT = 10
MESSAGE_LIMIT = 1024


async def _verified() -> str:
    return ""


class CommandExecutor:
    """Execute each command once, those for one tracker in the order of their creation.

    Executors of several watchers meet: who claims a command sends it and writes its answer. A claim that is not
    followed by an answer is taken over; the order then has the workflow keep a refusal too, since the watcher that had
    the claim before may send the same order late. Every write is a compare-and-set.
    """

    def __init__(
        self,
        *,
        kubernetes: Kubernetes,
        promotions: Promotions,
        find: Callable[[Key], CommandEntry | None],
        on_absent: Callable[[Key], None] = lambda key: None,
        verify: Callable[[], Awaitable[str]] = _verified,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kubernetes = kubernetes
        self._promotions = promotions
        self._holds = PlaceHolds(kubernetes, self._wake)
        self._find = find
        self._on_absent = on_absent
        self._verify = verify
        self._clock = clock
        self._claimer = new_claimer()
        self._verified: set[str] = set()
        """Uids of commands that were verified here; a claim proves nothing, since others may write a status."""
        self._lines = CommandLines()
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self.queue: KeyedQueue[Key] = KeyedQueue(
            name="commands", handle=self.go_on, namespace_of=lambda key: key.namespace, workers=None
        )
        """Trackers that have commands."""

    def follow(self, change: ObjectChange[CommandEntry]) -> None:
        """Take note of a command; unanswered ones come again at every list and resync."""
        tracker = self._lines.follow(change)
        if tracker is not None:
            self.queue.add(tracker)

    async def go_on(self, tracker: Key) -> timedelta | None:
        """Execute the commands for one tracker; returns when to try again, if the oldest has to wait."""
        while (oldest := self._lines.oldest(tracker)) is not None:
            key, entry = oldest
            pause = await self.execute(key)
            if pause is not None:
                return pause
            self._lines.forget(key, entry)
            self._verified.discard(entry.uid)
        return None

    async def execute(self, key: Key) -> timedelta | None:
        """Execute one command and write its answer; returns when to try again, if it has to wait."""
        entry = self._find(key)
        if entry is None or entry.spec is None:
            return None
        tracker = Key(key.namespace, entry.subject)
        begin_key(command=str(key), tracker=str(tracker))
        command = await self._read_open(key, entry)
        if command is None:
            return None
        found = await self._read(TRACKERS, tracker) if entry.spec.tracker_ref is not None else None
        present = read_claim(command)
        refused = await self._refused_unsent(key, entry, entry.spec, present)
        attempt = read_tracker(found).attempt if found is not None else None
        claim = next_claim(present, self._claimer, self._clock(), attempt)
        if isinstance(claim, timedelta):
            return claim
        if claim.taken_over and present is not None and present.by != claim.by:
            logger.warning("command %s is taken over: its claimer has not answered since %s", key, present.at)
        if refused:
            answer: CommandAnswer | None = _refuse(refused)
        else:
            self._verified.add(entry.uid)
            try:
                if claim != present:
                    command = await self._apply(key, command, claim.status())
            except ApiConflict:
                return CONFLICT_PAUSE
            except ApiNotFound:
                return None
            answer = await self._answer(key, entry, entry.spec, found, claim, sent=present is not None)
        if answer is None:
            return STARTING_PAUSE
        await self._publish(key, command, claim, answer)
        self._verified.discard(entry.uid)
        how = "accepted" if answer.accepted else f"refused, {answer.message}"
        by = entry.spec.requested_by
        logger.info("command %s: %s %s by %s: %s", key, entry.spec.verb.value, entry.subject, by, how)
        return None

    async def _refused_unsent(
        self, key: Key, entry: CommandEntry, spec: PromotionCommandSpec, present: Claim | None
    ) -> str:
        """Return why a command is never sent; empty where it is, or was by who claimed it.

        Asked before the claim: a command that was verified here may have been sent, so that only its answer is wanted,
        and a release that was claimed had a hold to end.
        """
        if entry.uid not in self._verified and (unverified := await self._verify()):
            claimed = ". Somebody had claimed it before, and may have carried it out" if present is not None else ""
            return f"{unverified}{claimed}"
        if spec.tracker_ref is None and present is None:
            return await self._holds.missing(key.namespace, spec, self._clock())
        return ""

    async def _answer(
        self,
        key: Key,
        entry: CommandEntry,
        spec: PromotionCommandSpec,
        document: Document | None,
        claim: Claim,
        *,
        sent: bool,
    ) -> CommandAnswer | None:
        """Return the answer, None while it has to wait. One that may have been `sent` before may be carried out."""
        if spec.tracker_ref is None:
            may_write = partial(self._is_ours, key, entry, claim)
            return await self._holds.answer(
                key.namespace, key.name, spec, self._clock(), sent=sent, may_write=may_write
            )
        if document is None:
            return _refuse(f"there is no PullRequestTracker {spec.tracker_ref.name} in this namespace")
        tracker = read_tracker(document)
        bind_workflow(self._promotions, tracker)
        if entry.created is not None and tracker.created is not None and entry.created < tracker.created:
            return _refuse(
                f"the command is older than the tracker {tracker.name}: it was meant for an earlier one of this name"
            )
        if spec.verb is CommandVerb.RESTART:
            return await self._restart(entry, spec, tracker, document)
        if spec.verb is CommandVerb.REFRESH and await self._refresh(tracker, document):
            return CommandAnswer(accepted=True, message="hosts, places and declarations are read again now")
        if spec.verb is not CommandVerb.REFRESH and (tracker.deleting_since is None or sent):
            attempt = tracker.of_attempt(claim.attempt or tracker.attempt)
            answer = await self._promotions.execute(attempt, spec.verb.value, _command(entry, spec, claim))
            if answer is not None:
                return answer
        return await self._untaken(tracker, claim)

    async def _is_ours(self, key: Key, entry: CommandEntry, claim: Claim) -> bool:
        """Return whether a command is still to be carried out, and by this watcher, which may have been held up."""
        command = await self._read_open(key, entry)
        present = read_claim(command) if command is not None else None
        return present is not None and present.by == claim.by

    async def _refresh(self, tracker: TrackerEntry, document: Document) -> bool:
        """Have a promotion look again, and the environments that it comes from and goes to; False where none runs."""
        if not await self._promotions.poke(tracker.current):
            return False
        status = status_of(document)
        target = (status.get("hop") or {}).get("target")
        for environment in dict.fromkeys(filter(None, (status.get("environment") or tracker.environment, target))):
            # What runs there only the environment's own workflow observes.
            await self._promotions.poke_place(
                namespace=tracker.namespace, environment=environment, repository=tracker.repository
            )
        return True

    async def _wake(self, namespace: str, tracker: str) -> None:
        """Have a tracker look again, where it is still there."""
        document = await self._read(TRACKERS, Key(namespace, tracker))
        if document is not None:
            await self._promotions.poke(read_tracker(document).current)

    async def _untaken(self, tracker: TrackerEntry, claim: Claim) -> CommandAnswer | None:
        """Return why no workflow took the command; None where it is about to start."""
        if tracker.deleting_since is not None:
            return _refuse(f"the tracker {tracker.name} is being deleted")
        restart = f"`pilotage -n {tracker.namespace} restart {tracker.name}` begins a new attempt"
        if claim.attempt not in (None, tracker.attempt):
            return _refuse(f"it was meant for attempt {claim.attempt}, and attempt {tracker.attempt} has taken over")
        if tracker.terminal:
            return _refuse(f"the promotion is over ({tracker.state}); {restart}")
        self._on_absent(Key(tracker.namespace, tracker.name))
        state = await self._promotions.read_state(tracker.current)
        if _goes_on(tracker, state):
            # However old the command is: it may have lain while no one was there to start what it is meant to hold.
            return None
        return _refuse(f"the workflow of attempt {tracker.attempt} does not run ({state.value}); {restart}")

    async def _restart(
        self, entry: CommandEntry, spec: PromotionCommandSpec, tracker: TrackerEntry, document: Document
    ) -> CommandAnswer | None:
        annotations = document["metadata"].get("annotations") or {}
        done = [uid for uid in str(annotations.get(RESTARTS, "")).split(",") if uid]
        if entry.uid in done:
            return CommandAnswer(accepted=True, message=f"attempt {tracker.attempt} begins")
        if tracker.deleting_since is not None:
            return _refuse(f"the tracker {tracker.name} is being deleted")
        if spec.environment != tracker.environment:
            # The right to restart was asked for the environment in the command: it has to be the tracker's.
            return _refuse(f"restart is about the tracker's environment `{tracker.environment}`, not of another one")
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
            async with self._calls:
                await self._kubernetes.merge(TRACKERS, tracker.namespace, tracker.name, changes)
        except (ApiConflict, ApiNotFound):
            return None
        return CommandAnswer(accepted=True, message=f"attempt {attempt} begins")

    async def _publish(self, key: Key, document: Document, claim: Claim, answer: CommandAnswer) -> None:
        generation = document["metadata"].get("generation")
        conditions = answered(
            accepted=answer.accepted, message=answer.message, generation=generation, now=self._clock()
        )
        fields = {
            "accepted": answer.accepted,
            "message": truncate(answer.message, MESSAGE_LIMIT),
            "executedAt": format_time(self._clock()),
            "observedGeneration": generation,
            "conditions": [condition.to_wire() for condition in conditions],
        }
        try:
            await self._apply(key, document, {**claim.status(), **fields})
        except ApiNotFound:
            logger.info("command %s was deleted before its answer", key)

    async def _read_open(self, key: Key, entry: CommandEntry) -> Document | None:
        """Read a command; None where it is gone, another one has its name, or it is answered."""
        command = await self._read(COMMANDS, key)
        if command is None or command["metadata"]["uid"] != entry.uid or status_of(command).get("accepted") is not None:
            return None
        return command

    async def _read(self, resource: ApiResource, key: Key) -> Document | None:
        try:
            async with self._calls:
                return await self._kubernetes.get(resource, key.namespace, key.name)
        except ApiNotFound:
            return None

    async def _apply(self, key: Key, document: Document, fields: Document) -> Document:
        """Write the status over the very version that was read; raises ApiConflict where another one came since."""
        change = {"metadata": {"resourceVersion": document["metadata"]["resourceVersion"]}, "status": fields}
        async with self._calls:
            return await self._kubernetes.apply(
                COMMANDS, key.namespace, key.name, change, field_manager=WATCHER_MANAGER, subresource="status"
            )


def _goes_on(tracker: TrackerEntry, state: WorkflowState) -> bool:
    """Return whether the workflow runs or will: a tracker that has not started yet is about to."""
    return state is WorkflowState.RUNNING or (state is WorkflowState.ABSENT and not tracker.running)


def _command(entry: CommandEntry, spec: PromotionCommandSpec, claim: Claim) -> Command:
    return Command(
        request_id=entry.uid,
        actor=spec.requested_by,
        target_environment=spec.environment,
        revision=spec.revision or "",
        reason=spec.reason or "",
        seen=dict(spec.target_revisions or {}),
        keep_refusal=claim.taken_over,
    )


def _refuse(message: str) -> CommandAnswer:
    return CommandAnswer(accepted=False, message=message)
