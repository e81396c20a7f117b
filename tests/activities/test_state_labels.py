"""Which labels are added and removed: the tracker's state wins, others' labels stay, people who insist win."""

from dataclasses import replace

import pytest

from activities.label_looks import look_of
from activities.labelling import LabelManager
from activities.models.label_sync import LabelsLeft, LabelsReason
from activities.models.state_labels import HOLD, STATES_BY_LABEL, place_label, state_label
from activities.state_labels import LabelNames, WantedLabels, plan_labels, read_labels
from crds.reasons.vocabulary import State
from providers.errors import ProviderUnavailable
from providers.models import Capabilities
from tests.activities.fakes import FakeScm

NAMES = LabelNames()
TESTING = WantedLabels(state=state_label(State.TESTING), place=place_label("dev"), stay=("promoted/dev",))
ALL = ("pilotage/testing", "pilotage/env/dev", "promoted/dev")
LEFT = LabelsLeft(state="pilotage/testing")


def test_the_names_of_states_fit_every_host_with_the_longest_prefix() -> None:
    names = LabelNames(prefix="p" * 20, limit=50)
    assert [label for label in STATES_BY_LABEL if not names.fits(names.at_host(label))] == []


@pytest.mark.parametrize(
    ("there", "state"),
    [
        ((), None),
        (("bug",), None),
        (("pilotage/testing",), State.TESTING),
        (("pilotage/completed", "pilotage/tests-failed"), State.TESTS_FAILED),
        (("pilotage/hold", "pilotage/drifted", "pilotage/env/dev"), None),
    ],
)
def test_no_label_is_no_state_and_of_several_the_earliest_holds(there: tuple[str, ...], state: State | None) -> None:
    reading = read_labels(NAMES, there)
    assert (reading.state, reading.ignored) == (state, ())


def test_a_label_of_our_prefix_that_means_nothing_is_named_and_left_alone() -> None:
    plan = plan_labels(NAMES, TESTING, (*ALL, "pilotage/skip-e2e"), LEFT)
    assert (plan.add, plan.remove, plan.reading.ignored) == ((), (), ("pilotage/skip-e2e",))


def test_another_state_and_another_place_go_and_what_is_not_ours_stays() -> None:
    there = ("bug", "pilotage/completed", "pilotage/env/prod", "pilotagetesting", "promoted/qa")
    plan = plan_labels(NAMES, TESTING, there, LEFT)
    assert (plan.add, plan.remove) == (ALL, ("pilotage/completed", "pilotage/env/prod"))


def test_an_instruction_goes_only_once_it_was_answered() -> None:
    there = (*ALL, HOLD)
    assert plan_labels(NAMES, TESTING, there, LEFT).remove == ()
    assert plan_labels(NAMES, replace(TESTING, cleared=(HOLD,)), there, LEFT).remove == (HOLD,)
    assert plan_labels(NAMES, replace(TESTING, steering_labels=(HOLD,)), ALL, LEFT).add == (HOLD,)


def test_a_state_label_taken_off_comes_back_once_and_then_stays_off_until_the_state_changes() -> None:
    without = ALL[1:]
    first = plan_labels(NAMES, TESTING, without, LEFT)
    assert (first.add, first.left.removals, first.reason) == (("pilotage/testing",), 1, LabelsReason.IN_SYNC)
    second = plan_labels(NAMES, TESTING, without, first.left)
    assert (second.add, second.reason) == ((), LabelsReason.REMOVED_BY_USER)
    third = plan_labels(NAMES, TESTING, without, second.left)
    assert (third.add, third.left) == ((), second.left)
    failed = replace(TESTING, state="pilotage/tests-failed")
    assert plan_labels(NAMES, failed, without, third.left).add == ("pilotage/tests-failed",)
    put_back = plan_labels(NAMES, TESTING, ALL, third.left)
    assert (put_back.left.removals, put_back.reason) == (0, LabelsReason.IN_SYNC)


def test_a_name_that_the_host_has_no_room_for_is_left_out_and_named() -> None:
    wanted = replace(TESTING, place=place_label("e" * 63))
    plan = plan_labels(NAMES, wanted, (), LabelsLeft())
    assert plan.add == ("pilotage/testing", "promoted/dev")
    assert (plan.too_long, plan.reason) == ((f"pilotage/env/{'e' * 63}",), LabelsReason.NAME_TOO_LONG)


def test_another_prefix_is_that_of_our_own_labels_alone() -> None:
    names = LabelNames(prefix="ship:")
    there = ("pilotage/testing", "ship:synced", "ship:env/qa")
    plan = plan_labels(names, TESTING, there, LabelsLeft())
    assert plan.add == ("ship:testing", "ship:env/dev", "promoted/dev")
    assert plan.remove == ("ship:synced", "ship:env/qa")


def test_every_label_of_ours_has_a_colour_and_an_explanation() -> None:
    looks = [look_of(label) for label in (*STATES_BY_LABEL, HOLD, place_label("dev"))]
    assert all(look is not None and len(look.colour) == 6 and look.description for look in looks)


async def test_what_is_wanted_is_added_in_one_call_and_the_second_look_is_consistent() -> None:
    scm = FakeScm(label_names=["bug", "pilotage/synced"])
    labels = LabelManager(scm)
    done = await labels.sync_to_scm(412, TESTING, left=LabelsLeft(), remembered=())
    assert scm.calls == ["add_labels", "remove_label"]
    assert (done.result.initial_state, done.result.final_state) == ("Synced", "Testing")
    assert (done.result.labels_added, done.result.labels_removed) == (ALL, ("pilotage/synced",))
    scm.calls.clear()
    again = await labels.sync_to_scm(412, TESTING, left=done.left, remembered=done.shown)
    assert (scm.calls, again.result.consistent, again.writes) == (["list_labels"], True, 0)
    assert scm.label_names == ["bug", *ALL]


async def test_one_that_is_interrupted_between_adding_and_removing_is_finished_by_the_next() -> None:
    scm = FakeScm(label_names=["pilotage/synced"], errors={"remove_label": [ProviderUnavailable("down")]})
    labels = LabelManager(scm)
    with pytest.raises(ProviderUnavailable):
        await labels.sync_to_scm(412, TESTING, left=LabelsLeft(), remembered=())
    reading = await labels.get_current_state(412)
    assert reading.states == (State.SYNCED, State.TESTING)
    await labels.sync_to_scm(412, TESTING, left=LabelsLeft())
    assert scm.label_names == list(ALL)


async def test_names_are_compared_as_the_host_compares_them() -> None:
    scm = FakeScm(label_names=["Pilotage/Testing"], capabilities=Capabilities(label_case=False))
    labels = LabelManager(scm)
    assert (await labels.get_current_state(412)).state is State.TESTING
    await labels.sync_to_scm(412, TESTING, left=LabelsLeft())
    assert scm.label_names == ["Pilotage/Testing", *ALL[1:]]
