"""What is shown of a look: nothing that only one look found, and nothing that a later promotion brought."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.drift import DriftReading, LookForDriftResult, Silence, Suspicion, Verdict
from activities.models.failures import BriefFailure
from activities.models.revisions import Relation, RevisionPair
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Drift
from workflows.drift import rules
from workflows.runtime.ancestry import KnownAncestry

PROMOTED, OTHER = "a" * 40, "b" * 40
OLDER = Artifact(component="web", revision=OTHER)
KINDS = st.sampled_from([None, *Drift])


def reading(kind: Drift | None = None, *, shown: Drift | None = None, **changes: object) -> DriftReading:
    """Return a reading of a monitor whose status is about this promotion already."""
    found = DriftReading(
        monitor="staging-web",
        uid="u",
        generation=1,
        tracker="web-412",
        repository="web",
        seen="digest",
        verdict=Verdict(kind=kind, expected="expected", observed="observed"),
        shown=shown,
        shown_tracker="web-412",
        promoted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def moved(relation: Relation | None, **changes: object) -> tuple[rules.Decided, ...]:
    """Decide on an application that runs another revision, which stands so to the promoted one."""
    ancestry = KnownAncestry()
    if relation is not None:
        ancestry.learn(PROMOTED, OTHER, relation)
    found = reading(
        moved=Verdict(kind=Drift.REVISION_MOVED, expected=PROMOTED[:12], observed=OTHER[:12]),
        pair=RevisionPair(base=PROMOTED, head=OTHER),
    )
    return rules.decide([replace(found, **changes)], ancestry)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("relation", "runs", "back"),
    [
        (Relation.BEHIND, OLDER, OLDER),
        (Relation.BEHIND, None, None),
        (Relation.DIVERGED, OLDER, None),
        (Relation.UNKNOWN, OLDER, None),
        (Relation.AHEAD, OLDER, None),
    ],
)
def test_only_what_runs_and_what_was_promoted_contains_is_a_rollback(
    relation: Relation, runs: Artifact | None, back: Artifact | None
) -> None:
    [decided] = moved(relation, runs=runs)
    assert decided.change("digest").rolled_back == back


def shown_over(looks: Sequence[Drift | None]) -> list[Drift | None]:
    """Return what stands in the status after each look, beginning in place."""
    suspicions: dict[str, Suspicion] = {}
    stands: Drift | None = None
    over: list[Drift | None] = []
    for kind in looks:
        # What is as it is shown is not answered: the digest is the one that the status holds.
        news = rules.Decided(reading=reading(kind, shown=stands), verdict=Verdict(kind=kind))
        found = [] if kind is stands else [news]
        damped = rules.damp(suspicions, found)
        suspicions = {one.monitor: one for one in damped.suspicions}
        for one in damped.changes:
            stands = one.verdict.kind
        over.append(stands)
    return over


@given(looks=st.lists(KINDS, max_size=30))
def test_whatever_is_shown_was_found_by_two_looks_in_a_row(looks: list[Drift | None]) -> None:
    stands: Drift | None = None
    for index, shown in enumerate(shown_over(looks)):
        if shown is not stands:
            assert index > 0
            assert looks[index] is looks[index - 1] is shown
        stands = shown


@given(before=st.lists(KINDS, max_size=20), kind=KINDS)
def test_what_stays_is_shown_after_its_second_look(before: list[Drift | None], kind: Drift | None) -> None:
    assert shown_over([*before, kind, kind])[-1] is kind


@given(first=KINDS, second=KINDS, times=st.integers(1, 20))
def test_what_comes_and_goes_with_each_look_is_never_shown(
    first: Drift | None, second: Drift | None, times: int
) -> None:
    looks = [first, second] * times if first is not second else []
    assert set(shown_over(looks)) <= {None}


@given(relation=st.sampled_from([Relation.AHEAD, Relation.IDENTICAL]), kind=KINDS)
def test_a_revision_that_contains_the_promoted_one_is_no_drift(relation: Relation, kind: Drift | None) -> None:
    (decided,) = moved(relation, verdict=Verdict(kind=kind, observed="of the same"))
    assert decided.verdict.kind is kind
    assert kind is not None or decided.verdict.observed == OTHER[:12]


@pytest.mark.parametrize("relation", [Relation.BEHIND, Relation.DIVERGED, Relation.UNKNOWN])
def test_any_other_revision_is_drift_also_where_the_repository_does_not_know_it(relation: Relation) -> None:
    (decided,) = moved(relation)
    assert decided.verdict.kind is Drift.REVISION_MOVED
    assert ("does not know" in decided.verdict.observed) is (relation is Relation.UNKNOWN)


def test_what_could_not_be_compared_is_left_to_a_later_look() -> None:
    assert moved(None) == ()


def test_each_pair_of_commits_is_asked_for_once() -> None:
    pair = RevisionPair(base=PROMOTED, head=OTHER)
    found = [reading(pair=pair), reading(pair=pair), reading()]
    assert rules.pairs_of(found, KnownAncestry()) == {"web": [pair]}


def test_what_is_in_place_from_the_beginning_needs_one_look_alone() -> None:
    first = reading(current=False, shown_tracker="")
    damped = rules.damp({}, rules.decide([first], KnownAncestry()))
    assert [one.verdict.kind for one in damped.changes] == [None]
    assert rules.trackers_to_present(damped.shown) == ()


def test_a_second_look_writes_the_digest_of_the_first() -> None:
    before = Suspicion(monitor="staging-web", verdict=Verdict(kind=Drift.UNHEALTHY), seen="first")
    found = rules.decide([reading(Drift.UNHEALTHY, seen="")], KnownAncestry())
    (change,) = rules.damp({"staging-web": before}, found).changes
    assert change.seen == "first"


@pytest.mark.parametrize(
    ("kind", "shown", "syncs", "wanted"),
    [
        (Drift.OUT_OF_SYNC, None, True, 1),
        (Drift.OUT_OF_SYNC, Drift.UNHEALTHY, True, 1),
        (Drift.OUT_OF_SYNC, Drift.OUT_OF_SYNC, True, 0),
        (Drift.OUT_OF_SYNC, None, False, 0),
        (Drift.REVISION_MOVED, None, True, 0),
        (None, Drift.OUT_OF_SYNC, True, 0),
    ],
)
def test_one_sync_is_requested_for_each_time_that_it_gets_out_of_sync_where_that_is_wanted(
    kind: Drift | None, shown: Drift | None, syncs: bool, wanted: int
) -> None:
    found = rules.decide([reading(kind, shown=shown, syncs=syncs)], KnownAncestry())
    assert len(rules.syncs_wanted(found)) == wanted


def test_pull_requests_show_a_change_and_what_drifted_before_a_newer_tracker_took_over() -> None:
    over = rules.decide([reading(None, shown=Drift.OUT_OF_SYNC)], KnownAncestry())
    taken = rules.decide([reading(None, shown=Drift.OUT_OF_SYNC, tracker="web-413")], KnownAncestry())
    in_place = rules.decide([reading(None, tracker="web-413")], KnownAncestry())
    same = rules.decide([reading(None)], KnownAncestry())
    assert rules.trackers_to_present(over) == ("web-412",)
    assert rules.trackers_to_present(taken) == ("web-413", "web-412")
    assert rules.trackers_to_present(in_place) == ()
    assert rules.trackers_to_present(same) == ()


def silence(project: str) -> Silence:
    failure = BriefFailure(kind=FailureKind.UNAVAILABLE, message="no answer", object="ArgoCDInstance/argocd")
    return Silence(project=project, failure=failure)


def test_a_project_without_answer_is_shown_at_its_second_look_and_forgotten_with_its_first_answer() -> None:
    once = rules.silences((), LookForDriftResult(silent=(silence("shop"),)), None)
    twice = rules.silences(once, LookForDriftResult(silent=(silence("shop"),)), ("shop",))
    answered = rules.silences(twice, LookForDriftResult(), None)
    assert [one.shown for one in (*once, *twice)] == [False, True]
    assert answered == ()


def test_a_second_look_shows_nothing_of_projects_that_it_does_not_ask() -> None:
    known = (replace(silence("shop"), shown=True), silence("infra"))
    assert rules.silences(known, LookForDriftResult(), ("infra",)) == known[:1]


@pytest.mark.parametrize(
    ("kind", "shown", "changes", "looks"),
    [
        (Drift.UNHEALTHY, Drift.UNHEALTHY, {"tracker": "web-413"}, 2),
        (Drift.UNHEALTHY, Drift.UNHEALTHY, {"earlier": True}, 2),
        (Drift.UNHEALTHY, Drift.UNHEALTHY, {}, 1),
        (Drift.UNHEALTHY, None, {"tracker": "web-413"}, 2),
        (None, Drift.UNHEALTHY, {"tracker": "web-413"}, 1),
        (None, Drift.UNHEALTHY, {}, 2),
    ],
    ids=["taken over", "later attempt", "edited", "new", "in place", "over"],
)
def test_what_stands_there_of_an_earlier_promotion_is_no_first_look_at_this_one(
    kind: Drift | None, shown: Drift | None, changes: dict[str, object], looks: int
) -> None:
    found = rules.decide([reading(kind, shown=shown, current=False, **changes)], KnownAncestry())
    once = rules.damp({}, found)
    twice = rules.damp({one.monitor: one for one in once.suspicions}, found)
    assert (len(once.changes), len(twice.changes)) == (2 - looks, 1)


def test_a_later_promotion_that_is_out_of_sync_as_the_one_before_it_was_gets_a_sync_of_its_own() -> None:
    over = reading(Drift.OUT_OF_SYNC, shown=Drift.OUT_OF_SYNC, syncs=True, current=False)
    found = rules.decide([over, replace(over, tracker="web-413"), replace(over, earlier=True)], KnownAncestry())
    assert rules.syncs_wanted(found) == tuple(one.reading for one in found[1:])


def test_each_tracker_that_is_concerned_has_its_repository() -> None:
    found = rules.decide([reading(), reading(tracker="api-1", shown_tracker="", repository="api")], KnownAncestry())
    assert rules.repositories_of(found) == {"web-412": "web", "api-1": "api"}
