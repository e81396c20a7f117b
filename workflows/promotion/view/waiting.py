"""What a tracker waits for: its state, the cause, and what a person does about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from activities.models.configuration import PolicyOutcome
from activities.models.places import PlaceSignal
from activities.models.status import WaitingFor
from activities.models.tracking import PullRequestState
from crds.reasons.trackers import TrackerReason, WaitingReason
from crds.reasons.vocabulary import State, Waiting
from workflows.promotion.rules.comparison import short
from workflows.promotion.rules.lineage import first_astray
from workflows.promotion.state import Hold, Hop, PromotionState, RunBlocker, TestProgress
from workflows.promotion.view.obstacles import Obstacle
from workflows.promotion.view.waiting_ahead import READABLE, delivery, name_of_target, turn, wanted_of
from workflows.promotion.view.waits import blocked, unread, wait
from workflows.promotion.view.way_out import CommandLine, Fix, WayOut, WaysOut, in_full, joined

_FAILED_OF: Mapping[str, WaitingReason] = {
    TrackerReason.PARTIAL: WaitingReason.PARTIAL,
    TrackerReason.HEAD_MOVED: WaitingReason.HEAD_MOVED,
}

_ALL_PASSED = "all required tests Passed"


def waiting_for(
    story: PromotionState,
    *,
    source: PlaceSignal | None,
    target: PlaceSignal | None,
    obstacle: Obstacle | None = None,
    verdict_until: datetime | None = None,
    delivery_until: datetime | None = None,
    held: bool = False,
    command: CommandLine,
) -> WaitingFor | None:
    """Return what is waited for; None only in a terminal state. `held`: whether the hold has taken effect."""
    ways, hop = WaysOut.of(story, command), story.hop
    if story.state.terminal:
        return None
    if held and story.hold is not None:
        return _release(story.hold, command)
    if story.problem:
        return _reference(story, obstacle, ways)
    match story.state:
        case State.PENDING:
            return unread(story, Waiting.REFERENCE, "the pull request", observed="not read yet")
        case State.AWAITING_MERGE:
            return _merge(story, command)
        case State.SYNCED if obstacle is None:
            return _next(story, hop)
        case State.AWAITING_SYNC | State.SYNCED:
            return _sync(story, source, obstacle, ways)
        case State.AWAITING_POLICY:
            return _policy(story, ways)
        case State.TESTING if hop is None or hop.round is None:
            # A round begins with a source that runs the change, which was rolled back or is still being deployed.
            return _sync(story, source, obstacle, ways)
        case State.TESTING:
            return _verdict(story, verdict_until, obstacle, ways)
        case State.TESTS_FAILED:
            moved = story.reason == TrackerReason.SOURCE_MOVED
            return wait(
                story,
                Waiting.RETEST,
                name_of_target(hop),
                reason=WaitingReason.SOURCE_MOVED if moved else WaitingReason.TESTS_FAILED,
                observed=story.message or story.reason,
                way_out=WayOut.by(command("retest")),
            )
        case State.READY_TO_PROMOTE:
            return turn(story, hop, target, obstacle, ways)
        case State.PROMOTING:
            return delivery(story, hop, obstacle, delivery_until, ways)
        case State.PROMOTION_FAILED:
            return wait(
                story,
                Waiting.RETRY,
                name_of_target(hop),
                reason=_FAILED_OF.get(story.reason, WaitingReason.WAVE_FAILED),
                observed=story.message,
                way_out=WayOut.by(command("retry")),
                wanted=wanted_of(hop),
            )
        case _:
            return wait(
                story,
                Waiting.RELEASE,
                story.environment,
                reason=WaitingReason.HELD,
                observed=str(story.state),
                way_out=WayOut.by(command("release")),
            )


def _release(hold: Hold, command: CommandLine) -> WaitingFor:
    untold = f"; the environments ahead do not know it yet: {hold.untold}" if hold.untold else ""
    return WaitingFor(
        what=Waiting.RELEASE,
        object=hold.by,
        wanted="release",
        observed=f"held by {hold.by}{untold}" + (f": {hold.reason}" if hold.reason else ""),
        since=hold.since,
        unblock_with=command("release"),
        command=command("release"),
        reason_code=WaitingReason.HELD,
    )


def _reference(story: PromotionState, obstacle: Obstacle | None, ways: WaysOut) -> WaitingFor:
    """Return what is to be fixed before the step at hand can go on."""
    what = story.problem_object
    waiting = wait(
        story,
        Waiting.REFERENCE,
        what,
        reason=WaitingReason.WAITING_FOR_REFERENCE,
        observed=story.problem,
        way_out=ways.show(Fix(f"fix {what}", (what,))),
        wanted="a working reference",
    )
    return blocked(waiting, obstacle)


def _merge(story: PromotionState, command: CommandLine) -> WaitingFor:
    number = f"#{story.pull_request.number}" if story.pull_request is not None else "#"
    if story.pull_request is not None and story.pull_request.state is PullRequestState.MERGED:
        files = f"the changed files of {number}"
        return unread(story, Waiting.REFERENCE, files, observed="merged; not read yet")
    return wait(
        story,
        Waiting.MERGE,
        number,
        reason=WaitingReason.NOT_MERGED,
        observed="not merged",
        way_out=WayOut.shown_by("merge the pull request", command("open")),
        wanted="merged",
    )


def _next(story: PromotionState, hop: Hop | None) -> WaitingFor:
    """Return what a change waits for that runs where it is: its policy, then the first look at the target."""
    runs = f"it runs in {story.environment}"
    if hop is None:
        policy = f"the policy that leaves {story.environment}"
        return unread(story, Waiting.POLICY, policy, observed=f"{runs}; not read yet")
    observed = f"{runs}; {hop.policy.target} is not observed yet"
    return unread(story, Waiting.TARGET, hop.policy.target, observed=observed, wanted=READABLE)


def _policy(story: PromotionState, ways: WaysOut) -> WaitingFor:
    policies = tuple(f"PromotionPolicy/{name}" for name in story.policies)
    names = ", ".join(policies)
    repository = story.repository.name if story.repository else "this one"
    object_, wanted = names or story.environment, "one valid policy"
    match story.reason:
        case PolicyOutcome.AMBIGUOUS:
            reason = WaitingReason.AMBIGUOUS_POLICY
            one = f"delete all but one of {names}, or let only one of them name {repository} in repositoryRefs"
            way_out = ways.show(Fix(one, policies))
        case PolicyOutcome.OBSERVING:
            reason, object_, wanted = WaitingReason.OBSERVING, f"GitRepository/{repository}", "mode Act"
            way_out = ways.show(Fix(f"set `mode: Act` on {object_}", (object_,)))
        case PolicyOutcome.INVALID:
            reason = WaitingReason.INVALID_POLICY
            way_out = ways.show(Fix(f"fix the fields of {names} that the message names", policies))
        case _:
            reason = WaitingReason.POLICY_NOT_FOUND
            create = f"create a PromotionPolicy with sourceEnvironment {story.environment}"
            way_out = WayOut.shown_by(create, ways.kubectl("get", in_full("PromotionPolicy")))
    observed = story.message or story.reason
    return wait(story, Waiting.POLICY, object_, reason=reason, observed=observed, way_out=way_out, wanted=wanted)


def _sync(story: PromotionState, place: PlaceSignal | None, obstacle: Obstacle | None, ways: WaysOut) -> WaitingFor:
    lost = first_astray(story, place.observed, abort=ways.command("abort")) if place is not None else None
    merge = story.pull_request.merge_sha if story.pull_request else None
    deploy = ways.show(Fix(f"deploy {short(merge)} to {story.environment}"))
    waiting = wait(
        story,
        Waiting.SYNC,
        story.environment,
        reason=WaitingReason.NOT_ARRIVED if lost is None else WaitingReason.OTHER_HISTORY,
        observed=story.message or ("; ".join(_running(place)) if place else "not observed yet"),
        way_out=deploy if lost is None else WayOut(text=lost.unblock_with),
        wanted=f"{short(merge)} or newer, Synced and Healthy",
    )
    return blocked(waiting, obstacle)


def _running(place: PlaceSignal) -> list[str]:
    if place.problem:
        return [place.problem]
    return [
        f"{one.deployment}: {one.problem}"
        if one.problem
        else f"{one.deployment} runs {short(one.runs)}, {one.sync_status}, {one.health}"
        for one in place.observed
    ]


def _verdict(story: PromotionState, until: datetime | None, obstacle: Obstacle | None, ways: WaysOut) -> WaitingFor:
    tests = story.hop.round.tests if story.hop and story.hop.round else []
    open_tests = [test for test in tests if not test.final]
    if tests and not open_tests and obstacle is None:
        observed = f"the tests ended; what {story.environment} runs is read again before they count"
        waiting = unread(story, Waiting.VERDICT, story.environment, observed=observed, wanted=_ALL_PASSED)
        return replace(waiting, until=until)
    reason, fix = _asked_of_people(open_tests)
    states = (
        ": ".join(filter(None, (f"{test.spec.name} {test.state or 'not triggered'}", test.note))) for test in open_tests
    )
    waiting = wait(
        story,
        Waiting.VERDICT,
        ", ".join(test.spec.name for test in open_tests),
        reason=reason,
        observed="; ".join(states),
        way_out=ways.show(fix),
        wanted=_ALL_PASSED,
    )
    return replace(blocked(waiting, obstacle), until=until)


def _asked_of_people(tests: Sequence[TestProgress]) -> tuple[WaitingReason, Fix]:
    """Return what runs wait for that only people can give them; TestsRunning where there is nothing."""
    found: dict[Fix, WaitingReason] = {}
    for test in tests:
        runner, job = f"TestRunner/{test.spec.runner}", f"job `{test.spec.job}`"
        if test.blocker is RunBlocker.APPROVAL:
            found[Fix(f"approve the run of {job} at {runner}", (runner,))] = WaitingReason.APPROVAL_NEEDED
        elif test.blocker is RunBlocker.RUNNER:
            found[Fix(f"give {job} at {runner} an agent that takes it", (runner,))] = WaitingReason.RUNNER_NEEDED
    return next(iter(found.values()), WaitingReason.TESTS_RUNNING), joined(found)
