"""A world around one EnvironmentWorkflow: fake activities over plain state, and puppets in the place of trackers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from activities.contracts import (
    ConfigActivities,
    DeliveryActivities,
    ObservationActivities,
    ResourceActivities,
    ScmActivities,
)
from activities.models.configuration import (
    DeploymentSpec,
    EnvironmentView,
    FindPolicyInput,
    FindPolicyResult,
    ListTrackersInput,
    ListTrackersResult,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
    WriteSpec,
)
from activities.models.delivery import (
    Health,
    Observation,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WatchDeploymentsInput,
    WriteResult,
)
from activities.models.places import Counter, EnvironmentInput, MemberSignal, Phase, PlaceSignal, TellEnvironmentInput
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
)
from activities.models.status import PlaceStatus, PublishPlaceInput, PublishStatusInput, PublishStatusResult
from activities.models.tracking import Artifact, Problem, Timings, TrackerRef
from worker.sandbox import workflow_runner
from workflows.environment.state import PlaceProgress
from workflows.environment.workflow import EnvironmentWorkflow
from workflows.identity import (
    ENVIRONMENT_WORKFLOW,
    MEMBER_SIGNAL,
    PLACE_SIGNAL,
    Queues,
    environment_workflow_id,
    promotion_workflow_id,
)

MAIN = [f"{number}" * 40 for number in range(8)]
"""Commits of the main line, oldest first."""

CALM = Timings(
    observe_initial=timedelta(seconds=60),
    observe_maximum=timedelta(seconds=60),
    poll_gap=timedelta(milliseconds=10),
    watch=timedelta(seconds=20),
    activity_start_to_close=timedelta(seconds=2),
)


@workflow.defn(sandboxed=False)
class Puppet:
    """Stand where a tracker's workflow would: keep what the place says and answer when it asks."""

    def __init__(self) -> None:
        self.heard: list[PlaceSignal] = []
        self.view: MemberSignal | None = None
        self.place = ""
        self.done = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)

    @workflow.signal(name=PLACE_SIGNAL)
    async def hear(self, signal: PlaceSignal) -> None:
        self.heard.append(signal)
        if signal.asks and self.view is not None:
            counter = replace(self.view.counter, n=self.view.counter.n + 1)
            self.view = replace(self.view, counter=counter, heard=signal.counter)
            await workflow.get_external_workflow_handle(self.place).signal(MEMBER_SIGNAL, self.view)

    @workflow.signal
    def become(self, view: MemberSignal, place: str) -> None:
        self.view, self.place = view, place

    @workflow.signal
    def leave(self) -> None:
        self.done = True

    @workflow.query
    def said(self) -> list[PlaceSignal]:
        return self.heard


@dataclass
class World(ConfigActivities, ScmActivities, DeliveryActivities, ObservationActivities, ResourceActivities):
    """What is outside the place; tests change it while the workflow runs."""

    client: Client
    installation: str
    timings: Timings = CALM
    history_limit: int = 500
    linger: timedelta = timedelta(minutes=1)
    runs: dict[str, str] = field(default_factory=lambda: {"web": MAIN[0]})
    components: dict[str, str] = field(default_factory=lambda: {"web": "web"})
    unsettled: set[str] = field(default_factory=set)
    live: list[TrackerRef] = field(default_factory=list)
    statuses: list[PlaceStatus] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    problem: Problem | None = None
    watchers: list[asyncio.Event] = field(default_factory=list)
    diverged: set[str] = field(default_factory=set)

    @property
    def place_id(self) -> str:
        return environment_workflow_id(self.installation, "shop", "staging", "web")

    @property
    def place(self) -> WorkflowHandle[EnvironmentWorkflow, None]:
        return self.client.get_workflow_handle_for(EnvironmentWorkflow.run, self.place_id)

    def moves(self, deployment: str, revision: str) -> None:
        """Have a deployment run something else, and whoever watches see it."""
        self.runs[deployment] = revision
        for event in self.watchers:
            event.set()

    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            Observation(
                deployment=name,
                component=self.components[name],
                application=name,
                runs=revision,
                written=revision,
                written_raw=revision,
                health=Health.HEALTHY,
                sync_status="Synced",
                settled=name not in self.unsettled,
            )
            for name, revision in self.runs.items()
        )

    # -- activities --------------------------------------------------------------------------------------------

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        raise AssertionError("a place asks for no policy")

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        self.calls.append("read_environment")
        if self.problem is not None:
            return ReadEnvironmentResult(problem=self.problem)
        deployments = tuple(
            DeploymentSpec(
                name=name,
                component=self.components[name],
                wave=0,
                instance="argocd",
                project="shop",
                application=name,
                write=WriteSpec(),
            )
            for name in self.runs
        )
        view = EnvironmentView(
            name="staging", final=False, vars={}, delivery_timeout=timedelta(seconds=20), deployments=deployments
        )
        return ReadEnvironmentResult(environment=view)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        raise AssertionError("a place reads no repository")

    @activity.defn
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        self.calls.append("list_trackers")
        return ListTrackersResult(trackers=tuple(self.live))

    @activity.defn
    async def tell_environment(self, request: TellEnvironmentInput) -> None:
        raise AssertionError("a place tells no place")

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        raise AssertionError("a place reads no pull request")

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        raise AssertionError("a place lists no files")

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        self.calls.append("compare_revisions")
        return CompareRevisionsResult(relations=tuple(relation(one.base, one.head) for one in request.pairs))

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        raise AssertionError("a place presents nothing")

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        self.calls.append("read_deployments")
        return ReadDeploymentsResult(observations=self.observations(), read_at=datetime.now(UTC))

    @activity.defn
    async def watch_deployments(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        self.calls.append("watch_deployments")
        changed = asyncio.Event()
        self.watchers.append(changed)
        try:
            async with asyncio.timeout(request.duration.total_seconds()):
                while self.observations() == request.known:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            self.calls.append("watched in vain")
        finally:
            self.watchers.remove(changed)
        return ReadDeploymentsResult(observations=self.observations(), read_at=datetime.now(UTC))

    @activity.defn
    async def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        raise AssertionError("a place writes nothing")

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        raise AssertionError("a place syncs nothing")

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        raise AssertionError("a place has no tracker")

    @activity.defn
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        self.statuses.append(request.status)
        return PublishStatusResult(written=True)

    # -- what tests do -----------------------------------------------------------------------------------------

    async def tracker(self, number: int, revision: str, *, workflow_runs: bool = True) -> "Tracker":
        """Start a puppet for a tracker whose merge commit is `revision`."""
        ref = TrackerRef(namespace="shop", name=f"web-{number}", uid=f"uid-{number}", attempt=1)
        identity = promotion_workflow_id(self.installation, ref.namespace, ref.name, ref.uid, ref.attempt)
        view = MemberSignal(
            tracker=ref,
            number=number,
            workflow_id=identity,
            counter=Counter(epoch=1, n=0),
            hop=1,
            role="target",
            phase=Phase.WORKING,
            held=False,
            revision=revision,
            components=("web",),
            artifacts=(Artifact(component="web", revision=revision),),
        )
        found = Tracker(world=self, view=view)
        if workflow_runs:
            queue = Queues(installation=self.installation).promotions
            await self.client.start_workflow(Puppet.run, id=identity, task_queue=queue)
            self.live.append(ref)
        return found

    async def progress(self) -> PlaceProgress:
        return await self.place.query(EnvironmentWorkflow.progress)

    async def events(self) -> int:
        """Count the history events of the place's newest run."""
        return len((await self.place.fetch_history()).events)

    async def ended(self) -> WorkflowExecutionStatus | None:
        return (await self.place.describe()).status


@dataclass
class Tracker:
    """One tracker as a place sees it."""

    world: World
    view: MemberSignal

    @property
    def name(self) -> str:
        return self.view.tracker.name

    @property
    def puppet(self) -> WorkflowHandle[Puppet, None]:
        return self.world.client.get_workflow_handle_for(Puppet.run, self.view.workflow_id)

    async def tell(self, phase: Phase, *, n: int | None = None, **changes: Any) -> MemberSignal:
        """Tell the place a view with the next counter, or with the one given."""
        counter = Counter(epoch=1, n=self.view.counter.n + 10 if n is None else n)
        signal = replace(self.view, counter=counter, phase=phase, **changes)
        if n is None:
            self.view = signal
            if self.view.tracker in self.world.live:
                await self.puppet.signal(Puppet.become, args=[signal, self.world.place_id])
        world = self.world
        await world.client.start_workflow(
            ENVIRONMENT_WORKFLOW,
            EnvironmentInput(
                installation=world.installation,
                namespace="shop",
                environment="staging",
                repository="web",
                timings=world.timings,
                history_limit=world.history_limit,
                linger=world.linger,
            ),
            id=world.place_id,
            task_queue=Queues(installation=world.installation).promotions,
            start_signal=MEMBER_SIGNAL,
            start_signal_args=[signal],
        )
        return signal

    async def heard(self) -> list[PlaceSignal]:
        return await self.puppet.query(Puppet.said)

    async def hears(self, fits: Callable[[PlaceSignal], bool]) -> PlaceSignal:
        """Return the newest signal once it fits."""

        async def newest() -> PlaceSignal | None:
            said = await self.heard()
            return next((one for one in reversed(said) if fits(one)), None)

        found = await eventually(newest, describe=self.heard)
        assert isinstance(found, PlaceSignal)
        return found

    async def takes(self, grant: PlaceSignal) -> None:
        """Take a grant that was heard."""
        await self.tell(Phase.HOLDER, heard=grant.counter)

    async def vanishes(self) -> None:
        await self.puppet.terminate("vanished")


async def eventually(read: Callable[[], Any], *, describe: Callable[[], Any] | None = None, seconds: float = 15) -> Any:
    """Return the first true answer."""
    for _ in range(int(seconds / 0.05)):
        answer = read()
        answer = await answer if asyncio.iscoroutine(answer) else answer
        if answer:
            return answer
        await asyncio.sleep(0.05)
    shown = await describe() if describe is not None else ""
    raise AssertionError(f"never happened: {shown}")


def relation(base: str, head: str) -> Relation:
    """Compare commits of the main line; others are on a branch of their own."""
    if base == head:
        return Relation.IDENTICAL
    if base not in MAIN or head not in MAIN:
        return Relation.DIVERGED
    return Relation.AHEAD if MAIN.index(head) > MAIN.index(base) else Relation.BEHIND


@asynccontextmanager
async def place(address: str, **changes: Any) -> AsyncIterator[World]:
    """Run workers of one installation over a fresh world."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    installation = f"test-{uuid.uuid4()}"
    world = World(client=client, installation=installation, **changes)
    queues = Queues(installation=installation)
    served: dict[str, list[Callable[..., Any]]] = {
        queues.config: [world.read_environment, world.list_trackers],
        queues.scm: [world.compare_revisions],
        queues.delivery: [world.read_deployments],
        queues.observation: [world.watch_deployments],
        queues.kubernetes: [world.publish_place],
    }
    async with AsyncExitStack() as stack:
        for queue, activities in served.items():
            await stack.enter_async_context(Worker(client, task_queue=queue, activities=activities))
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=queues.promotions,
                workflows=[EnvironmentWorkflow, Puppet],
                workflow_runner=workflow_runner(),
            )
        )
        try:
            yield world
        finally:
            async for one in client.list_workflows(f"TaskQueue = '{queues.promotions}' AND ExecutionStatus='Running'"):
                await client.get_workflow_handle(one.id).terminate("the test is over")
