"""Which command is refused in which state, and what an accepted one changes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.delivery import Observation
from activities.models.promotion import Command, Verb
from activities.models.state_labels import HOLD
from activities.models.tracking import Artifact, PullRequest, PullRequestState, TrackerRef
from crds.reasons.vocabulary import State
from tests.worlds.declared import a_policy
from workflows.promotion.rules import commands
from workflows.promotion.rules.commands import (
    ACCEPTED,
    DONE,
    KEPT_BY_HOLD,
    acceptance,
    carry_out,
    command_waits,
    outdated_approval,
    repeats,
    sentence,
)
from workflows.promotion.state import Hold, Hop, PromotionState, Refusal, Round

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HEAD, MERGE, ARTIFACT = "d" * 40, "a" * 40, "b" * 40


def a_story(state: State = State.READY_TO_PROMOTE) -> PromotionState:
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
    story = PromotionState(environment="dev", state=state, started_at=NOON, pull_request=pull_request)
    story.hop = Hop(number=1, policy=a_policy(auto=False), round=round_)
    return story


def a_command(
    *, target: str = "staging", revision: str = "", reason: str = "", seen: dict[str, str] | None = None
) -> Command:
    return Command(
        request_id="1", actor="ada", target_environment=target, revision=revision, reason=reason, seen=seen or {}
    )


def refusal(story: PromotionState, verb: Verb, command: Command) -> str:
    return commands.refusal(TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1), story, verb, command)


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
    assert "restart starts a new attempt" in refusal(a_story(state), verb, a_command())


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
    answer = refusal(a_story(), Verb.PROMOTE, a_command(target="prod"))
    assert all(place in answer for place in ("prod", "staging"))
    assert refusal(a_story(), Verb.PROMOTE, a_command(target="")) == ""


@pytest.mark.parametrize("past", [a_command(target="prod"), a_command(revision="c" * 40)])
def test_a_refusal_for_what_is_past_names_the_command_that_fits_now(past: Command) -> None:
    answer = refusal(a_story(), Verb.PROMOTE, past)
    _, line, _ = answer.split("`")
    *command, environment, revision = line.replace("--environment ", "").replace("--revision ", "").split()
    assert command == ["pilotage", "-n", "shop", "promote", "web-412"]
    assert refusal(a_story(), Verb.PROMOTE, a_command(target=environment, revision=revision)) == ""


def test_between_two_hops_a_refusal_names_where_the_change_is() -> None:
    story = a_story(State.AWAITING_POLICY)
    story.hop, story.environment = None, "staging"
    answer = refusal(story, Verb.HOLD, a_command(target="prod"))
    assert "between two hops" in answer
    assert "`pilotage -n shop hold web-412 --environment staging --revision aaaaaaaaaaaa`" in answer


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


def test_a_second_approval_shows_that_the_lane_is_missing() -> None:
    story = a_story()
    assert story.hop is not None
    story.hop.approved_by = "grace"
    answer = refusal(story, Verb.PROMOTE, a_command())
    assert all(part in answer for part in ("grace", "lane"))


@pytest.mark.parametrize("verb", FITTING)
def test_an_accepted_command_waits_in_the_inbox_for_its_transition(verb: Verb) -> None:
    story = a_story(FITTING[verb][-1])
    assert story.hop is not None
    assert story.hop.round is not None
    carry_out(story, verb, a_command(), now=NOON)
    accepted = story.inbox.get(verb)
    assert accepted is not None
    assert accepted.command.actor == "ada"
    assert accepted.artifacts == (story.hop.round.artifacts if verb is Verb.PROMOTE else ())
    assert story.hop.approved_by == ""


@pytest.mark.parametrize("verb", FITTING)
def test_what_a_person_saw_is_kept_only_where_it_overrides_something(verb: Verb) -> None:
    seen = {"web" * 2000: "c" * 12}
    story = a_story(FITTING[verb][-1])
    carry_out(story, verb, a_command(seen=seen), now=NOON)
    accepted = story.inbox.get(verb)
    assert accepted is not None
    assert accepted.command.seen == {}


def test_an_override_keeps_what_a_person_saw() -> None:
    story = a_story()
    assert story.hop is not None
    story.hop.refusal = Refusal.DIVERGED
    carry_out(story, Verb.PROMOTE, a_command(seen={"web": "c" * 12}), now=NOON)
    accepted = story.inbox.get(Verb.PROMOTE)
    assert accepted is not None
    assert accepted.command.seen == {"web": "c" * 12}


@pytest.mark.parametrize("verb", [Verb.RETEST, Verb.RETRY])
def test_the_same_command_again_adds_nothing_until_the_first_one_can_be_seen(verb: Verb) -> None:
    story = a_story(FITTING[verb][0])
    assert repeats(story, verb) == ""
    carry_out(story, verb, a_command(), now=NOON)
    assert "of ada is being carried out" in repeats(story, verb)
    story.inbox.take(verb)
    story.state = State.SYNCED
    assert "of ada is being carried out" in repeats(story, verb)
    assert refusal(story, verb, a_command()) == ""
    story.inbox.done(verb)
    assert repeats(story, verb) == ""
    assert refusal(story, verb, a_command()).endswith("but the tracker is Synced")


def test_an_approval_is_accepted_while_a_retest_has_not_begun_its_round() -> None:
    story = a_story()
    assert story.hop is not None
    assert story.hop.round is not None
    carry_out(story, Verb.RETEST, a_command(), now=NOON)
    story.inbox.take(Verb.RETEST)
    story.hop.voided, story.hop.round, story.state = story.hop.round.artifacts, None, State.SYNCED
    assert refusal(story, Verb.PROMOTE, a_command(revision=ARTIFACT)) == ""
    carry_out(story, Verb.PROMOTE, a_command(), now=NOON)
    assert "already approved by ada" in refusal(story, Verb.PROMOTE, a_command())


@pytest.mark.parametrize(
    ("target", "revision", "outdated"),
    [("staging", ARTIFACT, ""), ("prod", ARTIFACT, "goes to prod now"), ("staging", MERGE, "another revision")],
)
def test_an_approval_counts_for_what_its_sender_was_shown(target: str, revision: str, outdated: str) -> None:
    story = a_story()
    assert story.hop is not None
    assert story.hop.round is not None
    carry_out(story, Verb.PROMOTE, a_command(), now=NOON)
    story.hop.policy = replace(story.hop.policy, target=target)
    story.hop.round.artifacts = (Artifact(component="web", revision=revision),)
    found = outdated_approval(story)
    assert (outdated in found) if outdated else (found == "")


@pytest.mark.parametrize("untouched", [True, False])
def test_a_retest_is_accepted_while_promoting_until_something_was_written(untouched: bool) -> None:
    story = a_story(State.PROMOTING)
    assert story.hop is not None
    story.hop.untouched = untouched
    assert (refusal(story, Verb.RETEST, a_command()) == "") is untouched


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(
    ("state", "verb", "while_held"),
    [
        (State.TESTING, Verb.RETEST, True),
        (State.TESTS_FAILED, Verb.RETEST, False),
        (State.READY_TO_PROMOTE, Verb.RETEST, False),
        (State.PROMOTION_FAILED, Verb.RETRY, False),
    ],
)
def test_a_hold_keeps_a_command_for_its_release(state: State, verb: Verb, while_held: bool, held: bool) -> None:
    story = a_story(state)
    assert not command_waits(story)
    carry_out(story, verb, a_command(), now=NOON)
    story.hold = Hold(by="grace", since=NOON) if held else None
    assert command_waits(story) is (while_held or not held)


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
    assert set(ACCEPTED) == set(DONE) == set(Verb)


@pytest.mark.parametrize("verb", list(Verb))
def test_what_a_hold_keeps_is_accepted_for_after_its_release_and_the_rest_at_once(verb: Verb) -> None:
    story = a_story()
    assert acceptance(story, verb) == ACCEPTED[verb]
    story.hold = Hold(by="ada", since=NOON, reason="")
    kept = verb in KEPT_BY_HOLD
    assert acceptance(story, verb) == ACCEPTED[verb] + ("; not before it is released" if kept else "")


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("target", ["", "prod"])
def test_only_an_approval_is_stated_with_the_environment_that_it_is_for(verb: Verb, target: str) -> None:
    to = " to prod" if verb is Verb.PROMOTE and target else ""
    assert sentence(verb, a_command(target=target)) == f"ada {DONE[verb]}{to}"
    assert sentence(verb, a_command(target=target, reason="it is Friday")) == f"ada {DONE[verb]}{to}: it is Friday"


@pytest.mark.parametrize("verb", list(Verb))
def test_a_sync_whose_result_is_not_shown_yet_refuses_another_sync_and_nothing_else(verb: Verb) -> None:
    story = a_story()
    assert repeats(story, verb) == ""
    story.sync_request = "1"
    assert bool(repeats(story, verb)) is (verb is Verb.SYNC)


def test_a_hold_takes_back_that_its_label_is_to_be_removed_and_leaves_the_others() -> None:
    story = a_story()
    story.cleared = ["retest", HOLD]
    carry_out(story, Verb.HOLD, a_command(), now=NOON)
    assert story.cleared == ["retest"]
