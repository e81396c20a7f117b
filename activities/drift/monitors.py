"""Make a DriftMonitor for each deployment that a change arrived in, or take over the one that is there."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from activities.models.drift import CreateDriftMonitorsInput, WatchedDeployment
from crds.api.ports import ApiConflict, ApiNotFound, Document, Kubernetes, resource_of
from crds.fields import format_time
from crds.group import API_VERSION
from crds.v1alpha1.drift_monitor import MONITOR_NAME_MAX_LENGTH, DriftMonitor, DriftMonitorStatus, MonitorLabel
from crds.v1alpha1.pull_request_tracker import PullRequestTracker

MONITORS = resource_of(DriftMonitor.definition)
CONFLICTS = 8
RENEWED_AFTER = timedelta(hours=1)
"""How old `lastCheckedAt` may become: to write it at each look would cost more than the looks."""
_AT_ONCE = 8
_DIGEST_LENGTH = 10


def monitor_name(environment: str, deployment: str, application: str) -> str:
    """Return the one name of what watches an application in an environment; people recognise its beginning."""
    digest = hashlib.sha256("\0".join((environment, deployment, application)).encode()).hexdigest()[:_DIGEST_LENGTH]
    readable = re.sub(r"[^a-z0-9]+", "-", f"{environment}-{deployment}".lower())
    return f"{readable[: MONITOR_NAME_MAX_LENGTH - _DIGEST_LENGTH - 1].strip('-')}-{digest}"


async def create_monitors(kubernetes: Kubernetes, request: CreateDriftMonitorsInput) -> tuple[str, ...]:
    """Return the names of the monitors that watch this change then."""
    wanted = [one for one in request.deployments if not request.clusters or one.deployment in request.clusters]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def make(one: WatchedDeployment) -> str:
        async with gate:
            return await _make(kubernetes, request, one)

    return tuple(name for name in await asyncio.gather(*map(make, wanted)) if name)


async def _make(kubernetes: Kubernetes, request: CreateDriftMonitorsInput, one: WatchedDeployment) -> str:
    """Make one or take it over; its name, or empty where it watches another change."""
    namespace = request.tracker.namespace
    name = monitor_name(request.environment, one.deployment, one.application)
    for _ in range(CONFLICTS):
        try:
            present = await kubernetes.get(MONITORS, namespace, name)
        except ApiNotFound:
            try:
                await kubernetes.create(MONITORS, namespace, _document(request, one, name))
            except ApiConflict:
                continue
            return name
        if not _is_to_be_taken(present, request, one):
            return name if _watches(present, request) else ""
        try:
            await kubernetes.merge(MONITORS, namespace, name, _takeover(present, request, one))
        except (ApiConflict, ApiNotFound):
            continue
        return name
    raise ApiConflict(f"DriftMonitor {namespace}/{name} kept changing", status=409)


def is_about(status: DriftMonitorStatus, *, generation: int | None, tracker: str, promoted_at: datetime) -> bool:
    """Return whether a monitor's status is about the promotion that it watches, and not about one before it.

    An attempt may follow another one of the same tracker, and a generation may differ in what people set alone.
    """
    checked = status.last_checked_at
    current = generation is not None and status.observed_generation == generation
    return status.tracker == tracker and (current or (checked is not None and checked >= promoted_at))


def _is_to_be_taken(present: Document, request: CreateDriftMonitorsInput, one: WatchedDeployment) -> bool:
    """Return whether this promotion is the later one, and brought what runs there."""
    spec, at = present["spec"], format_time(request.promoted_at)
    if present["metadata"].get("deletionTimestamp"):
        # It goes with its tracker; the next try makes another one.
        raise ApiConflict(f"DriftMonitor {present['metadata']['name']} is being deleted", status=409)
    if spec["promotedAt"] >= at:
        return False
    # Who brought it goes on watching it: a change that it contains arrived with it. A tracker that was created again
    # finds the monitor of the one before it, which may stay for as long as a cluster collects no orphans.
    same = spec["trackerRef"]["name"] == request.tracker.name
    return bool(same or spec["revision"] != one.revision)


def _watches(present: Document, request: CreateDriftMonitorsInput) -> bool:
    labels = present["metadata"].get("labels") or {}
    return bool(labels.get(MonitorLabel.TRACKER) == request.tracker.uid)


def _document(request: CreateDriftMonitorsInput, one: WatchedDeployment, name: str) -> Document:
    return {
        "apiVersion": API_VERSION,
        "kind": DriftMonitor.definition.kind,
        "metadata": {"name": name, "namespace": request.tracker.namespace, **_ownership(request)},
        "spec": {key: value for key, value in _spec(request, one).items() if value is not None},
    }


def _takeover(present: Document, request: CreateDriftMonitorsInput, one: WatchedDeployment) -> Mapping[str, Any]:
    """Return what a merge patch changes; what people set, such as `autoRemediate`, stays."""
    version = present["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, **_ownership(request)}, "spec": _spec(request, one)}


def _ownership(request: CreateDriftMonitorsInput) -> Document:
    tracker = request.tracker
    owner = {
        "apiVersion": API_VERSION,
        "kind": PullRequestTracker.definition.kind,
        "name": tracker.name,
        "uid": tracker.uid,
    }
    return {"labels": {MonitorLabel.TRACKER.value: tracker.uid}, "ownerReferences": [owner]}


def _spec(request: CreateDriftMonitorsInput, one: WatchedDeployment) -> Document:
    return {
        "trackerRef": {"name": request.tracker.name},
        "environment": request.environment,
        "deployment": one.deployment,
        "application": one.application,
        "project": one.project,
        "instanceRef": {"name": one.instance},
        "repositoryRef": {"name": request.repository},
        "revision": one.revision,
        "tag": one.tag or None,
        "promotedAt": format_time(request.promoted_at),
    }
