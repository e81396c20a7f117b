"""What watches the change of a tracker: what it reports, and that it goes with it, also from the pull request."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from activities.drift.presenting import notice_of
from activities.models.drift import DriftNotice, GoneTracker
from crds.api.compare_and_set import CONFLICTS
from crds.api.ports import (
    ABOUT_ONE_OBJECT,
    ApiConflict,
    ApiError,
    ApiNotFound,
    Document,
    Kubernetes,
    Page,
    resource_of,
)
from crds.api.publishing import status_of
from crds.api.reflector import Key
from crds.v1alpha1.drift_monitor import DriftMonitor, MonitorLabel
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher.entries import TrackerEntry

logger = logging.getLogger(__name__)

MONITORS = resource_of(DriftMonitor.definition)


class TrackerMonitors:
    """Read the monitors of a tracker, and delete them before it goes: a cluster may collect orphans much later."""

    def __init__(self, kubernetes: Kubernetes, clear_drift: Callable[[Key, GoneTracker], Awaitable[None]]) -> None:
        self._kubernetes = kubernetes
        self._clear_drift = clear_drift
        self._owed: dict[Key, list[tuple[Key, GoneTracker]]] = {}
        """Instances, by tracker, whose drift is shown on the pull request of a tracker that went."""

    async def delete(self, entry: TrackerEntry, *, patiently: bool) -> None:
        """Delete the monitors of a tracker; one that a newer promotion takes over meanwhile is left to it.

        What they show on the pull request goes first, since no one would know of it any more. Raises
        WorkflowsUnavailable where that cannot be asked for now, as long as it is waited for `patiently`; afterwards
        `clear_owed` does it. Raises ApiError where one cannot be deleted, once all others are.
        """
        page = await self._list(entry)
        drifted = next((one for one in page.items if status_of(one).get("kind")), None)
        if drifted is not None:
            gone = GoneTracker(name=entry.name, repository=entry.repository, number=entry.number, uid=entry.uid)
            instance = Key(entry.namespace, drifted["spec"]["instanceRef"]["name"])
            try:
                await self._clear_drift(instance, gone)
            except WorkflowsUnavailable:
                if patiently:
                    raise
                logger.warning("drift of %s/%s stays shown until Temporal is back", entry.namespace, entry.name)
                self._owed.setdefault(Key(entry.namespace, entry.name), []).append((instance, gone))
        refusal: ApiError | None = None
        for one in page.items:
            try:
                with suppress(ApiNotFound):
                    await self._delete(one, entry.uid)
            except ABOUT_ONE_OBJECT as error:
                refusal = refusal or error
        if refusal is not None:
            raise refusal

    async def notice(self, entry: TrackerEntry) -> DriftNotice:
        """Return what the monitors of a tracker report."""
        return notice_of(await self._list(entry))

    async def clear_owed(self, tracker: Key) -> None:
        """Have what is still shown of trackers of this name go. Raises WorkflowsUnavailable."""
        while owed := self._owed.get(tracker):
            await self._clear_drift(*owed[0])
            del owed[0]
        self._owed.pop(tracker, None)

    async def _list(self, entry: TrackerEntry) -> Page:
        return await self._kubernetes.list_all(
            MONITORS, entry.namespace, label_selector=f"{MonitorLabel.TRACKER}={entry.uid}"
        )

    async def _delete(self, monitor: Document, tracker: str) -> None:
        """Delete a monitor as long as it is this tracker's. Raises ApiNotFound; ApiConflict if it keeps changing."""
        for turn in range(CONFLICTS):
            metadata = monitor["metadata"]
            if (metadata.get("labels") or {}).get(MonitorLabel.TRACKER) != tracker:
                return
            seen = {"uid": metadata["uid"], "resource_version": metadata["resourceVersion"]}
            try:
                await self._kubernetes.delete(MONITORS, metadata["namespace"], metadata["name"], **seen)
            except ApiConflict:
                # Most changes are statuses of ours; a promotion that takes it over changes the label.
                if turn == CONFLICTS - 1:
                    raise
                monitor = await self._kubernetes.get(MONITORS, metadata["namespace"], metadata["name"])
            else:
                return
