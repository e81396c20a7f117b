"""What stands in the way of a promotion: state, cause, and what a person does about it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from activities.models.delivery import Observation
from activities.models.failures import BriefFailure, Failure
from activities.models.places import PlaceSignal
from crds.reasons.problems import FailureKind
from crds.reasons.trackers import WaitingReason
from crds.reasons.vocabulary import State
from workflows.promotion.state import PromotionState, TestProgress
from workflows.promotion.view.way_out import NOTHING, PILOTAGE, CommandLine, Fix, WayOut, WaysOut, ending, joined

UNREAD_POLLS = 3
"""So many failed polls in a row are more than a slow answer. A trigger has its attempts within one activity."""

RETRIES = "Pilotage retries"


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Name what is in the way, why, and what removes it."""

    object: str
    reason: WaitingReason
    """Also of the condition ReferencesResolved."""
    text: str
    """State and cause."""
    way_out: WayOut
    environment: str = ""
    """Whose EnvironmentWorkflow tries again what is in the way; empty where the promotion does so itself."""

    @property
    def unblock_with(self) -> str:
        """What removes it, as people read it."""
        return self.way_out.text


def find_obstacle(
    story: PromotionState,
    *,
    source: PlaceSignal | None,
    target: PlaceSignal | None,
    command: CommandLine,
) -> Obstacle | None:
    """Return what the current state cannot go on without; None where nothing is in the way."""
    ways = WaysOut.of(story, command)
    if story.state.terminal:
        return None
    if story.failure is not None:
        return _of_reference(story.failure, ways)
    match story.state:
        case State.AWAITING_SYNC | State.SYNCED:
            return _of_place(story, source, ways)
        case State.TESTING if story.hop is None or story.hop.round is None:
            return _of_place(story, source, ways)
        case State.TESTING:
            return _of_tests(story, ways)
        case State.PROMOTING if story.hop is not None and story.hop.write_failure_lasts and story.hop.write_failure:
            return _of_reference(story.hop.write_failure, ways)
        case State.READY_TO_PROMOTE | State.PROMOTING | State.PROMOTION_FAILED:
            return _of_place(story, target, ways)
        case _:
            return None


def _of_reference(failure: Failure, ways: WaysOut) -> Obstacle:
    return Obstacle(
        object=failure.object,
        reason=WaitingReason.UNAVAILABLE if failure.passing else WaitingReason.WAITING_FOR_REFERENCE,
        text=_retried(failure.named, [failure]),
        way_out=ways.show(_fix(failure)),
    )


def _fix(failure: Failure) -> Fix:
    what, host = failure.object, failure.through or failure.object
    match failure.kind:
        case FailureKind.UNAUTHORIZED:
            text = f"fix the credential of {host}, or its rights"
        case FailureKind.NOT_FOUND:
            text = f"create {what}, fix its name, or let the credential of {host} see it"
        case FailureKind.MISCONFIGURED:
            text = f"fix the field or setting that the message names, in {host} or in what it refers to"
        case FailureKind.UNAVAILABLE | FailureKind.MALFORMED:
            text = f"check the host of {host}, which gives no usable answer"
        case kind:
            return _fix_of_kind(kind, what=what) or Fix(f"fix {what}", (what,))
    return Fix(text, (what, host))


def _fix_of_kind(kind: FailureKind, *, what: str) -> Fix | None:
    """Return what removes a failure of a kind that does not depend on what was asked; None for any other kind."""
    match kind:
        case FailureKind.RATE_LIMITED | FailureKind.BUSY:
            return NOTHING
        case FailureKind.EXPIRED:
            return Fix("check Pilotage's workers, which are held up", (PILOTAGE,))
        case FailureKind.API_FORBIDDEN:
            return Fix(f"let Pilotage's worker read {what}", (PILOTAGE,))
        case FailureKind.API_UNAVAILABLE | FailureKind.API_INVALID:
            return Fix("check the Kubernetes API, which gives Pilotage's workers no usable answer", (PILOTAGE,))
        case _:
            return None


def _retried(text: str, failures: Iterable[Failure]) -> str:
    """Return a text with what Pilotage does about failures that end without a person."""
    return f"{text}; {RETRIES}" if all(failure.passing for failure in failures) else text


def _of_place(story: PromotionState, place: PlaceSignal | None, ways: WaysOut) -> Obstacle | None:
    if place is None:
        return None
    environment = f"Environment/{place.environment}"
    if place.failure is not None:
        return replace(_of_unobserved(place.failure, environment, ways), environment=place.environment)
    components = story.components or ()
    unread = [(one, one.failure) for one in place.observed if one.failure is not None and one.component in components]
    if unread:
        return replace(_of_unread(environment, unread, ways), environment=place.environment)
    deployed = {one.component for one in place.observed}
    missing = [one for one in components if one not in deployed]
    if not missing or place.observed_at is None:
        return None
    names = ", ".join(missing)
    return Obstacle(
        object=environment,
        reason=WaitingReason.COMPONENT_NOT_DEPLOYED,
        text=f"{environment} has no deployment of component {names}",
        way_out=ways.show(Fix(f"add a deployment of component {names} to {environment}", (environment,))),
    )


def _of_unobserved(failure: Failure, environment: str, ways: WaysOut) -> Obstacle:
    fix = _fix(failure)
    if failure.kind is FailureKind.REFERENCE_MISSING and failure.object != environment:
        fix = _fix_or_name(failure.object, environment)
    return Obstacle(
        object=failure.object,
        reason=WaitingReason.UNAVAILABLE if failure.passing else WaitingReason.DEPLOYMENT_UNREADABLE,
        text=_retried(failure.named, [failure]),
        way_out=ways.show(fix),
    )


def _fix_or_name(missing: str, environment: str) -> Fix:
    return Fix(f"fix {missing}, or what {environment} names", (missing, environment))


def _of_unread(environment: str, unread: Sequence[tuple[Observation, BriefFailure]], ways: WaysOut) -> Obstacle:
    failures = [failure for _, failure in unread]
    passing = all(failure.passing for failure in failures)
    return Obstacle(
        object=", ".join(dict.fromkeys(failure.object or environment for failure in failures)),
        reason=WaitingReason.UNAVAILABLE if passing else WaitingReason.DEPLOYMENT_UNREADABLE,
        text=_retried("; ".join(f"{one.deployment}: {one.problem}" for one, _ in unread), failures),
        way_out=ways.show(joined(_fix_deployment(one, failure, environment) for one, failure in unread)),
    )


def _fix_deployment(one: Observation, failure: Failure, environment: str) -> Fix:
    what = failure.object
    match failure.kind:
        case FailureKind.REFERENCE_MISSING:
            return _fix_or_name(what, environment)
        case FailureKind.UNAVAILABLE | FailureKind.MALFORMED:
            return Fix(f"check {what}, which gives no usable answer", (what, environment))
        case FailureKind.UNREPORTED:
            return Fix(f"reconcile {what} by Flux, and send its events to the receiver", (what, environment))
        case kind:
            application = one.application or f"of {one.deployment}"
            anything = f"fix {what} or its Secret, or application {application} as {environment} names it"
            return _fix_of_kind(kind, what=what) or Fix(anything, (what, environment))


def _of_tests(story: PromotionState, ways: WaysOut) -> Obstacle | None:
    hop = story.hop
    if hop is None or hop.round is None:
        return None
    refused = [(test, failure) for test in hop.round.tests if (failure := _in_the_way(test)) is not None]
    if not refused:
        return None
    failures = [failure for _, failure in refused]
    fix = joined(_fix_test(test, failure) for test, failure in refused)
    way_out = ways.show(fix)
    if not all(failure.ours or failure.asks_to_wait for failure in failures):
        retest = ways.command("retest")
        text = ending(fix.text, f"; or fix PromotionPolicy/{hop.policy.name}, then {retest}")
        way_out = WayOut(text=text, command=retest)
    passing = all(failure.passing for failure in failures)
    named = "; ".join(f"{test.spec.name} at {_where(test, failure)}: {failure.text}" for test, failure in refused)
    return Obstacle(
        object=", ".join(dict.fromkeys(_runner(test) for test, _ in refused)),
        reason=WaitingReason.UNAVAILABLE if passing else WaitingReason.TEST_REFUSED,
        text=_retried(named, failures),
        way_out=way_out,
    )


def _in_the_way(test: TestProgress) -> Failure | None:
    """Return what keeps a test from its verdict; a single poll that failed proves little."""
    failure = test.trouble
    if test.final or failure is None:
        return None
    certain = failure.fixable or failure.passing or test.run is None
    return failure if certain or test.unread >= UNREAD_POLLS else None


def _runner(test: TestProgress) -> str:
    return f"TestRunner/{test.spec.runner}"


def _where(test: TestProgress, failure: Failure) -> str:
    runner = _runner(test)
    return runner if failure.object in ("", runner) else f"{runner} ({failure.object})"


def _fix_test(test: TestProgress, failure: Failure) -> Fix:
    runner, job = _runner(test), f"job `{test.spec.job}`"
    about: tuple[str, ...] = (runner,)
    match failure.kind:
        case FailureKind.NOT_FOUND:
            text = f"create {job} at {runner}, or let its credential see it"
        case FailureKind.UNAUTHORIZED:
            text = f"fix the credential of {runner}, or its rights on {job}"
        case FailureKind.REFERENCE_MISSING:
            text, about = f"fix {failure.object or runner}", (failure.object, runner)
        case FailureKind.MISCONFIGURED:
            text = f"fix the field or setting that the message names, in {runner} or in what it refers to"
        case FailureKind.REJECTED | FailureKind.INVALID_PARAMETERS:
            text = f"fix {job} or the parameters of test {test.spec.name}"
        case kind:
            shared = _fix_of_kind(kind, what=f"what {runner} refers to")
            return shared or Fix(f"check {runner}, which gives no usable answer for {job}", about)
    return Fix(text, about)
