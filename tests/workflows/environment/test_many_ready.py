"""The lane among many Ready members: found by few comparisons, none of which is forgotten before the decision."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from activities.models.places import MemberSignal
from activities.models.revisions import PAIRS_PER_CALL, Relation
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.test_lane import COMPONENTS, member, relation, runs, view
from workflows.environment.lane import Decision, LaneView, decide
from workflows.runtime.ancestry import RELATIONS_KEPT, KnownAncestry

MOST = 6
"""Answers per member: its way through the pairs, two looks at the winner, its holds and what the place runs."""


def granted(wanted: LaneView, ancestry: KnownAncestry) -> tuple[Decision, int]:
    """Answer batch by batch, as a place does, until the decision stands; return it and the number of answers."""
    answers = 0
    while True:
        decision = decide(wanted, ancestry)
        ancestry.decided()
        if not decision.pairs:
            return decision, answers
        assert decision.grant is None
        for pair in decision.pairs[:PAIRS_PER_CALL]:
            answers += 1
            ancestry.learn(pair.base, pair.head, relation(pair.base, pair.head))
        assert answers <= MOST * len(wanted.members) + PAIRS_PER_CALL, "the decision asks without end"


def crowd(seed: int, size: int, *, held: float, hotfixes: float) -> tuple[MemberSignal, ...]:
    """Return members whose numbers and commits are in no order."""
    dice = random.Random(seed)
    revisions = [str(one) if dice.random() >= hotfixes else f"x{one}" for one in dice.sample(range(1, size + 1), size)]
    return tuple(
        member(
            number,
            revision,
            Phase.READY if dice.random() < 0.9 else Phase.WORKING,
            held=dice.random() < held,
            components=dice.choice([("api",), ("ui",), COMPONENTS, COMPONENTS]),
        )
        for number, revision in enumerate(revisions, start=1)
    )


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    size=st.sampled_from([1, 2, 5, 31, 32, 33, 40, 100, 300]),
    held=st.sampled_from([0.0, 0.1]),
    hotfixes=st.sampled_from([0.0, 0.05]),
)
def test_a_decision_stands_after_some_answers_per_member(seed: int, size: int, held: float, hotfixes: float) -> None:
    wanted = view(*crowd(seed, size, held=held, hotfixes=hotfixes))

    decision, _ = granted(wanted, KnownAncestry())

    assert decision == decide(wanted, relation)


def test_a_thousand_ready_members_are_granted_the_lane_one_after_the_other() -> None:
    members = [one for one in crowd(1, 1000, held=0, hotfixes=0) if one.phase is Phase.READY]
    members = [replace(one, components=("api",), artifacts=one.artifacts[:1]) for one in members]
    members = [
        replace(one, artifacts=tuple(replace(each, component="api") for each in one.artifacts)) for one in members
    ]
    ancestry = KnownAncestry()
    _, first = granted(view(*members), ancestry)
    assert first < 2 * len(members)
    for _ in range(5):
        decision, answers = granted(view(*members), ancestry)
        newest = max(members, key=lambda one: int(one.revision or 0))
        assert decision.grant == newest.tracker.uid
        assert answers <= 2 * len(members)
        members.remove(newest)


def test_what_a_decision_read_outlives_it_and_what_none_read_goes_first() -> None:
    ancestry = KnownAncestry()
    for one in range(2 * RELATIONS_KEPT):
        ancestry.learn(f"{one}", f"{one + 1}", Relation.AHEAD)
    assert all(ancestry(f"{one}", f"{one + 1}") for one in range(RELATIONS_KEPT + 100))
    ancestry.decided()
    assert all(ancestry(f"{one + 1}", f"{one}") is Relation.BEHIND for one in range(RELATIONS_KEPT + 100))
    assert ancestry(f"{RELATIONS_KEPT + 100}", f"{RELATIONS_KEPT + 101}") is None

    ancestry.decided()
    assert ancestry("7", "8") is Relation.AHEAD
    ancestry.decided()
    assert len(ancestry.relations()) == RELATIONS_KEPT
    assert ancestry("7", "8") is Relation.AHEAD


def test_of_many_held_changes_each_candidate_is_compared_with_the_lowest_only() -> None:
    holds = [member(one, str(one), Phase.WORKING, held=True) for one in range(500, 700)]
    members = [member(one, str(one)) for one in range(300, 900) if not 500 <= one < 700]
    ancestry = KnownAncestry()

    decision, answers = granted(view(*holds, *members, observations=runs(api="0")), ancestry)

    assert decision.grant == "u499"
    assert decision.blocked_by["u899"].tracker == "t500"
    assert answers <= 3 * (len(holds) + len(members))
