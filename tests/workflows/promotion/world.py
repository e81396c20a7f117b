"""A world around one PromotionWorkflow: fake activities over plain state, and places that answer at once."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

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
    PolicySnapshot,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
    TestSpec,
    WriteSpec,
)
from activities.models.delivery import (
    Health,
    Observation,
    OperationPhase,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WriteOutcome,
    WriteResult,
)
from activities.models.places import BlockedBy, Counter, Grant, MemberSignal, Phase, PlaceSignal, TellEnvironmentInput
from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.revisions import (
    CompareRevisionsInput,
    CompareRevisionsResult,
    ListChangedFilesInput,
    ListChangedFilesResult,
    PresentInput,
    PresentResult,
    ReadPullRequestInput,
    ReadPullRequestResult,
    Relation,
    Shown,
)
from activities.models.status import PublishPlaceInput, PublishStatusInput, PublishStatusResult, State, TrackerStatus
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    RunRef,
    RunReport,
    RunState,
    TriggerTestInput,
    TriggerTestResult,
)
from activities.models.tracking import (
    Component,
    Problem,
    PullRequest,
    PullRequestState,
    RepositoryView,
    Timings,
    TrackerRef,
    TrackerSpec,
)
from worker.sandbox import workflow_runner
from workflows.identity import Queues, promotion_workflow_id
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

OLD, MINE, NEWER, HOTFIX = "0" * 40, "a" * 40, "b" * 40, "f" * 40

FAST = Timings(
    poll_initial=timedelta(milliseconds=200),
    poll_maximum=timedelta(milliseconds=400),
    poll_gap=timedelta(milliseconds=50),
    merge_initial=timedelta(milliseconds=300),
    merge_maximum=timedelta(milliseconds=600),
    reference_initial=timedelta(milliseconds=200),
    reference_maximum=timedelta(milliseconds=400),
    observe_initial=timedelta(milliseconds=200),
    observe_maximum=timedelta(milliseconds=400),
    listing_lag=timedelta(milliseconds=100),
    present_deadline=timedelta(seconds=3),
)


@dataclass
class World(ConfigActivities, ScmActivities, TestRunActivities, DeliveryActivities, ResourceActivities):
    """What the outside does; tests change it while the workflow runs."""

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
    events: list[str] = field(default_factory=list)
    presented: list[PresentInput] = field(default_factory=list)
    members: list[tuple[str, MemberSignal]] = field(default_factory=list)
    grants: bool = True
    blocked_by: str = ""
    epoch: int = 1
    counter: int = 0
    refuse_writes: str = ""
    sync_fails: str = ""
    slow_syncs: bool = False
    """Syncs are accepted and never end."""
    present_fails: bool = False
    trigger_error: str = ""
    repository_problem: Problem | None = None
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    failed_operations: dict[str, tuple[str, str]] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    before_confirm: list[Any] = field(default_factory=list)

    # -- set-up ------------------------------------------------------------------------------------------------

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
        snapshot = PolicySnapshot(
            name=f"{source}-to-{target}",
            generation=1,
            source=source,
            target=target,
            auto_promote=auto,
            timeout=timedelta(seconds=30),
            tests=tests,
        )
        self.policies[source] = FindPolicyResult(outcome=PolicyOutcome.FOUND, policy=snapshot, ahead=(target,))

    async def deploy(self, environment: str, revision: str) -> None:
        """Have an environment run something, and its place say so."""
        self.runs[environment] = dict.fromkeys(self.runs[environment], revision)
        await self.say(environment)

    async def say(self, environment: str, *, answers: MemberSignal | None = None) -> None:
        """Send a place's view to the workflow that this world is about."""
        self.counter += 1
        grant = blocked = None
        if answers is not None and answers.phase is Phase.READY:
            if self.grants:
                grant = Grant(answers=answers.counter, hop=answers.hop)
            elif self.blocked_by:
                blocked = BlockedBy(tracker=self.blocked_by, reason="is held")
        signal = PlaceSignal(
            environment=environment,
            counter=Counter(epoch=self.epoch, n=self.counter),
            observed=self.observations(environment),
            observed_at=datetime.now(UTC),
            grant=grant,
            blocked_by=blocked,
        )
        if self.workflow_id:
            await self.client.get_workflow_handle(self.workflow_id).signal("place", signal)

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
                    health=Health.HEALTHY,
                    sync_status="Synced",
                    settled=failed is None,
                )
            )
        return tuple(found)

    # -- activities --------------------------------------------------------------------------------------------

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        return self.policies.get(request.environment, FindPolicyResult(outcome=PolicyOutcome.NOT_FOUND))

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        view = self.environments.get(request.environment)
        if view is None:
            what = f"Environment/{request.environment}"
            return ReadEnvironmentResult(problem=Problem(what=what, reason="NotFound", message="does not exist"))
        return ReadEnvironmentResult(environment=view)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        if self.repository_problem:
            return ReadRepositoryResult(problem=self.repository_problem)
        view = RepositoryView(
            name="web", owner="acme", repository="web", full_name="acme/web", components=(Component(name="web"),)
        )
        return ReadRepositoryResult(repository=view)

    @activity.defn
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        return ListTrackersResult(trackers=())

    @activity.defn
    async def tell_environment(self, request: TellEnvironmentInput) -> None:
        self.members.append((request.environment, request.signal))
        if request.signal.phase not in (Phase.GONE, Phase.ARRIVED):
            await self.say(request.environment, answers=request.signal)

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        return ReadPullRequestResult(pull_request=self.pull_request)

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        return ListChangedFilesResult(components=("web",), files=1)

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        return CompareRevisionsResult(relations=tuple(self._relation(pair.base, pair.head) for pair in request.pairs))

    def _relation(self, base: str, head: str) -> Relation:
        if base == head:
            return Relation.IDENTICAL
        if base not in self.order or head not in self.order:
            return Relation.DIVERGED
        return Relation.AHEAD if self.order.index(head) > self.order.index(base) else Relation.BEHIND

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        if self.present_fails:
            raise ApplicationError("the token was refused", type="ProviderUnauthorized", non_retryable=True)
        self.presented.append(request)
        return PresentResult(writes=1, shown=Shown(labels=request.labels, comment_id="1"))

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
        return PollTestsResult(
            reports=tuple(
                RunReport(key=run.key, run=run, state=self.verdicts[by_key[run.key]], number="7")
                for run in request.runs
            )
        )

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
        return ReadDeploymentsResult(observations=found, read_at=datetime.now(UTC))

    @activity.defn
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
        if self.slow_syncs:
            return WriteResult(outcome=WriteOutcome.DONE)
        if self.sync_fails == application:
            self.failed_operations[application] = (request.key, "Deployment/web: image not found")
        else:
            self.failed_operations.pop(application, None)
            self.keys[application] = (request.key, request.artifact.revision)
            self.runs[name][request.deployment.name] = request.artifact.revision
        asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(self.say(name)))
        return WriteResult(outcome=WriteOutcome.DONE)

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        self.statuses.append(request.status)
        self.events += [event.reason for event in request.events]
        return PublishStatusResult(written=True)

    @activity.defn
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        return PublishStatusResult(written=True)

    # -- what tests ask ----------------------------------------------------------------------------------------

    @property
    def status(self) -> TrackerStatus:
        """The newest status published."""
        return self.statuses[-1]

    async def eventually(self, holds: Callable[[], bool]) -> None:
        """Return once it holds."""
        for _ in range(300):
            if holds():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never held; state {self.statuses[-1].state if self.statuses else None}")

    async def until(self, state: State, *, reason: str = "") -> TrackerStatus:
        """Return the status once it shows the state (and reason)."""
        for _ in range(300):
            if self.statuses and self.status.state is state and reason in ("", self.status.reason):
                return self.status
            await asyncio.sleep(0.05)
        seen = [(one.state, one.reason, one.message) for one in self.statuses[-5:]]
        raise AssertionError(f"never {state} {reason}: {seen}")


@dataclass
class Run:
    """One promotion under test."""

    world: World
    handle: WorkflowHandle[PromotionWorkflow, State]

    async def say(self, verb: Verb, *, target: str = "", reason: str = "", request_id: str = "") -> CommandAnswer:
        """Send a command as the watcher would."""
        identity = request_id or str(uuid.uuid4())
        command = Command(request_id=identity, actor="ada", target_environment=target, revision="", reason=reason)
        answer: CommandAnswer = await self.handle.execute_update(
            verb.value, command, id=identity, result_type=CommandAnswer
        )
        return answer

    async def end(self) -> State:
        """Return the final state."""
        return await asyncio.wait_for(self.handle.result(), 30)


def a_test(name: str, *, required: bool = True, timeout: float = 20, retries: int = 0) -> TestSpec:
    """Return a test at runner `ci`."""
    return TestSpec(
        name=name,
        runner="ci",
        job=f"web/{name}",
        parameters={},
        required=required,
        timeout=timedelta(seconds=timeout),
        retries=retries,
    )


@asynccontextmanager
async def promotion(address: str, *, timings: Timings = FAST) -> AsyncIterator[tuple[World, "Starter"]]:
    """Serve a world of dev → staging → prod, in which MINE runs in dev and OLD elsewhere."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    world = World(client=client)
    world.environment("dev", MINE)
    world.environment("staging", OLD)
    world.environment("prod", OLD, final=True)
    world.policy("dev", "staging", tests=(a_test("unit"), a_test("e2e"), a_test("look", required=False)))
    world.policy("staging", "prod", auto=False, tests=(a_test("smoke"),))
    installation = f"t{uuid.uuid4().hex[:8]}"
    queues = Queues(installation=installation)
    served: dict[str, list[Callable[..., Any]]] = {
        queues.config: [
            world.find_policy,
            world.read_environment,
            world.read_repository,
            world.list_trackers,
            world.tell_environment,
        ],
        queues.scm: [
            world.read_pull_request,
            world.list_changed_files,
            world.compare_revisions,
            world.present_on_pull_request,
        ],
        queues.ci: [world.trigger_test, world.poll_tests, world.cancel_tests],
        queues.delivery: [world.read_deployments, world.update_application, world.sync_application],
        queues.kubernetes: [world.publish_status, world.publish_place],
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=queues.promotions,
                workflows=[PromotionWorkflow],
                workflow_runner=workflow_runner(),
                max_cached_workflows=50,
            )
        )
        for queue, functions in served.items():
            await stack.enter_async_context(Worker(client, task_queue=queue, activities=functions))
        yield world, Starter(world=world, client=client, installation=installation, timings=timings)


@dataclass
class Starter:
    """Start the promotion of the world's pull request."""

    world: World
    client: Client
    installation: str
    timings: Timings

    async def __call__(self) -> Run:
        tracker = TrackerRef(namespace="shop", name="web-412", uid=uuid.uuid4().hex, attempt=1)
        request = PromotionStart(
            installation=self.installation,
            tracker=tracker,
            spec=TrackerSpec(repository="web", number=412, environment="dev"),
            timings=self.timings,
        )
        identity = promotion_workflow_id(self.installation, "shop", "web-412", tracker.uid, 1)
        self.world.workflow_id = identity
        handle = await self.client.start_workflow(
            PromotionWorkflow.run,
            request,
            id=identity,
            task_queue=Queues(installation=self.installation).promotions,
        )
        return Run(world=self.world, handle=handle)


def merged(pull_request: PullRequest, state: PullRequestState) -> PullRequest:
    """Return the pull request in another state."""
    return replace(pull_request, state=state, merge_sha=MINE if state is PullRequestState.MERGED else None)
