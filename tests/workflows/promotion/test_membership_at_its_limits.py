"""Conditions of a membership that other tests pass by: each case differs from its neighbour in one of them alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.models.configuration import FindPolicyInput, FindPolicyResult, PolicyOutcome
from activities.models.delivery import Observation, ReadDeploymentsInput
from activities.models.memberships import SendViewsInput, SendViewsResult, TakeLaneInput, TakeLaneResult
from activities.models.places import Counter, Grant, MemberSignal, PlaceSignal, Role, SendViewInput
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Phase
from tests.workflows.promotion.test_membership import BEGAN, Line
from workflows.promotion.membership import Membership
from workflows.promotion.state import Hold, Round

HELD = Hold(by="ada", since=BEGAN)
LATER = datetime(2026, 11, 21, 13, tzinfo=UTC)


class AnsweredLine(Line):
    """A promotion whose signals are kept as they are, and whose questions are answered."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(patch)
        self.signals: list[MemberSignal] = []
        self.asked: list[str] = []
        self.answer: PlaceSignal | None = None
        self.refused = ""
        """Why it cannot be read who is ahead."""
        self.away = False
        """Whether no place can be signalled."""
        self.lanes: list[TakeLaneInput] = []
        """Calls that take the lane, or stand in line for it."""
        self.lane = TakeLaneResult()
        """What they answer."""
        self.bounded: list[bool] = []
        """Of each time that places were signalled: whether that has an end."""
        patch.setattr(workflow, "logger", SimpleNamespace(warning=lambda *_args, **_more: None))
        patch.setattr(workflow, "execute_activity_method", self._execute)

    async def _execute(self, activity: Any, request: Any, **config: Any) -> Any:
        if isinstance(request, FindPolicyInput):
            self.asked.append(request.environment)
            if self.refused:
                raise failed(self.refused)
            return FindPolicyResult(outcome=PolicyOutcome.NOT_FOUND, ahead=("staging",))
        if isinstance(request, TakeLaneInput):
            if self.away:
                raise failed("away")
            self.lanes.append(request)
            return self.lane
        views = request.views if isinstance(request, SendViewsInput) else (request,)
        self.bounded.append(bool(config.get("schedule_to_close_timeout")))
        if self.away:
            raise failed("away")
        for one in views:
            assert isinstance(one, SendViewInput)
            self.signals.append(one.signal)
            await self._send(activity, one, **config)
        return SendViewsResult(answer=self.answer) if isinstance(request, SendViewsInput) else self.answer

    def later(self, pause: timedelta) -> None:
        """Let time pass."""
        self._now += pause


def failed(why: str) -> ActivityError:
    """Return what an activity raises that was refused for good."""
    error = ActivityError(
        "refused",
        scheduled_event_id=1,
        started_event_id=1,
        identity="",
        activity_type="",
        activity_id="",
        retry_state=None,
    )
    error.__cause__ = ApplicationError(why, type="Forbidden", non_retryable=True)
    return error


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> AnsweredLine:
    """A promotion without a server."""
    return AnsweredLine(monkeypatch)


def view(
    n: int = 1, *, environment: str = "staging", epoch: int = 1, answers: Counter | None = None, asks: bool = False
) -> PlaceSignal:
    """What a place sends."""
    return PlaceSignal(
        environment=environment,
        counter=Counter(epoch=epoch, n=n),
        observed=(),
        observed_at=BEGAN,
        grant=Grant(answers=answers, hop=0) if answers else None,
        asks=asks,
    )


def ready(line: Line) -> Counter:
    """The counter of the Ready that was sent last."""
    counter = line.places.ready_counter
    assert counter is not None
    return counter


def test_only_a_newer_view_replaces_the_one_that_is_known(line: AnsweredLine) -> None:
    places = line.places
    for n, observed_at, kept in ((2, BEGAN, BEGAN), (2, LATER, BEGAN), (1, LATER, BEGAN), (3, LATER, LATER)):
        places.receive(replace(view(n), observed_at=observed_at))
        found = places.view("staging")
        assert found is not None
        assert found.observed_at == kept


async def test_a_place_that_sends_first_is_answered_unless_it_knows_us(line: AnsweredLine) -> None:
    owed: list[bool] = []
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    for signal in (view(), view(environment="prod")):
        line.places.receive(signal)
        owed.append(line.places.unanswered)
    line.sent.clear()
    await line.places.answer()
    assert line.sent == [("prod", Phase.GONE, False)]
    line.places.receive(view(2, environment="prod"))
    owed.append(line.places.unanswered)
    assert owed == [False, True, False]


@pytest.mark.parametrize(("epoch", "answered"), [(1, False), (2, True)])
async def test_a_new_run_of_a_place_is_answered(line: AnsweredLine, epoch: int, answered: bool) -> None:
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    line.places.receive(view(1))
    line.places.receive(view(2, epoch=epoch))
    assert line.places.unanswered is answered


@pytest.mark.parametrize("asks", [False, True])
async def test_a_place_that_asks_is_answered(line: AnsweredLine, asks: bool) -> None:
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    line.places.receive(view(1, asks=asks))
    assert line.places.unanswered is asks


async def test_a_grant_is_taken_by_who_stands_in_line_and_is_not_answered_then(line: AnsweredLine) -> None:
    await line.places.set_phase(Phase.READY)
    line.places.receive(view(1, answers=ready(line)))
    assert (line.places.granted, line.places.unanswered) == (True, False)


async def test_a_grant_that_a_held_tracker_is_given_is_declined(line: AnsweredLine) -> None:
    await line.places.set_phase(Phase.READY)
    line.story.hold = HELD
    line.places.receive(view(1, answers=ready(line)))
    assert (line.places.granted, line.places.unanswered) == (False, True)


async def test_a_grant_of_a_place_that_is_not_the_target_is_declined(line: AnsweredLine) -> None:
    await line.places.set_phase(Phase.READY)
    await line.places.send("prod", Role.AHEAD, Phase.WORKING)
    line.places.receive(view(1, environment="prod", answers=ready(line)))
    assert (line.places.granted, line.places.unanswered) == (False, True)
    await line.places.answer()
    line.story.hop = None
    line.places.receive(view(1, answers=ready(line)))
    assert (line.places.granted, line.places.unanswered) == (False, True)


async def test_a_grant_that_comes_again_to_its_holder_is_not_answered(line: AnsweredLine) -> None:
    await line.places.set_phase(Phase.READY)
    answers = ready(line)
    await line.places.set_phase(Phase.HOLDER)
    line.places.receive(view(1, answers=answers))
    assert not line.places.unanswered
    await line.places.set_phase(Phase.WORKING)
    line.places.receive(view(2, answers=answers))
    assert (line.places.granted, line.places.unanswered) == (False, True)


async def test_a_view_without_a_grant_is_not_answered_by_who_stands_in_line(line: AnsweredLine) -> None:
    await line.places.set_phase(Phase.READY)
    line.places.receive(view(1))
    assert (line.places.granted, line.places.unanswered) == (False, False)


async def test_who_leaves_the_line_takes_no_grant_of_before(line: AnsweredLine) -> None:
    await line.places.set_phase(Phase.READY)
    line.places.receive(view(1, answers=ready(line)))
    await line.places.set_phase(Phase.WORKING)
    assert (line.places.granted, line.places.ready_counter) == (False, None)
    await line.places.set_phase(Phase.READY)
    line.places.receive(view(2, answers=ready(line)))
    await line.places.set_phase(Phase.READY)
    assert line.places.granted


async def test_ready_elsewhere_or_another_phase_here_is_no_ready_at_the_target(line: AnsweredLine) -> None:
    await line.places.send("dev", Role.SOURCE, Phase.READY)
    assert line.places.ready_counter is None
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    assert line.places.ready_counter is None


async def test_without_a_hop_a_phase_is_kept_and_not_sent(line: AnsweredLine) -> None:
    line.story.hop = None
    await line.places.set_phase(Phase.WORKING)
    assert line.sent == []


@pytest.mark.parametrize(("phase", "stays"), [(Phase.WORKING, True), (Phase.GONE, False), (Phase.ARRIVED, False)])
async def test_who_leaves_a_place_is_no_member(line: AnsweredLine, phase: Phase, stays: bool) -> None:
    await line.places.send("staging", Role.TARGET, phase)
    assert line.places.member_of == ({"staging": Role.TARGET} if stays else {})


async def leave_in_vain(line: AnsweredLine) -> None:
    """Leave dev and qa while no place can be signalled, and stay in staging."""
    await line.places.send("dev", Role.SOURCE, Phase.WORKING)
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    line.away = True
    await line.places.send_views(("staging", Role.SOURCE, Phase.WORKING), ("dev", Role.SOURCE, Phase.GONE))
    await line.places.send("qa", Role.TARGET, Phase.ARRIVED)
    line.away = False
    line.sent.clear()


async def test_a_farewell_that_was_not_sent_in_time_is_sent_at_the_next_wait(line: AnsweredLine) -> None:
    await leave_in_vain(line)
    await line.places.answer()
    assert line.sent == [("dev", Phase.GONE, False), ("qa", Phase.GONE, False), ("staging", Phase.WORKING, False)]
    assert all(line.bounded)
    assert not line.places.unanswered


async def test_a_farewell_that_was_not_sent_is_handed_over_to_the_next_run(line: AnsweredLine) -> None:
    await leave_in_vain(line)
    line.story.farewells_owed = line.places.farewells_owed()
    following = Membership(line.places.request, line.story)
    await following.answer()
    assert line.sent == [("dev", Phase.GONE, False), ("qa", Phase.GONE, False)]
    assert not following.unanswered


async def test_the_last_signal_reaches_all_places_at_once_and_has_no_end(line: AnsweredLine) -> None:
    await line.places.send("dev", Role.SOURCE, Phase.WORKING)
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    line.away = True
    await line.places.send("qa", Role.TARGET, Phase.GONE)
    line.away, line.story.hold_untold = False, True
    line.sent.clear()
    line.bounded.clear()
    await line.places.leave_all()
    assert line.sent == [(one, Phase.GONE, False) for one in ("dev", "qa", "staging")]
    assert line.bounded == [False]
    assert not line.places.unanswered
    await line.places.leave_all()
    assert line.bounded == [False]


async def test_a_signal_carries_what_a_place_judges_by(line: AnsweredLine) -> None:
    hop = line.story.hop
    assert hop is not None
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    artifact = Artifact(component="web", revision="a" * 40, image="web:1")
    hop.round = Round(number=1, artifacts=(artifact,), tests=[], started_at=BEGAN)
    line.story.components = ("web",)
    line.places.receive(view(4))
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    first, second = line.signals
    assert (first.artifacts, first.components, first.received) == ((), (), None)
    assert second.artifacts == (Artifact(component="web", revision="a" * 40),)
    assert (second.components, second.received) == (("web",), Counter(epoch=1, n=4))


async def test_a_place_s_answer_to_a_signal_is_its_view(line: AnsweredLine) -> None:
    line.answer = view(5)
    await line.places.send("staging", Role.TARGET, Phase.WORKING)
    assert line.places.view("staging") == line.answer


async def test_views_are_handed_over_without_their_grants_and_only_of_places_that_sent_one(line: AnsweredLine) -> None:
    line.places.receive(view(1, answers=Counter(epoch=1, n=1)))
    assert line.places.views_of("staging", "prod") == {"staging": view(1)}


async def test_the_backstop_repeats_our_role_and_phase_at_each_place(line: AnsweredLine) -> None:
    places = line.places
    await places.send("dev", Role.SOURCE, Phase.WORKING)
    await places.set_phase(Phase.FAILED)
    line.signals.clear()
    await places.send_again()
    assert [(one.role, one.phase) for one in line.signals] == [
        (Role.SOURCE, Phase.WORKING),
        (Role.TARGET, Phase.FAILED),
    ]
    assert places.phase_at("prod") == (Role.AHEAD, Phase.GONE)


async def test_the_backstop_sends_ready_again_only_while_nothing_was_granted(line: AnsweredLine) -> None:
    places = line.places
    await places.set_phase(Phase.READY)
    await places.send_again()
    places.receive(view(1, answers=ready(line)))
    line.sent.clear()
    await places.send_again()
    assert line.sent == []
    # The grant is the target's: what was sent elsewhere is sent again all the same.
    await places.send("dev", Role.SOURCE, Phase.WORKING)
    await places.send_again()
    assert line.sent == [("dev", Phase.WORKING, False)] * 2


async def test_before_the_first_hop_a_hold_asks_who_is_ahead_and_a_release_does_not(line: AnsweredLine) -> None:
    story, places = line.story, line.places
    story.hop, story.ahead = None, ()
    places.hold_changed()
    assert places.unanswered
    await places.answer()
    assert (line.asked, line.sent) == ([], [])
    story.hold = HELD
    places.hold_changed()
    await places.answer()
    assert (line.asked, line.sent) == (["dev"], [("staging", Phase.WORKING, True)])
    places.hold_changed()
    await places.answer()
    assert line.asked == ["dev"]


async def test_while_who_is_ahead_cannot_be_read_a_hold_stays_unsent_shows_why_and_is_asked_again(
    line: AnsweredLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflow, "random", lambda: SimpleNamespace(random=lambda: 0.5))
    story, places = line.story, line.places
    story.hop, story.ahead, story.hold = None, (), HELD
    line.refused = "promotionpolicies is forbidden"
    places.hold_changed()
    await places.answer()
    assert (line.asked, line.sent, places.unanswered) == (["dev"], [], False)
    pause = places.asks_ahead_in
    assert timedelta(0) < pause <= places.timings.reference_initial
    assert story.hold_untold
    assert line.refused in story.hold.untold
    # Nothing is asked before the pause is over; then once more, and after a longer one.
    await places.answer()
    line.later(pause)
    assert places.unanswered
    await places.answer()
    assert (line.asked, places.unanswered) == (["dev"] * 2, False)
    assert places.asks_ahead_in > pause
    # A poke ends the pause: somebody may have fixed the cause.
    line.refused = ""
    places.ask_ahead_now()
    await places.answer()
    assert (line.asked, line.sent) == (["dev"] * 3, [("staging", Phase.WORKING, True)])
    assert (story.hold.untold, story.hold_untold, places.unanswered) == ("", False, False)


async def test_a_release_ends_the_question_who_is_ahead(line: AnsweredLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "random", lambda: SimpleNamespace(random=lambda: 0.5))
    story, places = line.story, line.places
    story.hop, story.ahead, story.hold = None, (), HELD
    line.refused = "promotionpolicies is forbidden"
    places.hold_changed()
    await places.answer()
    story.hold = None
    places.hold_changed()
    await places.answer()
    assert (line.asked, places.unanswered, places.asks_ahead_in) == (["dev"], False, timedelta(0))


async def test_a_hold_is_sent_ahead_as_such_and_elsewhere_with_our_role(line: AnsweredLine) -> None:
    story, places = line.story, line.places
    await places.send("dev", Role.SOURCE, Phase.WORKING)
    await places.set_phase(Phase.WORKING)
    story.hold = HELD
    line.signals.clear()
    places.hold_changed()
    await places.answer()
    sent = [(one.role, one.phase) for one in line.signals]
    assert sent == [(Role.TARGET, Phase.WORKING), (Role.AHEAD, Phase.WORKING), (Role.SOURCE, Phase.WORKING)]
    story.hold = None
    line.signals.clear()
    places.hold_changed()
    await places.answer()
    assert [(one.role, one.phase) for one in line.signals][1] == (Role.AHEAD, Phase.GONE)


async def test_a_hold_is_sent_to_where_the_change_is_only_if_that_knows_of_it(line: AnsweredLine) -> None:
    line.story.hold = HELD
    line.places.hold_changed()
    await line.places.answer()
    assert [one for one, *_ in line.sent] == ["staging", "prod"]


READING = ReadDeploymentsInput(namespace="shop", repository="web", deployments=())
SEEN = (Observation(deployment="web", component="web", application="web-staging"),)


async def test_a_lane_that_was_granted_is_taken_in_the_call_that_reads_the_target(line: AnsweredLine) -> None:
    line.lane = TakeLaneResult(observations=SEEN)
    assert await line.places.take_lane(READING) == SEEN
    assert line.places.phase is Phase.HOLDER
    assert [(one.view.environment, one.view.signal.phase, one.read) for one in line.lanes] == [
        ("staging", Phase.HOLDER, READING)
    ]
    assert line.sent == []


@pytest.mark.parametrize("away", [False, True])
async def test_a_lane_is_taken_though_nothing_of_the_target_was_read(line: AnsweredLine, away: bool) -> None:
    line.away = away
    assert await line.places.take_lane(READING) is None
    assert (line.places.phase, line.places.unanswered) == (Phase.HOLDER, away)


@pytest.mark.parametrize(("hop", "reading"), [(True, None), (False, READING), (False, None)])
async def test_a_lane_is_taken_and_waited_for_by_a_signal_where_nothing_can_be_read(
    line: AnsweredLine, hop: bool, reading: ReadDeploymentsInput | None
) -> None:
    if not hop:
        line.story.hop = None
    assert await line.places.stand_in_line(reading) is None
    assert line.places.phase is Phase.READY
    assert await line.places.take_lane(reading) is None
    assert (line.places.phase, line.lanes) == (Phase.HOLDER, [])
    sent = [("staging", Phase.READY, False), ("staging", Phase.HOLDER, False)]
    assert line.sent == (sent if hop else [])


@pytest.mark.parametrize(("taken", "phase"), [(True, Phase.HOLDER), (False, Phase.READY)])
async def test_who_stands_in_line_holds_the_lane_where_the_call_took_it(
    line: AnsweredLine, taken: bool, phase: Phase
) -> None:
    line.lane = TakeLaneResult(taken=taken, answer=view())
    assert await line.places.stand_in_line(READING) == line.lane
    assert (line.places.phase, line.places.view("staging")) == (phase, view())
    assert [one.view.signal.takes for one in line.lanes] == [True]
