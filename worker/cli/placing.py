"""What runs where, who waits, and how far a change has come: rows of documents as they are. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crds.api.ports import Document
from worker.cli.rows import plain_state_of, state_of
from worker.cli.values import age, read_time, short

ENVIRONMENT_COLUMNS = ("ENV", "REPO", "RUNS", "HEALTH", "SINCE", "LANE", "WAITING")
DEPLOYMENT_COLUMNS = ("DEPLOYMENT", "RUNS", "HEALTH", "SINCE", "PROBLEM")
MEMBER_COLUMNS = ("TRACKER", "PHASE", "HELD")
HISTORY_COLUMNS = ("AGE", "ARTIFACTS", "TRACKER")
WHERE_COLUMNS = ("TRACKER", "ENV", "RESULT", "AGE", "BY", "RUNS-NOW")
SIGHTING_COLUMNS = ("ENV", "REPO", "COMMIT", "AGE")

WORST_FIRST = ("Degraded", "Missing", "Unknown", "Progressing", "Suspended", "Healthy")
"""As the column HEALTH of `kubectl get` has it."""
WAITING_FIRST = ("New", "Pending", "AwaitingMerge", "AwaitingSync")
"""States in which a change may not be in its first environment yet."""
ENDED_EARLY = ("Aborted", "Closed")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
"""From Git's own shortest abbreviation on; a shorter one could fit another commit."""


def is_commit(text: str) -> bool:
    """Return whether a text can only be a commit: hexadecimal digits, at least seven."""
    return _COMMIT.fullmatch(text) is not None


def environment_rows(environment: Document, at: datetime) -> Iterator[list[str]]:
    """Yield a row per repository of an environment; one without any where nothing was observed yet."""
    name = str(environment["metadata"]["name"])
    entries, held = _entries(environment), hold_lines(environment, at)
    for entry in entries:
        deployments = _list(entry, "deployments")
        since = [moment for one in deployments if (moment := read_time(one.get("since"))) is not None]
        yield [
            name,
            str(entry.get("repository") or ""),
            _runs(deployments),
            _worst(deployments),
            age(max(since, default=None), at),
            _lane(str(_map(entry, "lane").get("holder") or ""), held=bool(held)),
            ", ".join(waiting(entry)),
        ]
    if not entries:
        yield [name, "", "not observed yet", "", "", "", ""]


def waiting(entry: Mapping[str, Any]) -> list[str]:
    """Return the names of those who want to write here and may not yet."""
    members = _list(_map(entry, "lane"), "members")
    return [str(one.get("tracker")) for one in members if one.get("phase") == "Ready"]


def deployment_rows(entry: Mapping[str, Any], at: datetime) -> list[list[str]]:
    """Return a row per deployment of a repository."""
    return [
        [
            str(one.get("name") or ""),
            _artifact(one.get("artifact")),
            str(one.get("health") or ""),
            age(read_time(one.get("since")), at),
            str(one.get("problem") or one.get("notWritable") or ""),
        ]
        for one in _list(entry, "deployments")
    ]


def _lane(holder: str, *, held: bool) -> str:
    """Return who may write; while the environment is held, who has the lane may not either."""
    return ", ".join(filter(None, (holder, "on hold" if held else ""))) or "free"


def member_rows(entry: Mapping[str, Any]) -> list[list[str]]:
    """Return a row per tracker on its way to or from the place."""
    members = _list(_map(entry, "lane"), "members")
    return [[str(one.get("tracker")), str(one.get("phase")), "yes" if one.get("held") else ""] for one in members]


def hold_lines(environment: Document, at: datetime) -> list[str]:
    """Return a line per hold that lasts: its id, whose it is, how long yet, and why."""
    lines = []
    for one in _list(_map(environment, "status"), "holds"):
        until = read_time(one.get("until"))
        if until is not None and until > at:
            why = f": {one['reason']}" if one.get("reason") else ""
            lines.append(f"held by {one.get('by')} for another {age(at, until)} (hold {one.get('id')}){why}")
    return lines


def history_rows(entry: Mapping[str, Any], at: datetime) -> list[list[str]]:
    """Return a row per set of artifacts that ran here, newest first."""
    return [
        [
            age(read_time(one.get("at")), at),
            ", ".join(_artifact(artifact) for artifact in _list(one, "artifacts")),
            str(one.get("tracker") or ""),
        ]
        for one in _list(entry, "history")
    ]


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One environment on the way of a change, and what it runs now of the change's repository."""

    tracker: str
    environment: str
    result: str
    at: str = ""
    """When the promotion to it ended, as the tracker's status has it."""
    by: str = ""
    deployments: Sequence[Mapping[str, Any]]

    def cells(self, now: datetime) -> list[str]:
        """Return the row of the table."""
        when = age(read_time(self.at), now)
        return [self.tracker, self.environment, self.result, when, self.by, _runs(self.deployments)]

    def to_document(self) -> dict[str, Any]:
        """Return the row as JSON-ready data."""
        runs = [{"deployment": str(one.get("name")), "artifact": one.get("artifact")} for one in self.deployments]
        return {
            "tracker": self.tracker,
            "environment": self.environment,
            "result": self.result,
            "at": self.at or None,
            "by": self.by or None,
            "runsNow": runs,
        }


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A place that runs a commit now, or ran it before."""

    environment: str
    repository: str
    result: str
    runs: Sequence[str] = ()
    """The deployments that run it now."""
    at: str = ""
    """When it began to run there, if it ran before."""

    def cells(self, now: datetime) -> list[str]:
        """Return the row of the table."""
        return [self.environment, self.repository, self.result, age(read_time(self.at), now)]

    def to_document(self) -> dict[str, Any]:
        """Return the row as JSON-ready data."""
        return {
            "environment": self.environment,
            "repository": self.repository,
            "result": self.result,
            "deployments": list(self.runs),
            "at": self.at or None,
        }


@dataclass(frozen=True, kw_only=True)
class Journey:
    """How far one tracker has come, and what its places run now."""

    tracker: Document
    environments: Mapping[str, Document]

    def stops(self) -> list[Stop]:
        """Return the environments in the order in which the change reaches them."""
        status, spec = _map(self.tracker, "status"), _map(self.tracker, "spec")
        first = str(spec.get("environment") or "")
        promotions, hop = _list(status, "promotions"), _map(status, "hop")
        stops = [self._stop(first, "deployed there first" if promotions or hop else self._arrival(status))]
        for record in promotions:
            result = f"{record.get('result')}" if record.get("promoted") else f"{record.get('result')}, not there"
            by = str(record.get("promotedBy") or record.get("broughtBy") or "")
            stops.append(self._stop(str(record.get("target")), result, at=str(record.get("at") or ""), by=by))
        if hop:
            stops.append(self._stop(str(hop.get("target")), self._not_arrived()))
        return stops

    def _arrival(self, status: Mapping[str, Any]) -> str:
        """Return whether a change that has left no trace further on was deployed in its first environment."""
        state = str(status.get("heldState") or status.get("state") or "New")
        if state in WAITING_FIRST:
            return self._not_arrived()
        if status.get("reason") == "NothingToDeploy":
            return "nothing to deploy"
        if state in ENDED_EARLY:
            # Whether a merged change ran there before it was aborted is not known from its status.
            merged = state == "Aborted" and _map(status, "pullRequest").get("mergeSHA")
            return f"not known: {state}" if merged else f"never: {state}"
        return "deployed there first"

    def _not_arrived(self) -> str:
        ended = plain_state_of(self.tracker) in ENDED_EARLY
        return f"{'ended' if ended else 'not yet'}: {state_of(self.tracker)}"

    def _stop(self, environment: str, result: str, *, at: str = "", by: str = "") -> Stop:
        name, runs = str(self.tracker["metadata"]["name"]), self._deployments(environment)
        return Stop(tracker=name, environment=environment, result=result, at=at, by=by, deployments=runs)

    def _deployments(self, environment: str) -> list[dict[str, Any]]:
        """Return the deployments of the tracker's repository; none where they are not known."""
        repository = _map(_map(self.tracker, "spec"), "repositoryRef").get("name")
        entries = [
            one for one in _entries(self.environments.get(environment, {})) if one.get("repository") == repository
        ]
        return [one for entry in entries for one in _list(entry, "deployments")]


def trackers_of(commit: str, trackers: Iterable[Document]) -> list[Document]:
    """Return the trackers of which a commit is the head, the merge or what is promoted."""
    return [one for one in trackers if any(named.startswith(commit) for named in _commits(one))]


def sightings_of(commit: str, environments: Iterable[Document]) -> list[Sighting]:
    """Return the places that run a commit now, or ran it before, as far as their history is kept."""
    found = []
    for environment in environments:
        name = str(environment["metadata"]["name"])
        for entry in _entries(environment):
            deployments, repository = _list(entry, "deployments"), str(entry.get("repository"))
            now = [str(one.get("name")) for one in deployments if _is(commit, [_map(one, "artifact")])]
            before = [one for one in _list(entry, "history") if _is(commit, _list(one, "artifacts"))]
            if now:
                result = f"runs it: {', '.join(now)}"
                found.append(Sighting(environment=name, repository=repository, result=result, runs=now))
            elif before:
                known = all(_map(one, "artifact").get("revision") for one in deployments)
                result = f"ran it, {'and runs another one now' if known else 'and what runs there now is not known'}"
                at = str(before[0].get("at") or "")
                found.append(Sighting(environment=name, repository=repository, result=result, at=at))
    return found


def _is(commit: str, artifacts: Sequence[Mapping[str, Any]]) -> bool:
    return any(str(one.get("revision") or "").startswith(commit) for one in artifacts)


def _commits(tracker: Document) -> list[str]:
    status = _map(tracker, "status")
    pull_request = _map(status, "pullRequest")
    found = [pull_request.get("headSHA"), pull_request.get("mergeSHA"), status.get("revision")]
    found += [one.get("revision") for one in _list(status, "artifacts")]
    return [str(one) for one in found if one]


def _runs(deployments: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(_artifact(one.get("artifact")) for one in deployments))


def _artifact(artifact: object) -> str:
    if not isinstance(artifact, dict) or not artifact.get("revision"):
        return "unknown"
    shown = str(artifact.get("tag") or short(str(artifact["revision"])))
    component = str(artifact.get("component") or "")
    return f"{component} {shown}" if component else shown


def _worst(deployments: Sequence[Mapping[str, Any]]) -> str:
    found = {str(one.get("health") or "Unknown") for one in deployments}
    return next((one for one in WORST_FIRST if one in found), "")


def _entries(environment: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _list(_map(environment, "status"), "repositories")


def _map(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def _list(holder: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = holder.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
