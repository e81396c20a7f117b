"""Which command is refused in which state, and what an accepted one changes."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import PolicySnapshot
from activities.models.delivery import Observation
from activities.models.promotion import Command, Verb
from activities.models.status import State
from activities.models.tracking import Artifact, PullRequest, PullRequestState
from workflows.promotion.commands import ACCEPTED, carry_out, refusal
from workflows.promotion.state import Hold, Hop, Refusal, Round, Story

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HEAD, MERGE, ARTIFACT = "d" * 40, "a" * 40, "b" * 40


def a_story(state: State = State.READY_TO_PROMOTE) -> Story:
    policy = PolicySnapshot(
        name="dev-to-staging",
        generation=1,
        source="dev",
        target="staging",
        auto_promote=False,
        timeout=timedelta(hours=1),
        tests=(),
    )
    round_ = Round(number=1, artifacts=(Artifact(component="web", revision=ARTIFACT),), started_at=NOON, tests=[])
    pull_request = PullRequest(
        number=412,
        title="Add a button",
        author="ada",
        url="https://scm.example/412",
        state=PullRequestState.MERGED,
        head_sha=HEAD,
        merge_sha=MERGE,
    )
    story = Story(environment="dev", state=state, started_at=NOON, pull_request=pull_request)
    story.hop = Hop(number=1, policy=policy, round=round_)
    return story


def a_command(
    *, target: str = "staging", revision: str = "", reason: str = "", seen: dict[str, str] | None = None
) -> Command:
    return Command(
        request_id="1", actor="ada", target_environment=target, revision=revision, reason=reason, seen=seen or {}
    )


FITTING = {
    Verb.RETEST: (State.TESTING, State.TESTS_FAILED, State.READY_TO_PROMOTE),
    Verb.RETRY: (State.PROMOTION_FAILED,),
    Verb.PROMOTE: (State.READY_TO_PROMOTE,),
}


@pytest.mark.parametrize("verb", FITTING)
@pytest.mark.parametrize("state", [state for state in State if not state.terminal and state is not State.HELD])
def test_a_command_is_carried_out_in_its_states_and_refused_by_the_name_of_any_other(verb: Verb, state: State) -> None:
    answer = refusal(a_story(state), verb, a_command())
    if state in FITTING[verb]:
        assert answer == ""
    else:
        assert answer.endswith(f"but the tracker is {state}")


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("state", [state for state in State if state.terminal])
def test_a_tracker_that_ended_refuses_every_command(verb: Verb, state: State) -> None:
    assert "restart begins a new attempt" in refusal(a_story(state), verb, a_command())


def test_holding_twice_and_releasing_what_is_not_held_are_refused() -> None:
    story = a_story()
    assert refusal(story, Verb.RELEASE, a_command()) == "not held"
    assert refusal(story, Verb.HOLD, a_command()) == ""
    story.hold = Hold(by="grace", since=NOON)
    assert refusal(story, Verb.HOLD, a_command()) == "already held by grace"
    assert refusal(story, Verb.RELEASE, a_command()) == ""


@pytest.mark.parametrize("revision", [HEAD, MERGE, ARTIFACT, ARTIFACT[:7]])
def test_a_revision_that_a_person_may_have_seen_fits(revision: str) -> None:
    assert refusal(a_story(), Verb.PROMOTE, a_command(revision=revision)) == ""


@pytest.mark.parametrize("revision", ["c" * 40, ARTIFACT[:6], ARTIFACT + "b"])
def test_another_revision_is_refused(revision: str) -> None:
    assert "another one is at hand" in refusal(a_story(), Verb.PROMOTE, a_command(revision=revision))


def test_a_command_for_another_target_is_refused_and_one_without_a_target_is_not() -> None:
    assert "meant for prod, but the hop at hand goes to staging" in refusal(
        a_story(), Verb.PROMOTE, a_command(target="prod")
    )
    assert refusal(a_story(), Verb.PROMOTE, a_command(target="")) == ""


def test_a_diverged_target_is_promoted_only_with_a_reason_and_exactly_as_it_was_seen() -> None:
    story = a_story()
    assert story.hop is not None
    story.hop.refusal, story.hop.refusal_message = Refusal.DIVERGED, "staging runs a hotfix"
    story.hop.refused = (
        Observation(deployment="web", component="web", application="web", runs="c" * 40, written="d" * 40),
    )
    seen = {"web": f"{'c' * 12}, {'d' * 12}"}
    because = "the hotfix is obsolete"
    assert "staging runs a hotfix" in refusal(story, Verb.PROMOTE, a_command(seen=seen))
    assert "status.hop.diverged" in refusal(story, Verb.PROMOTE, a_command(reason=because))
    assert "look again" in refusal(story, Verb.PROMOTE, a_command(reason=because, seen={"web": "c" * 12}))
    assert "look again" in refusal(story, Verb.PROMOTE, a_command(reason=because, seen={**seen, "api": "e" * 12}))
    assert refusal(story, Verb.PROMOTE, a_command(reason=because, seen=seen)) == ""


def test_a_second_approval_says_that_the_lane_is_missing() -> None:
    story = a_story()
    assert story.hop is not None
    story.hop.approved_by = "grace"
    assert refusal(story, Verb.PROMOTE, a_command()) == "already approved by grace; it waits for the lane"


@pytest.mark.parametrize("refused", [Refusal.NONE, Refusal.DIVERGED])
def test_promote_accepts_a_diverged_target_exactly_as_it_was_seen(refused: Refusal) -> None:
    story = a_story()
    assert story.hop is not None
    story.hop.refusal, story.hop.refused = refused, (Observation(deployment="web", component="web", application="web"),)
    carry_out(story, Verb.PROMOTE, a_command(), now=NOON)
    assert story.hop.approved_by == "ada"
    assert story.hop.override == (story.hop.refused if refused is Refusal.DIVERGED else None)


def test_retest_and_retry_are_remembered_until_the_step_takes_them() -> None:
    story = a_story(State.PROMOTION_FAILED)
    carry_out(story, Verb.RETEST, a_command(), now=NOON)
    carry_out(story, Verb.RETRY, a_command(), now=NOON)
    assert story.hop is not None
    assert (story.retest, story.retry, story.hop.approved_by) == (True, True, "ada")


def test_a_release_gives_the_round_back_the_time_that_it_was_held() -> None:
    story = a_story(State.TESTING)
    carry_out(story, Verb.HOLD, a_command(reason="freeze"), now=NOON)
    held = story.hold
    assert held == Hold(by="ada", since=NOON, reason="freeze")
    carry_out(story, Verb.RELEASE, a_command(), now=NOON + timedelta(hours=3))
    assert (story.hop and story.hop.round and story.hop.round.started_at) == NOON + timedelta(hours=3)
    assert refusal(story, Verb.RELEASE, a_command()) == "not held"


def test_a_release_gives_a_round_that_began_while_held_only_its_own_time_back() -> None:
    story = a_story(State.TESTING)
    assert story.hop is not None
    assert story.hop.round is not None
    story.hold = Hold(by="ada", since=NOON - timedelta(days=7), reason="freeze")
    story.hop.round.started_at = NOON
    carry_out(story, Verb.RELEASE, a_command(), now=NOON + timedelta(hours=3))
    assert story.hop.round.started_at == NOON + timedelta(hours=3)


def test_every_command_has_an_answer_for_people() -> None:
    assert set(ACCEPTED) == set(Verb)
