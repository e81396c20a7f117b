"""What a chaos run is judged by: the stand-ins' journal and state, and the resources."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deploy.local.chaos_world import World

_TRIGGER = re.compile(r"/jenkins/job/([^/]+)/job/([^/]+)/buildWithParameters")
_APPLICATION = re.compile(r".*/applications/([^/]+?)(/sync)?")


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build at the CI system: `number` grows within its job."""

    job: str
    number: int
    key: str
    revision: str
    pull: int
    source: str
    result: str | None
    triggered_at: float
    """When the request that led to it arrived; the first such request of its key."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One accepted PATCH or sync of an application."""

    application: str
    revision: str
    at: float
    key: str = ""
    """Of a sync: what tells ours."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the judgement looks at."""

    world: World
    trackers: Sequence[Mapping[str, Any]] = field(repr=False)
    builds: Sequence[Build] = field(repr=False)
    writes: Sequence[Write] = field(repr=False)
    syncs: Sequence[Write] = field(repr=False)
    leaks: Sequence[str]
    """Names of the places where a credential was found."""
    calls: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    """Faults of the script by what they did."""


def read_builds(state: Mapping[str, Any], journal: Sequence[Mapping[str, Any]]) -> list[Build]:
    """Read the builds out of the sandbox's state, and when they were triggered out of its journal."""
    asked: dict[str, float] = {}
    for entry in journal:
        if entry["method"] == "POST" and entry["accepted"] and _TRIGGER.fullmatch(entry["path"]):
            asked.setdefault(_fields(entry).get("PROMOTION_KEY", ""), entry["time"])
    return [
        Build(
            job=job,
            number=build["number"],
            key=build["parameters"]["PROMOTION_KEY"],
            revision=build["parameters"]["REVISION"],
            pull=int(build["parameters"]["PR"]),
            source=build["parameters"]["ENV"],
            result=build["result"],
            triggered_at=asked.get(build["parameters"]["PROMOTION_KEY"], float("inf")),
        )
        for job, builds in state["jenkins"]["jobs"].items()
        for build in builds
    ]


def read_writes(journal: Sequence[Mapping[str, Any]], *, syncs: bool) -> list[Write]:
    """Read the accepted writes, or syncs, in order of arrival."""
    found: list[Write] = []
    for entry in journal:
        if entry["system"] != "argocd" or not entry["accepted"]:
            continue
        match = _APPLICATION.fullmatch(entry["path"])
        if match is None or entry["method"] != ("POST" if syncs else "PATCH") or bool(match.group(2)) != syncs:
            continue
        body = entry["body"]
        if syncs:
            infos = {info["name"]: info["value"] for info in body.get("infos") or []}
            revision, key = body.get("revision") or (body.get("revisions") or [""])[0], next(iter(infos.values()), "")
        else:
            operations = json.loads(body["patch"])
            revision, key = str(operations[-1]["value"]), ""
        found.append(Write(application=match.group(1), revision=revision, at=entry["time"], key=key))
    return found


def count_faults(journal: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Count what the script did to the calls."""
    found: dict[str, int] = {}
    for entry in journal:
        action = entry.get("script")
        if action:
            name = f"answered {entry['status']}" if action == "status" else str(action).replace("_", " ")
            found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))


def _fields(entry: Mapping[str, Any]) -> dict[str, str]:
    body = entry["body"]
    return {**(entry.get("query") or {}), **(body if isinstance(body, dict) else {})}
