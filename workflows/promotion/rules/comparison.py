"""Pure rules of Compare: contained, ahead or diverged, per deployment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from activities.models.delivery import Observation, revisions_of
from activities.models.revisions import Relation, RevisionPair, pairs_between
from activities.models.tracking import Artifact
from crds.texts.plain import short_revision
from workflows.runtime.ancestry import CONTAINING, opposite, trimmed

Relations = Mapping[str, str]
"""`base...head` -> Relation."""


class Judgement(StrEnum):
    CONTAINED = "Contained"
    AHEAD = "Ahead"
    DIVERGED = "Diverged"
    UNREADABLE = "Unreadable"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Hold how one deployment stands to the artifact, and why."""

    observation: Observation
    judgement: Judgement
    why: str

    @property
    def deployment(self) -> str:
        """The deployment that was judged."""
        return self.observation.deployment


def pair_key(base: str, head: str) -> str:
    """Return the key under which a relation is remembered."""
    return f"{base}...{head}"


def contains(relations: Relations, *, whole: str, part: str) -> bool:
    """Return whether `whole` contains `part`; unknown counts as no."""
    if whole == part:
        return True
    return relations.get(pair_key(part, whole)) in CONTAINING


def needed_pairs(
    relations: Relations, artifacts: Iterable[Artifact], observations: Sequence[Observation]
) -> tuple[RevisionPair, ...]:
    """Return the pairs that must be compared before the judgement is known."""
    return tuple(one for one in pairs_between(artifacts, observations) if pair_key(one.base, one.head) not in relations)


def held_revisions(observations: Iterable[Observation]) -> dict[str, str]:
    """Return what each deployment runs, has written to it and is being brought, as people read and repeat it."""
    return {one.deployment: ", ".join(map(short_revision, revisions_of(one))) for one in observations}


def kept(
    relations: Relations, artifacts: Iterable[Artifact], observations: Sequence[Observation], *, at_most: int
) -> dict[str, str]:
    """Return what to remember: all that this judgement reads, however much, then what was used or learnt last."""
    read = [
        key
        for pair in needed_pairs({}, artifacts, observations)
        for key in (pair_key(pair.base, pair.head), pair_key(pair.head, pair.base))
        if key in relations
    ]
    return trimmed(relations, dict.fromkeys(read), at_most=at_most)


def with_answers(pairs: Sequence[RevisionPair], answers: Sequence[Relation]) -> dict[str, str]:
    """Return both directions of each answered pair."""
    found: dict[str, str] = {}
    for pair, relation in zip(pairs, answers, strict=True):
        found[pair_key(pair.base, pair.head)] = relation
        found[pair_key(pair.head, pair.base)] = opposite(relation)
    return found


def without_unknown(relations: Relations) -> dict[str, str]:
    """Return what the host did know; a commit that it did not know it may know by now."""
    return {pair: relation for pair, relation in relations.items() if relation != Relation.UNKNOWN}


def compare(relations: Relations, artifact: Artifact, observation: Observation) -> Comparison:
    """Judge one deployment of the artifact's component."""

    def answer(judgement: Judgement, why: str) -> Comparison:
        return Comparison(observation=observation, judgement=judgement, why=why)

    wanted = short(artifact.revision)
    if observation.problem:
        return answer(Judgement.UNREADABLE, observation.problem)
    present = revisions_of(observation)
    if observation.runs and all(contains(relations, whole=held, part=artifact.revision) for held in present):
        return answer(Judgement.CONTAINED, f"wanted {wanted}, runs {short(observation.runs)}, which contains it")
    if all(contains(relations, whole=artifact.revision, part=held) for held in present):
        runs = short(observation.runs) if observation.runs else "nothing"
        return answer(Judgement.AHEAD, f"wanted {wanted}, runs {runs}, which {wanted} contains")
    # All of them: who promotes anyway accepts what is named here.
    strange = [short(held) for held in present if not contains(relations, whole=artifact.revision, part=held)]
    return answer(
        Judgement.DIVERGED, f"wanted {wanted}, but it holds {' and '.join(strange)}, which {wanted} does not contain"
    )


def compare_all(
    relations: Relations, artifacts: Sequence[Artifact], observations: Sequence[Observation]
) -> tuple[Comparison, ...]:
    """Judge every deployment of the artifacts' components."""
    by_component = {artifact.component: artifact for artifact in artifacts}
    return tuple(
        compare(relations, by_component[observation.component], observation)
        for observation in observations
        if observation.component in by_component
    )


def accepted(override: Iterable[Observation] | None, artifact: Artifact, observation: Observation) -> bool:
    """Return whether a person accepted what a diverged deployment holds: what they saw, and what we wrote since."""
    known = {artifact.revision}
    for seen in override or ():
        if seen.deployment == observation.deployment:
            return set(revisions_of(observation)) <= known.union(revisions_of(seen))
    return False


def arrived(relations: Relations, artifact: Artifact, observation: Observation) -> bool:
    """Return whether the artifact, or what contains it, runs there: settled by Argo CD's own newest report."""
    return (
        not observation.problem
        and observation.settled
        and observation.runs is not None
        and contains(relations, whole=observation.runs, part=artifact.revision)
    )


def place_artifacts(observations: Sequence[Observation], components: Iterable[str]) -> tuple[Artifact, ...] | None:
    """Return what a place runs per component; None where deployments of one differ, are missing or not settled."""
    found: list[Artifact] = []
    for component in components:
        ours = [observation for observation in observations if observation.component == component]
        if not ours or any(not one.settled or one.problem for one in ours) or len({one.runs for one in ours}) != 1:
            return None
        first = ours[0]
        if first.runs is None:
            return None
        found.append(
            Artifact(
                component=component,
                revision=first.runs,
                image=first.image,
                tag=first.tag,
                config_revision=first.config_revision,
            )
        )
    return tuple(found)


def what_runs(observation: Observation) -> str:
    """Return what a deployment runs as people read it; what is unknown is not nothing."""
    if observation.runs is None and observation.problem:
        return "an unknown revision"
    return short(observation.runs)


def short(revision: str | None) -> str:
    """Return a revision as people read it."""
    return short_revision(revision) if revision else "nothing"
