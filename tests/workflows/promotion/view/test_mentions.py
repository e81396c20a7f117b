"""The comment that becomes an e-mail: what happened, with counts and links, what comes next and who may do it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from activities.models.budgets import MENTION_BYTES
from activities.models.configuration import EnvironmentView
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.view.test_pull_request import REQUEST, in_hop, progress
from workflows.promotion.state import PromotionState, Refusal
from workflows.promotion.view.mentions import mentions
from workflows.promotion.view.pull_request import present_input
from workflows.promotion.view.temporal_page import details

PROD = EnvironmentView(name="prod", final=True, vars={}, delivery_timeout=timedelta(minutes=1), deployments=())


def body(story: PromotionState) -> str:
    (found,) = mentions(REQUEST, story, story.state)
    return found.body


def failed(*states: RunState) -> PromotionState:
    story = in_hop(State.TESTS_FAILED)
    assert story.hop is not None
    assert story.hop.round is not None
    story.hop.round.tests = [progress(f"t{number}", state) for number, state in enumerate(states)]
    return story


def approval(*, team: str = "", notify: tuple[str, ...] = ()) -> PromotionState:
    story = in_hop(State.READY_TO_PROMOTE, reason="AwaitingPromote", auto=False)
    assert story.hop is not None
    story.hop.view = replace(PROD, teams={"promote": team} if team else {}, notify=notify)
    return story


def test_a_failure_counts_what_passed_and_links_what_failed() -> None:
    text = body(failed(RunState.PASSED, RunState.FAILED, RunState.TIMED_OUT))
    assert "1 of 3 required passed" in text
    assert "- [t1 7](https://ci.example/t1/7): Failed" in text
    assert "- [t2 7](https://ci.example/t2/7): TimedOut" in text
    assert "t0" not in text


def test_next_step_and_who_may_take_it_are_named_by_command_and_by_comment_where_the_host_has_them() -> None:
    story = failed(RunState.FAILED)
    assert "`pilotage -n shop retest web-412`" in body(story)
    assert "`/pilotage retest`" not in body(story)
    assert "verb `retest` on Environment `prod` of namespace `shop`" in body(story)
    story.scm_account = "pilotage"
    assert "comment `/pilotage retest` here, or `pilotage -n shop retest web-412`" in body(story)
    assert "right to write to this repository by a comment" in body(story)


def test_a_failed_promotion_shows_why_and_how_to_go_on() -> None:
    story = in_hop(State.PROMOTION_FAILED)
    story.message = "web-prod Degraded: no such image"
    text = body(story)
    assert "the promotion to prod failed: web-prod Degraded: no such image" in text
    assert "fix the cause, then `pilotage -n shop retry web-412`" in text


def test_whom_the_target_names_is_mentioned_where_only_approval_is_missing() -> None:
    notify = ("grace", "acme/release", "mona")
    assert body(approval(notify=notify)).startswith("@mona @grace @acme/release the required tests passed")
    others = failed(RunState.FAILED)
    assert others.hop is not None
    others.hop.view = replace(PROD, notify=notify)
    assert body(others).startswith("@mona tests failed")


def test_who_approves_over_a_diverged_target_reads_the_command_that_is_accepted() -> None:
    story = approval(team="release")
    story.scm_account = "pilotage"
    assert story.hop is not None
    story.hop.refusal, story.hop.refusal_message = Refusal.DIVERGED, "web: it holds ffffffffffff"
    text = body(story)
    assert "prod diverged: web: it holds ffffffffffff" in text
    assert 'Next: `pilotage -n shop promote web-412 --reason "…"`' in text
    assert "/pilotage promote" not in text


def test_a_team_promotes_by_a_comment_only_where_the_environment_names_it() -> None:
    story = approval(team="release")
    story.scm_account = "pilotage"
    assert "comment `/pilotage promote` here" in body(story)
    assert "members of `release` by a comment" in body(story)
    plain = approval()
    plain.scm_account = "pilotage"
    assert "/pilotage promote" not in body(plain)


@pytest.mark.parametrize("many", [1, 5, 6, 50])
def test_the_largest_mention_is_bounded_and_keeps_what_comes_next(many: int) -> None:
    story = failed(*[RunState.FAILED] * many)
    assert story.hop is not None
    assert story.hop.round is not None
    for test in story.hop.round.tests:
        test.message = "`ä*" * 400
    text = body(story)
    assert len(text.encode()) <= MENTION_BYTES
    assert text.splitlines()[-1].startswith("Who may: ")
    assert text.splitlines()[-2].startswith("Next: ")
    assert text.count("- [t") <= 5


def test_tests_that_passed_while_the_source_moved_are_not_called_failed() -> None:
    story = failed(RunState.PASSED)
    story.reason, story.message = "SourceMoved", "staging moved 6 times"
    text = body(story)
    assert text.startswith("@mona the tests for prod do not count: staging moved 6 times")
    assert "failed" not in text
    assert "`pilotage -n shop retest web-412`" in text


@pytest.mark.parametrize("auto", [True, False])
def test_a_diverged_target_is_shown_to_people_also_where_approval_was_given(auto: bool) -> None:
    story = approval()
    assert story.hop is not None
    (asked,) = mentions(REQUEST, story, story.state)
    story.hop.policy = replace(story.hop.policy, auto_promote=auto)
    story.hop.approved_by = "autoPromote" if auto else "ada"
    assert mentions(REQUEST, story, story.state) == ()
    story.hop.refusal, story.hop.refusal_message = Refusal.DIVERGED, "web: it holds ffffffffffff"
    (diverged,) = mentions(REQUEST, story, story.state)
    assert "prod diverged" in diverged.body
    assert diverged.key != asked.key
    story.hop.refusal = Refusal.UNREADABLE
    assert mentions(REQUEST, story, story.state) == ()


def test_a_run_that_failed_beyond_its_counts_shows_why_first_wherever_it_is_shown() -> None:
    story = failed(RunState.FAILED)
    assert story.hop is not None
    assert story.hop.round is not None
    [test] = story.hop.round.tests
    test.message, test.summary = "failed jobs: lint", "3 passed"
    comment = present_input(REQUEST, story, story.state, None).comment
    for text in (body(story), comment, details(story, story.state, None)):
        assert "failed jobs: lint; 3 passed" in text
