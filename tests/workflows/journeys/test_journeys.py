"""Waves, Retest, holds and the lane, under every fault that the world knows, by the workflows themselves."""

from collections.abc import Callable

import pytest

from tests.workflows.environment.facts import Broken
from tests.workflows.journeys import journey
from tests.workflows.journeys.moods import Kind
from tests.workflows.journeys.oracle import Oracle
from tests.workflows.journeys.weakened import WEAKENED, Replace

STORIES = 12
"""Of each kind; offline, `python -m tests.workflows.journeys.journey FIRST COUNT` lives through more."""


def live_through(seeds: range, kind: Kind) -> list[Oracle]:
    """Live through the stories of these seeds."""
    return [journey.run(seed, kind=kind) for seed in seeds]


@pytest.mark.parametrize("kind", Kind)
def test_no_journey_breaks_a_guarantee_and_everybody_ends_or_waits_with_a_reason(kind: Kind) -> None:
    stories = live_through(range(STORIES), kind)
    assert sum(one.grants for one in stories) > STORIES
    assert sum(one.later_waves for one in stories) > STORIES
    if kind is Kind.FAILING:
        assert sum(one.failed_waves for one in stories) > 1
        assert sum(one.retries for one in stories) > 1
    if kind is Kind.BUSY:
        assert max(one.rounds for one in stories) > 1


@pytest.mark.parametrize(
    ("weaken", "kind", "first"), WEAKENED, ids=[weaken.__name__ for weaken, _kind, _first in WEAKENED]
)
def test_the_journeys_notice_a_rule_that_is_missing(
    weaken: Callable[[Replace], None], kind: Kind, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken(monkeypatch.setattr)
    with pytest.raises(Broken):
        live_through(range(first, first + 100), kind)
