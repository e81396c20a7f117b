"""Which held members stand between a place and a candidate: each case differs from its neighbour in one thing alone."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from activities.models.delivery import Observation, revisions_of
from activities.models.places import MemberSignal
from activities.models.revisions import Relation
from tests.workflows.environment.test_lane import COMPONENTS, member, relation, runs
from tests.worlds.refusals import unread
from workflows.environment.holds import Holds, lowest, misses
from workflows.runtime.ancestry import Comparing

API = Observation(deployment="api", component="api", application="api", runs="5")


def held(number: int, revision: str, *components: str) -> MemberSignal:
    return member(number, revision, held=True, components=components or ("api",))


def holder_of(
    members: Sequence[MemberSignal], candidate: MemberSignal, observations: Sequence[Observation]
) -> str | None:
    """Return who is in the way of a candidate, where everything is known."""
    found = Holds(members, observations, COMPONENTS, Comparing(relation)).in_the_way_of(candidate)
    return found.tracker.uid if found else None


@pytest.mark.parametrize(
    ("seen", "revisions"),
    [
        (API, ("5",)),
        (replace(API, runs=None), ()),
        (replace(API, written="6", operating="7"), ("5", "6", "7")),
        (replace(API, written="5", operating="5"), ("5",)),
    ],
)
def test_a_deployment_has_the_revisions_that_it_runs_and_is_to_run(
    seen: Observation, revisions: tuple[str, ...]
) -> None:
    assert revisions_of(seen) == revisions


@pytest.mark.parametrize(
    ("seen", "revision", "missing"),
    [
        (API, "5", False),
        (API, "4", False),
        (API, "6", True),
        (API, "x1", True),
        # Known to contain it, but no longer seen, or never.
        (replace(API, failure=unread("401")), "4", True),
        (replace(API, runs=None), "4", True),
        (replace(API, runs=None, written="5"), "4", True),
        # Contains it now, and is about to lose it.
        (replace(API, written="3"), "4", True),
        (replace(API, runs="3", operating="5"), "4", True),
        (replace(API, written="6"), "4", False),
    ],
)
def test_a_deployment_is_without_a_commit_unless_all_that_it_has_contains_it(
    seen: Observation, revision: str, *, missing: bool
) -> None:
    assert misses(seen, revision, Comparing(relation)) is missing


def test_what_is_not_known_yet_is_asked_and_counts_for_neither() -> None:
    asking = Comparing(lambda _base, _head: None)
    assert not misses(API, "4", asking)
    assert list(asking.pairs) == [("4", "5")]


@pytest.mark.parametrize(
    ("members", "candidate", "holder"),
    [
        ([held(1, "1")], "2", "u1"),
        ([held(2, "2")], "2", "u2"),
        ([held(3, "3")], "2", None),
        ([held(1, "x1")], "2", None),
        ([replace(held(1, "1"), held=False)], "2", None),
        # Before its merge nothing of it can be moved.
        ([replace(held(1, "1"), revision=None)], "2", None),
        ([held(1, "1", "ui")], "2", None),
        ([held(1, "1", "ui", "api")], "2", "u1"),
        ([replace(held(1, "1"), components=())], "2", "u1"),
        ([held(3, "3"), held(1, "1")], "2", "u1"),
        ([held(1, "x1"), held(2, "1")], "2", "u2"),
    ],
)
def test_a_held_change_that_the_place_does_not_run_is_in_the_way_of_who_contains_it(
    members: list[MemberSignal], candidate: str, holder: str | None
) -> None:
    assert holder_of(members, member(9, candidate), runs()) == holder


@pytest.mark.parametrize(
    ("observations", "holder"),
    [
        (runs(api="0"), "u1"),
        (runs(api="1"), None),
        # Another component's deployment is without it, and is not concerned.
        (runs(api="1", ui="0"), None),
        (runs(api="0", ui="1"), "u1"),
        ((*runs(api="1"), replace(API, deployment="us", runs="0")), "u1"),
        # Nothing of the component is deployed there, so that nothing can be moved into it.
        (runs()[1:], None),
    ],
    ids=["without", "with", "other without", "other with", "one of two without", "none"],
)
def test_a_held_change_that_every_deployment_has_is_in_nobodys_way(
    observations: tuple[Observation, ...], holder: str | None
) -> None:
    assert holder_of([held(1, "1")], member(9, "2"), observations) == holder


def test_a_held_candidate_is_in_its_own_way_and_no_other() -> None:
    one = held(1, "1")
    assert holder_of([one], one, runs(api="5")) == "u1"
    assert holder_of([held(2, "2")], member(1, "1"), runs()) is None


@pytest.mark.parametrize(
    ("known", "holder"),
    [
        (Relation.AHEAD, "u1"),
        (Relation.IDENTICAL, "u1"),
        # A commit that the host does not know cannot be shown to stay behind.
        (Relation.UNKNOWN, "u1"),
        (Relation.BEHIND, None),
        (Relation.DIVERGED, None),
        (None, None),
    ],
)
def test_a_hold_counts_unless_the_candidate_is_shown_to_be_without_the_held_change(
    known: Relation | None, holder: str | None
) -> None:
    def ancestry(base: str, head: str) -> Relation | None:
        return known if (base, head) == ("1", "2") else relation(base, head)

    asking = Comparing(ancestry)
    found = Holds([held(1, "1")], runs(), COMPONENTS, asking).in_the_way_of(member(9, "2"))
    assert (found.tracker.uid if found else None) == holder
    assert list(asking.pairs) == ([("1", "2")] if known is None else [])


def test_without_an_answer_on_one_component_the_others_are_looked_at_and_one_question_is_enough() -> None:
    def ancestry(base: str, head: str) -> Relation | None:
        return None if "2" in (base, head) and base.startswith("x") else relation(base, head)

    asking = Comparing(ancestry)
    holds = Holds([held(1, "x1"), held(2, "x2"), held(3, "1", "ui")], runs(), COMPONENTS, asking)
    candidate = member(9, "2", components=COMPONENTS)
    found = holds.in_the_way_of(candidate)
    assert found is not None
    assert found.tracker.uid == "u3"
    assert list(asking.pairs) == [("x1", "2")]


@pytest.mark.parametrize(
    ("revisions", "lowest_ones"),
    [
        ([], []),
        (["3"], ["3"]),
        (["3", "1"], ["1"]),
        (["1", "3"], ["1"]),
        (["3", "1", "2"], ["1"]),
        (["4", "3", "2", "1"], ["1"]),
        (["1", "x1"], ["1", "x1"]),
        # One commit is met once, however many carry it.
        (["1", "1"], ["1"]),
        (["2", "1", "x1"], ["1", "x1"]),
    ],
)
def test_of_held_changes_the_lowest_and_the_unrelated_stay(revisions: list[str], lowest_ones: list[str]) -> None:
    members = [held(number, revision) for number, revision in enumerate(revisions)]
    assert [one.revision for one in lowest(members, Comparing(relation))] == lowest_ones


def test_without_an_answer_no_further_round_of_comparisons_is_asked() -> None:
    asking = Comparing(lambda _base, _head: None)
    lowest([held(number, str(number)) for number in range(1, 5)], asking)
    assert list(asking.pairs) == [("1", "2"), ("3", "4")]
