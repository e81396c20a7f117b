"""Decide what is to be done next while a wave is delivered: who arrived, who failed, what is to be written. Pure.

The Promoting step observes the target, learns the ancestry that judging it needs, and asks this; then it carries out
one act and observes again. The lane is ours meanwhile, so that no other promotion writes there; people, sync windows
and other tools may. Whatever they did is judged by what the target holds now, never by what was found before.

What arrives is noted also where the wave fails, and everything that failed or diverged by then is named: each turn
looks at all deployments of the wave. A deployment is written again only where our write or sync is lost for
certain, and only so often: who sets it back more often means it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from activities.models.bounds import together
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation, WriteResult
from activities.models.promotion import PromotionInput
from activities.models.status import ApplicationResult
from activities.models.tracking import Artifact
from crds.reasons.trackers import ApplicationOutcome
from workflows.promotion.rules import comparison, following, rounds
from workflows.promotion.rules.comparison import Comparison, Judgement, Relations
from workflows.promotion.state import Hop, Touch


class Step(StrEnum):
    ARRIVED = "Arrived"
    """All of the wave arrived."""
    FAIL = "Fail"
    DIVERGE = "Diverge"
    """Hand the lane back: the target holds what the artifact misses, so that automation must not write."""
    WRITE = "Write"
    WAIT = "Wait"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Name a deployment where what we did is gone and is to be done again."""

    deployment: str
    repeats: int
    """How often it has been repeated in this attempt, this time included."""
    reverted: str = ""
    """To what our write was set back, and by whom; empty where only the sync is lost."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """How one deployment of a wave stands: it arrived, failed or diverged, or is behind; else it is on its way."""

    arrived: ApplicationResult | None = None
    failure: str = ""
    """Why it ends the wave."""
    diverged: Comparison | None = None
    """What it holds that the artifact misses, and that no person accepted."""
    loss: Loss | None = None
    behind: bool = False
    """Whether it is to be written or synced now."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """Name what is to be done, and hold what was found on the way to that."""

    step: Step
    arrived: Mapping[str, ApplicationResult] = field(default_factory=dict)
    lost: Sequence[Loss] = ()
    behind: Sequence[DeploymentSpec] = ()
    """What is to be written."""
    lines: Mapping[str, str] = field(default_factory=dict)
    """What is known of each deployment that did not arrive."""
    error: str = ""
    """Why the wave failed."""
    head_moved: bool = False
    """Whether it failed since a branch that was to be merged is no longer as it was tested."""
    failed: Collection[str] = ()
    """The deployments whose failures end the wave; none where time ran out."""
    diverged: Sequence[Comparison] = ()

    @property
    def message(self) -> str:
        """What people read of the deployments that did not arrive."""
        return together(self.lines.values())


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Hold what is known besides the hop."""

    wave: Sequence[DeploymentSpec]
    observed: Mapping[str, Observation]
    relations: Relations
    keys: Mapping[str, str]
    """Deployment -> key of our sync there."""
    until: datetime
    """When the wave must have arrived."""
    timeout: timedelta
    unsynced: timedelta
    """How long Argo CD may take to begin a sync of ours."""
    requested: Mapping[str, datetime] = field(default_factory=dict)
    """Deployment -> when this run wrote it or had it synced."""
    hindered: Mapping[str, WriteResult] = field(default_factory=dict)
    """Why the last write of a deployment was not carried out."""


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Name the deployments that are delivered together."""

    number: int
    deployments: Sequence[DeploymentSpec]
    first: bool


def next_wave(hop: Hop, deployments: Sequence[DeploymentSpec]) -> Wave | None:
    """Return the first wave that has not arrived; None once all have."""
    numbers = sorted({one.wave for one in deployments})
    for number in numbers:
        wave = [one for one in deployments if one.wave == number]
        if any(one.name not in hop.results for one in wave):
            return Wave(number=number, deployments=wave, first=number == numbers[0])
    return None


def unseen(hop: Hop, wave: Sequence[DeploymentSpec], observed: Mapping[str, Observation]) -> bool:
    """Return whether a system that is away keeps a wave from being seen, or from being written."""
    failures = [hop.write_failure] + [
        one.failure for one in map(observed.get, (spec.name for spec in wave if spec.name not in hop.results)) if one
    ]
    return any(failure is not None and (failure.passing or failure.ours) for failure in failures)


def decide(hop: Hop, facts: Facts, now: datetime) -> Act:
    """Return the next act: what failed ends the wave, then what diverged; else what is behind is written."""
    found = {one.name: _judge(hop, facts, one, now) for one in facts.wave if one.name not in hop.results}
    arrived = {name: one.arrived for name, one in found.items() if one.arrived is not None}
    lost = [one.loss for one in found.values() if one.loss is not None]
    missing = [one for one in facts.wave if one.name in found and one.name not in arrived]
    if not missing:
        return Act(step=Step.ARRIVED, arrived=arrived)
    failures = {name: one.failure for name, one in found.items() if one.failure}
    lines = following.lines(missing, facts.observed, facts.hindered) | failures
    if failures:
        return failed(failures, lines=lines, arrived=arrived, lost=lost)
    if diverged := [one.diverged for one in found.values() if one.diverged is not None]:
        return Act(step=Step.DIVERGE, arrived=arrived, lost=lost, diverged=diverged)
    if now >= facts.until and not (hop.blocked or hop.unseen):
        error = f"not delivered within {facts.timeout}: {together(lines.values())}"
        return Act(step=Step.FAIL, arrived=arrived, lost=lost, lines=lines, error=error)
    behind = [one for one in missing if found[one.name].behind]
    return Act(step=Step.WRITE if behind else Step.WAIT, arrived=arrived, lost=lost, behind=behind, lines=lines)


def _judge(hop: Hop, facts: Facts, one: DeploymentSpec, now: datetime) -> Judged:
    """Return how a deployment that has not arrived yet stands now; nothing where it cannot be seen."""
    observation, artifact = facts.observed.get(one.name), artifact_of(hop, one)
    if observation is None or artifact is None:
        return Judged()
    if comparison.arrived(facts.relations, artifact, observation):
        return Judged(arrived=_arrived(hop, facts, one, artifact, observation))
    if line := _failed_line(hop, facts, one, observation):
        return Judged(failure=line)
    compared = comparison.compare(facts.relations, artifact, observation)
    diverged = compared.judgement is Judgement.DIVERGED
    if diverged and not comparison.accepted(hop.override, artifact, observation):
        return Judged(diverged=compared)
    if one.write is None:
        return Judged()
    unrequested = one.name not in facts.requested
    if not (diverged or compared.judgement is Judgement.AHEAD):
        return Judged(behind=unrequested and following.has_drifted(one, artifact, observation))
    loss = _loss(hop, facts, one, artifact, observation, now)
    if loss is None:
        return Judged(behind=unrequested)
    given_up = loss.reverted and loss.repeats > following.REPEATS
    return Judged(
        loss=loss,
        behind=True,
        failure=f"{loss.reverted}; it was written {loss.repeats} times" if given_up else "",
    )


def failed(
    failures: Mapping[str, str],
    *,
    lines: Mapping[str, str],
    arrived: Mapping[str, ApplicationResult] | None = None,
    lost: Sequence[Loss] = (),
    head_moved: bool = False,
) -> Act:
    """Return the end of a wave by failures: deployment -> what failed there. `lines` are of all that did not arrive."""
    error = together(failures.values())
    return Act(
        step=Step.FAIL,
        arrived=arrived or {},
        lost=lost,
        lines=lines,
        error=error,
        head_moved=head_moved,
        failed=tuple(failures),
    )


def _arrived(
    hop: Hop, facts: Facts, one: DeploymentSpec, artifact: Artifact, observation: Observation
) -> ApplicationResult:
    ours = (
        one.name in facts.requested
        or hop.has(one.name, Touch.MOVED)
        or observation.operation_key == facts.keys[one.name]
    )
    return result_of(one, artifact, ApplicationOutcome.PROMOTED if ours else ApplicationOutcome.ALREADY_CONTAINED)


def _failed_line(hop: Hop, facts: Facts, one: DeploymentSpec, observation: Observation) -> str:
    requested = one.name in facts.requested or hop.has(one.name, Touch.REQUESTED)
    return following.failed_line(one, observation, key=facts.keys[one.name], requested=requested)


def _loss(
    hop: Hop, facts: Facts, one: DeploymentSpec, artifact: Artifact, observation: Observation, now: datetime
) -> Loss | None:
    """Return what of ours is gone and is to be done again; a sync that never begins is left alone after some times."""
    requested_at = facts.requested.get(one.name)
    if requested_at is None or following.by_git(one):
        # Of files nothing is observed: once they are written, what runs shows the rest.
        return None
    repeats = hop.repeats.get(one.name, 0) + 1
    if following.is_reverted(one, artifact, observation):
        return Loss(deployment=one.name, repeats=repeats, reverted=following.reverted_line(one, observation))
    unsynced = following.is_unsynced(
        observation, key=facts.keys[one.name], waited=now - requested_at, allowed=facts.unsynced
    )
    return Loss(deployment=one.name, repeats=repeats) if unsynced and repeats <= following.REPEATS else None


def artifact_of(hop: Hop, one: DeploymentSpec) -> Artifact | None:
    """Return what is promoted of a deployment's component."""
    artifacts = hop.round.artifacts if hop.round else ()
    return next((artifact for artifact in artifacts if artifact.component == one.component), None)


def sync_key(request: PromotionInput, hop: Hop, one: DeploymentSpec) -> str:
    """Return the key by which our sync of a deployment is recognised; a `retry` has keys of its own."""
    artifact = artifact_of(hop, one)
    revision = artifact.revision if artifact else ""
    number = hop.round.number if hop.round else 0
    return rounds.promotion_key(request, hop.nonce, hop.number, "deploy", one.name, revision, number, hop.attempt)


def commit_key(request: PromotionInput, hop: Hop, ones: Sequence[DeploymentSpec]) -> str:
    """Return the key of the commit that writes these deployments' files; a `retry` has keys of its own."""
    return rounds.promotion_key(request, "commit", *(sync_key(request, hop, one) for one in ones))


def result_of(
    one: DeploymentSpec, artifact: Artifact | None, result: ApplicationOutcome, message: str = ""
) -> ApplicationResult:
    """Return how a deployment ended, for the record."""
    return ApplicationResult(
        deployment=one.name, application=one.application, result=result, artifact=artifact, message=message
    )
