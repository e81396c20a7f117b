"""What a promotion sends to its places, without a server."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.models.places import Counter, Grant, PlaceSignal, Role, SendViewInput
from activities.models.promotion import PromotionInput
from activities.models.tracking import Timings, TrackerRef, TrackerSpec
from crds.reasons.vocabulary import Phase, State
from tests.worlds.declared import a_policy
from workflows.policies import AWAITED_WITHIN
from workflows.promotion.membership import Membership
from workflows.promotion.state import Hop, PromotionState

BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Line:
    """A promotion that stands in the line of staging, and notes what it sends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, Phase, bool]] = []
        self._now = BEGAN
        patch.setattr(workflow, "now", lambda: self._now)
        patch.setattr(workflow, "info", lambda: SimpleNamespace(workflow_id="promotion/i/shop/web-1/u1/1"))
        patch.setattr(workflow, "execute_activity_method", self._send)
        story = PromotionState(
            started_at=BEGAN, state=State.READY_TO_PROMOTE, environment="dev", ahead=("staging", "prod")
        )
        story.hop = Hop(number=0, policy=a_policy(), approved_by="ada")
        request = PromotionInput(
            installation="i",
            tracker=TrackerRef(namespace="shop", name="web-1", uid="u1", attempt=1),
            spec=TrackerSpec(repository="web", number=1, environment="dev"),
            timings=Timings(),
        )
        self.story = story
        self.places = Membership(request, story)

    async def _send(self, _activity: Any, request: SendViewInput, **_config: Any) -> None:
        self._now += timedelta(milliseconds=3)
        self.sent.append((request.environment, request.signal.phase, request.signal.held))

    def grant(self) -> None:
        """Let staging grant the lane to the Ready that it received last."""
        ready = self.places.ready_counter
        assert ready is not None
        signal = PlaceSignal(
            environment="staging",
            counter=Counter(epoch=1, n=1),
            observed=(),
            observed_at=BEGAN,
            grant=Grant(answers=ready, hop=0),
        )
        self.places.receive(signal)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    """A promotion without a server."""
    return Line(monkeypatch)


async def test_a_release_is_sent_everywhere_but_where_a_received_grant_is_still_to_be_answered(line: Line) -> None:
    places = line.places
    await places.send("dev", Role.SOURCE, Phase.WORKING)
    await places.set_phase(Phase.READY)
    line.grant()
    assert places.granted
    line.sent.clear()
    places.hold_changed()
    await places.answer()
    assert line.sent == [("prod", Phase.GONE, False), ("dev", Phase.WORKING, False)]
    assert not places.unanswered


async def test_a_release_is_sent_to_the_target_that_has_not_granted(line: Line) -> None:
    places = line.places
    await places.set_phase(Phase.READY)
    line.sent.clear()
    places.hold_changed()
    await places.answer()
    assert line.sent == [("staging", Phase.READY, False), ("prod", Phase.GONE, False)]


async def test_a_place_that_could_not_be_signalled_in_time_is_signalled_at_the_next_wait(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = ActivityError(
        "late",
        scheduled_event_id=1,
        started_event_id=1,
        identity="",
        activity_type="",
        activity_id="",
        retry_state=None,
    )
    bounds: list[timedelta | None] = []

    async def refuse(_activity: Any, _request: SendViewInput, **config: Any) -> None:
        bounds.append(config.get("schedule_to_close_timeout"))
        raise late

    with monkeypatch.context() as patch:
        patch.setattr(workflow, "execute_activity_method", refuse)
        patch.setattr(workflow, "logger", SimpleNamespace(warning=lambda *_args, **_more: None))
        await line.places.send("dev", Role.SOURCE, Phase.WORKING)
    assert bounds == [AWAITED_WITHIN]
    assert line.places.unanswered
    await line.places.answer()
    assert line.sent == [("dev", Phase.WORKING, False)]
    assert not line.places.unanswered


def granting(answers: Counter, *, n: int = 1) -> PlaceSignal:
    grant = Grant(answers=answers, hop=0)
    return PlaceSignal(
        environment="staging", counter=Counter(epoch=1, n=n), observed=(), observed_at=BEGAN, grant=grant
    )


async def test_a_grant_that_answers_an_earlier_ready_is_not_taken_and_is_answered(line: Line) -> None:
    places = line.places
    await places.set_phase(Phase.READY)
    stale = places.ready_counter
    assert stale is not None
    await places.set_phase(Phase.READY)
    places.receive(granting(stale))
    assert not places.granted
    line.sent.clear()
    await places.answer()
    assert line.sent == [("staging", Phase.READY, False)]


async def test_a_grant_of_an_attempt_before_is_not_taken(line: Line) -> None:
    places = line.places
    await places.set_phase(Phase.READY)
    ready = places.ready_counter
    assert ready is not None
    places.receive(granting(Counter(epoch=ready.epoch - 1, n=ready.n + 1)))
    assert not places.granted
    places.receive(granting(ready, n=2))
    assert places.granted


async def test_a_grant_is_not_taken_by_who_wants_the_lane_no_more(line: Line) -> None:
    places = line.places
    await places.set_phase(Phase.READY)
    ready = places.ready_counter
    assert ready is not None
    places.leave_line()
    places.receive(granting(ready))
    assert not places.granted
    assert places.unanswered
