"""Pure: what people see of a promotion on its pull request, and when it is worth the calls."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from activities.models.bounds import together
from activities.models.promotion import PromotionInput
from activities.models.revisions import (
    CommitState,
    DeliveryState,
    DesiredDeployment,
    DesiredStatus,
    PresentInput,
    RefusedPart,
    Shown,
)
from activities.models.state_labels import DRIFTED, HOLD, place_label, state_label
from activities.models.status import PromotionRecord, TestStatus, WaitingFor
from activities.models.testing import RunState
from activities.models.tracking import PullRequestState
from crds.reasons.problems import FailureKind
from crds.reasons.trackers import RecordResult, TrackerReason
from crds.reasons.vocabulary import State, Waiting
from crds.texts.markdown import cell, code, inline, link, web_address
from crds.texts.plain import one_line
from workflows.promotion.rules.aggregate import test_status
from workflows.promotion.rules.comparison import short
from workflows.promotion.rules.lineage import has_diverged
from workflows.promotion.state import PromotionState
from workflows.promotion.view.mentions import mentions

ICONS: Mapping[str, str] = {
    RunState.PASSED: "✅",
    RunState.FAILED: "❌",
    RunState.TIMED_OUT: "⌛",
    RunState.CANCELLED: "⏹",
    RunState.ERROR: "⚠️",
    RunState.RUNNING: "🔄",
    RunState.QUEUED: "🕒",
}
SHOWN_AFTER = timedelta(seconds=10)
"""A delivery, or a sync, that ends sooner is not worth the calls that showing it would cost. Far above what a busy
machine takes, so that no call depends on its speed."""
UNLINKED_FOR = timedelta(seconds=20)
"""Tests are shown with their links, which the first poll finds; a CI system that is slower is not waited for."""
LASTING = (State.PROMOTING, State.AWAITING_SYNC, State.SYNCED, State.READY_TO_PROMOTE, State.TESTING)
"""States that are shown once they last."""
PASSING = (State.READY_TO_PROMOTE, TrackerReason.AWAITING_LANE)
"""Reasons of ReadyToPromote that usually end in moments; the others name whom it waits for."""
SHOWN_AGAIN_AFTER = timedelta(seconds=45)
"""The least time between two presentations of one moment: what changed within it is shown by then, in one edit."""
COMMENT_LIMIT = 60_000
"""Characters of the summary; hosts cut longer ones, and with the end the marker by which it is found again."""
TABLE = ["| Test | Runner | Required | State | Link |", "|---|---|---|---|---|"]
DELIVERING = {
    State.READY_TO_PROMOTE: DeliveryState.QUEUED,
    State.PROMOTING: DeliveryState.IN_PROGRESS,
    State.PROMOTION_FAILED: DeliveryState.FAILED,
}
ENDS = {
    State.CLOSED: CommitState.ERROR,
    State.ABORTED: CommitState.ERROR,
    # Of what is next: there was nothing to deploy.
    State.COMPLETED: CommitState.SUCCESS,
}
DELIVERED: Mapping[str, DeliveryState] = {
    RecordResult.PROMOTED: DeliveryState.SUCCEEDED,
    RecordResult.FAILED: DeliveryState.FAILED,
}
"""Results of a record that were ours."""
UNDER_WAY = (DeliveryState.QUEUED, DeliveryState.IN_PROGRESS)
DEPLOYMENTS_SHOWN = 20
"""The newest; a host keeps what was shown before."""


def tests_of(story: PromotionState) -> tuple[TestStatus, ...]:
    """Return the tests of the round at hand, or those of the last hop once it ended."""
    if story.hop is not None:
        round_ = story.hop.round
        return tuple(test_status(test, round_number=round_.number) for test in round_.tests) if round_ else ()
    return story.records[-1].tests if story.records and story.state.terminal else ()


def moment(story: PromotionState, shown: State, now: datetime) -> tuple[object, ...] | None:
    """Return what makes a new presentation worth its calls; None where the last one still serves.

    Steps that pass in moments are not shown: tests that run, waiting, failing and ending are.
    """
    news = _news(story, shown, lasts=until_lasting(story, shown, now) <= timedelta(0))
    if news is None:
        return None
    return (shown, story.hops, len(story.records), story.problem, story.drift.drifted, story.drift.lines, *news)


def _news(story: PromotionState, shown: State, *, lasts: bool) -> tuple[object, ...] | None:
    """Return what of the state at hand is shown again when it changes; None while that is not worth a call."""
    hop, problem = story.hop, bool(story.problem)
    match shown:
        case State.SYNCED if lasts:
            return ()
        case State.PROMOTING if hop is not None and (lasts or problem):
            return (hop.wave, hop.attempt, hop.pause_until, bool(hop.blocked))
        case State.AWAITING_SYNC if story.message:
            # What may never arrive is news, whatever was shown before the host was asked.
            diverged = has_diverged(story)
            return (diverged,) if diverged or lasts or problem else None
        case State.TESTING if hop is not None and hop.round is not None and hop.round.confirmed and hop.round.tests:
            # A round without tests is followed by another state at once.
            linked = all(test.url or test.final for test in hop.round.tests)
            return (hop.round.number, linked) if linked or lasts or problem else None
        case State.READY_TO_PROMOTE if lasts or story.reason not in PASSING:
            return (story.reason,)
        case State.AWAITING_MERGE if (one := story.pull_request) and one.state is PullRequestState.OPEN:
            return (one.head_sha,)
        case (
            State.AWAITING_POLICY
            | State.TESTS_FAILED
            | State.HELD
            | State.PROMOTION_FAILED
            | State.COMPLETED
            | State.CLOSED
            | State.ABORTED
        ):
            return (story.reason, story.rounds, hop.attempt if hop else 0)
        case _:
            return None


def small_print(story: PromotionState, waiting: WaitingFor | None) -> tuple[object, ...]:
    """Return what of a moment may change while it lasts, and is to be true on the pull request soon after.

    What was observed last is none of it: thousands may wait for the same place, and each look would cost all of them
    a call.
    """
    wait: tuple[str, ...] = ()
    if waiting is not None:
        # In a line each one would be edited whenever any of it leaves.
        named = () if waiting.what is Waiting.LANE else (waiting.object, waiting.unblock_with)
        wait = (waiting.what, *named)
    tests = story.hop.round.tests if story.hop is not None and story.hop.round is not None else ()
    return (story.reason, wait, tuple((test.state, test.retry, bool(test.url)) for test in tests))


def until_lasting(story: PromotionState, shown: State, now: datetime) -> timedelta:
    """Return how long until the state at hand is one that lasts."""
    lasts_after = UNLINKED_FOR if shown is State.TESTING else SHOWN_AFTER
    return lasts_after - (now - story.since) if story.since is not None else lasts_after


def present_input(
    request: PromotionInput, story: PromotionState, shown: State, waiting: WaitingFor | None
) -> PresentInput:
    """Return the whole wanted presentation on the pull request."""
    tracker = request.tracker
    ending = [f"\n{link('Workflow', request.ui_url)}"] if request.ui_url else []
    ending += ["", story.drift.section] if story.drift.section else []
    # The tests of a hop that ended are with its record.
    tests = tests_of(story) if story.hop is not None else ()
    body = [f"### Pilotage: {_title(story, shown)}", *_under_title(story, shown, waiting), *_table(tests)]
    body += _records(story)
    body += _instructions(story)
    body += _tests_of_records(story, COMMENT_LIMIT - len("\n".join([*body, *ending])))
    body += ending
    return PresentInput(
        namespace=tracker.namespace,
        repository=request.spec.repository,
        number=request.spec.number,
        marker=f"{request.installation}/{tracker.namespace}/{tracker.name}",
        state_label=state_label(shown),
        place_label=place_label(story.environment) if story.environment in story.arrived else "",
        steering_labels=_standing(story),
        cleared=(*story.cleared, *((DRIFTED,) if story.drift.drifted is False else ())),
        labels_left=story.labels_left,
        reactions=tuple(story.reactions),
        labels=tuple(story.labels),
        statuses=_statuses(story, shown, waiting, request.ui_url),
        comment="\n".join(body),
        mentions=mentions(request, story, shown),
        deployments=_deployments(story, shown, request.ui_url),
        ui_url=web_address(request.ui_url),
        shown=story.shown or _seen(story),
    )


def _standing(story: PromotionState) -> tuple[str, ...]:
    """Return the labels that are to be there next to state and place; where drift is unknown, its own stays."""
    held = story.hold is not None and not story.state.terminal
    return (*((HOLD,) if held else ()), *((DRIFTED,) if story.drift.drifted else ()))


def refused(parts: Sequence[RefusedPart], repository: str) -> str:
    """Return which parts the host refuses, why, and what to fix."""
    lines = []
    for one in parts:
        right = f"give the credential of GitRepository/{repository} the right to write them"
        fix = f"; {right}" if one.failure.kind is FailureKind.UNAUTHORIZED else ""
        lines.append(f"{one.part}: {one.failure.text}{fix}")
    return together(lines)


def without_deployments(why: str, repository: str) -> str:
    """Return why the host's own deployments are not shown, and both ways to end that."""
    right = f"give the credential of GitRepository/{repository} the right to write deployments"
    return f"{why}; {right}, or set spec.show.deployments to false"


def _seen(story: PromotionState) -> Shown | None:
    """Return what reading the pull request showed of it, which spares a read; comments are looked for nevertheless.

    Once anything was tried that no longer counts: what a failure left there only the host knows.
    """
    unchanged = story.pull_request if story.presented is None else None
    return Shown(labels=unchanged.labels) if unchanged else None


def _title(story: PromotionState, shown: State) -> str:
    where = f"{story.hop.policy.source} → {story.hop.policy.target}" if story.hop else story.environment
    return f"{shown} ({where})" if where else str(shown)


def _under_title(story: PromotionState, shown: State, waiting: WaitingFor | None) -> list[str]:
    """Return what the title does not state: reason and policy, and what the change waits for."""
    news = [inline(story.reason)] if story.reason not in ("", str(shown)) else []
    news += [f"policy {story.hop.policy.name}"] if story.hop is not None else []
    return [*(["", " · ".join(news)] if news else []), *now_lines(story, shown, waiting)[1:]]


def now_lines(story: PromotionState, shown: State, waiting: WaitingFor | None) -> list[str]:
    """Return the state and what it waits for, as lines of Markdown."""
    lines = [f"**{shown}**" + (f" · {inline(story.reason)}" if story.reason not in ("", str(shown)) else "")]
    if story.hop is not None:
        lines[0] += f" · {story.hop.policy.source} → {story.hop.policy.target} (policy {story.hop.policy.name})"
    # What is waited for repeats the message where it is all that there is to observe.
    if story.message and (waiting is None or story.message not in waiting.observed):
        lines += ["", inline(story.message)]
    if waiting is not None:
        since = f" since {waiting.since:%Y-%m-%d %H:%M:%S} UTC" if waiting.since else ""
        on = f" on {inline(waiting.object)}" if waiting.object else ""
        lines += ["", f"**Waits for {waiting.what}**{on}{since}", ""]
        if waiting.observed:
            lines.append(f"- observed: {inline(waiting.observed)}")
        if waiting.unblock_with:
            lines.append(f"- next: {_way_out(waiting)}")
    return lines


def _way_out(waiting: WaitingFor) -> str:
    """Return what ends a wait, its command as code, so that it can be copied as it is."""
    text = inline(waiting.unblock_with.removesuffix(waiting.command))
    return " ".join(filter(None, (text, code(waiting.command) if waiting.command else "")))


def _table(tests: Sequence[TestStatus]) -> list[str]:
    return ["", *TABLE, *map(_test_row, tests)] if tests else []


def _records(story: PromotionState) -> list[str]:
    if not story.records:
        return []
    return ["", "| From | To | Result | By | At (UTC) |", "|---|---|---|---|---|", *map(_record_row, story.records)]


def _instructions(story: PromotionState) -> list[str]:
    """Return what people asked for on the pull request, and what became of it."""
    if not story.instructions:
        return []
    marks = {True: "✅", False: "❌"}
    rows = [
        f"| {cell(one.verb)} | {cell(one.by)} | {marks[one.accepted]} {cell(one.message)} |"
        for one in story.instructions
    ]
    return ["", "| Instruction | By | Answer |", "|---|---|---|", *rows]


def _tests_of_records(story: PromotionState, room: int) -> list[str]:
    """Return the tests of each hop that ended, folded; the newest are kept where there is no room for all."""
    kept: list[list[str]] = []
    for record in reversed(story.records):
        if not record.tests:
            continue
        passed = sum(test.state == RunState.PASSED for test in record.tests)
        title = f"Tests {record.source} → {record.target}: {passed} of {len(record.tests)} passed"
        opened = " open" if story.hop is None and not kept else ""
        block = ["", f"<details{opened}><summary>{title}</summary>", *_table(record.tests), "", "</details>"]
        room -= len("\n".join(block)) + 1
        if room < 0:
            break
        kept.insert(0, block)
    return [line for block in kept for line in block]


def _test_row(test: TestStatus) -> str:
    run = link(test.number or "run", test.url, in_table=True) if test.url else ""
    state = f"{ICONS.get(test.state, '')} {test.state}{f' ({cell(test.detail)})' if test.detail else ''}".strip()
    return f"| {cell(test.name)} | {cell(test.runner)} | {'yes' if test.required else 'no'} | {state} | {run} |"


def _record_row(record: PromotionRecord) -> str:
    by = record.brought_by or record.promoted_by
    error = f" ({cell(record.error)})" if record.error else ""
    return (
        f"| {record.source} | {record.target} | {record.result}{error} | {cell(by)} | {record.at:%Y-%m-%d %H:%M:%S} |"
    )


def _statuses(story: PromotionState, shown: State, waiting: WaitingFor | None, url: str) -> tuple[DesiredStatus, ...]:
    """Return one commit status per environment reached and for the one that is next.

    Of a merged pull request its head has them as well: that is the commit whose statuses its page shows.
    """
    pull_request = story.pull_request
    if pull_request is None:
        return ()
    sha = pull_request.merge_sha or pull_request.head_sha
    found = [
        DesiredStatus(
            sha=sha,
            context=f"pilotage/{environment}",
            state=CommitState.SUCCESS,
            description=f"{short(sha)} arrived in {environment}",
            url=url,
        )
        for environment in dict.fromkeys(story.arrived)
    ]
    pending = story.hop.policy.target if story.hop else story.environment
    if pending and pending not in story.arrived:
        failed = shown in (State.TESTS_FAILED, State.PROMOTION_FAILED)
        state = CommitState.FAILURE if failed else ENDS.get(shown, CommitState.PENDING)
        on = f" on {waiting.object}" if waiting and waiting.object else ""
        news = f"waits for {waiting.what}{on}" if waiting else story.message if shown.terminal else ""
        text = f"{shown}: {news}" if news else str(shown)
        found.append(
            DesiredStatus(
                sha=sha, context=f"pilotage/{pending}", state=state, description=one_line(text)[:140], url=url
            )
        )
    commits = dict.fromkeys((sha, pull_request.head_sha))
    return tuple(replace(one, sha=commit) for commit in commits for one in found)


def _deployments(story: PromotionState, shown: State, url: str) -> tuple[DesiredDeployment, ...]:
    """Return how far the promotion to each environment is; what others brought there is their deployment.

    What was shown as under way and is not any more ends: hosts would show it so forever.
    """
    pull_request, hop = story.pull_request, story.hop
    sha = pull_request.merge_sha if pull_request else None
    if sha is None:
        return ()
    found = {one.target: DELIVERED[one.result] for one in story.records if one.result in DELIVERED}
    delivering = DELIVERING.get(story.state if shown is State.HELD else shown)
    if hop is not None and delivering is not None:
        found[hop.policy.target] = delivering
    return _given_up(story, shown, sha, found) + tuple(
        DesiredDeployment(
            environment=environment,
            sha=sha,
            state=state,
            description=f"{short(sha)}: {state}",
            environment_url=story.urls.get(environment, ""),
            log_url=url,
        )
        for environment, state in list(found.items())[-DEPLOYMENTS_SHOWN:]
    )


def _given_up(
    story: PromotionState, shown: State, sha: str, current: Mapping[str, DeliveryState]
) -> tuple[DesiredDeployment, ...]:
    """Return the deployments that are to be shown as under way no more."""
    results = {one.target: one.result for one in story.records}
    before = {one.environment: one for one in (story.shown.deployments if story.shown is not None else ())}
    if story.presentation_owed:
        # Only the host knows what it took of what was sent last.
        places = [*results, *([story.hop.policy.target] if story.hop is not None else [])]
        sent = DesiredDeployment(environment="", sha=sha, state=DeliveryState.QUEUED)
        before = {place: replace(sent, environment=place) for place in places} | before
    return tuple(
        one if one.ended else replace(one, ended=True, description=f"{short(sha)}: {results.get(place, shown)}")
        for place, one in before.items()
        if place not in current and one.state in UNDER_WAY
    )
