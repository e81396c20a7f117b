"""Conditions that other tests pass by: each case differs from its neighbour in one of them alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from activities.models.configuration import TestSpec
from activities.models.delivery import Observation
from activities.models.failures import Failure
from activities.models.promotion import Verb
from activities.models.revisions import Relation, RevisionPair
from activities.models.testing import RunState
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State
from tests.workflows.promotion.rules.test_commands import ARTIFACT as THEIRS
from tests.workflows.promotion.rules.test_commands import NOON, a_command, a_story
from workflows.promotion.rules import commands, comparison
from workflows.promotion.rules.aggregate import PENDING, aggregate, test_status, verdict
from workflows.promotion.state import Hold, TestProgress
from workflows.runtime.inbox import Accepted

ARTIFACT = Artifact(component="web", revision="new")


def progress(
    *, state: RunState | None = None, error: str = "", message: str = "", required: bool = True
) -> TestProgress:
    spec = TestSpec(name="e2e", runner="ci", job="j", parameters={}, required=required, timeout=timedelta(1), retries=0)
    failure = Failure(kind=FailureKind.UNAUTHORIZED, message=error) if error else None
    return TestProgress(spec=spec, state=state, failure=failure, lasting=bool(error), message=message)


def observation(deployment: str = "web", *, component: str = "web", runs: str | None = "old") -> Observation:
    return Observation(deployment=deployment, component=component, application=deployment, runs=runs, settled=True)


@pytest.mark.parametrize(("state", "shown"), [(None, PENDING), (RunState.PASSED, "Passed")])
def test_a_test_without_a_run_is_pending_in_verdict_and_status(state: RunState | None, shown: str) -> None:
    test = progress(state=state)
    assert aggregate([test]).results == {"e2e": shown}
    assert test_status(test, round_number=1).state == shown


@pytest.mark.parametrize(
    ("error", "message", "shown"),
    [("", "failed", "failed"), ("refused", "", "refused"), ("refused", "failed", "refused")],
)
def test_what_keeps_a_test_from_being_read_is_shown_before_what_its_run_reported(
    error: str, message: str, shown: str
) -> None:
    assert test_status(progress(error=error, message=message), round_number=1).message.endswith(shown)


def test_only_what_runs_of_the_same_component_is_compared() -> None:
    both = [observation("web"), observation("api", component="api", runs="another")]
    assert comparison.needed_pairs({}, [ARTIFACT], both) == (RevisionPair(base="old", head="new"),)
    assert [one.deployment for one in comparison.compare_all({}, [ARTIFACT], both)] == ["web"]


def test_what_the_host_did_not_know_is_asked_for_again_and_nothing_else() -> None:
    known = {"a...b": Relation.AHEAD, "c...d": Relation.UNKNOWN}
    assert comparison.without_unknown(known) == {"a...b": Relation.AHEAD}


@pytest.mark.parametrize(
    ("override", "now", "accepted"),
    [
        (None, observation(runs="fix"), False),
        ((), observation(runs="fix"), False),
        ((observation(runs="fix"),), observation(runs="fix"), True),
        ((observation(runs="fix"),), observation(runs="new"), True),
        ((observation(runs="fix"),), replace(observation(runs="fix"), written="new"), True),
        ((observation(runs="fix"),), observation(runs="later"), False),
        ((observation("other", runs="fix"),), observation(runs="fix"), False),
        ((observation("other", runs="later"), observation(runs="fix")), observation(runs="fix"), True),
    ],
)
def test_an_override_covers_what_was_seen_there_and_what_we_wrote(
    override: tuple[Observation, ...] | None, now: Observation, *, accepted: bool
) -> None:
    assert comparison.accepted(override, ARTIFACT, now) is accepted


@pytest.mark.parametrize(
    ("state", "waiting", "untouched", "held", "waits"),
    [
        (State.PROMOTING, Verb.RETEST, True, False, True),
        (State.PROMOTING, Verb.RETEST, False, False, False),
        (State.PROMOTING, Verb.RETRY, True, False, False),
        (State.TESTING, Verb.RETEST, False, True, True),
        (State.TESTS_FAILED, Verb.RETEST, False, True, False),
        (State.TESTS_FAILED, Verb.RETEST, False, False, True),
        (State.PROMOTION_FAILED, Verb.RETRY, False, False, True),
        (State.PROMOTION_FAILED, Verb.RETRY, False, True, False),
        (State.PROMOTION_FAILED, Verb.RETEST, False, False, False),
        (State.AWAITING_SYNC, Verb.RETEST, False, False, False),
    ],
)
def test_a_step_is_interrupted_only_by_a_command_that_it_carries_out(
    state: State, waiting: Verb, *, untouched: bool, held: bool, waits: bool
) -> None:
    story = a_story(state)
    assert story.hop is not None
    story.hop.untouched = untouched
    story.hold = Hold(by="grace", since=NOON) if held else None
    story.inbox.offer(waiting, Accepted(command=a_command()))
    assert commands.command_waits(story) is waits


def test_without_a_hop_nothing_untouched_is_interrupted() -> None:
    story = a_story(State.PROMOTING)
    story.hop = None
    story.inbox.offer(Verb.RETEST, Accepted(command=a_command()))
    assert not commands.command_waits(story)


def test_a_release_before_any_round_shifts_none() -> None:
    for without in ("round", "hop"):
        story = a_story(State.HELD)
        assert story.hop is not None
        story.hop.round = None
        story.hop = story.hop if without == "round" else None
        story.hold = Hold(by="grace", since=NOON)
        commands.carry_out(story, Verb.RELEASE, a_command(), now=NOON + timedelta(hours=1))
        assert story.hold is None


@pytest.mark.parametrize(
    ("revision", "has_round", "has_hop", "outdated"),
    [
        ("", True, True, False),
        ("other", True, True, True),
        (THEIRS, True, True, False),
        ("other", False, True, False),
        ("other", True, False, False),
    ],
)
def test_an_approval_is_outdated_once_another_revision_is_at_hand(
    revision: str, *, has_round: bool, has_hop: bool, outdated: bool
) -> None:
    story = a_story(State.READY_TO_PROMOTE)
    artifacts = (Artifact(component="web", revision=revision),) if revision else ()
    assert story.hop is not None
    if not has_round:
        story.hop.round = None
    if not has_hop:
        story.hop = None
    story.inbox.offer(Verb.PROMOTE, Accepted(command=a_command(), artifacts=artifacts))
    assert bool(commands.outdated_approval(story)) is outdated


def test_no_approval_is_outdated_where_none_waits() -> None:
    assert commands.outdated_approval(a_story(State.READY_TO_PROMOTE)) == ""


@pytest.mark.parametrize(
    ("tests", "ending"),
    [
        ([], "has no tests"),
        ([progress(required=False, state=RunState.PASSED)], "no test is required"),
        ([progress(state=RunState.PASSED)], "the required tests passed"),
        (
            [progress(state=RunState.PASSED), progress(required=False, state=RunState.FAILED)],
            "the required tests passed; an optional one failed",
        ),
    ],
)
def test_what_lets_a_round_pass_is_shown_as_it_is(tests: list[TestProgress], ending: str) -> None:
    assert verdict(tests).endswith(ending)
