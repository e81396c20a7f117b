"""What a chaos run is judged by: the stand-ins' journal and state, and the resources.

Every time here is the sandbox's own clock, in seconds: of the journal's entries, of builds, of the run's start.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.calls import Call
from tests.chaos.world import World

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
    started_at: float
    ended_at: float | None
    """None while it runs."""


@dataclass(frozen=True, kw_only=True)
class Write:
    """One accepted PATCH or sync of an application."""

    application: str
    revision: str
    at: float
    key: str = ""
    """Of a sync: what marks ours."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """How an application stood in the end, as the delivery system itself knows it."""

    name: str
    target: str
    """The revision that it is to run."""
    live: str | None
    """The revision that it runs; None where nothing was ever synced."""
    sync: str
    health: str
    phase: str | None
    """Of the last operation; None where there was none."""
    operating: bool
    """Whether an operation is accepted that did not end."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the judgement looks at."""

    world: World
    trackers: Sequence[Mapping[str, Any]] = field(repr=False)
    builds: Sequence[Build] = field(repr=False)
    writes: Sequence[Write] = field(repr=False)
    syncs: Sequence[Write] = field(repr=False)
    applications: Sequence[Application] = field(repr=False)
    leaks: Sequence[str]
    """Names of the places where a credential was found."""
    attempts: Sequence[Call] = field(default=(), repr=False)
    """Calls that were to start or stop runs, for the explanation of what went wrong."""
    began_at: float = 0.0
    calls: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    """Faults of the script by what they did."""
    troubles: Mapping[str, int] = field(default_factory=dict, repr=False)
    """What the logs of our processes complain of: never judged, shown where a promise was broken."""


def read_builds(state: Mapping[str, Any]) -> list[Build]:
    """Read the builds out of the sandbox's state."""
    return [
        Build(
            job=job,
            number=build["number"],
            key=build["parameters"]["PROMOTION_KEY"],
            revision=build["parameters"]["REVISION"],
            pull=int(build["parameters"]["PR"]),
            source=build["parameters"]["ENV"],
            result=build["result"],
            started_at=build["started_at"],
            ended_at=build["ended_at"],
        )
        for job, builds in state["jenkins"]["jobs"].items()
        for build in builds
    ]


def read_applications(state: Mapping[str, Any]) -> list[Application]:
    """Read how the applications stand out of the sandbox's state."""
    return [
        Application(
            name=name,
            target=application["sources"][0].get("targetRevision", ""),
            live=next(iter(application["live"] or ()), None),
            sync=application["sync"],
            health=application["health"],
            phase=application["phase"],
            operating=application["operation"],
        )
        for name, application in state["argocd"].items()
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
