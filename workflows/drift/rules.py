"""What of a look is shown: whatever differs from what stands there, once two looks in a row have found it. Pure.

A verdict of the same kind as the one that is shown is written at once, and so is the first one that finds a change in
place: neither has people do anything. Everything else is a suspicion until the next look finds the same kind; what that
look does not find any more was never there, for people.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from activities.models.drift import DriftChange, DriftReading, LookForDriftResult, Silence, Suspicion, Verdict
from activities.models.revisions import Relation, RevisionPair
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Drift
from workflows.runtime.ancestry import CONTAINING, Ancestry


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A reading with what is published of it."""

    reading: DriftReading
    verdict: Verdict
    rolled_back: Artifact | None = None
    """What runs, where that is older than what was promoted."""

    @property
    def needs_second_look(self) -> bool:
        """Whether one look is too little to show it."""
        return self.verdict.kind is not _shown(self.reading)

    def change(self, seen: str) -> DriftChange:
        """Return what is to be written."""
        reading = self.reading
        return DriftChange(
            monitor=reading.monitor,
            uid=reading.uid,
            generation=reading.generation,
            tracker=reading.tracker,
            seen=seen,
            verdict=self.verdict,
            promoted_at=reading.promoted_at,
            parameters=reading.parameters,
            rolled_back=self.rolled_back,
        )


@dataclass(frozen=True, kw_only=True)
class Damped:
    """What is shown now, and what awaits a second look."""

    shown: tuple[Decided, ...]
    changes: tuple[DriftChange, ...]
    """Of those that are shown, in the same order."""
    suspicions: tuple[Suspicion, ...]


def pairs_of(readings: Iterable[DriftReading], ancestry: Ancestry) -> dict[str, list[RevisionPair]]:
    """Return the pairs of commits that are still to be compared, by repository."""
    missing: dict[str, dict[RevisionPair, None]] = {}
    for one in readings:
        if one.pair is not None and ancestry(one.pair.base, one.pair.head) is None:
            missing.setdefault(one.repository, {})[one.pair] = None
    return {repository: list(pairs) for repository, pairs in missing.items()}


def decide(readings: Iterable[DriftReading], ancestry: Ancestry) -> tuple[Decided, ...]:
    """Return what is published of each; one whose commits could not be compared is left to a later look."""
    found = ((one, _verdict(one, ancestry)) for one in readings)
    return tuple(
        Decided(reading=one, verdict=verdict, rolled_back=_rolled_back(one, ancestry))
        for one, verdict in found
        if verdict is not None
    )


def _verdict(reading: DriftReading, ancestry: Ancestry) -> Verdict | None:
    if reading.pair is None or reading.moved is None:
        return reading.verdict
    relation = ancestry(reading.pair.base, reading.pair.head)
    if relation is None:
        return None
    if relation not in CONTAINING:
        why = "" if relation is not Relation.UNKNOWN else ", which the repository does not know"
        return replace(reading.moved, observed=f"{reading.moved.observed}{why}")
    if reading.verdict.kind is not None:
        return reading.verdict
    return replace(reading.verdict, observed=reading.moved.observed)


def _rolled_back(reading: DriftReading, ancestry: Ancestry) -> Artifact | None:
    pair = reading.pair
    return reading.runs if pair is not None and ancestry(pair.base, pair.head) is Relation.BEHIND else None


def damp(suspicions: Mapping[str, Suspicion], found: Sequence[Decided]) -> Damped:
    """Show what needs no second look and what this look found again; suspect the rest."""
    shown: list[Decided] = []
    changes: list[DriftChange] = []
    suspected: list[Suspicion] = []
    for one in found:
        before = suspicions.get(one.reading.monitor)
        confirmed = before is not None and before.verdict.kind is one.verdict.kind
        if one.needs_second_look and not confirmed:
            suspected.append(Suspicion(monitor=one.reading.monitor, verdict=one.verdict, seen=one.reading.seen))
        else:
            shown.append(one)
            # A second look lists nothing: what it reads belongs to the digest of the first.
            changes.append(one.change(one.reading.seen or (before.seen if before is not None else "")))
    return Damped(shown=tuple(shown), changes=tuple(changes), suspicions=tuple(suspected))


def silences(before: Sequence[Silence], look: LookForDriftResult, asked: Sequence[str] | None) -> tuple[Silence, ...]:
    """Return what gives no answer, marked as to be shown once it was silent at two looks in a row.

    `asked` names the projects of a second look, which is no evidence of others; None = all of them.
    """
    known = {one.project: one for one in before}
    now = {one.project: replace(one, shown=one.project in known) for one in look.silent}
    if asked is None:
        return tuple(now.values())
    return (*now.values(), *(one for one in before if one.project not in now and one.project not in asked))


def syncs_wanted(shown: Iterable[Decided]) -> tuple[DriftReading, ...]:
    """Return those of which one sync is to be requested: they got out of sync, and people want that."""
    return tuple(
        one.reading
        for one in shown
        if one.reading.syncs and one.verdict.kind is Drift.OUT_OF_SYNC and _shown(one.reading) is not Drift.OUT_OF_SYNC
    )


def _shown(reading: DriftReading) -> Drift | None:
    """Return the kind that is shown of this promotion.

    What stands there of an earlier one is nothing yet: in place from the beginning needs no second look, and the same
    kind once more does.
    """
    earlier = reading.earlier or reading.shown_tracker != reading.tracker
    return None if earlier and not reading.current else reading.shown


def repositories_of(shown: Iterable[Decided]) -> dict[str, str]:
    """Return the repository of each tracker that is concerned: its host is asked to show what drifted."""
    readings = [one.reading for one in shown]
    return {name: one.repository for one in readings for name in (one.tracker, one.shown_tracker) if name}


def trackers_to_present(shown: Iterable[Decided]) -> tuple[str, ...]:
    """Return the trackers whose pull requests show something else now, or what drifted long ago once more.

    What was in place and still is shows nothing there, whosever promotion brought it.
    """
    names: dict[str, None] = {}
    for one in shown:
        reading = one.reading
        if one.verdict.kind is None and reading.shown is None:
            continue
        names.update(dict.fromkeys(name for name in (reading.tracker, reading.shown_tracker) if name))
    return tuple(names)
