"""Contained, ahead or diverged, over random histories of commits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.delivery import Observation, revisions_of
from activities.models.failures import BriefFailure
from activities.models.revisions import Relation
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from crds.texts.plain import short_revision
from workflows.promotion.rules import comparison
from workflows.promotion.rules.comparison import Judgement

Parents = dict[str, str | None]


@st.composite
def histories(draw: st.DrawFn) -> Parents:
    """Draw a tree of commits, each with one parent."""
    parents: Parents = {"c0": None}
    for index in range(1, draw(st.integers(2, 8))):
        parents[f"c{index}"] = draw(st.sampled_from(sorted(parents)))
    return parents


def ancestors(parents: Parents, commit: str | None) -> set[str]:
    """Return a commit with all that it contains."""
    found: set[str] = set()
    while commit is not None:
        found.add(commit)
        commit = parents[commit]
    return found


def relations(parents: Parents) -> dict[str, str]:
    """Return what a host answers for every pair."""
    found: dict[str, str] = {}
    for base in parents:
        for head in parents:
            ahead, behind = base in ancestors(parents, head), head in ancestors(parents, base)
            relation = Relation.IDENTICAL if base == head else Relation.AHEAD if ahead else Relation.BEHIND
            found[comparison.pair_key(base, head)] = relation if ahead or behind else Relation.DIVERGED
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[Parents, str, Observation]:
    parents = draw(histories())
    commit = st.sampled_from(sorted(parents))
    observation = Observation(
        deployment="web",
        component="web",
        application="web",
        runs=draw(st.none() | commit),
        written=draw(st.none() | commit),
        operating=draw(st.none() | commit),
        settled=draw(st.booleans()),
    )
    return parents, draw(commit), observation


@given(cases())
def test_the_judgement_follows_from_what_the_three_revisions_contain(case: tuple[Parents, str, Observation]) -> None:
    parents, revision, observation = case
    artifact = Artifact(component="web", revision=revision)
    present = revisions_of(observation)
    judged = comparison.compare(relations(parents), artifact, observation).judgement
    contained = bool(observation.runs) and all(revision in ancestors(parents, held) for held in present)
    ahead = all(held in ancestors(parents, revision) for held in present)
    expected = Judgement.CONTAINED if contained else Judgement.AHEAD if ahead else Judgement.DIVERGED
    assert judged is expected


@given(cases())
def test_what_is_not_contained_and_not_older_is_never_written(case: tuple[Parents, str, Observation]) -> None:
    parents, revision, observation = case
    artifact = Artifact(component="web", revision=revision)
    if comparison.compare(relations(parents), artifact, observation).judgement is Judgement.AHEAD:
        lost = set(revisions_of(observation)) - ancestors(parents, revision)
        assert lost == set()


def test_everything_strange_is_named_for_the_person_who_promotes_anyway() -> None:
    observation = Observation(deployment="web", component="web", application="web", runs="b" * 40, written="c" * 40)
    judged = comparison.compare({}, Artifact(component="web", revision="a" * 40), observation)
    assert judged.judgement is Judgement.DIVERGED
    assert "holds bbbbbbbbbbbb and cccccccccccc, which aaaaaaaaaaaa does not contain" in judged.why


@given(cases())
def test_unknown_ancestry_never_counts_as_ahead_or_contained(case: tuple[Parents, str, Observation]) -> None:
    _, revision, observation = case
    artifact = Artifact(component="web", revision=revision)
    judged = comparison.compare({}, artifact, observation).judgement
    strange = [held for held in revisions_of(observation) if held != revision]
    assert (judged is Judgement.DIVERGED) == bool(strange)


@given(cases())
def test_arrival_needs_a_settled_deployment_that_contains_the_artifact(case: tuple[Parents, str, Observation]) -> None:
    parents, revision, observation = case
    arrived = comparison.arrived(relations(parents), Artifact(component="web", revision=revision), observation)
    contained = observation.runs is not None and revision in ancestors(parents, observation.runs)
    assert arrived == (observation.settled and contained)


@given(cases())
def test_after_the_needed_pairs_are_answered_nothing_more_is_needed(case: tuple[Parents, str, Observation]) -> None:
    parents, revision, observation = case
    artifacts = [Artifact(component="web", revision=revision)]
    pairs = comparison.needed_pairs({}, artifacts, [observation])
    known = relations(parents)
    answers = [Relation(known[comparison.pair_key(pair.base, pair.head)]) for pair in pairs]
    learned = comparison.with_answers(pairs, answers)
    assert comparison.needed_pairs(learned, artifacts, [observation]) == ()


def test_a_place_has_an_artifact_only_where_its_deployments_agree_and_are_settled() -> None:
    def running(name: str, revision: str, *, settled: bool = True) -> Observation:
        return Observation(deployment=name, component="web", application=name, runs=revision, settled=settled)

    agreed = comparison.place_artifacts([running("a", "c1"), running("b", "c1")], ["web"])
    assert agreed == (Artifact(component="web", revision="c1"),)
    assert comparison.place_artifacts([running("a", "c1"), running("b", "c2")], ["web"]) is None
    assert comparison.place_artifacts([running("a", "c1", settled=False)], ["web"]) is None
    assert comparison.place_artifacts([], ["web"]) is None


@pytest.mark.parametrize(
    ("runs", "problem", "text"),
    [
        (None, "", "nothing"),
        (None, "Argo CD does not answer", "an unknown revision"),
        ("a" * 40, "", short_revision("a" * 40)),
        ("a" * 40, "its health is unknown", short_revision("a" * 40)),
    ],
)
def test_what_is_unknown_is_not_shown_as_nothing(runs: str | None, problem: str, text: str) -> None:
    failure = BriefFailure(kind=FailureKind.UNAVAILABLE, message=problem, object="app") if problem else None
    seen = Observation(deployment="web", component="web", application="web", runs=runs, failure=failure)
    assert comparison.what_runs(seen) == text
