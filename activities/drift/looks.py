"""Look at the applications of all monitors of one ArgoCDInstance: one list per project shows which of them changed, and
only those are read.

A list holds a digest of each application (`Deployments.fingerprints`), and a monitor's status keeps the one of the last
look that led to it: where both are the same, nothing changed, and nothing is read. What a look finds otherwise is
answered, a bounded number of readings at a time; the next look goes on behind the last one.

What does not answer is not what is gone: a project that cannot be listed, or whose server is silent, is a
`Silence` of all its monitors, and no evidence about one application.
"""

import asyncio
import random
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from activities.drift.judging import DriftJudgement
from activities.drift.monitors import RENEWED_AFTER
from activities.drift.reading import ApplicationReader, as_reading
from activities.failures import failure_from, last_attempt
from activities.models.budgets import DRIFT_READINGS
from activities.models.drift import (
    DriftReading,
    InstanceRef,
    LookForDriftInput,
    LookForDriftResult,
    Silence,
    Verdict,
)
from activities.ports import ReferenceMissing, ResourceOpener
from crds.api.mirror import read_same
from crds.api.pauses import giving_way
from crds.api.ports import ApiNotFound, Document, Kubernetes, resource_of
from crds.reasons.vocabulary import Drift
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.drift_monitor import DriftMonitor
from providers.errors import ProviderBusy, ProviderError, ProviderUnavailable
from providers.ports import Deployments

MONITORS = resource_of(DriftMonitor.definition)
INSTANCES = resource_of(ArgoCDInstance.definition)
ABSENT = "absent"
"""Stands for the digest of an application that no list shows."""
PAGE = 500
LISTING = timedelta(seconds=60)
"""What all lists of one look may take together; a project that is slower gives no answer."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)
_PROJECTS_AT_ONCE = 4


class DriftLooks:
    """Look for drift, for the activity."""

    def __init__(self, kubernetes: Kubernetes, opener: ResourceOpener) -> None:
        self._kubernetes = kubernetes
        self._opener = opener
        self._reader = ApplicationReader(kubernetes, opener)

    async def look(self, request: LookForDriftInput) -> LookForDriftResult:
        """Return what differs from the monitors' statuses."""
        instance = request.instance
        if not await self._exists(instance):
            return LookForDriftResult(gone=True)
        monitors = await self._monitors(request)
        try:
            port = await self._opener.deployments(instance.namespace, instance.name)
        except (ReferenceMissing, ProviderError) as error:
            return LookForDriftResult(monitors=len(monitors), silent=(_silence("", instance, error),))
        projects = request.projects if request.again else {one.spec.project for one in monitors}
        asked = {*projects} - {""}
        listed = await _list_all(port, sorted(asked))
        failed = {name: one for name, one in listed.items() if isinstance(one, Exception)}
        silent = [_silence(name, instance, failed[name]) for name in _unshown_first(failed, monitors)]
        if request.again:
            digests = {one.metadata.name: "" for one in monitors}
        else:
            digests = {one.metadata.name: _digest(listed.get(one.spec.project), one) for one in monitors}
        unread = asked - {name for name, one in listed.items() if isinstance(one, dict)}
        answered = [one for one in monitors if one.spec.project not in unread]
        now = datetime.now(UTC)
        changed = {
            one.metadata.name: request.again or _has_changed(one, digests[one.metadata.name]) for one in answered
        }
        wanted = [one for one in answered if changed[one.metadata.name]]
        renewed = _overdue([one for one in answered if not changed[one.metadata.name]], now)
        # What is found otherwise at each look, or stays unknown for days, must keep no other one from its turn.
        first = frozenset(request.first if request.again else request.first[: DRIFT_READINGS // 2])
        at_most = DRIFT_READINGS - min(len(renewed), DRIFT_READINGS // 5)
        turns = _in_turn(wanted, first, request.cursor)
        found = await self._reader.read(port, turns[:at_most])
        readings = [as_reading(one, digests[one.metadata.name], judged) for one, judged in found.judged]
        room = DRIFT_READINGS - len(readings)
        readings += [_renewal(one) for one in renewed[:room]]
        silent += [_silence(name, instance, error) for name, error in found.silent.items()]
        # What comes before the cursor had its turn in this pass. Much of it may stay as it is for days, such as what is
        # declared no more: the looks of one pass follow each other at once, and passes do not.
        left = [one for one in turns[at_most:] if one.metadata.name > request.cursor]
        passed = [one.metadata.name for one in turns[:at_most] if one.metadata.name not in first]
        return LookForDriftResult(
            monitors=len(monitors),
            readings=tuple(readings),
            silent=tuple(silent),
            left=len(left),
            cursor=max([request.cursor, *passed]) if left else "",
        )

    async def _exists(self, instance: InstanceRef) -> bool:
        found = await read_same(self._kubernetes, INSTANCES, instance.namespace, instance.name, instance.uid)
        return found is not None

    async def _monitors(self, request: LookForDriftInput) -> list[DriftMonitor]:
        """Return the instance's monitors by name; at a second look those that are looked at again."""
        instance = request.instance
        if request.again:
            documents = [await self._find(instance.namespace, name) for name in request.first]
            return list(_readable(one for one in documents if one is not None))
        found: list[DriftMonitor] = []
        token: str | None = None
        while True:
            page = await self._kubernetes.list_page(MONITORS, instance.namespace, limit=PAGE, continue_token=token)
            async for item in giving_way(page.items):
                if item["spec"]["instanceRef"]["name"] == instance.name:
                    found += _readable([item])
            token = page.continue_token
            if token is None:
                return sorted(found, key=lambda one: one.metadata.name)

    async def _find(self, namespace: str, name: str) -> Document | None:
        try:
            return await self._kubernetes.get(MONITORS, namespace, name)
        except ApiNotFound:
            return None


async def _list_all(port: Deployments, projects: Sequence[str]) -> dict[str, dict[str, str] | ProviderError]:
    """List the projects side by side, each once; one that fails hides no other.

    Those that had no turn in time are left out, as long as any answers: nothing is known of them. Chance gives the
    turns, so that the same ones are not left out at each look.
    """
    gate = asyncio.Semaphore(_PROJECTS_AT_ONCE)
    until = asyncio.get_running_loop().time() + LISTING.total_seconds()
    begun: set[str] = set()

    async def ask(project: str) -> dict[str, str] | ProviderError:
        try:
            async with asyncio.timeout_at(until), gate:
                begun.add(project)
                return dict(await port.fingerprints(project))
        except TimeoutError:
            return ProviderUnavailable(f"project {project} was not listed in time", status=504)
        except ProviderError as error:
            if isinstance(error, ProviderBusy) and not last_attempt():
                # Our own busyness is no evidence of a project.
                raise
            return error

    turns = random.sample(projects, len(projects))
    found = dict(zip(turns, await asyncio.gather(*map(ask, turns)), strict=True))
    answers = any(isinstance(one, dict) for one in found.values())
    return {name: found[name] for name in projects if name in begun or not answers}


def _readable(documents: Iterable[Document]) -> Iterable[DriftMonitor]:
    """Read monitors that are not being deleted; one that an older schema let in must not hide the others."""
    for document in documents:
        if document["metadata"].get("deletionTimestamp"):
            continue
        with suppress(ValidationError):
            yield DriftMonitor.from_wire(document)


def _digest(listed: dict[str, str] | ProviderError | None, monitor: DriftMonitor) -> str:
    return listed.get(monitor.spec.application, ABSENT) if isinstance(listed, dict) else ""


def _has_changed(monitor: DriftMonitor, digest: str) -> bool:
    status = monitor.status
    current = status.observed_generation == monitor.metadata.generation
    return not current or status.kind is Drift.UNKNOWN or status.seen != digest


def _overdue(monitors: Iterable[DriftMonitor], now: datetime) -> list[DriftMonitor]:
    """Return those whose time is to be written once more, the oldest first."""
    checked = ((one.status.last_checked_at or LONG_AGO, one) for one in monitors)
    old = [(at, one) for at, one in checked if now - at >= RENEWED_AFTER]
    return [one for _, one in sorted(old, key=lambda found: found[0])]


def _unshown_first(projects: Iterable[str], monitors: Sequence[DriftMonitor]) -> list[str]:
    """Put those first that some monitor does not show as unknown: an answer names a bounded number of them."""
    unshown = {one.spec.project for one in monitors if one.status.kind is not Drift.UNKNOWN}
    return sorted(projects, key=lambda one: one not in unshown)


def _in_turn(monitors: Sequence[DriftMonitor], first: Collection[str], cursor: str) -> list[DriftMonitor]:
    """Put these first, then what follows the monitor at which the last look ended."""

    def turn(one: DriftMonitor) -> tuple[bool, bool, str]:
        name = one.metadata.name
        return (name not in first, name <= cursor, name)

    return sorted(monitors, key=turn)


def _renewal(monitor: DriftMonitor) -> DriftReading:
    """State once more what stands there, so that its time is written."""
    status = monitor.status
    verdict = Verdict(
        kind=status.kind,
        expected=status.expected or "",
        observed=status.observed or "",
    )
    return as_reading(monitor, status.seen or "", DriftJudgement(verdict=verdict))


def _silence(project: str, instance: InstanceRef, error: Exception) -> Silence:
    found = failure_from(error)
    named = replace(found, object=found.object or f"ArgoCDInstance/{instance.name}")
    return Silence(project=project, failure=named.brief())
