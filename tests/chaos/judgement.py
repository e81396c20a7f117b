"""Pure: what must hold after any number of kills, judged from the evidence alone."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.evidence import Build, Evidence, Write
from tests.chaos.places import misplaced
from tests.chaos.story import moment, moments, shown_builds, story_of
from tests.chaos.world import JOBS

SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One promise, and each case in which it was broken."""

    promise: str
    broken: tuple[str, ...]
    checked: int

    @property
    def kept(self) -> bool:
        return not self.broken


def judge(evidence: Evidence) -> list[Verdict]:
    """Judge every promise."""
    return [
        _verdict("every promotion is Completed", len(evidence.trackers), _unfinished(evidence)),
        _verdict(
            "every completed change runs at every place of its way", len(evidence.applications), misplaced(evidence)
        ),
        _verdict(
            "one run counts per key: the oldest, the others are cancelled", len(evidence.builds), _uncounted(evidence)
        ),
        _verdict("one write per application and hop", len(evidence.writes), _repeated(evidence)),
        _verdict("no write before its required tests passed", len(evidence.writes), _ungated(evidence)),
        _verdict("no application moved backwards", len(evidence.writes) + len(evidence.syncs), _backwards(evidence)),
        _verdict("no credential outside the Secrets", 1, evidence.leaks),
    ]


def _verdict(promise: str, checked: int, broken: Iterable[str]) -> Verdict:
    return Verdict(promise=promise, broken=tuple(broken), checked=checked)


def _unfinished(evidence: Evidence) -> Iterable[str]:
    states = {tracker["metadata"]["name"]: tracker.get("status", {}) for tracker in evidence.trackers}
    for change in evidence.world.changes():
        status = states.get(change.tracker)
        if status is None:
            yield f"{change.tracker}: there is no tracker"
        elif status.get("state") != "Completed":
            why = f"{status.get('reason')}: {status.get('message', '')} waitingFor {status.get('waitingFor')}"
            yield f"{change.tracker}: {status.get('state')}, {why}"


def _uncounted(evidence: Evidence) -> Iterable[str]:
    by_key: dict[str, list[Build]] = defaultdict(list)
    for build in sorted(evidence.builds, key=lambda build: build.number):
        by_key[build.key].append(build)
    for key, builds in by_key.items():
        for build in builds[1:]:
            if build.result != "ABORTED":
                ended = f"ended {build.result}" if build.ended_at is not None else "still runs"
                what = f"{build.job} #{build.number} carries the key of #{builds[0].number} and {ended}"
                yield f"{what}, for pull request {build.pull} from {build.source} ({key}): {story_of(evidence, key)}"
    for tracker in evidence.trackers:
        for test in _tests(tracker):
            key = test.get("key", "")
            builds = by_key.get(key, [])
            if test.get("state") in ("Passed", "Failed") and str(test.get("number")) != _number(builds):
                counted = f"{tracker['metadata']['name']}: {test['name']} counts run {test.get('number')}"
                yield f"{counted}, the oldest of its key is {_number(builds)}: {story_of(evidence, key)}"


def _repeated(evidence: Evidence) -> Iterable[str]:
    writes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for write in evidence.writes:
        writes[write.application, write.revision].append(write.at)
    for (application, revision), times in writes.items():
        if len(times) > 1:
            yield f"{application}: {revision[:12]} was written {len(times)} times, at {moments(evidence, times)}"
    syncs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sync in evidence.syncs:
        syncs[sync.application, sync.key].append(sync.at)
    for (application, key), times in syncs.items():
        if len(times) > 1:
            yield f"{application}: synced {len(times)} times under the key {key}, at {moments(evidence, times)}"


def _ungated(evidence: Evidence) -> Iterable[str]:
    """Find writes of a revision for which, at that time, no change had all required tests passed."""
    builds = [build for build in evidence.builds if build.result == "SUCCESS"]
    for write in sorted(evidence.writes, key=lambda write: write.at):
        repository, _, stage = write.application.rpartition("-")
        source = evidence.world.source(repository, stage)
        if source is None:
            at = moment(evidence, write.at)
            yield f"{write.application} was written at {at}, which only the team's pipeline may do"
            continue
        tested = [
            build
            for build in builds
            if build.job.startswith(f"{repository}/") and build.revision == write.revision and build.source == source
        ]
        by_pull: dict[int, set[str]] = defaultdict(set)
        for build in tested:
            # Both by the sandbox's clock: a write arrives after its sender saw the build end.
            if build.ended_at is not None and build.ended_at <= write.at:
                by_pull[build.pull].add(build.job.partition("/")[2])
        if not any(jobs >= set(JOBS[source]) for jobs in by_pull.values()):
            known = dict(by_pull) or "nothing"
            yield (
                f"{write.application}: {write.revision[:12]} written at {moment(evidence, write.at)} with {known} "
                f"passed in {source}; passed at any time: {shown_builds(evidence, tested) or 'nothing'}"
            )
    yield from _unproven(evidence)


def _unproven(evidence: Evidence) -> Iterable[str]:
    """Find records that promoted without a passed run, of their own round, for each required test."""
    by_key: dict[str, Build] = {}
    for build in sorted(evidence.builds, key=lambda build: build.number):
        by_key.setdefault(build.key, build)
    for tracker in evidence.trackers:
        for record in _records(tracker):
            if record.get("result") != "Promoted":
                continue
            revision = next((artifact.get("revision") for artifact in record.get("artifacts", ())), None)
            tests = {test["name"]: by_key.get(test.get("key", "")) for test in record.get("tests", ())}
            for job in JOBS[record["source"]]:
                proof = tests.get(job)
                if proof is None or proof.result != "SUCCESS" or proof.revision != revision:
                    shown = shown_builds(evidence, [proof]) if proof else "no run"
                    what = f"{tracker['metadata']['name']} to {record['target']}: {job} on {str(revision)[:12]}"
                    yield f"{what} is proven by {shown}"


def _backwards(evidence: Evidence) -> Iterable[str]:
    for kind, writes in (("written", evidence.writes), ("synced", evidence.syncs)):
        highest: dict[str, int] = {}
        for write in writes:
            place = _place(evidence, write)
            if place is None:
                at = moment(evidence, write.at)
                yield f"{write.application}: {kind} to the unknown {write.revision[:12]} at {at}"
            elif place < highest.get(write.application, 0):
                back = f"from change {highest[write.application]} back to {place}"
                yield f"{write.application}: {kind} {back} at {moment(evidence, write.at)}"
            else:
                highest[write.application] = place


def _place(evidence: Evidence, write: Write) -> int | None:
    found = evidence.world.position(write.revision)
    return found[1] if found and write.application.startswith(f"{found[0]}-") else None


def _records(tracker: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from tracker.get("status", {}).get("promotions", ())


def _tests(tracker: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for record in _records(tracker):
        yield from record.get("tests", ())


def _number(builds: list[Build]) -> str:
    return str(builds[0].number) if builds else "none"
