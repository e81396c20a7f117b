"""Judge what an application runs by what was promoted to it. Pure.

What contains the promoted revision keeps the change in place, by what way it ever came: only the repository's host
knows that, so that a revision which moved is a verdict with a pair to be compared (`DriftJudgement.moved`).
"""

import hashlib
from dataclasses import dataclass

from activities.models.bounds import cut
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from activities.models.drift import Verdict
from activities.models.revisions import RevisionPair
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Drift, Health
from crds.v1alpha1.drift_monitor import MAX_PARAMETERS
from providers.application_models import ApplicationState
from providers.images import split_image

_ILL = (Health.DEGRADED, Health.MISSING)
_OTHERS = "*"
_NAME_BYTES = 63
_DIGEST_BYTES = 4
"""Enough to see a change, and too little to find out a value by trying many."""
_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What a monitor declares as promoted."""

    uid: str
    revision: str
    parameters: dict[str, str] | None
    """Digests of the parameters after the promotion; None where they were not kept yet."""


@dataclass(frozen=True, kw_only=True)
class DriftJudgement:
    """What is published of an application."""

    verdict: Verdict
    moved: Verdict | None = None
    """What is published instead where `pair` shows that the promoted revision is not contained."""
    pair: RevisionPair | None = None
    runs: Artifact | None = None
    """What runs instead, where that is what `pair` compares."""
    parameters: dict[str, str] | None = None
    """Baseline to be kept."""


def judge(promoted: Promoted, deployment: DeploymentSpec, seen: Observation, found: dict[str, str]) -> DriftJudgement:
    """Return whether the change is in place; `found` are the parameters that the application has now."""
    if seen.problem:
        return DriftJudgement(verdict=Verdict(kind=Drift.UNKNOWN, observed=seen.problem))
    kind = Drift.REVISION_MOVED if deployment.image is None else Drift.ARTIFACT_CHANGED
    if seen.runs is None:
        nothing = Verdict(kind=kind, expected=_short(promoted.revision), observed="nothing is deployed")
        return DriftJudgement(verdict=nothing)
    elsewhere = next((one for one in (seen.runs, seen.written) if one and not _is(promoted.revision, one)), None)
    baseline = found if promoted.parameters is None and elsewhere is None else None
    verdict = _of_the_same(promoted, found, seen)
    if elsewhere is None:
        return DriftJudgement(verdict=verdict, parameters=baseline)
    where = "" if elsewhere == seen.runs else " is asked for"
    moved = Verdict(kind=kind, expected=_short(promoted.revision), observed=f"{_short(elsewhere)}{where}")
    runs = Artifact(component=deployment.component, revision=elsewhere, image=deployment.image, tag=seen.tag)
    return DriftJudgement(
        verdict=verdict,
        moved=moved,
        pair=RevisionPair(base=promoted.revision, head=elsewhere),
        runs=runs if elsewhere == seen.runs else None,
    )


def _of_the_same(promoted: Promoted, found: dict[str, str], seen: Observation) -> Verdict:
    """Judge what else than the revision may differ."""
    if promoted.parameters is not None and (changed := _changed(promoted.parameters, found)):
        return Verdict(kind=Drift.PARAMETERS_CHANGED, expected="the parameters of the promotion", observed=changed)
    if seen.out_of_sync:
        return Verdict(kind=Drift.OUT_OF_SYNC, expected="Synced", observed=seen.message or "OutOfSync")
    if seen.health in _ILL:
        why = f": {seen.message}" if seen.message else ""
        return Verdict(kind=Drift.UNHEALTHY, expected=Health.HEALTHY, observed=f"{seen.health}{why}")
    return Verdict(expected=_short(promoted.revision), observed=_short(seen.runs or ""))


def parameters_of(uid: str, deployment: DeploymentSpec, state: ApplicationState) -> dict[str, str]:
    """Return a digest of each Helm parameter and Kustomize image, but of what a promotion writes itself.

    Values may be secrets: a few bytes of a digest that holds for one monitor alone show nothing but a change.
    """
    write = deployment.write
    helm = [(one.name, one.value) for one in state.helm_parameters if write is None or one.name != write.parameter]
    images = [
        (name, entry)
        for name, entry in ((_entry_name(entry), entry) for entry in state.kustomize_images)
        if write is None or name != write.image
    ]
    values: dict[str, list[str]] = {}
    for name, value in sorted((*helm, *images)):
        values.setdefault(cut(name, _NAME_BYTES), []).append(value)
    named = list(values.items())
    kept = {name: _digest(uid, *them) for name, them in named[: MAX_PARAMETERS - 1]}
    if others := named[MAX_PARAMETERS - 1 :]:
        kept[_OTHERS] = _digest(uid, *(part for name, them in others for part in (name, *them)))
    return kept


def _entry_name(entry: str) -> str:
    """Return the image that a kustomize entry replaces."""
    return entry.partition("=")[0] if "=" in entry else split_image(entry)[0]


def _changed(before: dict[str, str], now: dict[str, str]) -> str:
    parts = [
        (what, names)
        for what, names in (
            ("changed", [name for name in before if name in now and before[name] != now[name]]),
            ("added", [name for name in now if name not in before]),
            ("removed", [name for name in before if name not in now]),
        )
        if names
    ]
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts)


def _digest(uid: str, *values: str) -> str:
    # The lengths keep `ab`, `c` apart from `a`, `bc`.
    text = "".join(f"{len(value)}:{value}" for value in values)
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES, key=uid.encode()[:64]).hexdigest()


def _is(expected: str, found: str) -> bool:
    """Return whether both name one commit: a tag may carry an abbreviated hash."""
    return expected.startswith(found) or found.startswith(expected)


def _short(revision: str) -> str:
    return revision[:_SHORT]
