"""The lane's rules as properties over random histories, members and places."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from activities.models.delivery import Observation
from activities.models.places import BlockedBy, Counter, MemberSignal, Role
from activities.models.revisions import Relation
from activities.models.tracking import Artifact, TrackerRef
from crds.reasons.vocabulary import Phase
from workflows.environment.lane import UNANSWERED, LaneView, decide
from workflows.runtime.ancestry import KnownAncestry

COMPONENTS = ("api", "ui")


def relation(base: str, head: str) -> Relation:
    """Compare commits named by their number on the main line; `x…` are hotfixes."""
    if base == head:
        return Relation.IDENTICAL
    if base.startswith("x") or head.startswith("x"):
        return Relation.DIVERGED
    return Relation.AHEAD if int(head) > int(base) else Relation.BEHIND


def member(
    number: int,
    revision: str,
    phase: Phase = Phase.READY,
    *,
    held: bool = False,
    role: Role = Role.TARGET,
    components: tuple[str, ...] = ("api",),
) -> MemberSignal:
    return MemberSignal(
        tracker=TrackerRef(namespace="shop", name=f"t{number}", uid=f"u{number}", attempt=1),
        number=number,
        workflow_id=f"w{number}",
        counter=Counter(epoch=1, n=1),
        hop=0,
        role=role,
        phase=phase,
        held=held,
        revision=revision,
        components=components,
        artifacts=tuple(Artifact(component=name, revision=revision) for name in components),
    )


def runs(api: str | None = "0", ui: str | None = "0") -> tuple[Observation, ...]:
    found = {"api": api, "ui": ui}
    return tuple(
        Observation(deployment=name, component=name, application=name, runs=found[name]) for name in COMPONENTS
    )


def view(*members: MemberSignal, observations: tuple[Observation, ...] = ()) -> LaneView:
    return LaneView(members=members, observations=observations or runs())


members = st.builds(
    member,
    st.integers(1, 8),
    st.integers(1, 6).map(str) | st.sampled_from(["x1", "x2"]),
    st.sampled_from([Phase.WORKING, Phase.READY, Phase.FAILED]),
    held=st.booleans(),
    role=st.sampled_from([Role.TARGET, Role.TARGET, Role.SOURCE, Role.AHEAD]),
    components=st.sampled_from([("api",), ("ui",), COMPONENTS]),
)
crowds = st.lists(members, max_size=6, unique_by=lambda one: one.tracker.uid).map(tuple)


@given(crowds)
def test_only_a_ready_member_of_the_target_is_granted_and_no_one_while_the_lane_is_occupied(
    crowd: tuple[MemberSignal, ...],
) -> None:
    decision = decide(view(*crowd), relation)
    granted = [one for one in crowd if one.tracker.uid == decision.grant]
    assert all(one.role is Role.TARGET and one.phase is Phase.READY and not one.held for one in granted)
    occupied = replace(view(*crowd), occupied_by="somebody", occupied_because="holds the lane")
    assert decide(occupied, relation).grant is None
    assert decide(replace(view(*crowd), missing=("t9",)), relation).grant is None
    assert decide(replace(view(*crowd), unobserved="no answer"), relation).grant is None


def test_while_the_live_trackers_are_not_listed_each_ready_member_learns_why() -> None:
    ready = member(1, "1", Phase.READY)
    unlisted = replace(view(ready), missing=("",), unlisted="forbidden")
    assert decide(unlisted, relation).blocked_by == {ready.tracker.uid: BlockedBy(tracker="", reason="forbidden")}
    silent = replace(unlisted, missing=("t9", ""))
    assert decide(silent, relation).blocked_by == {ready.tracker.uid: BlockedBy(tracker="t9", reason=UNANSWERED)}


@given(crowds, st.booleans())
def test_while_reads_fail_in_passing_nothing_is_granted_and_holds_keep_their_names(
    crowd: tuple[MemberSignal, ...], seen: bool
) -> None:
    calm = decide(view(*crowd), relation)
    hiccup = replace(view(*crowd), unobserved="no answer", briefly=True)
    found = decide(hiccup if seen else replace(hiccup, observations=()), relation)
    assert found.grant is None
    held = {uid: block for uid, block in calm.blocked_by.items() if block.reason == "is held"}
    assert found.blocked_by == (held if seen else {})
    holder = replace(hiccup, occupied_by="t9", occupied_because="holds the lane")
    assert {block.tracker for block in decide(holder, relation).blocked_by.values()} <= {"t9"}


@given(crowds)
def test_a_granted_artifact_contains_no_held_change_that_the_place_does_not_run(
    crowd: tuple[MemberSignal, ...],
) -> None:
    decision = decide(view(*crowd), relation)
    for granted in (one for one in crowd if one.tracker.uid == decision.grant):
        for held in (one for one in crowd if one.held and one.revision):
            shared = set(held.components) & set(granted.components)
            moved = relation(held.revision or "", granted.revision or "") in (Relation.AHEAD, Relation.IDENTICAL)
            assert not (shared and moved)


@given(crowds)
def test_every_ready_member_that_is_not_granted_waits_for_somebody_named(crowd: tuple[MemberSignal, ...]) -> None:
    decision = decide(view(*crowd), relation)
    ready = {one.tracker.uid for one in crowd if one.role is Role.TARGET and one.phase is Phase.READY}
    assert set(decision.blocked_by) == ready - {decision.grant}
    assert not decision.pairs


@given(crowds)
def test_no_ready_member_that_may_go_contains_the_granted_one(crowd: tuple[MemberSignal, ...]) -> None:
    decision = decide(view(*crowd), relation)
    for granted in (one for one in crowd if one.tracker.uid == decision.grant):
        for other in crowd:
            free = decision.blocked_by.get(other.tracker.uid)
            if free is None or free.reason == "is held" or set(other.components) != set(granted.components):
                continue
            assert relation(granted.revision or "", other.revision or "") is not Relation.AHEAD


@given(crowds)
def test_asking_for_what_is_missing_leads_to_the_same_decision(crowd: tuple[MemberSignal, ...]) -> None:
    known = KnownAncestry()
    for _ in range(60):
        decision = decide(view(*crowd), known)
        if not decision.pairs:
            break
        assert decision.grant is None
        pair = decision.pairs[0]
        known.learn(pair.base, pair.head, relation(pair.base, pair.head))
    assert decide(view(*crowd), known) == decide(view(*crowd), relation)


def test_a_hold_counts_in_any_phase_and_role_on_a_shared_component_only() -> None:
    for phase in (Phase.WORKING, Phase.FAILED, Phase.READY):
        for role in Role:
            held = member(1, "1", phase, held=True, role=role)
            assert decide(view(held, member(2, "2")), relation).grant is None
            elsewhere = replace(held, components=("ui",))
            assert decide(view(elsewhere, member(2, "2")), relation).grant == "u2"


def test_a_held_change_that_the_place_runs_already_holds_no_one_up() -> None:
    held = member(1, "1", Phase.WORKING, held=True, role=Role.SOURCE)
    assert decide(view(held, member(2, "2"), observations=runs(api="1")), relation).grant == "u2"
    half = runs(api="1")
    half = (replace(half[0], written="0"), half[1])
    assert decide(view(held, member(2, "2"), observations=half), relation).grant is None


def test_a_failed_test_of_a_contained_change_holds_no_one_up() -> None:
    assert decide(view(member(1, "1", Phase.WORKING), member(2, "2")), relation).grant == "u2"


def test_when_the_newest_may_not_go_the_next_one_does() -> None:
    held = member(2, "2", Phase.WORKING, held=True)
    decision = decide(view(member(1, "1"), held, member(3, "3")), relation)
    assert decision.grant == "u1"
    assert decision.blocked_by["u3"].tracker == "t2"
    assert decision.blockers == ("u2",)


def test_a_commit_that_the_host_does_not_know_keeps_its_hold() -> None:
    held = member(1, "gone", Phase.WORKING, held=True)

    def host(base: str, head: str) -> Relation:
        return Relation.UNKNOWN if "gone" in (base, head) else relation(base, head)

    assert decide(view(held, member(2, "2")), host).grant is None
