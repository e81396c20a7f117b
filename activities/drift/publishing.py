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
from activities.drift.monitors import RENEWED_AFTER, is_about
from activities.drift.rollbacks import Rollbacks
from activities.failures import reported
from activities.models.drift import (
    DriftChange,
    InstanceRef,
    PublishDriftInput,
    PublishDriftResult,
    Silence,
    Verdict,
)
from activities.models.tracking import Artifact
from crds.api.compare_and_set import CONFLICTS
from crds.api.pauses import giving_way
from crds.api.ports import REFUSES_EVENT, ApiConflict, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import (
    WORKFLOW_MANAGER,
    conditions_of,
    merge_own_conditions,
    status_of,
    with_summary,
)
from crds.api.recent import read_basis
from crds.conditions import ConditionType, make_condition
from crds.reasons.conditions import ConditionReason
from crds.reasons.vocabulary import Drift
from crds.v1alpha1.drift_monitor import DriftBaseline, DriftMonitor, DriftMonitorStatus

MONITORS = resource_of(DriftMonitor.definition)
PAGE = 500
_AT_ONCE = 8
_DIGEST_LENGTH = 16

Render = Callable[[Document], Document | None]
"""Returns the status to be written to a monitor as it was just read; None where none is."""


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

        async def write(name: str, render: Render, change: DriftChange | None = None) -> bool:
            async with gate:
                return await self._write(namespace, name, request.at, render, change)

        writes: list[Awaitable[bool]] = [
            write(one.monitor, partial(rendered_change, one, request.at), one) for one in request.changes
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

    async def _write(self, namespace: str, name: str, at: datetime, render: Render, change: DriftChange | None) -> bool:
        """Report what becomes other by one status, then write it as a compare-and-set.

        Who dies in between reports the same again, under the same ids.
        """
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
            runs, news = _new_rollback(change, document), _is_news(document, status)
            if not fresh and (runs is not None or news):
                # No version guards a report: the monitor may be about another promotion by now.
                continue
            if runs is not None:
                await self._rollbacks.report(document, runs, at)
            if news:
                await self._post(document, status)
            content = {"metadata": {"resourceVersion": document["metadata"]["resourceVersion"]}, "status": status}
            try:
                await self._kubernetes.apply(
                    MONITORS, namespace, name, content, field_manager=WORKFLOW_MANAGER, subresource="status"
                )
            except ApiConflict:
                continue
            except ApiNotFound:
                return False
            if news:
                self._observer.drift_shown(namespace, _reason(status))
            return True
        raise ApiConflict(f"DriftMonitor {namespace}/{name} kept changing", status=409)

    async def _post(self, document: Document, status: Document) -> None:
        metadata, now = document["metadata"], status.get("kind")
        target = MONITORS.target(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
        )
        digest = hashlib.sha256(f"{metadata['uid']}/{now}/{status['since']}".encode()).hexdigest()
        # The status shows it too.
        with suppress(*REFUSES_EVENT):
            await self._kubernetes.post_event(
                target,
                name=f"{metadata['name']}.{digest[:_DIGEST_LENGTH]}",
                reason=_reason(status),
                message=_sentence(document, status),
                warning=now is not None,
                component=WORKFLOW_MANAGER,
            )


def rendered_change(change: DriftChange, at: datetime, document: Document) -> Document | None:
    """Return the status that a look leads to; None where it stands there, or the monitor is about another promotion."""
    metadata = document["metadata"]
    if (metadata.get("uid"), metadata.get("generation")) != (change.uid, change.generation):
        return None
    present = DriftMonitorStatus.from_wire(status_of(document))
    baseline = present.baseline
    if change.parameters is not None:
        named = tuple(f"{name}={digest}" for name, digest in change.parameters.items())
        baseline = DriftBaseline(promoted_at=change.promoted_at, parameters=named)
    status = _rendered(
        document,
        change.verdict,
        at,
        seen=change.seen,
        baseline=baseline,
        rolled_back_to=_rollback_to_show(change, document, present),
    )
    return None if _stands(document, present, status, at) else status


def _stands(document: Document, present: DriftMonitorStatus, status: Document, at: datetime) -> bool:
    """Return whether all but the time of the look stands there, and that was written not long ago."""
    checked, undated = present.last_checked_at, {"lastCheckedAt": None}
    recent = checked is not None and at - checked < RENEWED_AFTER
    return recent and {**status_of(document), **undated} == {**status, **undated}


def rendered_silence(silence: Silence, at: datetime, document: Document) -> Document | None:
    """Return the status while nothing answers; None where it states it already."""
    present = DriftMonitorStatus.from_wire(status_of(document))
    verdict = Verdict(kind=Drift.UNKNOWN, observed=silence.failure.named)
    if present.kind is Drift.UNKNOWN and present.observed == verdict.observed:
        return None
    # Without what was seen last, everything is read again once the server answers.
    return _rendered(
        document,
        verdict,
        at,
        seen=None,
        baseline=present.baseline,
        rolled_back_to=_shown_rollback(document, present),
    )


def _is_about_this(document: Document, present: DriftMonitorStatus) -> bool:
    spec = document["spec"]
    return is_about(
        present,
        generation=document["metadata"].get("generation"),
        tracker=spec["trackerRef"]["name"],
        promoted_at=datetime.fromisoformat(spec["promotedAt"]),
    )


def _shown_rollback(document: Document, present: DriftMonitorStatus) -> str | None:
    """Return what the status shows as running again instead of what this promotion brought."""
    return present.rolled_back_to if _is_about_this(document, present) else None


def _new_rollback(change: DriftChange | None, document: Document) -> Artifact | None:
    """Return what runs again, where the status does not show that yet."""
    runs = change.rolled_back if change is not None else None
    present = DriftMonitorStatus.from_wire(status_of(document))
    return runs if runs is not None and _shown_rollback(document, present) != runs.revision else None


def _is_news(document: Document, status: Document) -> bool:
    """Return whether a status shows another kind, or a drift of a later promotion."""
    present, now = status_of(document), status.get("kind")
    return bool(present.get("kind") != now or (now is not None and present.get("since") != status["since"]))


def _reason(status: Document) -> str:
    return str(status.get("kind") or ConditionReason.IN_PLACE.value)


def _rollback_to_show(change: DriftChange, document: Document, present: DriftMonitorStatus) -> str | None:
    """Return what runs again; it stays while nothing is known, and where a look only states the same once more."""
    if change.rolled_back is not None:
        return change.rolled_back.revision
    verdict = change.verdict
    same = (verdict.kind or "", verdict.observed) == (present.kind or "", present.observed or "")
    return _shown_rollback(document, present) if same or verdict.kind is Drift.UNKNOWN else None


def _rendered(
    document: Document,
    verdict: Verdict,
    at: datetime,
    *,
    seen: str | None,
    baseline: DriftBaseline | None,
    rolled_back_to: str | None,
) -> Document:
    present = DriftMonitorStatus.from_wire(status_of(document))
    kind = verdict.kind
    in_place = None if kind is Drift.UNKNOWN else kind is None
    same = present.kind is kind and present.since is not None and _is_about_this(document, present)
    status = DriftMonitorStatus(
        observed_generation=document["metadata"].get("generation"),
        drifted=None if in_place is None else not in_place,
        kind=kind,
        expected=verdict.expected or None,
        observed=verdict.observed or None,
        since=present.since if same else at,
        rolled_back_to=rolled_back_to,
        last_checked_at=at,
        tracker=document["spec"]["trackerRef"]["name"],
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
    if status["kind"] == Drift.UNKNOWN:
        return f"Pilotage does not know whether {place} is as promoted: {observed}"
    return f"{place} drifted: expected {status.get('expected') or ''}, observed {observed}"
