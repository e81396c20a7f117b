"""The calls that were to start or stop runs, read from the sandbox's journal: when each arrived, what became of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_CALL = re.compile(r"/jenkins/job/(?P<folder>[^/]+)/job/(?P<name>[^/]+)/(?P<rest>.+)")
_CANCEL_ITEM = "/jenkins/queue/cancelItem"
_FOLDED = 303
_FIRST_REFUSAL = 400


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call under a promotion key."""

    key: str
    at: float
    """Arrival, by the sandbox's clock."""
    what: str
    """What it asked for and what became of it, for people."""


def read_calls(state: Mapping[str, Any], journal: Sequence[Mapping[str, Any]]) -> list[Call]:
    """Read all triggers, stops and cancelled queue items, in order of arrival, whatever became of them."""
    return list(_calls(state, journal))


def _calls(state: Mapping[str, Any], journal: Sequence[Mapping[str, Any]]) -> Iterator[Call]:
    builds = {(job, one["number"]): one for job, ones in state["jenkins"]["jobs"].items() for one in ones}
    keys = {place: one["parameters"].get("PROMOTION_KEY", "") for place, one in builds.items()}
    items = {str(one["queue_id"]): keys[place] for place, one in builds.items()}
    listed: dict[str, Mapping[str, Any]] = {}
    for entry in journal:
        if entry["path"] == _CANCEL_ITEM:
            number = _fields(entry).get("id", "")
            what = f"cancelling queue item {number} {_fate(entry)}"
            yield Call(key=items.get(number, ""), at=entry["time"], what=what)
        match = _CALL.fullmatch(entry["path"])
        if match is None:
            continue
        job, rest = f"{match['folder']}/{match['name']}", match["rest"]
        if rest == "api/json":
            listed[job] = entry
        elif rest == "buildWithParameters":
            what = f"trigger {_fate(entry)}{_look(entry, listed.get(job))}"
            yield Call(key=_fields(entry).get("PROMOTION_KEY", ""), at=entry["time"], what=what)
        elif rest.endswith("/stop"):
            number = rest.removesuffix("/stop")
            key = keys.get((job, int(number)), "") if number.isdecimal() else ""
            yield Call(key=key, at=entry["time"], what=f"stop of #{number} {_fate(entry)}")


def _fate(entry: Mapping[str, Any]) -> str:
    """Return what became of a call; its arrival alone decides nothing."""
    script, status = entry.get("script"), entry["status"]
    held = "held, then " if script == "delay" else ""
    if script == "status":
        return f"refused with {status} before it did anything"
    if script == "accept_then_drop":
        return f"{'carried out' if entry['accepted'] else 'without effect'}, its reply lost"
    if status is None:
        return f"{held}{'carried out' if entry['accepted'] else 'never carried out'}, unanswered"
    if entry["accepted"]:
        return f"{held}carried out, answered {status}"
    if status == _FOLDED:
        return f"{held}folded into the equal item that still waited, answered {status}"
    return f"{held}{'refused' if status >= _FIRST_REFUSAL else 'too late'}, answered {status}"


def _look(entry: Mapping[str, Any], listed: Mapping[str, Any] | None) -> str:
    """Return when the job's list was read last before a trigger: a run that the list lags behind is not seen."""
    if listed is None:
        return " (its job was never listed before)"
    return f" (its job last listed {entry['time'] - listed['time']:.1f} s before, answered {listed['status']})"


def _fields(entry: Mapping[str, Any]) -> dict[str, str]:
    """Join the query and the form of a call."""
    body = entry["body"]
    return {**(entry.get("query") or {}), **(body if isinstance(body, dict) else {})}
