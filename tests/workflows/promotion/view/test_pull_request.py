"""What a pull request shows of a promotion: comment, commit statuses, labels, mentions, and when it is worth calls."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import TestSpec
from activities.models.drift import DriftNotice
from activities.models.failures import Failure
from activities.models.promotion import PromotionInput
from activities.models.revisions import CommitState, DeliveryState, DesiredDeployment, RefusedPart, Shown
from activities.models.state_labels import DRIFTED, HOLD, STATES_BY_LABEL
from activities.models.status import PolicyRef, PromotionRecord, TestStatus, WaitingFor
from activities.models.testing import RunState
from activities.models.tracking import Artifact, PullRequest, PullRequestState, Timings, TrackerRef, TrackerSpec
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import State, Waiting
from tests.worlds.declared import a_policy
from workflows.promotion.state import Hold, Hop, PromotionState, Round, TestProgress
from workflows.promotion.view import pull_request as pull_request_view
from workflows.promotion.view.pull_request import (
    SHOWN_AFTER,
    UNLINKED_FOR,
    moment,
    now_lines,
    present_input,
    refused,
    small_print,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HEAD, MERGE = "d" * 40, "a" * 40
REQUEST = PromotionInput(
    installation="main",
    tracker=TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1),
    spec=TrackerSpec(repository="web", number=412, environment="dev"),
    timings=Timings(),
)
PULL_REQUEST = PullRequest(
    number=412,
    title="Add a button",
    author="mona",
    url="https://scm.example/acme/web/pull/412",
    state=PullRequestState.MERGED,
    head_sha=HEAD,
    merge_sha=MERGE,
)
WAITING = WaitingFor(
    what=Waiting.PROMOTE_COMMAND,
    object="staging → prod",
    since=NOON,
    observed="tests passed",
    unblock_with="pilotage -n shop promote web-412",
    command="pilotage -n shop promote web-412",
)


def progress(name: str, state: RunState) -> TestProgress:
    spec = TestSpec(name=name, runner="ci", job=name, parameters={}, required=True, timeout=timedelta(minutes=1))
    return TestProgress(spec=spec, state=state, url=f"https://ci.example/{name}/7", number="7")


def record(
    source: str, target: str, *, tests: tuple[TestStatus, ...] = (), brought_by: str = "", result: str = "Promoted"
) -> PromotionRecord:
    return PromotionRecord(
        promoted=True,
        result=result,
        source=source,
        target=target,
        policy=PolicyRef(name=f"{source}-to-{target}", generation=1),
        at=NOON,
        tests=tests,
        promoted_by="autoPromote",
        brought_by=brought_by,
    )


def ended(name: str, state: str, *, summary: str = "", required: bool = True) -> TestStatus:
    url = f"https://ci.example/{name}/3"
    return TestStatus(name=name, runner="ci", required=required, state=state, url=url, number="3", summary=summary)


def in_hop(
    state: State, *, source: str = "staging", target: str = "prod", auto: bool = True, reason: str = ""
) -> PromotionState:
    """Return a story on its second hop, with the first one's record."""
    round_ = Round(
        number=1,
        artifacts=(Artifact(component="web", revision=MERGE),),
        tests=[progress("smoke", RunState.PASSED)],
        started_at=NOON,
        confirmed=True,
    )
    return PromotionState(
        started_at=NOON,
        state=state,
        reason=reason or str(state),
        since=NOON,
        environment=source,
        hops=2,
        rounds=1,
        pull_request=PULL_REQUEST,
        hop=Hop(number=2, policy=a_policy(source, target, auto=auto), round=round_),
        records=[
            record(
                "dev",
                "staging",
                tests=(ended("unit", "Passed"), ended("look", "Failed", summary="2 of 9 failed", required=False)),
            )
        ],
        labels=["promoted/staging"],
        arrived=["dev", "staging"],
    )


def comment(story: PromotionState, waiting: WaitingFor | None = None) -> str:
    return present_input(REQUEST, story, story.state, waiting).comment


def statuses(story: PromotionState, waiting: WaitingFor | None = None) -> dict[tuple[str, str], CommitState]:
    shown = present_input(REQUEST, story, story.state, waiting).statuses
    return {(one.sha, one.context): one.state for one in shown}


def test_the_comment_is_complete_state_wait_tests_with_links_and_records() -> None:
    lines = comment(in_hop(State.READY_TO_PROMOTE, reason="AwaitingPromote", auto=False), WAITING).splitlines()
    assert lines[0] == "### Pilotage: ReadyToPromote (staging → prod)"
    assert lines[2] == "AwaitingPromote · policy staging-to-prod"
    assert sum("ReadyToPromote" in line for line in lines) == 1, "the title states it"
    assert "**Waits for PromoteCommand** on staging → prod since 2026-01-02 12:00:00 UTC" in lines
    assert "- observed: tests passed" in lines
    assert "- next: `pilotage -n shop promote web-412`" in lines
    assert "| smoke | ci | yes | ✅ Passed | [7](https://ci.example/smoke/7) |" in lines
    assert "| dev | staging | Promoted | autoPromote | 2026-01-02 12:00:00 |" in lines


@pytest.mark.parametrize(
    ("way_out", "command", "line"),
    [
        (
            "fix TestRunner/ci: kubectl -n shop describe testrunner.pilotage.dev ci",
            "kubectl -n shop describe testrunner.pilotage.dev ci",
            "fix TestRunner/ci: `kubectl -n shop describe testrunner.pilotage.dev ci`",
        ),
        ("read the log: kubectl of theirs", "", "read the log: kubectl of theirs"),
        (
            "create job `a`, then pilotage retest web",
            "pilotage retest web",
            "create job `a`, then `pilotage retest web`",
        ),
        ("create job `a`b`: pilotage doctor", "pilotage doctor", "create job `a`b\\`: `pilotage doctor`"),
        ("fix <b>: pilotage doctor", "pilotage doctor", "fix \\<b\\>: `pilotage doctor`"),
    ],
)
def test_the_command_of_a_way_out_can_be_copied(way_out: str, command: str, line: str) -> None:
    waiting = replace(WAITING, unblock_with=way_out, command=command)
    shown = comment(in_hop(State.READY_TO_PROMOTE, auto=False), waiting)
    assert f"- next: {line}" in shown.splitlines()


def test_verdicts_links_and_summaries_of_an_earlier_hop_stay_with_its_record() -> None:
    text = comment(in_hop(State.TESTING))
    folded = text.partition("<details><summary>Tests dev → staging: 1 of 2 passed</summary>")[2]
    assert "| unit | ci | yes | ✅ Passed | [3](https://ci.example/unit/3) |" in folded
    assert "| look | ci | no | ❌ Failed (2 of 9 failed) | [3](https://ci.example/look/3) |" in folded
    # Markdown inside HTML is read as such only between blank lines.
    assert "</summary>\n\n| Test |" in text
    assert text.rstrip().endswith("|\n\n</details>")


def test_what_the_wait_observes_is_not_stated_a_second_time() -> None:
    story = replace(in_hop(State.PROMOTING), message="web: answered 503")
    waiting = replace(WAITING, observed="web: answered 503")
    assert comment(story, waiting).count("answered 503") == 1
    assert comment(story, replace(WAITING, observed="else")).count("answered 503") == 1


def test_at_the_end_every_hop_s_tests_are_shown_once_and_the_last_ones_unfolded() -> None:
    story = replace(in_hop(State.COMPLETED), hop=None)
    story.records.append(record("staging", "prod", tests=(ended("smoke", "Passed"),)))
    text = comment(story)
    assert [text.count(f"| {name} | ci |") for name in ("unit", "look", "smoke")] == [1, 1, 1]
    assert text.index("<details><summary>Tests dev → staging") < text.index("<details open><summary>Tests staging")


def test_a_hop_without_tests_has_a_record_and_nothing_to_unfold() -> None:
    story = replace(in_hop(State.AWAITING_POLICY), hop=None)
    story.records = [record("dev", "staging", result="AlreadyContained", brought_by="web-413")]
    assert "<details" not in comment(story)
    assert "| dev | staging | AlreadyContained | web-413 |" in comment(story)


def test_where_not_all_tests_fit_the_newest_hops_keep_theirs_and_every_record_its_row() -> None:
    story = replace(in_hop(State.COMPLETED), hop=None)
    many = tuple(ended(f"t{number}", "Failed", summary="x" * 200) for number in range(30))
    story.records = [record(f"e{number}", f"e{number + 1}", tests=many) for number in range(20)]
    text = comment(story)
    assert len(text) <= pull_request_view.COMMENT_LIMIT
    assert text.count("| Promoted | autoPromote |") == 20
    assert "Tests e19 → e20" in text
    assert "Tests e0 → e1" not in text


def test_the_marker_names_the_tracker_so_that_a_second_attempt_finds_the_comment() -> None:
    first = present_input(REQUEST, in_hop(State.TESTING), State.TESTING, None)
    later = replace(REQUEST, tracker=replace(REQUEST.tracker, uid="other", attempt=2))
    assert first.marker == "main/shop/web-412"
    assert present_input(later, in_hop(State.TESTING), State.TESTING, None).marker == first.marker


def test_before_the_merge_the_status_is_on_the_head_and_afterwards_on_the_merge_commit_as_well() -> None:
    before = PromotionState(started_at=NOON, state=State.AWAITING_MERGE, environment="dev")
    before.pull_request = replace(PULL_REQUEST, state=PullRequestState.OPEN, merge_sha=None)
    assert statuses(before) == {(HEAD, "pilotage/dev"): CommitState.PENDING}
    # The page of a merged pull request shows the statuses of its head.
    assert statuses(in_hop(State.TESTING)) == {
        (sha, f"pilotage/{environment}"): state
        for sha in (MERGE, HEAD)
        for environment, state in (
            ("dev", CommitState.SUCCESS),
            ("staging", CommitState.SUCCESS),
            ("prod", CommitState.PENDING),
        )
    }


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (State.TESTS_FAILED, CommitState.FAILURE),
        (State.PROMOTION_FAILED, CommitState.FAILURE),
        (State.ABORTED, CommitState.ERROR),
        (State.CLOSED, CommitState.ERROR),
        (State.PROMOTING, CommitState.PENDING),
    ],
)
def test_the_status_of_the_target_distinguishes_failed_from_ended_and_from_under_way(
    state: State, wanted: CommitState
) -> None:
    assert statuses(in_hop(state))[MERGE, "pilotage/prod"] is wanted


def test_a_status_shows_what_is_waited_for_within_what_hosts_allow() -> None:
    long = replace(WAITING, object="x" * 300)
    shown = present_input(REQUEST, in_hop(State.READY_TO_PROMOTE), State.READY_TO_PROMOTE, long).statuses[-1]
    assert shown.description.startswith("ReadyToPromote: waits for PromoteCommand on x")
    assert len(shown.description) == 140


def test_the_state_has_one_label_and_the_labels_of_arrivals_stay() -> None:
    story = in_hop(State.TESTS_FAILED)
    story.labels = ["promoted/staging", "on-the-shelf"]
    shown = present_input(REQUEST, story, State.TESTS_FAILED, None)
    assert shown.state_label == "pilotage/tests-failed"
    assert shown.labels == ("promoted/staging", "on-the-shelf")
    assert not set(shown.labels) & set(STATES_BY_LABEL)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("auto", [True, False])
def test_the_author_is_mentioned_only_where_a_person_must_act(state: State, auto: bool) -> None:
    mentions = present_input(REQUEST, in_hop(state, auto=auto), state, None).mentions
    wanted = state in (State.TESTS_FAILED, State.PROMOTION_FAILED) or (state is State.READY_TO_PROMOTE and not auto)
    assert [one.body.split()[0] for one in mentions] == (["@mona"] if wanted else [])


def test_who_gave_promote_already_is_not_asked_again() -> None:
    story = in_hop(State.READY_TO_PROMOTE, auto=False)
    assert story.hop is not None
    story.hop.approved_by = "ada"
    assert present_input(REQUEST, story, State.READY_TO_PROMOTE, None).mentions == ()


def test_each_failure_is_mentioned_once_and_the_next_one_again() -> None:
    def key(story: PromotionState) -> str:
        return present_input(REQUEST, story, State.TESTS_FAILED, None).mentions[0].key

    first, again = in_hop(State.TESTS_FAILED), in_hop(State.TESTS_FAILED)
    again.rounds = 2
    assert key(first) == key(in_hop(State.TESTS_FAILED))
    assert key(first) != key(again)


def test_what_was_shown_is_handed_on_and_at_first_the_labels_that_were_read() -> None:
    story = in_hop(State.TESTING)
    story.pull_request = replace(PULL_REQUEST, labels=("bug",))
    first = present_input(REQUEST, story, State.TESTING, None).shown
    assert first is not None
    assert (first.labels, first.comment_id) == (("bug",), "")
    story.shown = replace(first, comment_id="5")
    assert present_input(REQUEST, story, State.TESTING, None).shown == story.shown


@pytest.mark.parametrize("presented", [True, False])
def test_once_anything_was_tried_the_labels_that_were_read_first_are_not_taken_for_shown(presented: bool) -> None:
    story = in_hop(State.TESTS_FAILED)
    story.pull_request = replace(PULL_REQUEST, labels=("bug",))
    story.presented = presented
    assert present_input(REQUEST, story, State.TESTS_FAILED, None).shown is None


def test_a_quick_delivery_costs_no_call_and_a_lasting_one_is_shown_once_per_wave() -> None:
    story = in_hop(State.PROMOTING)
    assert story.hop is not None
    story.hop.wave = 0
    assert moment(story, State.PROMOTING, NOON + SHOWN_AFTER / 2) is None
    shown = moment(story, State.PROMOTING, NOON + SHOWN_AFTER)
    assert shown is not None
    story.message = "web: runs 000000, OutOfSync, Progressing"
    assert moment(story, State.PROMOTING, NOON + timedelta(minutes=5)) == shown
    story.hop.wave = 1
    assert moment(story, State.PROMOTING, NOON + timedelta(minutes=5)) != shown


def test_a_problem_while_promoting_is_shown_at_once() -> None:
    story = in_hop(State.PROMOTING)
    story.failure = Failure(kind=FailureKind.UNAUTHORIZED, message="401", object="GitRepository/web")
    assert moment(story, State.PROMOTING, NOON) is not None


def test_a_problem_while_tests_run_is_shown_at_once() -> None:
    story = in_hop(State.TESTING)
    assert story.hop is not None
    assert story.hop.round is not None
    story.hop.round.tests = [progress("unit", RunState.QUEUED)]
    story.hop.round.tests[0].url = ""
    assert moment(story, State.TESTING, NOON) is None
    story.failure = Failure(kind=FailureKind.UNAUTHORIZED, message="401", object="TestRunner/jenkins")
    assert moment(story, State.TESTING, NOON) is not None


@pytest.mark.parametrize("state", [State.PENDING, State.SYNCED])
def test_steps_that_pass_in_moments_cost_no_call(state: State) -> None:
    assert moment(in_hop(state), state, NOON) is None


@pytest.mark.parametrize("state", [one for one in pull_request_view.LASTING if one is not State.TESTING])
def test_a_state_that_lasts_is_shown_whichever_it_is(state: State) -> None:
    story = in_hop(state, reason="AwaitingLane" if state is State.READY_TO_PROMOTE else "")
    story.message = "not yet"
    assert moment(story, state, NOON + SHOWN_AFTER / 2) is None
    assert moment(story, state, NOON + SHOWN_AFTER) is not None


def test_a_round_is_shown_once_each_run_has_a_link_or_after_a_while_without_and_one_without_tests_never() -> None:
    story = in_hop(State.TESTING)
    assert story.hop is not None
    assert story.hop.round is not None
    story.hop.round.tests = [progress("unit", RunState.RUNNING), progress("e2e", RunState.QUEUED)]
    story.hop.round.tests[1].url = ""
    assert moment(story, State.TESTING, NOON + UNLINKED_FOR / 2) is None
    late = moment(story, State.TESTING, NOON + UNLINKED_FOR)
    story.hop.round.tests[1].url = "https://ci.example/e2e/8"
    linked = moment(story, State.TESTING, NOON + UNLINKED_FOR / 2)
    assert None not in (late, linked)
    assert late != linked == moment(story, State.TESTING, NOON + UNLINKED_FOR)
    story.hop.round.tests = []
    assert moment(story, State.TESTING, NOON) is None


def test_what_is_true_of_a_moment_changes_with_retries_waits_and_links_and_not_with_each_look() -> None:
    story = in_hop(State.TESTING)
    assert story.hop is not None
    assert story.hop.round is not None
    shown = small_print(story, WAITING)
    assert small_print(story, replace(WAITING, observed="runs 000000, Progressing")) == shown
    assert small_print(story, replace(WAITING, unblock_with="approve the run")) != shown
    story.hop.round.tests[0].retry = 1
    assert small_print(story, WAITING) != shown
    lane = replace(WAITING, what=Waiting.LANE)
    assert small_print(story, lane) == small_print(story, replace(lane, object="web-411"))


def test_a_round_is_shown_once_it_stands_and_polls_cost_no_call() -> None:
    story = in_hop(State.TESTING)
    assert story.hop is not None
    assert story.hop.round is not None
    shown = moment(story, State.TESTING, NOON)
    story.hop.round.tests[0].state = RunState.FAILED
    assert shown is not None
    assert moment(story, State.TESTING, NOON + timedelta(hours=1)) == shown
    story.hop.round.confirmed = False
    assert moment(story, State.TESTING, NOON) is None


def test_a_free_lane_costs_no_call_and_waiting_for_a_person_is_shown() -> None:
    ready = State.READY_TO_PROMOTE
    assert moment(in_hop(ready, reason="AwaitingLane"), ready, NOON) is None
    assert moment(in_hop(ready, reason="AwaitingPromote"), ready, NOON) is not None


def test_an_open_pull_request_is_shown_again_for_a_new_head() -> None:
    story = PromotionState(started_at=NOON, state=State.AWAITING_MERGE, environment="dev")
    assert moment(story, State.AWAITING_MERGE, NOON) is None
    story.pull_request = replace(PULL_REQUEST, state=PullRequestState.OPEN, merge_sha=None)
    first = moment(story, State.AWAITING_MERGE, NOON)
    story.pull_request = replace(story.pull_request, head_sha="e" * 40)
    assert first not in (None, moment(story, State.AWAITING_MERGE, NOON))


@pytest.mark.parametrize("state", [one for one in State if one.terminal])
def test_every_end_is_shown(state: State) -> None:
    assert moment(in_hop(state), state, NOON) is not None


def test_once_a_hop_ended_the_tests_of_the_last_one_are_shown_at_an_end_alone() -> None:
    between, over = replace(in_hop(State.AWAITING_POLICY), hop=None), replace(in_hop(State.COMPLETED), hop=None)
    assert pull_request_view.tests_of(between) == ()
    assert [one.name for one in pull_request_view.tests_of(over)] == ["unit", "look"]
    assert pull_request_view.tests_of(replace(over, records=[])) == ()


def test_a_pull_request_that_is_open_no_more_is_not_shown_as_waiting_for_its_merge() -> None:
    story = PromotionState(started_at=NOON, state=State.AWAITING_MERGE, environment="dev", pull_request=PULL_REQUEST)
    assert moment(story, State.AWAITING_MERGE, NOON) is None


@pytest.mark.parametrize("kind", list(FailureKind))
def test_the_right_to_write_is_asked_for_where_it_is_what_misses(kind: FailureKind) -> None:
    part = RefusedPart(part="labels", failure=Failure(kind=kind, message="no"))
    assert ("GitRepository/web" in refused([part], "web")) is (kind is FailureKind.UNAUTHORIZED)


def test_the_title_of_a_hop_s_tests_counts_those_that_passed() -> None:
    story = in_hop(State.TESTING)
    tests = (ended("unit", "Passed"), ended("look", "Failed"), ended("load", "Passed"))
    story.records = [record("dev", "staging", tests=tests)]
    assert "2 of 3 passed" in comment(story)


@pytest.mark.parametrize(("more", "kept"), [(0, True), (1, False)])
def test_the_tests_of_a_hop_stay_up_to_the_last_character_that_a_comment_may_have(more: int, kept: bool) -> None:
    def shown(length: int) -> str:
        story = in_hop(State.TESTING)
        # The name of the policy is shown as it is, whatever its length.
        story.hop = (
            replace(story.hop, policy=replace(a_policy("staging", "prod"), name="x" * length)) if story.hop else None
        )
        return comment(story)

    text = shown(pull_request_view.COMMENT_LIMIT - len(shown(0)) + more)
    assert ("<details" in text) is kept
    assert (len(text) == pull_request_view.COMMENT_LIMIT) is kept


@pytest.mark.parametrize("environment", ["", "prod"])
def test_no_status_waits_where_no_environment_is_next(environment: str) -> None:
    story = replace(in_hop(State.COMPLETED), hop=None, environment=environment, arrived=["prod"])
    assert statuses(story) == {(sha, "pilotage/prod"): CommitState.SUCCESS for sha in (MERGE, HEAD)}


def deployed(story: PromotionState, shown: State) -> dict[str, tuple[DeliveryState, bool, str]]:
    """Return what the host's own deployments are to show, and have the story remember it."""
    wanted = present_input(REQUEST, story, shown, None).deployments
    story.shown = Shown(deployments=wanted)
    return {one.environment: (one.state, one.ended, one.description) for one in wanted}


@pytest.mark.parametrize("before", [State.READY_TO_PROMOTE, State.PROMOTING])
def test_a_deployment_that_was_under_way_is_not_shown_so_after_the_promotion_ended(before: State) -> None:
    story = in_hop(before)
    state, ended, _ = deployed(story, before)["prod"]
    assert not ended
    # A hold between two waves changes nothing of it.
    assert deployed(story, State.HELD)["prod"][:2] == (state, False)
    story.state = State.ABORTED
    assert deployed(story, State.ABORTED)["prod"] == (state, True, f"{MERGE[:12]}: Aborted")
    assert deployed(story, State.ABORTED)["prod"] == (state, True, f"{MERGE[:12]}: Aborted")


def test_a_deployment_of_what_another_change_brought_is_queued_no_more() -> None:
    story = in_hop(State.READY_TO_PROMOTE)
    assert deployed(story, State.READY_TO_PROMOTE)["prod"][0] is DeliveryState.QUEUED
    story.state, story.hop, story.environment = State.COMPLETED, None, "prod"
    story.records.append(record("staging", "prod", result="AlreadyContained", brought_by="web-413"))
    ended = (DeliveryState.QUEUED, True, f"{MERGE[:12]}: AlreadyContained")
    assert deployed(story, State.COMPLETED)["prod"] == ended


def test_a_deployment_that_was_given_up_for_new_tests_is_queued_again() -> None:
    story = in_hop(State.READY_TO_PROMOTE)
    for state, ended in ((State.READY_TO_PROMOTE, False), (State.TESTING, True), (State.READY_TO_PROMOTE, False)):
        story.state = state
        assert deployed(story, state)["prod"][1] is ended


def test_what_may_be_shown_as_under_way_ends_also_where_the_host_s_answer_was_lost() -> None:
    story = in_hop(State.ABORTED)
    story.records.append(record("dev", "qa", result="AlreadyContained"))
    assert set(deployed(story, State.ABORTED)) == {"staging"}
    story.shown, story.presentation_owed = None, True
    ended = {name: (ended, why) for name, (_, ended, why) in deployed(story, State.ABORTED).items() if ended}
    assert ended == {"prod": (True, f"{MERGE[:12]}: Aborted"), "qa": (True, f"{MERGE[:12]}: AlreadyContained")}


def test_of_what_was_never_shown_as_under_way_nothing_ends() -> None:
    story = in_hop(State.ABORTED)
    story.shown = Shown(deployments=(DesiredDeployment(environment="prod", sha=MERGE, state=DeliveryState.FAILED),))
    assert "prod" not in deployed(story, State.ABORTED)


def test_a_change_with_nothing_to_deploy_leaves_no_status_that_waits_forever() -> None:
    story = PromotionState(started_at=NOON, state=State.COMPLETED, reason="NothingToDeploy", environment="dev")
    story.pull_request, story.message = PULL_REQUEST, "no component's paths match the changed files"
    shown = present_input(REQUEST, story, State.COMPLETED, None).statuses
    assert {(one.context, one.state) for one in shown} == {("pilotage/dev", CommitState.SUCCESS)}
    assert shown[0].description == "Completed: no component's paths match the changed files"


@pytest.mark.parametrize(("arrived", "label"), [(("dev", "staging"), "pilotage/env/staging"), ((), "")])
def test_a_place_has_its_label_once_the_change_arrived_there(arrived: tuple[str, ...], label: str) -> None:
    story = in_hop(State.TESTING)
    story.arrived = list(arrived)
    assert present_input(REQUEST, story, story.state, None).place_label == label


@pytest.mark.parametrize(
    ("state", "held", "drifted", "standing", "cleared"),
    [
        (State.TESTING, False, None, (), ()),
        (State.TESTING, True, None, (HOLD,), ()),
        (State.ABORTED, True, None, (), ()),
        (State.COMPLETED, False, True, (DRIFTED,), ()),
        (State.COMPLETED, False, False, (), (DRIFTED,)),
    ],
)
def test_labels_of_holds_and_drift_stand_as_long_as_these(
    state: State, held: bool, drifted: bool | None, standing: tuple[str, ...], cleared: tuple[str, ...]
) -> None:
    story = in_hop(state)
    story.hold = Hold(by="ada", since=NOON) if held else None
    story.drift = DriftNotice(drifted=drifted)
    shown = present_input(REQUEST, story, state, None)
    assert (shown.steering_labels, shown.cleared) == (standing, cleared)


@pytest.mark.parametrize(
    ("reason", "line"), [("Testing", "**Testing**"), ("AwaitingPromote", "**Testing** · AwaitingPromote")]
)
def test_what_is_so_now_begins_with_the_state_and_its_reason(reason: str, line: str) -> None:
    story = replace(in_hop(State.TESTING, reason=reason), hop=None)
    assert now_lines(story, State.TESTING, None)[0] == line


def test_the_small_print_of_a_hop_without_a_round_has_no_tests() -> None:
    story = in_hop(State.AWAITING_POLICY)
    assert story.hop is not None
    assert small_print(replace(story, hop=replace(story.hop, round=None)), None)[-1] == ()
