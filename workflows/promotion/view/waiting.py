"""What a tracker waits for: its state, the cause, and what a person does about it. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from activities.models.bounds import together
from activities.models.configuration import PolicyOutcome
from activities.models.places import Phase, PlaceSignal
from activities.models.status import NO_ACTION, State, Waiting, WaitingFor
from activities.models.tracking import PullRequestState
from crds.reasons.trackers import TrackerReason, WaitingReason
from workflows.promotion.rules.aggregate import verdict
from workflows.promotion.rules.commands import approver
from workflows.promotion.rules.comparison import short
from workflows.promotion.rules.lineage import first_astray
from workflows.promotion.state import Hold, Hop, PromotionState, Refusal, RunBlocker, TestProgress
from workflows.promotion.view.obstacles import Obstacle
from workflows.promotion.view.way_out import CommandLine, Fix, WaysOut, joined

_FAILED_OF = {
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
    ways = WaysOut.of(story, command)
    if story.state.terminal:
        return None
    if held and story.hold is not None:
        return WaitingFor(
            what=Waiting.RELEASE,
            object=story.hold.by,
            wanted="release",
            observed=_held_by(story.hold),
            since=story.hold.since,
            unblock_with=command("release"),
            reason_code=WaitingReason.HELD,
        )
    if story.problem:
        return WaitingFor(
            what=Waiting.REFERENCE,
            object=story.problem_object,
            wanted="a working reference",
            observed=story.problem,
            since=story.since,
            unblock_with=obstacle.unblock_with
            if obstacle
            else ways.show(Fix(f"fix {story.problem_object}", (story.problem_object,))),
            reason_code=obstacle.reason if obstacle else WaitingReason.WAITING_FOR_REFERENCE,
        )
    hop = story.hop
    match story.state:
        case State.PENDING:
            return _unread(story, Waiting.REFERENCE, "the pull request", "not read yet")
        case State.AWAITING_MERGE if _merged(story):
            files = f"the changed files of #{_number(story)}"
            return _unread(story, Waiting.REFERENCE, files, "merged; not read yet")
        case State.AWAITING_MERGE:
            return _plain(
                story,
                WaitingReason.NOT_MERGED,
                Waiting.MERGE,
                f"#{_number(story)}",
                "not merged",
                f"merge the pull request: {command('open')}",
                "merged",
            )
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
            reason = WaitingReason.SOURCE_MOVED if moved else WaitingReason.TESTS_FAILED
            return _plain(story, reason, Waiting.RETEST, _target(hop), story.message or story.reason, command("retest"))
        case State.READY_TO_PROMOTE:
            return _ready(story, hop, target, obstacle, ways)
        case State.PROMOTING:
            return _delivery(story, hop, obstacle, delivery_until, ways)
        case State.PROMOTION_FAILED:
            reason = next((found for of, found in _FAILED_OF.items() if of == story.reason), WaitingReason.WAVE_FAILED)
            return _plain(story, reason, Waiting.RETRY, _target(hop), story.message, command("retry"), _wanted(hop))
        case _:
            return _plain(
                story,
                WaitingReason.HELD,
                Waiting.RELEASE,
                story.environment,
                str(story.state),
                command("release"),
            )


def _held_by(hold: Hold) -> str:
    untold = f"; the environments ahead do not know it yet: {hold.untold}" if hold.untold else ""
    return f"held by {hold.by}{untold}" + (f": {hold.reason}" if hold.reason else "")


def _delivery(
    story: PromotionState, hop: Hop | None, obstacle: Obstacle | None, deadline: datetime | None, ways: WaysOut
) -> WaitingFor:
    # Nothing here claims that a system works: no one can know that while it gives no answer.
    observed, until = story.message or "no arrival seen yet", deadline
    reason, unblock = WaitingReason.DELIVERING, NO_ACTION
    if hop is not None and hop.pause_until is not None:
        until = hop.pause_until
        observed = f"the pause between waves, until {until:%Y-%m-%d %H:%M:%S} UTC; Pilotage then writes the next wave"
        reason = WaitingReason.WAVE_PAUSE
    elif obstacle is not None:
        reason, unblock = obstacle.reason, obstacle.unblock_with
    elif hop is not None and hop.blocked and hop.awaited:
        reason = WaitingReason.MERGE_AWAITED
        unblock = ways.show(Fix("merge the pull request, or close it to end the wave"))
    elif hop is not None and hop.environment_held:
        reason = WaitingReason.ENVIRONMENT_HELD
        unblock = ways.show(Fix(f"let its holder release {_target(hop)}"))
    elif hop is not None and hop.blocked:
        reason = WaitingReason.SYNC_WINDOW
    elif hop is not None and hop.remedy and hop.remedy != NO_ACTION:
        reason, unblock = WaitingReason.NOT_ARRIVING, ways.show(Fix(hop.remedy))
    waiting = _plain(story, reason, Waiting.DELIVERY, _target(hop), observed, unblock, _wanted(hop))
    return replace(waiting, until=until)


def _plain(
    story: PromotionState,
    reason: WaitingReason,
    what: Waiting,
    object_: str,
    observed: str,
    unblock_with: str,
    wanted: str = "",
) -> WaitingFor:
    return WaitingFor(
        what=what,
        object=object_,
        wanted=wanted,
        observed=observed,
        since=story.since,
        unblock_with=unblock_with,
        reason_code=reason,
    )


def _unread(story: PromotionState, what: Waiting, object_: str, observed: str, wanted: str = "") -> WaitingFor:
    """Return a wait for what Pilotage reads until it has it, also while that fails of what usually passes."""
    return _plain(story, WaitingReason.NOT_READ_YET, what, object_, observed, NO_ACTION, wanted)


def _merged(story: PromotionState) -> bool:
    return story.pull_request is not None and story.pull_request.state is PullRequestState.MERGED


def _next(story: PromotionState, hop: Hop | None) -> WaitingFor:
    """Return what a change waits for that runs where it is: its policy, then the first look at the target."""
    runs = f"it runs in {story.environment}"
    if hop is None:
        policy = f"the policy that leaves {story.environment}"
        return _unread(story, Waiting.POLICY, policy, f"{runs}; not read yet")
    observed = f"{runs}; {hop.policy.target} is not observed yet"
    return _unread(story, Waiting.TARGET, hop.policy.target, observed, "a target that can be read")


def _number(story: PromotionState) -> str:
    return str(story.pull_request.number) if story.pull_request else ""


def _target(hop: Hop | None) -> str:
    return hop.policy.target if hop else ""


def _wanted(hop: Hop | None) -> str:
    artifacts = hop.round.artifacts if hop and hop.round else ()
    return ", ".join(f"{artifact.component} {short(artifact.revision)}" for artifact in artifacts)


def _policy(story: PromotionState, ways: WaysOut) -> WaitingFor:
    policies = tuple(f"PromotionPolicy/{name}" for name in story.policies)
    names = ", ".join(policies)
    repository = story.repository.name if story.repository else "this one"
    reason = WaitingReason.POLICY_NOT_FOUND
    match story.reason:
        case PolicyOutcome.AMBIGUOUS:
            reason = WaitingReason.AMBIGUOUS_POLICY
            one = f"delete all but one of {names}, or let only one of them name {repository} in repositoryRefs"
            unblock = ways.show(Fix(one, policies))
        case PolicyOutcome.OBSERVING:
            observed = story.message or story.reason
            object_ = f"GitRepository/{repository}"
            unblock = ways.show(Fix(f"set `mode: Act` on {object_}", (object_,)))
            return _plain(story, WaitingReason.OBSERVING, Waiting.POLICY, object_, observed, unblock, "mode Act")
        case PolicyOutcome.INVALID:
            reason = WaitingReason.INVALID_POLICY
            unblock = ways.show(Fix(f"fix the fields of {names} that the message names", policies))
        case _:
            unblock = f"create a PromotionPolicy with sourceEnvironment {story.environment}: "
            unblock += ways.kubectl("get", "promotionpolicies")
    observed = story.message or story.reason
    return _plain(story, reason, Waiting.POLICY, names or story.environment, observed, unblock, "one valid policy")


def _sync(story: PromotionState, place: PlaceSignal | None, obstacle: Obstacle | None, ways: WaysOut) -> WaitingFor:
    lost = first_astray(story, place.observed, abort=ways.command("abort")) if place is not None else None
    reason = WaitingReason.OTHER_HISTORY if lost is not None else WaitingReason.NOT_ARRIVED
    merge = story.pull_request.merge_sha if story.pull_request else None
    unblock = lost.unblock_with if lost is not None else ways.show(Fix(f"deploy {short(merge)} to {story.environment}"))
    observed = story.message or ("; ".join(_running(place)) if place else "not observed yet")
    return _plain(
        story,
        obstacle.reason if obstacle else reason,
        Waiting.SYNC,
        obstacle.object if obstacle else story.environment,
        observed,
        obstacle.unblock_with if obstacle else unblock,
        f"{short(merge)} or newer, Synced and Healthy",
    )


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
        return replace(_unread(story, Waiting.VERDICT, story.environment, observed, _ALL_PASSED), until=until)
    reason, fix = _asked_of_people(open_tests)
    return WaitingFor(
        what=Waiting.VERDICT,
        object=obstacle.object if obstacle else ", ".join(test.spec.name for test in open_tests),
        wanted=_ALL_PASSED,
        observed="; ".join(
            ": ".join(filter(None, (f"{test.spec.name} {test.state or 'not triggered'}", test.note)))
            for test in open_tests
        ),
        since=story.since,
        until=until,
        unblock_with=obstacle.unblock_with if obstacle else ways.show(fix),
        reason_code=obstacle.reason if obstacle else reason,
    )


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


def _unknown(story: PromotionState, target: PlaceSignal | None) -> str:
    """Return what is not known yet of the target."""
    hop, components = story.hop, story.components or ()
    found = hop.view.deployments if hop is not None and hop.view is not None else ()
    selectors = [one.name for one in found if one.unresolved and one.component in components]
    if selectors:
        return f"which applications {together(selectors)} selects is not known yet"
    if target is None or target.observed_at is None:
        return f"{_target(hop)} is not observed yet"
    return f"{_target(hop)} is being compared"


def _ready(
    story: PromotionState,
    hop: Hop | None,
    target: PlaceSignal | None,
    obstacle: Obstacle | None,
    ways: WaysOut,
) -> WaitingFor:
    name, command = _target(hop), ways.command
    if hop is not None and hop.refusal is Refusal.UNREADABLE:
        there = f"Environment/{name}"
        unblock = obstacle.unblock_with if obstacle else ways.show(Fix(f"fix {there}", (there,)))
        place, reason = obstacle.object if obstacle else name, WaitingReason.TARGET_UNREADABLE
        return _plain(story, reason, Waiting.TARGET, place, hop.refusal_message, unblock, "a target that can be read")
    if hop is not None and hop.refusal is not Refusal.NONE:
        return _plain(
            story,
            WaitingReason.TARGET_DIVERGED,
            Waiting.TARGET,
            name,
            hop.refusal_message,
            f'{command("promote")} --reason "…"',
            "a target that the change contains",
        )
    if hop is not None and not approver(story):
        return _plain(
            story,
            WaitingReason.AWAITING_PROMOTE,
            Waiting.PROMOTE_COMMAND,
            name,
            f"{verdict(hop.round.tests if hop.round else ())}; the policy has autoPromote false",
            command("promote"),
            "a promote command",
        )
    if story.phase not in (Phase.READY, Phase.HOLDER):
        wanted = "a target that can be read"
        if obstacle is None:
            return _unread(story, Waiting.TARGET, name, _unknown(story, target), wanted)
        object_, fix = obstacle.object, obstacle.unblock_with
        return _plain(story, obstacle.reason, Waiting.TARGET, object_, obstacle.text, fix, wanted)
    blocked = target.blocked_by if target else None
    observed = f"{blocked.tracker} {blocked.reason}".strip() if blocked else "asked for the lane"
    unblock = NO_ACTION
    if blocked is not None and blocked.held:
        unblock = command("release", blocked.tracker)
    elif obstacle is not None and not (blocked is not None and blocked.tracker):
        unblock = obstacle.unblock_with
    return _plain(
        story,
        WaitingReason.BLOCKED_BY if blocked is not None else WaitingReason.AWAITING_LANE,
        Waiting.LANE,
        blocked.tracker if blocked and blocked.tracker else name,
        observed,
        unblock,
        f"the lane of {name}",
    )
