"""What is known of ancestry answers in both directions, and keeps whatever a decision reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.failures import Failure
from activities.models.revisions import CompareRevisionsResult, Relation, RevisionPair
from crds.reasons.problems import FailureKind
from workflows.runtime.ancestry import RELATIONS_KEPT, Comparing, KnownAncestry, opposite, trimmed


@pytest.mark.parametrize(
    ("relation", "other_way"),
    [
        (Relation.AHEAD, Relation.BEHIND),
        (Relation.BEHIND, Relation.AHEAD),
        (Relation.DIVERGED, Relation.DIVERGED),
        (Relation.UNKNOWN, Relation.UNKNOWN),
    ],
)
def test_one_answer_shows_both_directions(relation: Relation, other_way: Relation) -> None:
    known = KnownAncestry()
    known.learn("a", "b", relation)
    assert known("a", "b") is relation
    assert known("b", "a") is opposite(relation) is other_way
    assert known("a", "a") is Relation.IDENTICAL
    assert known("a", "c") is None


def test_a_pair_that_is_not_known_is_noted_once_whichever_way_it_is_asked_for() -> None:
    asking = Comparing(KnownAncestry())
    assert asking.relation("a", "b") is asking.relation("b", "a") is None
    assert list(asking.pairs.values()) == [RevisionPair(base="a", head="b")]


def test_what_the_host_did_not_answer_stands_behind_the_others_until_it_does() -> None:
    known, pairs = KnownAncestry(), [RevisionPair(base="a", head=head) for head in "bcd"]
    answer = CompareRevisionsResult(
        relations=(Relation.UNKNOWN, Relation.AHEAD, Relation.UNKNOWN),
        unanswered=(0,),
        failure=Failure(kind=FailureKind.UNAVAILABLE, message="HTTP 500"),
    )
    known.take(pairs, answer)
    assert [known(one.base, one.head) for one in pairs] == [None, Relation.AHEAD, Relation.UNKNOWN]
    other = RevisionPair(base="a", head="e")
    assert known.in_turn([pairs[0], other]) == [other, pairs[0]]
    # One that is not asked for any more is no news when it is asked for again.
    assert known.in_turn([other]) == [other]
    assert known.in_turn([pairs[0], other]) == [pairs[0], other]


@given(count=st.integers(0, 60), read=st.sets(st.integers(0, 59)), at_most=st.integers(0, 60))
def test_what_was_read_stays_and_the_rest_is_trimmed_oldest_first(count: int, read: set[int], at_most: int) -> None:
    known = {one: str(one) for one in range(count)}
    wanted = [one for one in known if one in read]
    found = trimmed(known, wanted, at_most=at_most)
    assert set(wanted) <= set(found) <= set(known)
    assert len(found) == max(len(wanted), min(count, at_most))
    others = [one for one in known if one not in read]
    assert [one for one in found if one not in read] == others[len(others) - (len(found) - len(wanted)) :]


def test_a_decision_that_reads_nothing_trims_nothing() -> None:
    known = KnownAncestry()
    for one in range(RELATIONS_KEPT + 1):
        known.learn("base", str(one), Relation.AHEAD)
    known.decided()
    assert len(known.relations()) == RELATIONS_KEPT + 1
