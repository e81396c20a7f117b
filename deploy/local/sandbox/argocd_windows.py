"""Sync windows of the Argo CD stand-in: the field `active` of each states whether it is open, instead of a clock.

Source: Argo CD's `SyncWindows.CanSync` and `server/application` (GetApplicationSyncWindows).
"""

from collections.abc import Sequence
from typing import Any

from deploy.local.sandbox.replies import Json

_SHOWN = ("kind", "schedule", "duration", "manualSync")


def can_sync(windows: Sequence[Json], *, manual: bool) -> bool:
    """Return whether a sync is allowed: no deny window is open, and an allow window is, if there is any."""
    open_ = [one for one in windows if one.get("active")]
    denied = [one for one in open_ if one["kind"] == "deny"]
    if denied:
        return manual and all(one.get("manualSync") for one in denied)
    if any(one["kind"] == "allow" for one in open_):
        return True
    allowed = [one for one in windows if one["kind"] == "allow"]
    return not allowed or (manual and any(one.get("manualSync") for one in allowed))


def shown(windows: Sequence[Json]) -> Json:
    """Answer like `GET /applications/{name}/syncwindows`: without end and time zone, empty lists left out."""
    answer: dict[str, Any] = {"canSync": can_sync(windows, manual=True)}
    for name, found in (("activeWindows", [one for one in windows if one.get("active")]), ("assignedWindows", windows)):
        if found:
            answer[name] = [{field: one[field] for field in _SHOWN if field in one} for one in found]
    return answer
