"""The deadline of a wave counts the time in which the wave could be seen, and no other."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from activities.models.configuration import EnvironmentView
from activities.models.failures import Failure
from crds.reasons.problems import FailureKind
from tests.workflows.promotion.rules.test_waves import BEHIND, MINUTE, NOW, WEB, a_hop
from workflows.promotion.rules.boundaries import begin_wave, deadline, note_look, shown_deadline
from workflows.promotion.rules.waves import unseen
from workflows.promotion.state import Hop

VIEW = EnvironmentView(name="prod", deployments=(WEB,), delivery_timeout=15 * MINUTE, final=False, vars={})


def after(*looks: tuple[timedelta, bool]) -> tuple[Hop, datetime]:
    """Return a wave after looks, each so long after the one before, with whether it was unseen."""
    hop, now = a_hop(view=VIEW), NOW
    begin_wave(hop, 0, now)
    for pause, dark in looks:
        now += pause
        note_look(hop, now, unseen=dark, longest=MINUTE)
    return hop, now


@pytest.mark.parametrize(
    ("looks", "counted"),
    [
        (((MINUTE, False), (MINUTE, False)), 2 * MINUTE),
        (((MINUTE, False), (MINUTE, True), (30 * MINUTE, True), (MINUTE, False)), MINUTE),
        (((MINUTE, False), (30 * MINUTE, False)), 2 * MINUTE),
    ],
    ids=["seen", "Argo CD away", "no worker"],
)
def test_only_time_in_which_the_wave_was_seen_counts(
    looks: tuple[tuple[timedelta, bool], ...], counted: timedelta
) -> None:
    hop, now = after(*looks)
    assert deadline(hop, VIEW, now) - now == VIEW.delivery_timeout - counted


def test_no_deadline_is_shown_while_it_stands_still() -> None:
    assert shown_deadline(after((MINUTE, True))[0]) is None
    hop, now = after((MINUTE, True), (MINUTE, False))
    assert shown_deadline(hop) == now + VIEW.delivery_timeout


def test_a_window_that_stands_still_is_not_counted_twice() -> None:
    hop, now = after((MINUTE, False))
    hop.blocked_since = now
    note_look(hop, now + 30 * MINUTE, unseen=False, longest=MINUTE)
    assert hop.wave_started == NOW


@pytest.mark.parametrize(
    ("kind", "stands"),
    [
        (FailureKind.UNAVAILABLE, True),
        (FailureKind.RATE_LIMITED, True),
        (FailureKind.EXPIRED, True),
        (FailureKind.API_UNAVAILABLE, True),
        (FailureKind.UNAUTHORIZED, False),
        (FailureKind.NOT_FOUND, False),
    ],
)
def test_a_system_that_is_away_stops_the_deadline_and_one_that_refuses_does_not(
    kind: FailureKind, stands: bool
) -> None:
    failure = Failure(kind=kind, message="503", object="ArgoCDInstance/argocd")
    blind = replace(BEHIND, failure=failure.brief())
    assert unseen(a_hop(), [WEB], {"web": BEHIND}) is False
    assert unseen(a_hop(), [WEB], {"web": blind}) is stands
    assert unseen(a_hop(write_failure=failure), [WEB], {"web": BEHIND}) is stands
