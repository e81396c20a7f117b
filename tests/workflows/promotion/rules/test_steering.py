"""What an instruction that is read late still means: only what its author saw."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.promotion import Verb
from activities.models.state_labels import HOLD
from activities.models.steering import Instruction
from crds.reasons.vocabulary import State
from tests.worlds.declared import a_policy
from workflows.promotion.rules import rounds, steering
from workflows.promotion.rules.steering import CLOCKS_DIFFER_BY, Subject
from workflows.promotion.state import Hold, Hop, PromotionState, Round

SECOND = timedelta(seconds=1)
HOP_BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROUND_BEGAN = HOP_BEGAN + timedelta(minutes=10)
ABOUT = Subject(hop=1, target="prod")


def a_story(**changes: object) -> PromotionState:
    """Return a change that is ready to be promoted from staging to prod."""
    round_ = Round(number=1, artifacts=(), tests=[], started_at=ROUND_BEGAN, began_at=ROUND_BEGAN)
    hop = Hop(number=1, policy=a_policy("staging", "prod", auto=False), began_at=HOP_BEGAN, round=round_)
    story = PromotionState(started_at=HOP_BEGAN, state=State.READY_TO_PROMOTE, environment="staging", hop=hop)
    return replace(story, **changes)  # type: ignore[arg-type]


def written(verb: str, at: datetime | None, *, label: str = "") -> Instruction:
    return Instruction(id="c1", verb=verb, by="grace", allowed=True, at=at, label=label)


@pytest.mark.parametrize(
    ("verb", "at", "why_not"),
    [
        ("promote", HOP_BEGAN - SECOND, "before this hop began"),
        ("promote", HOP_BEGAN + SECOND, "before this round of tests began"),
        ("promote", ROUND_BEGAN - SECOND, "before this round of tests began"),
        ("promote", ROUND_BEGAN, ""),
        ("promote", None, ""),
        ("retest", HOP_BEGAN - 2 * CLOCKS_DIFFER_BY, "before this hop began"),
        ("retest", ROUND_BEGAN - 2 * CLOCKS_DIFFER_BY, "before this round of tests began"),
        ("retest", ROUND_BEGAN - CLOCKS_DIFFER_BY, ""),
        ("hold", HOP_BEGAN - timedelta(days=1), ""),
    ],
)
def test_what_begins_something_counts_for_the_hop_and_the_round_that_its_author_saw(
    verb: str, at: datetime | None, why_not: str
) -> None:
    means = steering.meaning(a_story(), written(verb, at), ABOUT)
    assert why_not in means.why_not
    assert (means.verb is None) == bool(why_not)


@pytest.mark.parametrize("verb", ["promote", "retest"])
@pytest.mark.parametrize("about", [Subject(), Subject(hop=0, target="staging"), Subject(hop=0, target="prod")])
def test_what_was_judged_for_another_hop_counts_for_none(verb: str, about: Subject) -> None:
    means = steering.meaning(a_story(), written(verb, None), about)
    assert (means.verb, "before this hop began" in means.why_not) == (None, True)


def test_a_command_of_a_look_names_the_target_whose_teams_were_asked_and_a_hold_none() -> None:
    for verb, target in (("promote", "prod"), ("retest", "prod"), ("hold", ""), ("release", "")):
        assert steering.command(written(verb, None), ABOUT).target_environment == target


@pytest.mark.parametrize(
    ("hold_written", "released", "counts"),
    [
        (None, -SECOND, False),
        (None, timedelta(0), True),
        # By the host's clock alone: the hold was found minutes after it was written, the release together with it.
        (-timedelta(minutes=5), -timedelta(minutes=4), True),
        (-timedelta(minutes=5), -timedelta(minutes=6), False),
    ],
)
def test_a_release_counts_for_no_hold_that_began_after_it_was_written(
    hold_written: timedelta | None, released: timedelta, counts: bool
) -> None:
    since = ROUND_BEGAN + timedelta(hours=1)
    story = a_story(hold=Hold(by="ada", since=since, written_at=None if hold_written is None else since + hold_written))
    means = steering.meaning(story, written("release", since + released, label=HOLD), ABOUT)
    assert (means.verb is Verb.RELEASE) is counts
    assert ("before ada's hold began" in means.why_not) is not counts


def test_a_hold_from_the_pull_request_keeps_when_it_was_written() -> None:
    story = a_story(hold=Hold(by="grace", since=ROUND_BEGAN))
    steering.note_hold(story, written("retest", HOP_BEGAN))
    assert story.hold is not None
    assert story.hold.written_at is None
    steering.note_hold(story, written("hold", HOP_BEGAN))
    assert story.hold.written_at == HOP_BEGAN


def test_a_hold_moves_the_deadlines_of_a_round_and_not_when_it_began() -> None:
    story = a_story()
    assert story.hop is not None
    round_ = rounds.new_round(story, story.hop, (), ROUND_BEGAN)
    rounds.shift(round_, timedelta(hours=1))
    assert (round_.began_at, round_.started_at) == (ROUND_BEGAN, ROUND_BEGAN + timedelta(hours=1))
