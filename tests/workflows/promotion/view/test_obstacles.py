"""What stands in the way is shown twice: what removes it in `waitingFor`, and what and why in a condition."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.configuration import FindPolicyResult, PolicyOutcome
from activities.models.delivery import Observation
from activities.models.failures import BriefFailure, Failure
from activities.models.places import BlockedBy, Counter, PlaceSignal
from activities.models.status import (
    NO_ACTION,
    ConditionStatus,
    TrackerStatus,
    WaitingFor,
)
from activities.models.testing import PollTestsInput, PollTestsResult, RunRef, RunReport, RunState
from activities.models.tracking import RepositoryView, Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Phase, State, Waiting
from tests.workflows.promotion.world import MINE, World, a_test, promotion, promotion_in
from tests.worlds.refusals import unread
from workflows.promotion.rules.aggregate import test_status
from workflows.promotion.rules.rounds import note_failure, reveal, take_report, wake_reason
from workflows.promotion.state import Hop, PromotionState, Refusal, Round, TestProgress
from workflows.promotion.view.obstacles import Obstacle, find_obstacle
from workflows.promotion.view.waiting import waiting_for

PASSING = Timings().passing
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage {verb} {tracker or 'web-412'}"


def resolved(status: TrackerStatus) -> ConditionStatus:
    return next(one for one in status.conditions if one.type == "ReferencesResolved")


def waited(status: TrackerStatus) -> WaitingFor:
    assert status.waiting_for is not None
    return status.waiting_for


def fail(text: str, object_: str = "") -> Failure:
    """Return a failure of the kind in front of its message."""
    kind, _, message = text.partition(": ")
    return Failure(kind=FailureKind(kind), message=message, object=object_)


def refused_with(test: TestProgress, error: str, *, lasting: bool = True) -> TestProgress:
    if error:
        object_, _, rest = error.partition("@")
        test.failure, test.failing_since, test.lasting = fail(rest or error, object_ if rest else ""), NOON, lasting
    return test


def hop_of(world: World, *errors: str) -> Hop:
    """Return a hop whose tests were refused with these errors, one each."""
    world.policy("dev", "staging", tests=tuple(a_test(f"t{number}") for number in range(len(errors))))
    snapshot = world.policies["dev"].policy
    assert snapshot is not None
    tests = [refused_with(TestProgress(spec=spec), error) for spec, error in zip(snapshot.tests, errors, strict=True)]
    return Hop(number=0, policy=snapshot, round=Round(number=1, artifacts=(), tests=tests, started_at=NOON))


@pytest.fixture
def world() -> World:
    made = World(client=None)  # type: ignore[arg-type]
    made.environment("dev", MINE)
    return made


def in_testing(world: World, *errors: str) -> PromotionState:
    return PromotionState(started_at=NOON, state=State.TESTING, environment="dev", hop=hop_of(world, *errors))


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        ("ProviderNotFound: GET /job/x answered 404", "create job `"),
        ("ProviderUnauthorized: 401", "fix the credential of TestRunner/"),
        ("Secret/ci-token@ReferenceMissing: it does not exist", "fix Secret/ci-token"),
        ("ProviderRejected: no such parameter", "the parameters of test t0"),
        ("InvalidParameters: parameters.X: no", "the parameters of test t0"),
        ("ApiForbidden: secrets is forbidden", "let Pilotage's worker read"),
        ("ProviderMalformed: HTML for JSON", "check TestRunner/"),
    ],
)
def test_a_refused_test_names_what_to_fix_by_the_kind_of_refusal(world: World, error: str, fix: str) -> None:
    found = find_obstacle(in_testing(world, error), source=None, target=None, command=command)
    assert found is not None
    assert (found.reason, found.object.partition("/")[0]) == ("TestRefused", "TestRunner")
    assert fix in found.unblock_with
    assert found.unblock_with.endswith("; or fix PromotionPolicy/dev-to-staging, then pilotage retest web-412")
    assert error.rpartition("@")[2].partition(": ")[2] in found.text


TRANSIENT = {
    "ProviderUnavailable: `GET /job/unit/381` at jenkins: no answer in time": "check TestRunner/ci",
    "ProviderMalformed: HTML for JSON": "check TestRunner/ci",
    "AttemptExpired: the attempt is older than its 60 s": "check Pilotage's workers",
    "ApiUnavailable: kubernetes gives no answer": "check the Kubernetes API",
}


@pytest.mark.parametrize(
    ("kind", "helps"),
    [
        (FailureKind.UNAVAILABLE, "check the host of GitRepository/config, "),
        (FailureKind.RATE_LIMITED, NO_ACTION),
        (FailureKind.EXPIRED, "check Pilotage's workers"),
    ],
)
def test_a_write_that_is_not_made_names_whom_it_was_sent_to_once_that_lasts(
    world: World, kind: FailureKind, helps: str
) -> None:
    story = replace(in_testing(world), state=State.PROMOTING)
    assert story.hop is not None
    story.hop.write_failure = Failure(kind=kind, message="503", object="GitRepository/config")
    assert find_obstacle(story, source=None, target=None, command=command) is None
    story.hop.write_failure_lasts = True
    found = find_obstacle(story, source=None, target=None, command=command)
    assert found is not None
    assert found.unblock_with.startswith(helps)


def polled(world: World, *errors: str, after: timedelta = timedelta(minutes=2)) -> Obstacle | None:
    """Return what is in the way after these polls of one run, the empty ones being answered."""
    run = RunRef(runner="ci", job="web/t0", key="k", id="1")
    story = in_testing(world, "")
    assert story.hop is not None
    assert story.hop.round is not None
    (test,) = story.hop.round.tests
    test.run, test.state, now = run, RunState.RUNNING, NOON
    for error in errors:
        failure = fail(error) if error else None
        report = RunReport(key="k", run=run, state=RunState.RUNNING, failure=failure)
        take_report(test, report, now, PASSING)
        now += after
    return find_obstacle(story, source=None, target=None, command=command)


@pytest.mark.parametrize(("error", "advice"), TRANSIENT.items())
def test_only_polls_that_fail_in_a_row_are_in_the_way_and_name_what_to_check(
    world: World, error: str, advice: str
) -> None:
    assert polled(world, error) is None
    assert polled(world, error, error, "", error, error) is None
    found = polled(world, "", error, error, error)
    assert found is not None
    assert found.unblock_with.startswith(advice)
    assert error in found.text
    # No one fixes a policy for what Pilotage or the cluster suffers from.
    assert ("PromotionPolicy/" in found.unblock_with) == error.startswith("Provider")
    assert polled(world, error, error, error, "") is None


@pytest.mark.parametrize("error", ["ProviderNotFound: 404", "ApiForbidden: secrets is forbidden"])
def test_a_poll_that_only_a_person_can_fix_is_in_the_way_at_once(world: World, error: str) -> None:
    assert polled(world, error) is not None


def test_a_trigger_that_failed_for_minutes_is_in_the_way(world: World) -> None:
    error = "ProviderUnavailable: no answer in time at connect timeout"
    found = find_obstacle(in_testing(world, error), source=None, target=None, command=command)
    assert found is not None
    assert found.unblock_with.startswith("check TestRunner/")


def test_several_refused_tests_name_each_thing_to_fix_once(world: World) -> None:
    story = in_testing(world, "Secret/ci@ReferenceMissing: none", "Secret/ci@ReferenceMissing: none", "")
    found = find_obstacle(story, source=None, target=None, command=command)
    assert found is not None
    assert found.unblock_with.count("fix Secret/ci") == 1
    assert found.object.count("TestRunner/") == 1
    assert "t2" not in found.text


PASSING_ERRORS = [
    "ProviderRateLimited: wait 60 s",
    "ProviderBusy: too many calls",
    "ProviderUnavailable: 503",
    "ApiUnavailable: 503",
    "AttemptExpired: held up",
]


@pytest.mark.parametrize("error", ["", *PASSING_ERRORS])
def test_what_ends_by_itself_is_in_nobodys_way_until_it_has_lasted(world: World, error: str) -> None:
    story = in_testing(world, "")
    assert story.hop is not None
    assert story.hop.round is not None
    (test,) = story.hop.round.tests
    if error:
        note_failure(test, fail(error), NOON, PASSING)
        note_failure(test, fail(error), NOON + PASSING / 2, PASSING)
    assert find_obstacle(story, source=None, target=None, command=command) is None
    assert test_status(test, round_number=1).message == ""
    found = waiting_for(story, source=None, target=None, command=command)
    assert found is not None
    assert found.unblock_with == NO_ACTION
    if error:
        reveal(test, NOON + PASSING, PASSING)
        lasted = find_obstacle(story, source=None, target=None, command=command)
        assert lasted is not None
        assert error.partition(": ")[2] in lasted.text


@pytest.mark.parametrize("error", ["ProviderRateLimited: wait 60 s", "ProviderBusy: too many calls"])
def test_a_request_for_quiet_that_lasts_asks_no_one_to_fix_anything(world: World, error: str) -> None:
    found = find_obstacle(in_testing(world, error), source=None, target=None, command=command)
    assert found is not None
    assert found.unblock_with == NO_ACTION
    assert found.text.endswith("; Pilotage retries")
    assert "PromotionPolicy/" not in found.unblock_with


@pytest.mark.parametrize(
    ("problem", "unblock"),
    [
        ("ProviderUnauthorized: answered 401", "fix the credential of GitRepository/web, or its rights"),
        ("ProviderNotFound: answered 404", "create pull request #412, fix its name, or let the credential of GitRepo"),
        ("ProviderMalformed: no JSON", "check the host of GitRepository/web"),
        ("ReferenceMissing: it does not exist", "fix pull request #412"),
        ("ProviderRateLimited: wait 60 s", NO_ACTION),
        ("Unexpected: it contradicts itself", "fix pull request #412"),
    ],
)
def test_a_pull_request_that_cannot_be_read_names_what_to_fix(problem: str, unblock: str) -> None:
    repository = RepositoryView(name="web", owner="acme", repository="web", full_name="acme/web", components=())
    failure = replace(fail(problem, "pull request #412"), through="GitRepository/web")
    story = PromotionState(started_at=NOON, repository=repository, failure=failure)
    found = find_obstacle(story, source=None, target=None, command=command)
    assert found is not None
    waiting = waiting_for(story, source=None, target=None, obstacle=found, command=command)
    assert waiting is not None
    assert (waiting.what, waiting.unblock_with) == (Waiting.REFERENCE, found.unblock_with)
    assert found.unblock_with.startswith(unblock)
    assert problem.partition(": ")[2] in found.text


def test_a_tracker_that_ended_has_nothing_in_its_way(world: World) -> None:
    story = replace(
        in_testing(world, "ProviderNotFound: 404"), state=State.ABORTED, failure=fail("ProviderNotFound: 404", "x")
    )
    assert find_obstacle(story, source=None, target=None, command=command) is None


def place(*observed: Observation, environment: str = "dev", failure: Failure | None = None) -> PlaceSignal:
    at = None if failure else NOON
    return PlaceSignal(environment=environment, counter=Counter(), observed=observed, observed_at=at, failure=failure)


def blind(error: str, object_: str = "ArgoCDInstance/argocd") -> Observation:
    failure = fail(error, object_).brief()
    return Observation(deployment="web-0", component="web", application="web-dev-0", failure=failure)


def awaiting_sync(source: PlaceSignal) -> tuple[Obstacle, WaitingFor]:
    story = PromotionState(started_at=NOON, state=State.AWAITING_SYNC, environment="dev", components=("web",))
    found = find_obstacle(story, source=source, target=None, command=command)
    assert found is not None
    waiting = waiting_for(story, source=source, target=None, obstacle=found, command=command)
    assert waiting is not None
    assert (waiting.what, waiting.object, waiting.unblock_with) == (Waiting.SYNC, found.object, found.unblock_with)
    assert "deploy" not in waiting.unblock_with.partition(" ")[0]
    return found, waiting


def test_an_application_that_argocd_does_not_show_names_the_instance_and_the_environment() -> None:
    found, waiting = awaiting_sync(place(blind("ProviderNotFound: answered 404")))
    assert (found.object, found.reason) == ("ArgoCDInstance/argocd", "DeploymentUnreadable")
    assert "fix ArgoCDInstance/argocd" in waiting.unblock_with
    assert "application web-dev-0 as Environment/dev names it" in waiting.unblock_with
    assert found.text == "web-0: answered 404"
    assert "answered 404" in waiting.observed


@pytest.mark.parametrize(
    ("error", "object_", "reason", "unblock"),
    [
        ("ReferenceMissing: none", "Secret/argocd", "DeploymentUnreadable", "fix Secret/argocd, or what Environment/"),
        ("ProviderNotFound: 404", "GitRepository/web", "DeploymentUnreadable", "fix GitRepository/web or its Secret"),
        ("ProviderUnavailable: 503", "ArgoCDInstance/argocd", "Unavailable", "check ArgoCDInstance/argocd"),
        ("AttemptExpired: held up", "ArgoCDInstance/argocd", "Unavailable", "check Pilotage's workers"),
        ("ProviderBusy: 20 in flight", "ArgoCDInstance/argocd", "Unavailable", NO_ACTION),
        ("ProviderRateLimited: wait", "ArgoCDInstance/argocd", "Unavailable", NO_ACTION),
    ],
)
def test_a_deployment_that_cannot_be_read_names_what_to_do_by_the_kind_of_failure(
    error: str, object_: str, reason: str, unblock: str
) -> None:
    found, waiting = awaiting_sync(place(blind(error, object_)))
    assert (found.object, found.reason) == (object_, reason)
    assert waiting.unblock_with.startswith(unblock)


@pytest.mark.parametrize(
    ("error", "object_", "reason", "unblock"),
    [
        (
            "ReferenceMissing: does not exist",
            "ArgoCDInstance/argocd",
            "DeploymentUnreadable",
            "fix ArgoCDInstance/argocd, or what Environment/dev names",
        ),
        ("ReferenceMissing: does not exist", "Environment/dev", "DeploymentUnreadable", "fix Environment/dev"),
        ("ApiForbidden: forbidden", "Environment/dev", "DeploymentUnreadable", "let Pilotage's worker read"),
        ("AttemptExpired: held up", "Environment/dev", "Unavailable", "check Pilotage's workers"),
        ("ApiUnavailable: 503", "Environment/dev", "Unavailable", "check the Kubernetes API"),
        ("ProviderBusy: too many calls", "Environment/dev", "Unavailable", NO_ACTION),
    ],
)
def test_a_place_that_cannot_be_observed_names_what_keeps_it_from_that_and_what_removes_it(
    error: str, object_: str, reason: str, unblock: str
) -> None:
    failure = fail(error, object_)
    found, waiting = awaiting_sync(place(failure=failure))
    assert (found.object, found.reason) == (object_, reason)
    assert found.text == failure.named + ("; Pilotage retries" if failure.passing else "")
    assert found.unblock_with.startswith(unblock)
    assert failure.message in waiting.observed


def test_a_component_without_deployment_is_to_be_declared() -> None:
    other = Observation(deployment="api", component="api", application="api-dev")
    found, waiting = awaiting_sync(place(other))
    assert found.reason == "ComponentNotDeployed"
    assert waiting.unblock_with.startswith("add a deployment of component web to Environment/dev")


def test_a_deployment_that_flux_has_not_reported_is_unknown_and_its_events_are_to_be_sent() -> None:
    message = "no event of it has come yet to /flux/shop/eu of the receiver"
    failure = BriefFailure(kind=FailureKind.UNREPORTED, object="Kustomization/apps/web", message=message)
    unknown = Observation(deployment="web", component="web", application="apps/web", failure=failure)
    found, waiting = awaiting_sync(place(unknown))
    assert (found.reason, found.object) == ("DeploymentUnreadable", "Kustomization/apps/web")
    assert message in found.text
    assert waiting.unblock_with.startswith("reconcile Kustomization/apps/web by Flux, and send its events")


def test_a_target_that_cannot_be_read_is_to_be_fixed_and_not_overridden(world: World) -> None:
    hop = replace(hop_of(world), approved_by="autoPromote", refusal=Refusal.UNREADABLE, refusal_message="web-0: 401")
    story = PromotionState(
        started_at=NOON, state=State.READY_TO_PROMOTE, environment="dev", components=("web",), hop=hop
    )
    target = place(blind("ProviderUnauthorized: 401"), environment="staging")
    found = find_obstacle(story, source=None, target=target, command=command)
    waiting = waiting_for(story, source=None, target=target, obstacle=found, command=command)
    assert found is not None
    assert waiting is not None
    assert (waiting.what, waiting.object) == (Waiting.TARGET, "ArgoCDInstance/argocd")
    assert "promote" not in waiting.unblock_with


@pytest.mark.parametrize(
    ("blocked", "unblock"),
    [
        (None, NO_ACTION),
        (BlockedBy(tracker="web-411", reason="is held", held=True), "pilotage release web-411"),
        (BlockedBy(tracker="web-411", reason="holds the lane"), NO_ACTION),
        (BlockedBy(tracker="web-411", reason="vanished while its writes may still run"), NO_ACTION),
        (BlockedBy(tracker="", reason="cannot be read"), "check the host of Environment/staging"),
    ],
)
def test_a_lane_that_no_one_holds_waits_for_what_keeps_the_place_from_granting_it(
    world: World, blocked: BlockedBy | None, unblock: str
) -> None:
    story = PromotionState(
        started_at=NOON,
        state=State.READY_TO_PROMOTE,
        environment="dev",
        components=("web",),
        hop=replace(hop_of(world), approved_by="autoPromote"),
        phase=Phase.READY,
    )
    failure = fail("ProviderMalformed: no JSON", "Environment/staging") if blocked and not blocked.tracker else None
    target = replace(place(environment="staging", failure=failure), observed_at=None, blocked_by=blocked)
    found = find_obstacle(story, source=None, target=target, command=command)
    waiting = waiting_for(story, source=None, target=target, obstacle=found, command=command)
    assert waiting is not None
    assert waiting.what is Waiting.LANE
    assert waiting.unblock_with.startswith(unblock)


@pytest.mark.parametrize(
    ("outcome", "names", "unblock"),
    [
        (PolicyOutcome.NOT_FOUND, (), "create a PromotionPolicy with sourceEnvironment dev"),
        (PolicyOutcome.AMBIGUOUS, ("one", "two"), "delete all but one of PromotionPolicy/one, PromotionPolicy/two"),
        (PolicyOutcome.INVALID, ("one",), "fix the fields of PromotionPolicy/one"),
    ],
)
async def test_each_trouble_with_policies_has_its_own_way_out(
    temporal_server: str, outcome: PolicyOutcome, names: tuple[str, ...], unblock: str
) -> None:
    async with promotion(temporal_server) as (world, start):
        world.policies["dev"] = FindPolicyResult(outcome=outcome, names=names, errors=("spec.tests[0].job: bad",))
        await start()
        waiting = waited(await world.until(State.AWAITING_POLICY, reason=outcome))
        assert waiting.unblock_with.startswith(unblock)
        assert waiting.object == (", ".join(f"PromotionPolicy/{name}" for name in names) or "dev")
        assert waiting.reason_code == outcome
        assert ("create" in waiting.unblock_with) == (outcome is PolicyOutcome.NOT_FOUND)


async def test_a_missing_job_is_in_a_condition_until_it_is_there(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        world.trigger_error = "ProviderNotFound"
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: resolved(world.status).status == "False")
        condition, waiting = resolved(world.status), waited(world.status)
        assert condition.reason == "TestRefused"
        assert "job not found" in condition.message
        assert condition.message.startswith(waiting.unblock_with)
        assert waiting.unblock_with.startswith("create job `")
        assert waiting.object.startswith("TestRunner/")
        world.trigger_error = ""
        status = await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert resolved(status) == ConditionStatus(type="ReferencesResolved", status="True", reason="Resolved")


@dataclass
class BlindWorld(World):
    """A world in which Argo CD or the CI system refuses to be read."""

    refused: set[str] = field(default_factory=set)

    def observations(self, environment: str) -> tuple[Observation, ...]:
        found = super().observations(environment)
        blind = (replace(one, failure=unread("answered 401")) for one in found)
        return tuple(blind) if environment in self.refused else found

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        if "ci" in self.refused:
            raise ApplicationError("answered 401", type="ProviderUnauthorized", non_retryable=True)
        return await super().poll_tests(request)


async def test_an_argocd_that_refuses_is_in_a_condition_until_it_answers(temporal_server: str) -> None:
    async with promotion_in(BlindWorld, temporal_server) as (world, start):
        world.refused.add("dev")
        await start()
        await world.until(State.AWAITING_SYNC)
        await world.eventually(lambda: resolved(world.status).status == "False")
        assert resolved(world.status).reason == "DeploymentUnreadable"
        assert "answered 401" in resolved(world.status).message
        assert "fix ArgoCDInstance/argocd" in waited(world.status).unblock_with
        world.refused.clear()
        await world.publish("dev")
        status = await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert resolved(status).status == "True"


async def test_a_poll_that_is_refused_is_in_a_condition_until_it_is_answered(temporal_server: str) -> None:
    async with promotion_in(BlindWorld, temporal_server) as (world, start):
        world.refused.add("ci")
        await start()
        await world.until(State.TESTING)
        await world.eventually(lambda: resolved(world.status).status == "False")
        assert "fix the credential of TestRunner/" in waited(world.status).unblock_with
        world.refused.clear()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


@dataclass
class FlappingWorld(World):
    """A world whose CI system fails the first polls as a whole."""

    failures: int = 0

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        if self.failures:
            self.failures -= 1
            raise ApplicationError("no answer in time", type="ProviderUnavailable")
        return await super().poll_tests(request)


@pytest.mark.parametrize(("failures", "shown"), [(1, False), (8, True)])
async def test_a_poll_that_fails_now_and_then_does_not_make_the_condition_flap(
    temporal_server: str, failures: int, shown: bool
) -> None:
    async with promotion_in(FlappingWorld, temporal_server) as (world, start):
        world.failures = failures
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.failures == 0
        assert any(resolved(status).status == "False" for status in world.statuses) == shown


async def test_a_failed_promotion_asks_to_fix_before_the_retry(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        world.refuse_writes = "web-staging-0"
        await start()
        waiting = waited(await world.until(State.PROMOTION_FAILED))
        assert waiting.unblock_with == "pilotage -n shop retry web-412"


def test_a_timer_states_what_it_is_for(world: World) -> None:
    round_ = hop_of(world, "ProviderNotFound: 404").round
    assert round_ is not None
    assert wake_reason(round_) == "trigger t0 again"
    assert wake_reason(replace(round_, tests=[])) == "end the round"
