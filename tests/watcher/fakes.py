"""In-memory stand-ins for the two ports of the controllers, and the objects that tests begin with."""

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.drift.publishing import DriftStatuses
from activities.models.credential_checks import CheckedResource
from activities.models.drift import DriftNotice, GoneTracker, InstanceRef
from activities.models.event_sinks import SinkRef
from activities.models.promotion import Command, CommandAnswer
from activities.models.repository_sync import RepositoryRef
from activities.models.tracking import Artifact, TrackerRef, TrackerSpec
from crds.api.ports import (
    PAGE_SIZE,
    WATCH_TIMEOUT,
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiInvalid,
    ApiNotFound,
    ApiResource,
    Document,
    EventTarget,
    Kubernetes,
    Page,
    SecretData,
    WatchEvent,
)
from crds.api.reflector import Key
from worker.temporal.outcomes import Look, WorkflowState, WorkflowsUnavailable
from worker.watcher.entries import FINALIZER

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENTS_REFUSED = (
    ApiForbidden("events is forbidden: the namespace is being terminated", status=403),
    ApiInvalid('admission webhook "owners.example.com" denied the request: no owner', status=400),
)
"""Why a cluster takes no events."""


async def until(done: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait for what another task brings about."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 the one who brings it about knows nothing of an event
            await asyncio.sleep(0.01)


async def become(done: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> None:
    """Wait until a server shows something."""
    async with asyncio.timeout(seconds):
        while not await done():  # noqa: ASYNC110 a server is asked
            await asyncio.sleep(0.05)


class FakePromotions:
    """Remember what was asked; `states` shows how each workflow stands."""

    def __init__(self) -> None:
        self.states: dict[TrackerRef, WorkflowState] = {}
        self.stalls: dict[TrackerRef, str] = {}
        self.started: list[tuple[TrackerRef, TrackerSpec]] = []
        self.deleted: list[TrackerRef] = []
        self.poked: list[TrackerRef] = []
        self.places: list[tuple[str, str, str]] = []
        self.commands: list[tuple[TrackerRef, str, Command]] = []
        self.drift: dict[TrackerRef, DriftNotice | None] = {}
        """What each attempt that was started knows of drift."""
        self.answers: dict[str, CommandAnswer] = {}
        self.reads = 0
        self.away = False

    def identify(self, attempt: TrackerRef) -> str:
        return f"promotion/east/{attempt.namespace}/{attempt.name}/{attempt.uid}/{attempt.attempt}"

    async def start(
        self,
        attempt: TrackerRef,
        spec: TrackerSpec,
        *,
        generation: int,
        repository: str = "",
        drift: DriftNotice | None = None,
    ) -> WorkflowState:
        self._reach()
        if attempt not in self.states:
            self.states[attempt] = WorkflowState.RUNNING
            self.started.append((attempt, spec))
            self.drift[attempt] = drift
        return self.states[attempt]

    async def read_state(self, attempt: TrackerRef) -> WorkflowState:
        self._reach()
        self.reads += 1
        return self.states.get(attempt, WorkflowState.ABSENT)

    async def look(self, attempt: TrackerRef) -> Look:
        return Look(state=await self.read_state(attempt), stall=self.stalls.get(attempt, ""))

    async def signal_deleted(self, attempt: TrackerRef) -> bool:
        self._reach()
        self.deleted.append(attempt)
        return self.states.get(attempt) is WorkflowState.RUNNING

    async def poke(self, attempt: TrackerRef) -> bool:
        self._reach()
        self.poked.append(attempt)
        return self.states.get(attempt) is WorkflowState.RUNNING

    async def poke_place(self, *, namespace: str, environment: str, repository: str) -> bool:
        self._reach()
        self.places.append((namespace, environment, repository))
        return True

    async def execute(self, attempt: TrackerRef, verb: str, command: Command) -> CommandAnswer | None:
        self._reach()
        if self.states.get(attempt) is not WorkflowState.RUNNING:
            return None
        # Like an update id, a request id is executed once and answered as often as it is asked.
        if command.request_id not in {known.request_id for _, _, known in self.commands}:
            self.commands.append((attempt, verb, command))
        return self.answers.get(verb, CommandAnswer(accepted=True, message=f"{verb} taken"))

    def _reach(self) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal is away")


class FakeCredentialChecks:
    """Remember which connections were sent what, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, CheckedResource, int]] = []
        self.away = False

    def of(self, what: str) -> list[tuple[str, int]]:
        """Return (name, generation) of all that were sent this."""
        return [(connection.name, generation) for sent, connection, generation in self.sent if sent == what]

    async def request_check(self, connection: CheckedResource, generation: int) -> None:
        self._note("seen", connection, generation)

    async def ensure(self, connection: CheckedResource, generation: int) -> None:
        self._note("ensure", connection, generation)

    async def poke(self, connection: CheckedResource, generation: int) -> None:
        self._note("poke", connection, generation)

    async def signal_gone(self, connection: CheckedResource) -> None:
        self._note("gone", connection)

    def _note(self, what: str, connection: CheckedResource, generation: int = 0) -> None:
        if self.away:
            raise WorkflowsUnavailable("Temporal is away")
        self.sent.append((what, connection, generation))


class FakeEventSinks:
    """Remember which workflows of sinks were poked, in order."""

    def __init__(self) -> None:
        self.poked: list[SinkRef] = []

    async def poke(self, sink: SinkRef) -> None:
        self.poked.append(sink)


class FakeRepositorySyncs:
    """Remember what was asked of which repository's workflow, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def ensure(self, repository: RepositoryRef) -> None:
        self.asked.append(("ensure", repository.uid))

    async def start_look(self, repository: RepositoryRef) -> None:
        self.asked.append(("start_look", repository.uid))

    async def poke(self, repository: RepositoryRef) -> bool:
        self.asked.append(("poke", repository.uid))
        return True


class FakeDriftObserver:
    """Remember which kinds of drift were shown, in order."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def drift_shown(self, namespace: str, kind: str) -> None:
        self.shown.append(kind)


class FakeRollbacks:
    """Remember what was reported: the monitor, and the revision that it runs again."""

    def __init__(self) -> None:
        self.reported: list[tuple[str, str]] = []

    async def report(self, monitor: Document, runs: Artifact, at: datetime) -> None:
        self.reported.append((monitor["metadata"]["name"], runs.revision))


def fake_drift_statuses(kubernetes: Kubernetes) -> DriftStatuses:
    """Build what writes monitors where no one learns of it."""
    return DriftStatuses(kubernetes=kubernetes, observer=FakeDriftObserver(), rollbacks=FakeRollbacks())


class FakeDriftLooks:
    """Remember which instances were to be looked at, in order."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, InstanceRef]] = []

    async def ensure(self, instance: InstanceRef) -> None:
        self.sent.append(("ensure", instance))

    async def poke(self, instance: InstanceRef) -> None:
        self.sent.append(("poke", instance))

    async def clear(self, instance: InstanceRef, tracker: GoneTracker) -> None:
        self.sent.append((f"clear {tracker.repository} {tracker.number}", instance))

    async def present(self, instance: InstanceRef, tracker: str) -> None:
        self.sent.append((f"present {tracker}", instance))


async def no_drift(_instance: Key, _tracker: GoneTracker) -> None:
    """Stand for what clears drift, where nothing drifted."""
    raise AssertionError("nothing drifted")


class FakeKubernetes:
    """Keep objects, count versions, refuse stale writes; server-side apply replaces fields and merges conditions."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Document] = {}
        self.events: dict[str, tuple[EventTarget, str, str]] = {}
        self.writes: list[tuple[str, str]] = []
        self.conflicts = 0
        """How many of the next applies meet a conflict."""
        self.events_refused: ApiError | None = None
        self.refused: set[str] = set()
        """Names of objects of which the API server takes no status."""
        self._versions = itertools.count(100)
        self._owned: dict[tuple[str, str, str, str], set[str]] = {}
        """Fields of a status by who applied them."""

    @property
    def default_namespace(self) -> str:
        return "default"

    def put(self, resource: ApiResource, document: Document) -> Document:
        metadata = document["metadata"]
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[resource.plural, metadata.get("namespace", ""), metadata["name"]] = document
        return document

    async def list_page(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        limit: int = PAGE_SIZE,
        continue_token: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        found = [
            copy.deepcopy(one)
            for (plural, where, _), one in self.objects.items()
            if plural == resource.plural and namespace in (None, where) and _is_selected(one, label_selector)
        ]
        # Others write in between.
        return Page(items=tuple(found), resource_version=str(next(self._versions)))

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        return await self.list_page(resource, namespace, label_selector=label_selector)

    def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,
        field_selector: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        raise AssertionError("controllers do not watch")

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        found = self.objects.get((resource.plural, namespace or "", name))
        if found is None:
            raise ApiNotFound(f"{resource.plural} {name} not found", status=404, object_name=name)
        return copy.deepcopy(found)

    async def create(self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any]) -> Document:
        metadata = document["metadata"]
        if (resource.plural, namespace or "", metadata["name"]) in self.objects:
            raise ApiConflict(f"{metadata['name']} already exists", status=409)
        made = {**copy.deepcopy(dict(document))}
        made["metadata"] = {"uid": f"uid-{metadata['name']}", "generation": 1, **made["metadata"]}
        return copy.deepcopy(self.put(resource, made))

    async def merge(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        changes: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Document:
        current = await self._current(resource, namespace, name, changes)
        self.writes.append((name, "merge"))
        changed = _merged(current, changes)
        if changed.get("spec") != current.get("spec"):
            changed["metadata"]["generation"] = int(current["metadata"].get("generation") or 0) + 1
        return copy.deepcopy(self.put(resource, changed))

    async def patch(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        resource_version: str,
        field_manager: str,
        subresource: str | None = None,
    ) -> Document:
        changes = {"metadata": {"resourceVersion": resource_version}}
        current = await self._current(resource, namespace, name, changes)
        self.writes.append((name, field_manager))
        changed = copy.deepcopy(current)
        for one in operations:
            *above, last = one["path"].strip("/").split("/")
            holder: Any = changed
            for step in above:
                holder = holder[int(step) if isinstance(holder, list) else step]
            if one["op"] == "remove":
                del holder[int(last) if isinstance(holder, list) else last]
            elif last == "-":
                holder.append(one["value"])
            else:
                holder[int(last) if isinstance(holder, list) else last] = one["value"]
        return copy.deepcopy(self.put(resource, changed))

    async def apply(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        document: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Document:
        if self.conflicts:
            self.conflicts -= 1
            raise ApiConflict("the object has been modified", status=409)
        if name in self.refused:
            raise ApiInvalid(f"{name} is invalid: spec.phase: Unsupported value", status=422, object_name=name)
        current = await self._current(resource, namespace, name, document)
        self.writes.append((name, field_manager))
        status = copy.deepcopy(dict(document.get("status", {})))
        present = {one["type"]: one for one in current.get("status", {}).get("conditions", ())}
        for condition in status.pop("conditions", ()):
            present[condition["type"]] = condition
        # What its manager applied before and leaves out now goes.
        owned = self._owned.get((resource.plural, namespace or "", name, field_manager), set()) - status.keys()
        self._owned[resource.plural, namespace or "", name, field_manager] = set(status)
        kept = {key: value for key, value in current.get("status", {}).items() if key not in owned}
        merged = {**kept, **status}
        if present:
            merged["conditions"] = list(present.values())
        return copy.deepcopy(self.put(resource, {**current, "status": merged}))

    async def delete(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        found = (await self.get(resource, namespace, name))["metadata"]
        for wanted, present in ((uid, found.get("uid")), (resource_version, found["resourceVersion"])):
            if wanted is not None and wanted != present:
                raise ApiConflict(f"the precondition {wanted} is not met: {present}", status=409)
        del self.objects[resource.plural, namespace or "", name]

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        raise AssertionError("the watcher reads no Secret")

    async def post_event(
        self, target: EventTarget, *, name: str, reason: str, message: str, warning: bool, component: str
    ) -> bool:
        if self.events_refused is not None:
            raise self.events_refused
        known = name in self.events
        self.events.setdefault(name, (target, reason, message))
        return not known

    async def _current(
        self, resource: ApiResource, namespace: str | None, name: str, change: Mapping[str, Any]
    ) -> Document:
        current = await self.get(resource, namespace, name)
        version = change.get("metadata", {}).get("resourceVersion")
        if version is not None and version != current["metadata"]["resourceVersion"]:
            raise ApiConflict("the object has been modified", status=409)
        return current


def _is_selected(document: Document, label_selector: str | None) -> bool:
    """Return whether an object has the one label that is selected, if any is."""
    if label_selector is None:
        return True
    name, _, value = label_selector.partition("=")
    return bool((document["metadata"].get("labels") or {}).get(name) == value)


def _merged(current: Any, change: Any) -> Any:
    if not isinstance(change, Mapping) or not isinstance(current, Mapping):
        return copy.deepcopy(change)
    return {**current, **{key: _merged(current.get(key), value) for key, value in change.items()}}


def tracker_document(
    *,
    number: int = 412,
    uid: str = "uid-1",
    attempt: int = 1,
    finalizer: bool = True,
    deleting: datetime | None = None,
    status: Document | None = None,
    poke: str = "",
) -> Document:
    """A PullRequestTracker web-<number> of namespace shop."""
    metadata: Document = {
        "namespace": "shop",
        "name": f"web-{number}",
        "uid": uid,
        "generation": attempt,
        "resourceVersion": "1",
        "creationTimestamp": "2026-03-01T11:00:00Z",
        "finalizers": [FINALIZER] if finalizer else [],
        "annotations": {"pilotage.dev/poke": poke} if poke else {},
        "labels": {"pilotage.dev/repository": "web", "pilotage.dev/environment": "dev"},
    }
    if status and status.get("state"):
        metadata["labels"]["pilotage.dev/state"] = status["state"]
    if deleting is not None:
        metadata["deletionTimestamp"] = deleting.isoformat()
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev", "attempt": attempt}
    return {"metadata": metadata, "spec": spec, **({"status": status} if status else {})}


def running_status(*, attempt: int = 1, state: str = "Testing", waiting: str = "Verdict") -> Document:
    """The status of a tracker whose workflow was started."""
    return {
        "state": state,
        "attempt": attempt,
        "sequence": 5,
        "waitingFor": {"what": waiting},
        "workflow": {"id": "promotion/x", "runId": "run-1", "startedAt": "2026-03-01T11:00:01Z"},
    }


def command_document(
    verb: str, *, uid: str = "cmd-1", environment: str = "staging", created: str = "2026-03-01T12:00:00Z"
) -> Document:
    """A PromotionCommand by alice on web-412."""
    return {
        "metadata": {
            "namespace": "shop",
            "name": f"{verb}-{uid}",
            "uid": uid,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": created,
        },
        "spec": {
            "trackerRef": {"name": "web-412"},
            "verb": verb,
            "environment": environment,
            "revision": "abc",
            "requestedBy": "alice",
            "reason": "because",
        },
    }
