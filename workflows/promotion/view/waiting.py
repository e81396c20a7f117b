"""Pure: what a tracker waits for, always true and always with a way out."""

from collections.abc import Callable, Sequence
from datetime import datetime

from activities.models.bounds import together
from activities.models.configuration import PolicyOutcome
from activities.models.places import Phase, PlaceSignal
from activities.models.status import State, Waiting, WaitingFor
from activities.models.tracking import PullRequestState
from workflows.promotion.rules.aggregate import verdict
from workflows.promotion.rules.commands import approver
from workflows.promotion.rules.comparison import short
from workflows.promotion.rules.lineage import first_astray
from workflows.promotion.state import Hold, Hop, PromotionState, Refusal, RunBlocker, TestProgress
from workflows.promotion.view.obstacles import Obstacle

ASKED_AGAIN = "nothing; it is asked for until it is there"
"""True also while it fails of what usually passes, which is not shown for some minutes."""


def waiting_for(
    story: PromotionState,
    *,
    source: PlaceSignal | None,
    target: PlaceSignal | None,
    obstacle: Obstacle | None = None,
    verdict_until: datetime | None = None,
    delivery_until: datetime | None = None,
    held: bool = False,
    command: Callable[[str], str],
) -> WaitingFor | None:
    """Return what is waited for; None only in a terminal state. `held`: whether the hold has taken effect.

    `command` turns a verb into the command line that a person can paste.
    """
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
        )
    if story.problem:
        return WaitingFor(
            what=Waiting.REFERENCE,
            object=story.problem_object,
            wanted="a working reference",
            observed=story.problem,
            since=story.since,
            unblock_with=obstacle.unblock_with if obstacle else f"fix {story.problem_object}",
        )
    hop = story.hop
    match story.state:
        case State.PENDING:
            return _plain(story, Waiting.REFERENCE, "the pull request", "not read yet", ASKED_AGAIN)
        case State.AWAITING_MERGE if _merged(story):
            files = f"the changed files of #{_number(story)}"
            return _plain(story, Waiting.REFERENCE, files, "merged; not read yet", ASKED_AGAIN)
        case State.AWAITING_MERGE:
            return _plain(story, Waiting.MERGE, f"#{_number(story)}", "not merged", "merge the pull request", "merged")
        case State.SYNCED if obstacle is None:
            return _next(story, hop)
        case State.AWAITING_SYNC | State.SYNCED:
            return _sync(story, source, obstacle, command)
        case State.AWAITING_POLICY:
            return _policy(story)
        case State.TESTING if hop is None or hop.round is None:
            # A round begins with a source that runs the change, which was rolled back or is still being deployed.
            return _sync(story, source, obstacle, command)
        case State.TESTING:
            return _verdict(story, verdict_until, obstacle)
        case State.TESTS_FAILED:
            return _plain(story, Waiting.RETEST, _target(hop), story.message or story.reason, command("retest"))
        case State.READY_TO_PROMOTE:
            return _ready(story, hop, target, obstacle, command)
        case State.PROMOTING:
            if hop is not None and hop.pause_until is not None:
                return _pausing(story, hop, hop.pause_until)
            observed = story.message or "being delivered"
            remedy = hop.remedy if hop is not None else ""
            unblock = obstacle.unblock_with if obstacle else remedy or "nothing; Argo CD is at work"
            if hop is not None and hop.blocked and obstacle is None:
                unblock = "nothing; it goes on by itself when the sync window ends, and the deadline waits as well"
                if hop.awaited:
                    unblock = "merge the pull request, or close it to end the wave; the deadline waits as well"
            return _until(
                _plain(story, Waiting.DELIVERY, _target(hop), observed, unblock, _wanted(hop)), delivery_until
            )
        case State.PROMOTION_FAILED:
            unblock = f"fix why it failed, then {command('retry')}"
            return _plain(story, Waiting.RETRY, _target(hop), story.message, unblock, _wanted(hop))
        case _:
            return _plain(story, Waiting.RELEASE, story.environment, str(story.state), command("release"))


def _held_by(hold: Hold) -> str:
    untold = f"; the environments ahead do not know it yet: {hold.untold}" if hold.untold else ""
    return f"held by {hold.by}{untold}" + (f": {hold.reason}" if hold.reason else "")


def _pausing(story: PromotionState, hop: Hop, until: datetime) -> WaitingFor:
    observed = f"the pause between waves, until {until:%Y-%m-%d %H:%M:%S} UTC"
    unblock = "nothing; the next wave begins by itself"
    return _until(_plain(story, Waiting.DELIVERY, _target(hop), observed, unblock, _wanted(hop)), until)


def _plain(
    story: PromotionState, what: Waiting, object_: str, observed: str, unblock_with: str, wanted: str = ""
) -> WaitingFor:
    return WaitingFor(
        what=what, object=object_, wanted=wanted, observed=observed, since=story.since, unblock_with=unblock_with
    )


def _until(waiting: WaitingFor, until: datetime | None) -> WaitingFor:
    return WaitingFor(
        what=waiting.what,
        object=waiting.object,
        wanted=waiting.wanted,
        observed=waiting.observed,
        since=waiting.since,
        until=until,
        unblock_with=waiting.unblock_with,
    )


def _merged(story: PromotionState) -> bool:
    return story.pull_request is not None and story.pull_request.state is PullRequestState.MERGED


def _next(story: PromotionState, hop: Hop | None) -> WaitingFor:
    """Return what a change waits for that runs where it is: its policy, then the first look at the target."""
    runs = f"it runs in {story.environment}"
    if hop is None:
        policy = f"the policy that leaves {story.environment}"
        return _plain(story, Waiting.POLICY, policy, f"{runs}; not read yet", ASKED_AGAIN)
    observed = f"{runs}; {hop.policy.target} is not observed yet"
    return _plain(story, Waiting.TARGET, hop.policy.target, observed, ASKED_AGAIN, "a target that can be read")


def _number(story: PromotionState) -> str:
    return str(story.pull_request.number) if story.pull_request else ""


def _target(hop: Hop | None) -> str:
    return hop.policy.target if hop else ""


def _wanted(hop: Hop | None) -> str:
    artifacts = hop.round.artifacts if hop and hop.round else ()
    return ", ".join(f"{artifact.component} {short(artifact.revision)}" for artifact in artifacts)


def _policy(story: PromotionState) -> WaitingFor:
    names = ", ".join(f"PromotionPolicy/{name}" for name in story.policies)
    repository = story.repository.name if story.repository else "this one"
    match story.reason:
        case PolicyOutcome.AMBIGUOUS:
            unblock = f"delete all but one of {names}, or let only one of them name {repository} in repositoryRefs"
        case PolicyOutcome.OBSERVING:
            observed = story.message or story.reason
            unblock = f"set `mode: Act` on GitRepository/{repository}; the tracker goes on by itself"
            return _plain(story, Waiting.POLICY, f"GitRepository/{repository}", observed, unblock, "mode Act")
        case PolicyOutcome.INVALID:
            unblock = f"fix the fields of {names} that are named here; the tracker goes on by itself"
        case _:
            unblock = f"kubectl apply a PromotionPolicy with sourceEnvironment {story.environment}"
    return _plain(
        story, Waiting.POLICY, names or story.environment, story.message or story.reason, unblock, "one valid policy"
    )


def _sync(
    story: PromotionState, place: PlaceSignal | None, obstacle: Obstacle | None, command: Callable[[str], str]
) -> WaitingFor:
    lost = first_astray(story, place.observed, abort=command("abort")) if place is not None else None
    unblock = lost.unblock_with if lost is not None else ""
    merge = story.pull_request.merge_sha if story.pull_request else None
    observed = story.message or ("; ".join(_running(place)) if place else "not observed yet")
    return _plain(
        story,
        Waiting.SYNC,
        obstacle.object if obstacle else story.environment,
        observed,
        obstacle.unblock_with if obstacle else unblock or f"deploy {short(merge)} to {story.environment}",
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


def _verdict(story: PromotionState, until: datetime | None, obstacle: Obstacle | None) -> WaitingFor:
    tests = story.hop.round.tests if story.hop and story.hop.round else []
    open_tests = [test for test in tests if not test.final]
    return WaitingFor(
        what=Waiting.VERDICT,
        object=obstacle.object if obstacle else ", ".join(test.spec.name for test in open_tests),
        wanted="all required tests Passed",
        observed="; ".join(
            ": ".join(filter(None, (f"{test.spec.name} {test.state or 'not triggered'}", test.note)))
            for test in open_tests
        ),
        since=story.since,
        until=until,
        unblock_with=obstacle.unblock_with if obstacle else _asked_of_people(open_tests),
    )


def _asked_of_people(tests: Sequence[TestProgress]) -> str:
    """Say what runs wait for that only people can give them."""
    found: list[str] = []
    for test in tests:
        runner, job = f"TestRunner/{test.spec.runner}", f"job `{test.spec.job}`"
        if test.blocker is RunBlocker.APPROVAL:
            found.append(f"approve the run of {job} at {runner}")
        elif test.blocker is RunBlocker.RUNNER:
            found.append(f"give {job} at {runner} an agent that takes it")
    return together(found) if found else "nothing; the CI systems are at work"


def _unknown(story: PromotionState, target: PlaceSignal | None) -> str:
    """Say what keeps a change from the line although nobody has to do anything."""
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
    command: Callable[[str], str],
) -> WaitingFor:
    name = _target(hop)
    if hop is not None and not approver(story):
        return _plain(
            story,
            Waiting.PROMOTE_COMMAND,
            name,
            f"{verdict(hop.round.tests if hop.round else ())}; the policy has autoPromote false",
            command("promote"),
            "a promote command",
        )
    if hop is not None and hop.refusal is Refusal.UNREADABLE:
        unblock = obstacle.unblock_with if obstacle else f"fix what keeps Environment/{name} from being read"
        place = obstacle.object if obstacle else name
        return _plain(story, Waiting.TARGET, place, hop.refusal_message, unblock, "a target that can be read")
    if hop is not None and hop.refusal is not Refusal.NONE:
        return _plain(
            story,
            Waiting.TARGET,
            name,
            hop.refusal_message,
            f'make the target contained in the change, or {command("promote")} --reason "…"',
            "a target that the change contains",
        )
    if story.phase is not Phase.READY:
        observed, unblock = _unknown(story, target), ASKED_AGAIN
        if obstacle is not None:
            name, observed, unblock = obstacle.object, obstacle.text, obstacle.unblock_with
        return _plain(story, Waiting.TARGET, name, observed, unblock, "a target that can be read")
    blocked = target.blocked_by if target else None
    observed = f"{blocked.tracker} {blocked.reason}".strip() if blocked else "asked for the lane"
    if blocked and blocked.passes:
        unblock = "nothing; the lane is handed on once that is over"
    elif blocked and blocked.tracker:
        unblock = f"the end, release or abort of {blocked.tracker}"
    else:
        unblock = obstacle.unblock_with if obstacle else "nothing; the lane is handed on"
    return _plain(
        story,
        Waiting.LANE,
        blocked.tracker if blocked and blocked.tracker else name,
        observed,
        unblock,
        f"the lane of {name}",
    )
