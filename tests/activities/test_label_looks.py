"""Labels as people meet them first: the colour has a meaning, and the description helps those who never read a page."""

import pytest

from activities.label_looks import look_of
from activities.models.state_labels import place_label, state_label
from crds.reasons.vocabulary import State
from providers.label_looks import default_look
from providers.models import LabelLook

NEEDS_A_PERSON = (State.TESTS_FAILED, State.PROMOTION_FAILED)
LONGEST_DESCRIPTION = 100
"""GitHub takes no more characters."""


def look(state: State) -> LabelLook:
    found = look_of(state_label(state))
    assert found is not None
    return found


@pytest.mark.parametrize("state", list(State))
def test_each_state_has_a_colour_and_a_description_that_never_claims_tests(state: State) -> None:
    assert len(look(state).colour) == 6
    assert 20 < len(look(state).description) <= LONGEST_DESCRIPTION
    assert "passed" not in look(state).description


def test_what_failed_has_one_colour_and_what_arrived_another_one() -> None:
    assert len({look(state).colour for state in NEEDS_A_PERSON}) == 1
    place = look_of(place_label("prod"))
    assert place is not None
    assert {look(State.COMPLETED).colour, place.colour} == {default_look("promoted/prod").colour}
    assert look(State.COMPLETED).colour != look(State.TESTS_FAILED).colour


def test_the_label_of_a_hop_names_its_environment_and_one_of_a_policy_when_it_comes() -> None:
    assert "promoted to prod" in default_look("promoted/prod").description
    assert "promoted" in default_look("on-the-shelf").description
    assert len(default_look(f"promoted/{'e' * 41}").description) <= LONGEST_DESCRIPTION
