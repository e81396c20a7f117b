"""When an instance is looked at again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from activities.models.tracking import Timings
from workflows.drift.pacing import Looked, Patience, in_turn, next_look, next_whole

TIMINGS = Timings()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def looked(**changes: bool) -> Looked:
    kept = {"confirms": False, "left": False, **changes}
    return Looked(at=NOON, whole_at=NOON, next_whole=NOON + timedelta(minutes=5), **kept)


@given(chance=st.floats(0, 1))
def test_whole_looks_come_about_every_five_minutes(chance: float) -> None:
    assert timedelta(minutes=4) <= next_whole(NOON, TIMINGS, chance) - NOON <= timedelta(minutes=6)


def test_what_was_found_is_looked_at_again_soon_and_what_had_no_turn_at_once() -> None:
    again, more = (
        next_look(looked(confirms=True), TIMINGS, poked=False),
        next_look(looked(left=True), TIMINGS, poked=False),
    )
    assert (again.again, again.at - NOON) == (True, TIMINGS.drift_confirm)
    assert (more.again, more.at - NOON) == (False, TIMINGS.poll_gap)


def test_a_poke_brings_a_look_forward_but_no_two_whole_looks_close_together() -> None:
    assert next_look(looked(), TIMINGS, poked=True).at - NOON == TIMINGS.drift_confirm
    assert next_look(looked(), TIMINGS, poked=False).at - NOON == timedelta(minutes=5)


def test_a_repository_without_answer_waits_and_after_a_while_all_others_do() -> None:
    patience = Patience(until=NOON + timedelta(seconds=30))
    assert not patience.is_over("web", NOON + timedelta(hours=1))
    patience.silent.add("web")
    assert patience.is_over("web", NOON)
    assert not patience.is_over("api", NOON + timedelta(seconds=29))
    assert patience.is_over("api", NOON + timedelta(seconds=30))


def test_who_gave_no_answer_is_asked_after_all_others_and_who_was_asked_last_at_the_end() -> None:
    assert in_turn(["web", "api", "docs", "shop"], ()) == ["web", "api", "docs", "shop"]
    assert in_turn(["web", "api", "docs", "shop"], ("api", "gone", "web")) == ["docs", "shop", "api", "web"]
