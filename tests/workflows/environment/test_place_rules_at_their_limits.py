"""Conditions that other tests pass by: each case differs from its neighbour in one of them alone."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from activities.models.delivery import Observation
from activities.models.places import BlockedBy, MemberSignal, Role
from activities.models.revisions import Relation
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.test_lane import member, runs
from tests.worlds.refusals import unread
from workflows.environment import observation, presentation
from workflows.environment.lane import HOLDS, LaneView, decide
from workflows.environment.newest import artifacts_of, is_newer, newest_of
from workflows.environment.state import Observed
from workflows.runtime.ancestry import RELATIONS_KEPT, Comparing, KnownAncestry

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD = Observation(deployment="eu", component="api", application="eu", runs="1", message="shown", operation_key="k")
UI = replace(OLD, deployment="ui", component="ui")


def test_the_page_of_a_place_distinguishes_what_is_not_known_from_what_runs_nothing() -> None:
    observed = (replace(OLD, runs=None), replace(UI, runs=None, failure=unread("answered 401")))
    page = presentation.details("staging / web", (), "", {}, observed, "")
    assert "- eu: nothing, " in page
    assert "- ui: not known, " in page


@pytest.mark.parametrize(
    ("role", "components", "sent"),
    [
        (Role.TARGET, ("api",), ["eu"]),
        (Role.SOURCE, ("ui",), ["ui"]),
        (Role.TARGET, (), ["eu", "ui"]),
        (Role.TARGET, ("none",), []),
        (Role.AHEAD, ("api",), []),
    ],
)
def test_a_member_learns_of_its_components_at_the_places_of_its_hop(
    role: Role, components: tuple[str, ...], sent: list[str]
) -> None:
    one = member(1, "1", Phase.WORKING, role=role, components=components)
    assert [seen.deployment for seen in observation.concerning(one, [OLD, UI])] == sent
    known = Observed(observations=(OLD, UI), moved_by={"eu": "t7", "ui": "t8"})
    assert list(observation.moves_concerning(one, known)) == sent


def test_no_one_is_named_for_what_no_one_brought() -> None:
    known = Observed(observations=(OLD, UI), moved_by={"ui": "t8"})
    assert observation.moves_concerning(member(1, "1", components=("api", "ui")), known) == {"ui": "t8"}
    assert observation.moves_concerning(None, known) == {}


@pytest.mark.parametrize(
    ("role", "phase", "settled", "message", "key"),
    [
        (Role.TARGET, Phase.HOLDER, False, "shown", "k"),
        (Role.SOURCE, Phase.WORKING, False, "shown", ""),
        (Role.SOURCE, Phase.WORKING, True, "", ""),
        (Role.TARGET, Phase.READY, False, "", ""),
        (Role.TARGET, Phase.READY, True, "", ""),
    ],
)
def test_a_member_is_sent_the_texts_that_it_shows_and_no_others(
    role: Role, phase: Phase, message: str, key: str, *, settled: bool
) -> None:
    [sent] = observation.as_sent(member(1, "1", phase, role=role), [replace(OLD, settled=settled)])
    assert (sent.message, sent.operation_key) == (message, key)


@pytest.mark.parametrize(
    ("seen", "holder", "brought_by"),
    [
        (replace(OLD, runs="2"), "t2", "t2"),
        # The revision of another component, another revision, and no longer the holder.
        (replace(UI, runs="2"), "t2", ""),
        (replace(OLD, runs="3"), "t2", ""),
        (replace(OLD, runs="2"), "t9", ""),
    ],
)
def test_the_holder_brought_what_it_promotes_and_nothing_else(seen: Observation, holder: str, brought_by: str) -> None:
    one = replace(member(2, "2", Phase.HOLDER), revision="")
    known = observation.after_read(Observed(), [seen], NOW, [one], holder)
    assert known.moved_by == ({seen.deployment: brought_by} if brought_by else {})


def test_whose_merge_commit_runs_brought_it() -> None:
    members = [member(1, "1", role=Role.SOURCE), member(2, "2", role=Role.SOURCE)]
    known = observation.after_read(Observed(), [replace(OLD, runs="2")], NOW, members, "")
    assert known.moved_by == {"eu": "t2"}


@pytest.mark.parametrize(
    ("because", "waiting", "asked"),
    [
        # A holder does not wait for itself; what it left behind when it vanished is waited for by its next attempt too.
        (HOLDS, ["u2"], ("u1",)),
        ("its last write may still be under way", ["u1", "u2"], ()),
    ],
)
def test_while_the_lane_is_held_the_others_wait_for_its_holder_who_is_asked(
    because: str, waiting: list[str], asked: tuple[str, ...]
) -> None:
    holder, other = member(1, "1", Phase.READY), member(2, "2", Phase.READY)
    view = LaneView(members=(holder, other), observations=runs(), occupied_by="t1", occupied_because=because)
    decision = decide(view, lambda _base, _head: None)
    assert list(decision.blocked_by) == waiting
    assert decision.blocked_by["u2"] == BlockedBy(tracker="t1", reason=because)
    assert decision.blockers == asked


def test_a_relation_is_known_in_both_directions_and_not_without_an_answer() -> None:
    known = KnownAncestry()
    known.learn("1", "2", Relation.AHEAD)
    assert [known("1", "2"), known("2", "1"), known("1", "1"), known("1", "3")] == [
        Relation.AHEAD,
        Relation.BEHIND,
        Relation.IDENTICAL,
        None,
    ]


def test_a_decision_keeps_what_it_read_and_of_others_the_newest() -> None:
    known = KnownAncestry()
    for number in range(RELATIONS_KEPT + 10):
        known.learn("base", str(number), Relation.AHEAD)
    known("base", "0")
    known.decided()
    kept = [one.head for one in known.relations()]
    assert len(kept) == RELATIONS_KEPT
    assert {"0", str(RELATIONS_KEPT + 9)} < set(kept)
    assert "1" not in kept


def test_a_decision_that_read_nothing_forgets_nothing() -> None:
    known = KnownAncestry()
    for number in range(RELATIONS_KEPT + 10):
        known.learn("base", str(number), Relation.AHEAD)
    known.decided()
    assert len(known.relations()) == RELATIONS_KEPT + 10


def test_only_what_the_host_did_not_know_is_forgotten() -> None:
    known = KnownAncestry()
    known.learn("1", "2", Relation.AHEAD)
    known.learn("1", "3", Relation.UNKNOWN)
    known.forget_unknown()
    assert [one.head for one in known.relations()] == ["2"]


@pytest.mark.parametrize(
    ("artifacts", "revision", "promotes"),
    [
        ((Artifact(component="api", revision="9"),), "1", [("api", "9")]),
        ((), "1", [("api", "1"), ("ui", "1")]),
        ((), None, []),
    ],
)
def test_before_its_round_a_member_promotes_its_own_merge_commit(
    artifacts: tuple[Artifact, ...], revision: str | None, promotes: list[tuple[str, str]]
) -> None:
    one = replace(member(1, "1", components=("api", "ui")), artifacts=artifacts, revision=revision)
    assert [(found.component, found.revision) for found in artifacts_of(one)] == promotes


@pytest.mark.parametrize(
    ("api", "ui", "newer"),
    [
        (Relation.AHEAD, Relation.AHEAD, True),
        (Relation.AHEAD, Relation.IDENTICAL, True),
        (Relation.AHEAD, Relation.BEHIND, False),
        (Relation.IDENTICAL, Relation.IDENTICAL, False),
        (Relation.DIVERGED, Relation.DIVERGED, False),
    ],
)
def test_a_member_is_newer_that_is_ahead_somewhere_and_behind_nowhere(
    api: Relation, ui: Relation, *, newer: bool
) -> None:
    def carrying(number: int, api: str, ui: str) -> MemberSignal:
        found = (Artifact(component="api", revision=api), Artifact(component="ui", revision=ui))
        return replace(member(number, api, components=("api", "ui")), artifacts=found)

    known = {("a1", "a2"): api, ("u1", "u2"): ui}
    asking = Comparing(lambda base, head: known.get((base, head)))
    assert is_newer(carrying(2, "a2", "u2"), carrying(1, "a1", "u1"), asking) is newer
    # A pull request of a component that the other does not touch is neither.
    assert is_newer(member(3, "3", components=("docs",)), carrying(1, "a1", "u1"), asking) is False


def test_of_two_unrelated_members_the_younger_pull_request_stays_in() -> None:
    asking = Comparing(lambda base, head: Relation.IDENTICAL if base == head else Relation.DIVERGED)
    older, younger = member(1, "1"), member(2, "2")
    assert newest_of([older, younger], asking) is younger
    assert newest_of([younger, older], asking) is younger
    assert newest_of([], asking) is None


def test_without_an_answer_no_one_is_the_newest() -> None:
    assert newest_of([member(1, "1"), member(2, "2")], Comparing(lambda _base, _head: None)) is None


LATER = {("a1", "a2"), ("u1", "u2")}


def later(base: str, head: str) -> Relation:
    """The second of a name contains the first; everything else is unrelated."""
    if base == head:
        return Relation.IDENTICAL
    return Relation.AHEAD if (base, head) in LATER else Relation.BEHIND if (head, base) in LATER else Relation.DIVERGED


@pytest.mark.parametrize(
    "promoted",
    [
        # The older pull request contains the younger one.
        [{"api": "a2"}, {"api": "a1"}],
        # A third one, of another component, put it out by age alone.
        [{"api": "a2"}, {"ui": "u1"}, {"api": "a1"}],
        # It is newer than the one that is newer than the youngest.
        [{"api": "a2"}, {"api": "a1", "ui": "u2"}, {"ui": "u1"}],
    ],
)
def test_the_newest_is_who_contains_the_others_however_old_its_pull_request(promoted: list[dict[str, str]]) -> None:
    candidates = [
        replace(
            member(number, "", components=tuple(found)),
            artifacts=tuple(Artifact(component=name, revision=revision) for name, revision in found.items()),
        )
        for number, found in enumerate(promoted, start=1)
    ]
    assert newest_of(candidates, Comparing(later)) is candidates[0]
