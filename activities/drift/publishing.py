"""Write what was seen of promoted changes to the status of their monitors: the watcher's activity."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Protocol

from temporalio import activity

from activities.contracts import DriftStatusActivities
from activities.drift.rollbacks import Rollbacks
from activities.failures import reported
from activities.models.drift import (
    Drift,
    DriftChange,
    InstanceRef,
    PublishDriftInput,
    PublishDriftResult,
    Silence,
    Verdict,
)
from crds.api.pauses import giving_way
from crds.api.ports import ApiConflict, ApiForbidden, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import (
    CONFLICTS,
    WORKFLOW_MANAGER,
    conditions_of,
    merge_own_conditions,
    status_of,
    with_summary,
)
from crds.api.recent import read_basis
from crds.conditions import ConditionType, make_condition
from crds.reasons.conditions import ConditionReason
from crds.v1alpha1.drift_monitor import DriftBaseline, DriftKind, DriftMonitor, DriftMonitorStatus

MONITORS = resource_of(DriftMonitor.definition)
PAGE = 500
_AT_ONCE = 8
_DIGEST_LENGTH = 16

Render = Callable[[Document], Document | None]
"""Returns the status to be written to a monitor as it was just read; None where none is."""


Before = Callable[[Document], Awaitable[None]]
"""What must have happened to a monitor as it was just read before its status is written."""


class DriftObserver(Protocol):
    """Learn of each drift that is shown, for metrics."""

    def drift_shown(self, namespace: str, kind: str) -> None:
        """Learn that a monitor shows this kind now; `InPlace` where its drift is over."""


class DriftStatuses(DriftStatusActivities):
    """Write monitors' statuses through the Kubernetes API."""

    def __init__(self, *, kubernetes: Kubernetes, observer: DriftObserver, rollbacks: Rollbacks) -> None:
        self._kubernetes = kubernetes
        self._observer = observer
        self._rollbacks = rollbacks

    @activity.defn
    @reported
    async def publish_drift(self, request: PublishDriftInput) -> PublishDriftResult:
        """Write what changed, and to the monitors of a project without answer that their state is unknown.

        Safe to retry: what stands there already is not written again.
        """
        return await self.write(request)

    async def write(self, request: PublishDriftInput) -> PublishDriftResult:
        """Do the same for who is no workflow."""
        namespace, gate = request.instance.namespace, asyncio.Semaphore(_AT_ONCE)

        async def write(name: str, render: Render, before: Before | None = None) -> bool:
            async with gate:
                return await self._write(namespace, name, render, before)

        writes: list[Awaitable[bool]] = [
            write(one.monitor, partial(rendered_change, one, request.at), partial(self._report, one, request.at))
            for one in request.changes
        ]
        for silence in request.silent:
            names = [name async for name in self._monitors(request.instance, silence.project)]
            writes += [write(name, partial(rendered_silence, silence, request.at)) for name in names]
        return PublishDriftResult(written=sum(await asyncio.gather(*writes)))

    async def _monitors(self, instance: InstanceRef, project: str) -> AsyncIterator[str]:
        token: str | None = None
        while True:
            page = await self._kubernetes.list_page(MONITORS, instance.namespace, limit=PAGE, continue_token=token)
            async for item in giving_way(page.items):
                spec = item["spec"]
                if spec["instanceRef"]["name"] == instance.name and project in ("", spec["project"]):
                    yield item["metadata"]["name"]
            token = page.continue_token
            if token is None:
                return

    async def _write(self, namespace: str, name: str, render: Render, before: Before | None) -> bool:
        """Write one status as a compare-and-set, then publish what became other by it."""
        for turn in range(CONFLICTS):
            try:
                document, fresh = await read_basis(self._kubernetes, MONITORS, namespace, name, fresh=turn > 0)
            except ApiNotFound:
                return False
            status = render(document)
            if status is None and fresh:
                return False
            if status is None:
                continue
            if before is not None:
                await before(document)
            change = {"metadata": {"resourceVersion": document["metadata"]["resourceVersion"]}, "status": status}
            try:
                await self._kubernetes.apply(
                    MONITORS, namespace, name, change, field_manager=WORKFLOW_MANAGER, subresource="status"
                )
            except ApiConflict:
                continue
            except ApiNotFound:
                return False
            await self._signal(document, status)
            return True
        raise ApiConflict(f"DriftMonitor {namespace}/{name} kept changing", status=409)

    async def _report(self, change: DriftChange, at: datetime, document: Document) -> None:
        """Report a rollback before the status shows it: who dies in between reports it twice, under one id."""
        present, runs = DriftMonitorStatus.from_wire(status_of(document)), change.rolled_back
        if runs is not None and _shown_rollback(present, change.tracker) != runs.revision:
            await self._rollbacks.report(document, runs, at)

    async def _signal(self, document: Document, status: Document) -> None:
        before, now = status_of(document).get("kind"), status.get("kind")
        metadata = document["metadata"]
        if before == now:
            return
        self._observer.drift_shown(metadata["namespace"], str(now or ConditionReason.IN_PLACE.value))
        target = MONITORS.target(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
        )
        digest = hashlib.sha256(f"{metadata['uid']}/{now}/{status['since']}".encode()).hexdigest()
        # A namespace that is being deleted takes no events; the status shows it too.
        with suppress(ApiForbidden, ApiNotFound):
            await self._kubernetes.post_event(
                target,
                name=f"{metadata['name']}.{digest[:_DIGEST_LENGTH]}",
                reason=str(now or ConditionReason.IN_PLACE.value),
                message=_sentence(document, status),
                warning=now is not None,
                component=WORKFLOW_MANAGER,
            )


def rendered_change(change: DriftChange, at: datetime, document: Document) -> Document | None:
    """Return the status that a look leads to; None where the monitor is about another promotion by now."""
    metadata = document["metadata"]
    if (metadata.get("uid"), metadata.get("generation")) != (change.uid, change.generation):
        return None
    present = DriftMonitorStatus.from_wire(status_of(document))
    baseline = present.baseline
    if change.parameters is not None:
        named = tuple(f"{name}={digest}" for name, digest in change.parameters.items())
        baseline = DriftBaseline(promoted_at=change.promoted_at, parameters=named)
    return _rendered(
        document,
        change.verdict,
        at,
        tracker=change.tracker,
        seen=change.seen,
        baseline=baseline,
        rolled_back_to=_rollback_to_show(change, present),
    )


def rendered_silence(silence: Silence, at: datetime, document: Document) -> Document | None:
    """Return the status while nothing answers; None where it states it already."""
    present = DriftMonitorStatus.from_wire(status_of(document))
    verdict = Verdict(kind=Drift.UNKNOWN, observed=silence.failure.named)
    if present.kind is DriftKind.UNKNOWN and present.observed == verdict.observed:
        return None
    tracker = document["spec"]["trackerRef"]["name"]
    # Without what was seen last, everything is read again once the server answers.
    return _rendered(
        document,
        verdict,
        at,
        tracker=tracker,
        seen=None,
        baseline=present.baseline,
        rolled_back_to=_shown_rollback(present, tracker),
    )


def _shown_rollback(present: DriftMonitorStatus, tracker: str) -> str | None:
    """Return what the status shows as running again instead of what this tracker promoted."""
    return present.rolled_back_to if present.tracker == tracker else None


def _rollback_to_show(change: DriftChange, present: DriftMonitorStatus) -> str | None:
    """Return what runs again; it stays while nothing is known, and where a look only states the same once more."""
    if change.rolled_back is not None:
        return change.rolled_back.revision
    verdict = change.verdict
    same = (verdict.kind or "", verdict.observed) == (present.kind or "", present.observed or "")
    return _shown_rollback(present, change.tracker) if same or verdict.kind is Drift.UNKNOWN else None


def _rendered(
    document: Document,
    verdict: Verdict,
    at: datetime,
    *,
    tracker: str,
    seen: str | None,
    baseline: DriftBaseline | None,
    rolled_back_to: str | None,
) -> Document:
    present = DriftMonitorStatus.from_wire(status_of(document))
    kind = DriftKind(verdict.kind) if verdict.kind is not None else None
    in_place = None if kind is DriftKind.UNKNOWN else kind is None
    same = present.kind is kind and present.since is not None and present.tracker == tracker
    status = DriftMonitorStatus(
        observed_generation=document["metadata"].get("generation"),
        drifted=None if in_place is None else not in_place,
        kind=kind,
        expected=verdict.expected or None,
        observed=verdict.observed or None,
        since=present.since if same else at,
        rolled_back_to=rolled_back_to,
        last_checked_at=at,
        tracker=tracker,
        seen=seen or None,
        baseline=baseline,
    ).to_wire()
    reason = ConditionReason.IN_PLACE.value if kind is None else kind.value
    condition = make_condition(
        ConditionType.IN_PLACE,
        status=in_place,
        reason=reason,
        message=_why(verdict),
        now=at,
        observed_generation=document["metadata"].get("generation"),
    )
    summed = with_summary(DriftMonitor.definition, document, [condition], at)
    return {**status, "conditions": merge_own_conditions(conditions_of(document), summed)}


def _why(verdict: Verdict) -> str:
    if verdict.kind in (None, Drift.UNKNOWN):
        return verdict.observed
    return f"expected {verdict.expected}, observed {verdict.observed}"


def _sentence(document: Document, status: Document) -> str:
    spec = document["spec"]
    place = f"{spec['environment']}/{spec['deployment']}"
    if status.get("kind") is None:
        return f"{place} runs what {spec['trackerRef']['name']} promoted, or what contains it"
    observed = status.get("observed") or ""
    if status["kind"] == DriftKind.UNKNOWN:
        return f"Pilotage does not know whether {place} is as promoted: {observed}"
    return f"{place} drifted: expected {status.get('expected') or ''}, observed {observed}"
