"""Write what places know into an Environment's status: the entries of several repositories in one write.

All repositories of an Environment share one object, and each write is a compare-and-set of the whole list of entries:
16 writers side by side would refuse one another most of the time. `PlaceWriter` therefore has one write of an object at
work. What comes meanwhile waits for it, and goes together with the next one.

A write that is refused is halved until the refusal belongs to one entry; the others are written without it. Only
writers of another process can still conflict: the object is read again then, after a pause that is drawn.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from crds.api.backoff import Backoff
from crds.api.compare_and_set import CONFLICTS
from crds.api.ports import ApiConflict, ApiError, ApiInvalid, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import (
    Publication,
    conditions_of,
    distrusted,
    merge_own_conditions,
    status_of,
    with_summary,
)
from crds.api.recent import read_basis
from crds.conditions import Condition, ConditionType, make_condition
from crds.reasons.conditions import ConditionReason
from crds.rules import status_budget
from crds.rules.place_summary import summary_of
from crds.sequences import is_forged
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.environment_status import MAX_REPOSITORIES

PLACE_MANAGER = "pilotage-place"
"""Field manager of the entries of all repositories, and of the conditions that follow from them."""
PLACE_HISTORY_KEPT = 20

CONFLICT_PAUSES = Backoff(initial=timedelta(milliseconds=50), maximum=timedelta(seconds=2))

Outcome = Publication | ApiError


@dataclass(eq=False)
class _Waiting:
    entry: Document
    outcome: Outcome | None = None


@dataclass(eq=False)
class _Line:
    """Those who wait to write one object, first come first; the lock is held by the one who writes for all."""

    waiting: list[_Waiting] = field(default_factory=list)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def next_batch(self) -> list[_Waiting]:
        """Return whom the next write serves: one entry of each repository, so that its entries keep their order."""
        batch: dict[str, _Waiting] = {}
        for one in self.waiting:
            batch.setdefault(one.entry["repository"], one)
        return list(batch.values())


class PlaceWriter:
    """Write entries of places; those that wait for the same object are written together."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._lines: WeakValueDictionary[tuple[str, str], _Line] = WeakValueDictionary()

    async def publish(self, namespace: str, environment: str, entry: Document) -> Publication:
        """Write one entry and return what became of it. Raises ApiInvalid where this very entry is refused.

        Waits for the write of that object at work, and for no other one's.
        """
        line = self._lines.setdefault((namespace, environment), _Line())
        mine = _Waiting(entry)
        line.waiting.append(mine)
        try:
            async with line.writing:
                # More than once only where another entry of the same repository came before.
                while mine.outcome is None:
                    await self._write(namespace, environment, line.next_batch())
                    line.waiting = [one for one in line.waiting if one.outcome is None]
        finally:
            line.waiting = [one for one in line.waiting if one is not mine]
        if isinstance(mine.outcome, Publication):
            return mine.outcome
        raise mine.outcome

    async def _write(self, namespace: str, environment: str, batch: Sequence[_Waiting]) -> None:
        """Write a batch for all of it. One that is cancelled on the way leaves the others waiting: the next writes."""
        outcomes: Sequence[Outcome]
        try:
            outcomes = await publish_place_entries(
                self._kubernetes, namespace, environment, [one.entry for one in batch]
            )
        except ApiError as error:
            outcomes = [error] * len(batch)
        for one, outcome in zip(batch, outcomes, strict=True):
            one.outcome = outcome


async def publish_place_entries(
    kubernetes: Kubernetes, namespace: str, environment: str, entries: Sequence[Document]
) -> tuple[Publication | ApiInvalid, ...]:
    """Write entries of an Environment's status, at most one of each repository; return what became of each.

    Raises ApiError where nothing is known of any entry, such as an API server that does not answer.
    """
    try:
        return await _write_together(kubernetes, namespace, environment, entries)
    except ApiInvalid as refusal:
        if len(entries) == 1:
            return (refusal,)
    middle = len(entries) // 2
    first = await publish_place_entries(kubernetes, namespace, environment, entries[:middle])
    return (*first, *await publish_place_entries(kubernetes, namespace, environment, entries[middle:]))


async def _write_together(
    kubernetes: Kubernetes, namespace: str, environment: str, entries: Sequence[Document]
) -> tuple[Publication | ApiInvalid, ...]:
    resource = resource_of(Environment.definition)
    for conflicts in range(1, CONFLICTS + 1):
        try:
            document, fresh = await read_basis(kubernetes, resource, namespace, environment, fresh=conflicts > 1)
        except ApiNotFound:
            return (Publication(written=False, reason="Gone"),) * len(entries)
        merged = _Merged(document, datetime.now(UTC))
        outcomes = [merged.take(entry, among=entries) for entry in entries]
        if not fresh and not merged.takes_all(entries):
            continue
        if not merged.changed:
            return tuple(outcomes)
        try:
            # A patch by position writes no more than changed. An apply would have to repeat all entries, and would
            # leave in them what another field manager once wrote.
            await kubernetes.patch(
                resource,
                namespace,
                environment,
                merged.operations(),
                resource_version=document["metadata"]["resourceVersion"],
                field_manager=PLACE_MANAGER,
                subresource="status",
            )
        except ApiConflict:
            await asyncio.sleep(CONFLICT_PAUSES.pause(conflicts).total_seconds())
            continue
        except ApiNotFound:
            return (Publication(written=False, reason="Gone"),) * len(entries)
        return tuple(outcomes)
    raise ApiConflict(f"the status of Environment {namespace}/{environment} kept changing", status=409)


class _Merged:
    """The entries of an Environment's status as they stand there, with those that are taken."""

    def __init__(self, document: Document, now: datetime) -> None:
        self._document = document
        self._now = now
        self._before = [str(one.get("repository")) for one in status_of(document).get("repositories") or ()]
        self._entries: dict[str, Document] = {
            str(one.get("repository")): one for one in status_of(document).get("repositories") or ()
        }
        self._taken: set[str] = set()
        self._forged = 0

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._taken)

    def takes_all(self, entries: Sequence[Document]) -> bool:
        """Whether each of the entries is to be written."""
        return all(entry["repository"] in self._taken for entry in entries)

    def take(self, entry: Document, *, among: Sequence[Document]) -> Publication | ApiInvalid:
        """Take an entry unless a newer one stands there; `among` are the repositories that are written together."""
        repository = entry["repository"]
        known: Document = self._entries.get(repository, {})
        published = int(known.get("sequence") or 0)
        if published == entry["sequence"]:
            return Publication(written=True, reason="AlreadyWritten")
        forged = published if is_forged(published, entry["sequence"], self._now) else 0
        if published > entry["sequence"] and not forged:
            return Publication(written=False, reason="OlderSequence", sequence=published)
        if not known and len(self._entries) >= MAX_REPOSITORIES and not self._drop_undeclared(among):
            name = self._document["metadata"]["name"]
            message = f"Environment {name} shows {MAX_REPOSITORIES} repositories already, and no more fit"
            return ApiInvalid(message, status=422)
        others = [one for name, one in self._entries.items() if name != repository]
        budget = status_budget.budget_of(self._document, others)
        self._entries[repository] = status_budget.fitting(_with_past(entry, known), budget)
        self._forged = max(self._forged, forged)
        self._taken.add(repository)
        uid = str(self._document["metadata"].get("uid", ""))
        return Publication(written=True, previous=known, forged=forged, uid=uid)

    def operations(self) -> list[Document]:
        """Return the operations of a JSON patch (RFC 6902) that writes what was taken, and the conditions."""
        places = {name: index for index, name in enumerate(self._before)}
        taken = sorted(self._taken, key=lambda name: places.get(name, len(places)))
        gone = [index for name, index in places.items() if name not in self._entries]
        path = "/status/repositories"
        found: list[Document] = []
        if "status" not in self._document:
            found.append({"op": "add", "path": "/status", "value": {}})
        if not places:
            found.append({"op": "add", "path": path, "value": []})
        found += [
            {"op": "replace", "path": f"{path}/{places[name]}", "value": self._entries[name]}
            for name in taken
            if name in places
        ]
        # From the end: each removal moves what stands behind it.
        found += [{"op": "remove", "path": f"{path}/{index}"} for index in sorted(gone, reverse=True)]
        found += [
            {"op": "add", "path": f"{path}/-", "value": self._entries[name]} for name in taken if name not in places
        ]
        return [
            *found,
            {"op": "add", "path": "/status/summary", "value": summary_of(self._entries.values())},
            {"op": "add", "path": "/status/conditions", "value": self._conditions()},
        ]

    def _conditions(self) -> list[Document]:
        """Return all conditions, those of other writers as they stand there."""
        document, entries = self._document, list(self._entries.values())
        summed = with_summary(Environment.definition, document, [_writable(document, entries, self._now)], self._now)
        own = [
            *merge_own_conditions(conditions_of(document), summed),
            *distrusted(Environment.definition, document, self._forged, self._now),
        ]
        replaced = {ConditionType.STATUS_TRUSTED, *(one["type"] for one in own)}
        kept = [one for one in status_of(document).get("conditions") or () if one.get("type") not in replaced]
        return [*kept, *own]

    def _drop_undeclared(self, among: Iterable[Document]) -> bool:
        """Remove one entry of a repository that nothing declares here any more, by whichever process it was written."""
        declared = {one.get("repositoryRef", {}).get("name") for one in self._document["spec"].get("deployments") or ()}
        wanted = declared | {one["repository"] for one in among}
        left = next((name for name in self._entries if name not in wanted), None)
        if left is not None:
            del self._entries[left]
        return left is not None


def _writable(document: Document, entries: Iterable[Document], now: datetime) -> Condition:
    """Return whether all that is to be written in an environment can be, over all its repositories."""
    refused = [one for entry in entries for one in entry.get("deployments") or () if one.get("notWritable")]
    # An entry that was written before the reason had a field has none.
    first = (refused[0].get("notWritableReason") or ConditionReason.NOT_WRITABLE) if refused else ""
    return make_condition(
        ConditionType.WRITABLE,
        status=not refused,
        reason=first or ConditionReason.WRITABLE,
        message="; ".join(f"{one.get('name')}: {one['notWritable']}" for one in refused),
        now=now,
        observed_generation=document["metadata"].get("generation"),
    )


def _with_past(entry: Document, known: Document) -> Document:
    """Add what a place without memory cannot know: earlier artifact sets, and since when a deployment is as it is."""
    history = list(entry.get("history") or ())
    seen = {one.get("at") for one in history}
    earlier = [one for one in known.get("history") or () if one.get("at") not in seen]
    if history and earlier and earlier[0].get("artifacts") == history[-1].get("artifacts"):
        history.pop()
    history += earlier
    before = {one.get("name"): one for one in known.get("deployments") or ()}
    return {
        **entry,
        "history": history[:PLACE_HISTORY_KEPT],
        "deployments": [_with_since(one, before.get(one.get("name"))) for one in entry.get("deployments") or ()],
    }


def _with_since(now: Document, before: Document | None) -> Document:
    if now.get("since") or before is None or not before.get("since"):
        return now
    same = all(now.get(field) == before.get(field) for field in ("artifact", "health"))
    return {**now, "since": before["since"]} if same else now
