"""What a place carries and sends has a size in bytes, however many members and applications there are."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from activities.models.budgets import VALUE_BYTES
from activities.models.delivery import Observation
from activities.models.places import Counter, MemberSignal, Role
from activities.models.revisions import Relation
from activities.models.status import ArtifactSet
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Health, Phase
from tests.workflows.environment import world as worlds
from tests.workflows.environment.puppets import MAIN
from tests.workflows.environment.test_lane import member
from tests.workflows.environment.world import World, place
from tests.worlds.played import Played
from workflows.environment import observation
from workflows.environment.carrying import fitting
from workflows.environment.members import Roster
from workflows.environment.sending import SIGNALS_BYTES
from workflows.environment.state import (
    EnvironmentState,
    Member,
    Observed,
    ObserverState,
    RosterState,
    Sent,
)
from workflows.runtime.ancestry import KnownRelation
from workflows.sizes import encoded_size

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "n" * 63


def large_member(number: int, phase: Phase = Phase.WORKING) -> Member:
    components = tuple(f"{one:02d}{NAME}"[:63] for one in range(50))
    return Member(signal=replace(member(number, "a" * 40, phase, components=components)), received_at=NOW)


def large_observation(number: int) -> Observation:
    return Observation(
        deployment=f"{number}/{NAME}",
        component=NAME,
        application=NAME,
        runs="a" * 40,
        health=Health.DEGRADED,
        message="m" * 3000,
        operation_message="é" * 3000,
        url="http://" + "u" * 2000,
    )


def large_state(members: int) -> EnvironmentState:
    found = tuple(large_member(one, Phase.HOLDER if one == 7 else Phase.WORKING) for one in range(members))
    artifacts = tuple(Artifact(component=NAME, revision="a" * 40, image="i" * 250, tag="t" * 100) for _ in range(50))
    return EnvironmentState(
        roster=RosterState(epoch=1, listed=True, members=found),
        observer=ObserverState(
            observed=Observed(
                observations=tuple(large_observation(one) for one in range(200)),
                at=NOW,
                history=tuple(ArtifactSet(at=NOW, artifacts=artifacts) for _ in range(20)),
            )
        ),
        sent={one.signal.tracker.uid: Sent(seen="s" * 16, text="w" * 16) for one in found},
        relations=tuple(
            KnownRelation(base=f"{one:040x}", head="f" * 40, relation=Relation.AHEAD) for one in range(3000)
        ),
    )


def test_a_state_that_fits_is_carried_as_it_is() -> None:
    state = EnvironmentState(roster=RosterState(epoch=1, members=(large_member(1),)), observer=ObserverState())
    assert fitting(state) is state


def test_what_is_too_large_to_be_carried_loses_detail_and_never_the_lane() -> None:
    state = large_state(members=200)
    assert encoded_size(state) > 3 * VALUE_BYTES

    found = fitting(state)

    assert encoded_size(found) <= VALUE_BYTES
    kept = {one.signal.tracker.uid for one in found.roster.members}
    asked = {one.tracker.uid for one in found.roster.awaited}
    assert "u7" in kept
    assert kept.isdisjoint(asked)
    assert kept | asked == {one.signal.tracker.uid for one in state.roster.members}
    assert [one.runs for one in found.observer.observed.observations] == ["a" * 40] * 200


def test_a_member_that_is_asked_again_keeps_others_waiting_and_is_not_replaced_by_an_older_view() -> None:
    found = fitting(large_state(members=200))
    roster = Roster(found.roster)
    assert roster.missing
    gone = found.roster.awaited[0].tracker.uid
    signal = next(one.signal for one in large_state(members=200).roster.members if one.signal.tracker.uid == gone)

    assert not roster.receive(signal, NOW)
    assert roster.receive(replace(signal, counter=Counter(epoch=1, n=2), received=Counter(epoch=1, n=9)), NOW)
    assert gone not in {one.tracker.uid for one in roster.state().awaited}


def test_a_signal_carries_what_its_receiver_judges_by() -> None:
    seen = tuple(large_observation(one) for one in range(200))
    of: dict[str, MemberSignal] = {
        "source": replace(member(1, "a" * 40, components=(NAME,)), role=Role.SOURCE),
        "target": member(2, "a" * 40, components=(NAME,)),
        "ahead": replace(member(3, "a" * 40, components=(NAME,)), role=Role.AHEAD),
        "holder": member(4, "a" * 40, Phase.HOLDER, components=(NAME,)),
    }
    sizes = {role: encoded_size(observation.as_sent(one, seen)) for role, one in of.items()}

    assert sizes["ahead"] == len("[]")
    assert sizes["target"] < sizes["source"] < sizes["holder"] < SIGNALS_BYTES
    assert all(one.message for one in observation.as_sent(of["source"], seen))


class Ill(World):
    """A world in which a rollout goes bad everywhere at once."""

    ill = False

    def observations(self) -> tuple[Observation, ...]:
        found = super().observations()
        if not self.ill:
            return found
        return tuple(replace(one, settled=False, health=Health.DEGRADED, message="m" * 600) for one in found)


async def test_two_hundred_members_learn_of_a_hundred_applications_that_turn_ill(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "World", Ill)
    async with place(played) as world:
        assert isinstance(world, Ill)
        names = [f"web/cluster-{one:03d}" for one in range(100)]
        world.runs, world.components = dict.fromkeys(names, MAIN[0]), dict.fromkeys(names, "web")
        trackers = [await world.tracker(one, MAIN[1]) for one in range(1, 201)]
        first, last = trackers[0], trackers[-1]
        world.live.clear()
        for one in trackers:
            await one.send(Phase.WORKING, role=Role.SOURCE)
        await last.receives(lambda signal: len(signal.observed) == len(names))
        world.ill, world.runs = True, dict.fromkeys(names, MAIN[1])
        await world.place.signal("poke")

        for one in (first, last):
            found = await one.receives(lambda signal: signal.observed[:1] != () and signal.observed[0].runs == MAIN[1])
            assert len(found.observed) == len(names)
