"""A world around promotions without servers of the outside: instant activities over plain state."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from activities import memberships
from activities.contracts import (
    ConfigActivities,
    DeliveryActivities,
    ResourceActivities,
    ScmActivities,
    TestRunActivities,
)
from activities.models.configuration import (
    DeploymentSpec,
    EnvironmentView,
    FindPolicyInput,
    FindPolicyResult,
    ListTrackersInput,
    ListTrackersResult,
    PolicyOutcome,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
    TestSpec,
    WriteSpec,
)
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    DeploymentRuns,
    Observation,
    OperationPhase,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.models.drift import CreateDriftMonitorsInput, CreateDriftMonitorsResult
from activities.models.failures import Failure
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult
from activities.models.memberships import (
    JoinPlaceInput,
    JoinPlaceResult,
    OpenHopInput,
    OpenHopResult,
    SendViewsInput,
    SendViewsResult,
    TakeLaneInput,
    TakeLaneResult,
)
from activities.models.places import BlockedBy, Counter, Grant, MemberSignal, PlaceSignal, SendViewInput
from activities.models.revisions import (
    CompareRevisionsInput,
    CompareRevisionsResult,
    ListChangedFilesInput,
    ListChangedFilesResult,
    PresentInput,
    PresentResult,
    ReadPullRequestInput,
    ReadPullRequestResult,
    Shown,
)
from activities.models.status import PublishPlaceInput, PublishStatusInput, PublishStatusResult, TrackerStatus
from activities.models.steering import Instruction, ReadInstructionsInput, ReadInstructionsResult
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RoundTest,
    RunRef,
    RunReport,
    RunState,
    TriggeredTest,
    TriggerRoundInput,
    TriggerRoundResult,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.models.tracking import (
    Component,
    PullRequest,
    PullRequestState,
    RepositoryView,
)
from activities.parts import Parts, runs_of
from activities.test_runs import of_round
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Health, Phase
from tests.worlds.declared import MINE, NEWER, OLD, a_policy, relation
from tests.worlds.refusals import missing
from tests.worlds.stage import now

SOURCE_READ_SECONDS = 1.0
"""How long the read of the source with a round's triggers may take."""


@dataclass
class InstantWorld(ConfigActivities, ScmActivities, TestRunActivities, DeliveryActivities, ResourceActivities):
    """What the outside does; its fields may change while workflows run."""

    client: Client
    order: list[str] = field(default_factory=lambda: [OLD, MINE, NEWER])
    pull_request: PullRequest = field(
        default_factory=lambda: PullRequest(
            number=412,
            title="Add a button",
            author="ada",
            url="https://scm.example/acme/web/pull/412",
            state=PullRequestState.MERGED,
            head_sha="d" * 40,
            merge_sha=MINE,
        )
    )
    environments: dict[str, EnvironmentView] = field(default_factory=dict)
    policies: dict[str, FindPolicyResult] = field(default_factory=dict)
    runs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Environment -> deployment -> revision."""
    verdicts: dict[str, RunState] = field(default_factory=lambda: defaultdict(lambda: RunState.PASSED))
    """Test -> what its runs end with; Running keeps it open."""
    triggers: list[TriggerTestInput] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    statuses: list[TrackerStatus] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    """Messages of the events."""
    events: list[str] = field(default_factory=list)
    presented: list[PresentInput] = field(default_factory=list)
    instructions_given: list[Instruction] = field(default_factory=list)
    """What people asked for on the pull request since the last look."""
    asked_for_instructions: list[ReadInstructionsInput] = field(default_factory=list)
    members: list[tuple[str, MemberSignal]] = field(default_factory=list)
    grants: bool = True
    watched: list[CreateDriftMonitorsInput] = field(default_factory=list)
    blocked_by: str = ""
    epoch: int = 1
    counter: int = 0
    refuse_writes: str = ""
    sync_fails: str = ""
    at_sync: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """Application -> what happens, once, while its sync is being requested, and is over before the answer."""
    ill: set[str] = field(default_factory=set)
    """Applications that stay Degraded whatever they run."""
    slow_syncs: bool = False
    """Syncs are accepted and never end."""
    present_fails: bool = False
    trigger_error: str = ""
    repository_failure: Failure | None = None
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    failed_operations: dict[str, tuple[str, str]] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    before_confirm: list[Any] = field(default_factory=list)
    arrival_seconds: float = 0.1
    """How long after a sync the place reports it."""

    def environment(self, name: str, revision: str, *, final: bool = False, waves: int = 1) -> None:
        """Declare an environment that runs a revision on one deployment per wave."""
        deployments = tuple(
            DeploymentSpec(
                name=f"web-{wave}",
                component="web",
                wave=wave,
                instance="argocd",
                project="shop",
                application=f"web-{name}-{wave}",
                write=WriteSpec(),
            )
            for wave in range(waves)
        )
        self.environments[name] = EnvironmentView(
            name=name, final=final, vars={}, delivery_timeout=timedelta(seconds=20), deployments=deployments
        )
        self.runs[name] = {one.name: revision for one in deployments}

    def policy(self, source: str, target: str, *, auto: bool = True, tests: tuple[TestSpec, ...] = ()) -> None:
        """Declare the policy of one hop."""
        snapshot = a_policy(source, target, auto=auto, timeout=timedelta(seconds=30), tests=tests)
        self.policies[source] = FindPolicyResult(outcome=PolicyOutcome.FOUND, policy=snapshot, ahead=(target,))

    async def deploy(self, environment: str, revision: str) -> None:
        """Have an environment run something, and its place report it."""
        self.runs[environment] = dict.fromkeys(self.runs[environment], revision)
        await self.publish(environment)

    async def publish(self, environment: str, *, answers: MemberSignal | None = None) -> None:
        """Send a place's view to the workflow that this world is about."""
        signal = self.view_of(environment, answers=answers)
        if self.workflow_id:
            await self.client.get_workflow_handle(self.workflow_id).signal("place", signal)

    def view_of(self, environment: str, *, answers: MemberSignal | None = None) -> PlaceSignal:
        """Return a place's view, under a counter of its own."""
        self.counter += 1
        grant = blocked = None
        if answers is not None and answers.phase is Phase.READY:
            if self.grants:
                grant = Grant(answers=answers.counter, hop=answers.hop)
            elif self.blocked_by:
                blocked = BlockedBy(tracker=self.blocked_by, reason="is held")
        return PlaceSignal(
            environment=environment,
            counter=Counter(epoch=self.epoch, n=self.counter),
            observed=self.observations(environment),
            observed_at=now(),
            grant=grant,
            blocked_by=blocked,
        )

    workflow_id: str = ""

    def observations(self, environment: str) -> tuple[Observation, ...]:
        """Return what an environment runs."""
        found = []
        for one in self.environments[environment].deployments:
            revision = self.runs[environment][one.name]
            failed = self.failed_operations.get(one.application)
            key = failed[0] if failed else self.keys.get(one.application, ("", ""))[0]
            found.append(
                Observation(
                    deployment=one.name,
                    component="web",
                    application=one.application,
                    runs=revision,
                    written=self.written.get(one.application, revision),
                    written_raw=self.written.get(one.application, revision),
                    operation_key=key,
                    operation_phase=OperationPhase.FAILED if failed else OperationPhase.SUCCEEDED,
                    operation_message=failed[1] if failed else "",
                    health=Health.DEGRADED if one.application in self.ill else Health.HEALTHY,
                    sync_status="Synced",
                    settled=failed is None and one.application not in self.ill,
                )
            )
        return tuple(found)

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        return self.policies.get(request.environment, FindPolicyResult(outcome=PolicyOutcome.NOT_FOUND))

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        view = self.environments.get(request.environment)
        if view is None:
            what = f"Environment/{request.environment}"
            return ReadEnvironmentResult(failure=missing(what))
        return ReadEnvironmentResult(environment=view)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        if self.repository_failure:
            return ReadRepositoryResult(failure=self.repository_failure)
        view = RepositoryView(
            name="web", owner="acme", repository="web", full_name="acme/web", components=(Component(name="web"),)
        )
        asked = ReadPullRequestInput(namespace=request.namespace, repository="web", number=request.number or 0)
        found = await Parts().attempt(self.read_pull_request(asked)) if request.number is not None else None
        return ReadRepositoryResult(repository=view, pull_request=found.pull_request if found is not None else None)

    @activity.defn
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        return ListTrackersResult(trackers=())

    @activity.defn
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        self.members.append((request.environment, request.signal))
        if request.signal.phase not in (Phase.GONE, Phase.ARRIVED):
            await self.publish(request.environment, answers=request.signal)
        return None

    async def _send(self, view: SendViewInput, _declared: object = None, /) -> PlaceSignal | None:
        return await self.send_view(view)

    @activity.defn
    async def join_place(self, request: JoinPlaceInput) -> JoinPlaceResult:
        return await memberships.join_place(request, read=self.read_environment, send=self._send)

    @activity.defn
    async def send_views(self, request: SendViewsInput) -> SendViewsResult:
        answers = await asyncio.gather(*map(self.send_view, request.views))
        return SendViewsResult(answer=next(filter(None, answers), None))

    @activity.defn
    async def open_hop(self, request: OpenHopInput) -> OpenHopResult:
        return await memberships.open_hop(
            request,
            find=self.find_policy,
            read=self.read_environment,
            send=self._send,
            watch=self.create_drift_monitors,
            compare=self.compare_revisions,
        )

    @activity.defn
    async def take_lane(self, request: TakeLaneInput) -> TakeLaneResult:
        answer = await self.send_view(request.view)
        if request.view.signal.takes and (answer is None or answer.grant is None):
            return TakeLaneResult(taken=False, answer=answer)
        read = await self._read_meanwhile(request.read)
        return TakeLaneResult(observations=read.observations if read is not None else None, answer=answer)

    @activity.defn
    async def create_drift_monitors(self, request: CreateDriftMonitorsInput) -> CreateDriftMonitorsResult:
        self.watched.append(request)
        return CreateDriftMonitorsResult(monitors=tuple(one.deployment for one in request.deployments))

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        return ReadPullRequestResult(pull_request=self.pull_request)

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        return ListChangedFilesResult(components=("web",), files=1)

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        return CompareRevisionsResult(
            relations=tuple(relation(self.order, pair.base, pair.head) for pair in request.pairs)
        )

    @activity.defn
    async def deliver_files(self, request: DeliverFilesInput) -> DeliverFilesResult:
        raise AssertionError("the worlds declare no files")

    @activity.defn
    async def read_instructions(self, request: ReadInstructionsInput) -> ReadInstructionsResult:
        self.asked_for_instructions.append(request)
        given, self.instructions_given = self.instructions_given, []
        return ReadInstructionsResult(
            instructions=tuple(given), label_cursor="1:9", comment_cursor="9:x", account="pilotage-bot"
        )

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        if self.present_fails:
            raise ApplicationError("the token was refused", type="ProviderUnauthorized", non_retryable=True)
        self.presented.append(request)
        return PresentResult(writes=1, shown=Shown(labels=request.labels, comment_id="1"))

    @activity.defn
    async def trigger_round(self, request: TriggerRoundInput) -> TriggerRoundResult:
        async def one(part: RoundTest) -> TriggeredTest:
            return await triggered_alone(self.trigger_test, request, part)

        tests = tuple(await asyncio.gather(*map(one, request.tests)))
        return TriggerRoundResult(tests=tests, source=await self._source_read(request.source))

    async def _source_read(self, request: ReadDeploymentsInput | None) -> tuple[DeploymentRuns, ...] | None:
        answer = await self._read_meanwhile(request)
        return None if answer is None else runs_of(answer)

    async def _read_meanwhile(self, request: ReadDeploymentsInput | None) -> ReadDeploymentsResult | None:
        if request is None:
            return None
        try:
            # Bounded as the real one is: a read that hangs keeps no trigger from being reported.
            async with asyncio.timeout(SOURCE_READ_SECONDS):
                return await self.read_deployments(request)
        except (ApplicationError, TimeoutError):
            return None

    @activity.defn
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        if self.trigger_error:
            raise ApplicationError("job not found", type=self.trigger_error, non_retryable=True)
        if all(one.key != request.key for one in self.triggers):
            self.triggers.append(request)
        for effect in self.before_confirm:
            effect()
        self.before_confirm.clear()
        run = RunRef(runner=request.runner, job=request.job, key=request.key, id="1", url="https://ci.example/1")
        return TriggerTestResult(run=run)

    @activity.defn
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        by_key = {one.key: one.test for one in self.triggers}
        reports = tuple(
            RunReport(key=run.key, run=run, state=self.verdicts[by_key[run.key]], number="7") for run in request.runs
        )
        over = all(report.state.final for report in reports)
        source = await self._source_read(request.source) if over else None
        return PollTestsResult(reports=reports, source=source)

    @activity.defn
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        self.cancelled += [run.key for run in request.runs]
        return CancelTestsResult(cancelled=tuple(run.key for run in request.runs))

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        application = request.deployments[0].application
        name = next(
            env
            for env, view in self.environments.items()
            if any(one.application == application for one in view.deployments)
        )
        wanted = {one.name for one in request.deployments}
        found = tuple(one for one in self.observations(name) if one.deployment in wanted)
        return ReadDeploymentsResult(observations=found, read_at=now())

    @activity.defn
    async def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        written = await self.update_application(request.write)
        if not written.stands:
            return DeliverApplicationResult(written=written)
        return DeliverApplicationResult(written=written, synced=await self.sync_application(request.sync))

    async def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        if self.refuse_writes:
            return WriteResult(outcome=WriteOutcome.REFUSED, message=self.refuse_writes)
        self.written[request.deployment.application] = request.artifact.revision
        self.writes.append(request.deployment.application)
        return WriteResult(outcome=WriteOutcome.DONE)

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        application = request.deployment.application
        name = application.split("-")[1]
        if (effect := self.at_sync.pop(application, None)) is not None:
            await effect()
        if self.slow_syncs:
            return WriteResult(outcome=WriteOutcome.DONE)
        if self.sync_fails == application:
            self.failed_operations[application] = (request.key, "Deployment/web: image not found")
        else:
            self.failed_operations.pop(application, None)
            self.keys[application] = (request.key, request.artifact.revision)
            self.runs[name][request.deployment.name] = request.artifact.revision
        asyncio.get_running_loop().call_later(self.arrival_seconds, lambda: asyncio.ensure_future(self.publish(name)))
        return WriteResult(outcome=WriteOutcome.DONE)

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        self.statuses.append(request.status)
        self.events += [event.reason for event in request.events]
        self.sentences += [event.message for event in request.events]
        return PublishStatusResult(written=True)

    @activity.defn
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        return PublishStatusResult(written=True)


async def triggered_alone(
    trigger: Callable[[TriggerTestInput], Awaitable[TriggerTestResult]], request: TriggerRoundInput, part: RoundTest
) -> TriggeredTest:
    """Answer for one test of a round what its own trigger answers or fails of."""
    try:
        return TriggeredTest(key=part.key, result=await trigger(of_round(request, part)))
    except ApplicationError as error:
        known = {kind.value: kind for kind in FailureKind}
        failure = next((one for one in error.details if isinstance(one, Failure)), None) or Failure(
            kind=known.get(error.type or "", FailureKind.UNEXPECTED),
            message=error.message,
            retry_after=error.next_retry_delay,
        )
        failure = failure if failure.object else replace(failure, object=f"TestRunner/{part.spec.runner}")
        return TriggeredTest(key=part.key, failure=failure)
