"""Pure: what only a person can mend before a promotion goes on, in words that say what to do."""

from collections.abc import Callable
from dataclasses import dataclass

from activities.models.configuration import EnvironmentView
from activities.models.delivery import Observation
from activities.models.places import PlaceSignal
from activities.models.status import State
from workflows.promotion.state import Story, TestProgress

PASSING = ("ProviderRateLimited", "ProviderBusy")
"""Refusals that end by themselves; nobody has to mend anything."""

MENDABLE = (
    "ProviderNotFound",
    "ProviderUnauthorized",
    "ProviderRejected",
    "ReferenceMissing",
    "InvalidParameters",
    "ApiForbidden",
)
"""Refusals that stay until a person mends something; of any other one the next poll may know nothing."""

UNREAD_POLLS = 3
"""So many failed polls in a row are more than a slow answer. A trigger has its attempts within one activity."""

UNTIL_MENDED = "the tracker goes on by itself"
AGAIN = "it is asked again"


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Name what is in the way, why, and what removes it."""

    object: str
    reason: str
    """Reason of the condition ReferencesResolved."""
    text: str
    unblock_with: str


def find_obstacle(
    story: Story,
    *,
    source: PlaceSignal | None,
    target: PlaceSignal | None,
    source_view: EnvironmentView | None = None,
    target_view: EnvironmentView | None = None,
    say: Callable[[str], str],
) -> Obstacle | None:
    """Return what the current state cannot go on without; None where nothing is in the way."""
    if story.state.terminal:
        return None
    if story.problem:
        return _of_reference(story)
    match story.state:
        case State.AWAITING_SYNC | State.SYNCED:
            return _of_place(story, source, source_view)
        case State.TESTING if story.hop is None or story.hop.round is None:
            return _of_place(story, source, source_view)
        case State.TESTING:
            return _of_tests(story, say)
        case State.READY_TO_PROMOTE | State.PROMOTING | State.PROMOTION_FAILED:
            return _of_place(story, target, target_view)
        case _:
            return None


def _of_reference(story: Story) -> Obstacle:
    what = story.problem_object
    host = f"GitRepository/{story.repository.name}" if story.repository and what.startswith("pull request") else what
    match _kind(story.problem):
        case "ProviderUnauthorized":
            unblock = f"mend the credential of {host}, or its rights; {UNTIL_MENDED}"
        case "ProviderNotFound":
            unblock = f"create {what}, mend its name, or let the credential of {host} see it; {UNTIL_MENDED}"
        case "ProviderUnavailable" | "ProviderMalformed":
            unblock = f"see to the host of {host}, which gives no usable answer; {UNTIL_MENDED}"
        case "ReferenceMissing":
            unblock = f"mend {_named(story.problem) or what}; {UNTIL_MENDED}"
        case kind if kind in PASSING:
            unblock = f"nothing; the host of {host} asks to wait"
        case _:
            unblock = f"mend {what}; {UNTIL_MENDED}"
    return Obstacle(object=what, reason="WaitingForReference", text=f"{what}: {story.problem}", unblock_with=unblock)


def _of_place(story: Story, place: PlaceSignal | None, view: EnvironmentView | None) -> Obstacle | None:
    if place is None:
        return None
    environment = f"Environment/{place.environment}"
    if place.problem:
        what, _, rest = place.problem.partition(": ")
        named = rest and "/" in what and " " not in what
        found = what if named else environment
        also = "" if found == environment else f", or what {environment} names"
        return Obstacle(
            object=found,
            reason="DeploymentUnreadable",
            text=place.problem,
            unblock_with=f"mend {found}{also}; {UNTIL_MENDED}",
        )
    components = story.components or ()
    unread = [one for one in place.observed if one.problem and one.component in components]
    if unread:
        return _unreadable(environment, unread, view)
    deployed = {one.component for one in place.observed}
    lacking = [one for one in components if one not in deployed]
    if not lacking or place.observed_at is None:
        return None
    names = ", ".join(lacking)
    return Obstacle(
        object=environment,
        reason="ComponentNotDeployed",
        text=f"{environment} has no deployment of component {names}",
        unblock_with=f"add a deployment of component {names} to {environment}; {UNTIL_MENDED}",
    )


def _unreadable(environment: str, unread: list[Observation], view: EnvironmentView | None) -> Obstacle:
    declared = {one.name: one for one in view.deployments} if view else {}
    instances = sorted(
        {f"ArgoCDInstance/{declared[one.deployment].instance}" for one in unread if one.deployment in declared}
    )
    named = ", ".join(instances) or environment
    applications = ", ".join(one.application or f"of {one.deployment}" for one in unread)
    mend = f"{named} or its Secret, or application {applications} as {environment} names it"
    return Obstacle(
        object=named,
        reason="DeploymentUnreadable",
        text="; ".join(f"{one.deployment}: {one.problem}" for one in unread),
        unblock_with=f"mend {mend if instances else environment}; {UNTIL_MENDED}",
    )


def _of_tests(story: Story, say: Callable[[str], str]) -> Obstacle | None:
    hop = story.hop
    if hop is None or hop.round is None:
        return None
    refused = [test for test in hop.round.tests if _stands_in_the_way(test)]
    if not refused:
        return None
    mending = "; ".join(dict.fromkeys(_mending(test) for test in refused))
    if not all(_of_our_own(test.error) for test in refused):
        mending += f"; or mend PromotionPolicy/{hop.policy.name}, then {say('retest')}"
    return Obstacle(
        object=", ".join(dict.fromkeys(_runner(test) for test in refused)),
        reason="TestRefused",
        text="; ".join(f"{test.spec.name} at {_runner(test)}: {test.error}" for test in refused),
        unblock_with=mending,
    )


def _stands_in_the_way(test: TestProgress) -> bool:
    if test.final or not test.error or (kind := _kind(test.error)) in PASSING:
        return False
    return kind in MENDABLE or test.run is None or test.unread >= UNREAD_POLLS


def _held_up(error: str) -> bool:
    """Tell whether an attempt ran out of time within Pilotage: by its own bound, or as Temporal words it."""
    return _kind(error) == "AttemptExpired" or (error.startswith("activity ") and error.endswith(" timeout"))


def _of_our_own(error: str) -> bool:
    """Tell whether an error says nothing of the CI system, nor of what a policy or a runner declares."""
    kind = _kind(error)
    return _held_up(error) or (kind.startswith("Api") and kind not in MENDABLE)


def _runner(test: TestProgress) -> str:
    return f"TestRunner/{test.spec.runner}"


def _kind(text: str) -> str:
    """Return the class of error that the activity named in front of its text."""
    return text.partition(":")[0]


def _named(text: str) -> str:
    """Return the object that a ReferenceMissing names after its kind."""
    return text.split(": ")[1] if text.count(": ") > 1 else ""


def _mending(test: TestProgress) -> str:
    runner, job = _runner(test), f"job `{test.spec.job}`"
    if _held_up(test.error):
        return f"see to Pilotage's workers, which are held up; {AGAIN}"
    if _of_our_own(test.error):
        return f"see to the Kubernetes API, which gives Pilotage's workers no usable answer; {AGAIN}"
    match _kind(test.error):
        case "ProviderNotFound":
            return f"create {job} at {runner}, or let its credential see it"
        case "ProviderUnauthorized":
            return f"mend the credential of {runner}, or its rights on {job}"
        case "ReferenceMissing":
            return f"mend {_named(test.error) or runner}"
        case "ProviderRejected" | "InvalidParameters":
            return f"mend {job} or the parameters of test {test.spec.name}"
        case "ApiForbidden":
            return f"let Pilotage's worker read what {runner} refers to"
        case _:
            return f"see to {runner}, which gives no usable answer for {job}"
