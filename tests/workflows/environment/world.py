"""A world around one EnvironmentWorkflow: fake activities over plain state, and puppets in the place of trackers."""

import asyncio
import uuid
from collections import Counter as Tally
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Replayer

from activities.contracts import (
    ConfigActivities,
    DeliveryActivities,
    ObservationActivities,
    ResourceActivities,
    ScmActivities,
)
from activities.delivery.flux import FluxObserver
from activities.failures import to_application_error
from activities.models.configuration import (
    DeploymentSpec,
    EnvironmentView,
    FindPolicyInput,
    FindPolicyResult,
    FluxSpec,
    ListTrackersInput,
    ListTrackersResult,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
    WriteSpec,
)
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    Observation,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    WatchDeploymentsInput,
    WriteResult,
)
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
from activities.models.places import Counter, MemberSignal, Role, SendViewInput
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
from activities.models.steering import ReadInstructionsInput, ReadInstructionsResult
from activities.models.tracking import Artifact, Timings, TrackerRef
from crds.api.ports import ApiForbidden
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Health, Phase
from tests.activities.fakes import FakeOpener, FakeScm
from tests.workflows.environment.puppets import MAIN, Puppet, Tracker
from tests.worlds import declared
from tests.worlds.played import Server, connected, served
from tests.worlds.refusals import unread
from tests.worlds.serving import activities_of
from tests.worlds.stage import now
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.reports import TemporalReports
from worker.temporal.sandbox import workflow_runner
from workflows.environment.state import PlaceProgress
from workflows.environment.workflow import EnvironmentWorkflow
from workflows.identity import (
    Queues,
    environment_workflow_id,
    promotion_workflow_id,
)

CALM = Timings(
    observe_initial=timedelta(seconds=60),
    observe_maximum=timedelta(seconds=60),
    poll_gap=timedelta(milliseconds=10),
    watch=timedelta(seconds=20),
    settling=timedelta(0),
    activity_start_to_close=timedelta(seconds=2),
)


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


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
    lost: set[str] = field(default_factory=set)
    """What cannot be read, for a reason that usually passes."""
    refuse: Callable[[], Exception] | None = None
    """What reads of the deployments and of revisions are refused with."""
    live: list[TrackerRef] = field(default_factory=list)
    forbidden: str = ""
    """Why the place may not list the live trackers."""
    statuses: list[PlaceStatus] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    failure: Failure | None = None
    watchers: list[asyncio.Event] = field(default_factory=list)
    watches: list[WatchDeploymentsInput] = field(default_factory=list)
    """Those under way."""
    diverged: set[str] = field(default_factory=set)
    watcher_is_there: asyncio.Event = field(default_factory=_set_event)
    unknown: set[str] = field(default_factory=set)
    """Commits that the SCM host does not know."""
    declared: asyncio.Event = field(default_factory=_set_event)
    """Answers of reads of the Environment wait for it, and what is declared meanwhile is none of them."""
    compared: asyncio.Event = field(default_factory=_set_event)
    """Answers of comparisons wait for it."""
    uncompared: set[str] = field(default_factory=set)
    """Commits that the SCM host compares with none."""
    asked: list[tuple[set[str], ...]] = field(default_factory=list)
    """Pairs of each comparison."""
    flux: bool = False
    """Whether Flux deploys, so that only its events show what runs."""

    @property
    def place_id(self) -> str:
        return environment_workflow_id(self.installation, "shop", "staging", "web")

    @property
    def place(self) -> WorkflowHandle[EnvironmentWorkflow, None]:
        return self.client.get_workflow_handle_for(EnvironmentWorkflow.run, self.place_id)

    async def events_at_rest(self) -> int:
        """Return how long the place's history is; 0 while anything of it is under way."""
        described = await self.place.describe()
        events = (await self.place.fetch_history()).events
        ended = events[-1].event_type in (
            EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
            EventType.EVENT_TYPE_TIMER_STARTED,
            EventType.EVENT_TYPE_TIMER_CANCELED,
        )
        return len(events) if ended and not described.raw_description.pending_activities else 0

    def moves(self, deployment: str, revision: str) -> None:
        """Have a deployment run something else, and each watch see it."""
        self.runs[deployment] = revision
        for event in self.watchers:
            event.set()

    def _refuse(self) -> None:
        if self.refuse is not None:
            self.calls.append("refused")
            raise self.refuse()

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
                failure=unread("503", passing=True) if name in self.lost else None,
            )
            for name, revision in self.runs.items()
        )

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        raise AssertionError("a place asks for no policy")

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        self.calls.append("read_environment")
        if self.failure is not None:
            return ReadEnvironmentResult(failure=self.failure)
        deployments = tuple(
            DeploymentSpec(
                name=name,
                component=self.components[name],
                wave=0,
                instance="" if self.flux else "argocd",
                project="" if self.flux else "shop",
                application=f"flux-system/{name}" if self.flux else name,
                write=None if self.flux else WriteSpec(),
                flux=FluxSpec(environment="staging", repository="web") if self.flux else None,
            )
            for name in self.runs
        )
        view = EnvironmentView(
            name="staging", final=False, vars={}, delivery_timeout=timedelta(seconds=20), deployments=deployments
        )
        await self.declared.wait()
        return ReadEnvironmentResult(environment=view)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        raise AssertionError("a place reads no repository")

    @activity.defn
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        self.calls.append("list_trackers")
        if self.forbidden:
            raise to_application_error(ApiForbidden(self.forbidden, status=403))
        return ListTrackersResult(trackers=tuple(self.live))

    @activity.defn
    async def send_view(self, request: SendViewInput) -> None:
        raise AssertionError("a place signals no place")

    @activity.defn
    async def join_place(self, request: JoinPlaceInput) -> JoinPlaceResult:
        raise AssertionError("a place joins no place")

    @activity.defn
    async def send_views(self, request: SendViewsInput) -> SendViewsResult:
        raise AssertionError("a place signals no place")

    @activity.defn
    async def open_hop(self, request: OpenHopInput) -> OpenHopResult:
        raise AssertionError("a place asks for no policy")

    @activity.defn
    async def take_lane(self, request: TakeLaneInput) -> TakeLaneResult:
        raise AssertionError("a place takes no lane")

    @activity.defn
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        raise AssertionError("a place reads no pull request")

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        raise AssertionError("a place lists no files")

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        self._refuse()
        self.calls.append("compare_revisions")
        self.asked.append(tuple({one.base, one.head} for one in request.pairs))
        refused = tuple(
            place for place, one in enumerate(request.pairs) if request.some and self.uncompared & {one.base, one.head}
        )
        relations = tuple(
            Relation.UNKNOWN if self.unknown & {one.base, one.head} else relation(one.base, one.head)
            for one in request.pairs
        )
        await self.compared.wait()
        failure = Failure(kind=FailureKind.UNAVAILABLE, message="HTTP 500") if refused else None
        return CompareRevisionsResult(relations=relations, unanswered=refused, failure=failure)

    @activity.defn
    async def deliver_files(self, request: DeliverFilesInput) -> DeliverFilesResult:
        raise AssertionError("a place writes nothing")

    @activity.defn
    async def read_instructions(self, request: ReadInstructionsInput) -> ReadInstructionsResult:
        raise AssertionError("no one steers a place")

    @activity.defn
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        raise AssertionError("a place presents nothing")

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        self._refuse()
        self.calls.append("read_deployments")
        if self.flux:
            return await self._reported(request.deployments)
        return ReadDeploymentsResult(observations=self.observations(), read_at=now())

    @activity.defn
    async def watch_deployments(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        self.calls.append("watch_deployments")
        if self.flux:
            return await self._watched(request)
        changed = asyncio.Event()
        self.watchers.append(changed)
        self.watches.append(request)
        beats = asyncio.create_task(_beat())
        try:
            async with asyncio.timeout(request.duration.total_seconds()):
                while self.observations() == request.known:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            self.calls.append("watched in vain")
        finally:
            self.watchers.remove(changed)
            self.watches.remove(request)
            beats.cancel()
        return ReadDeploymentsResult(observations=self.observations(), read_at=now())

    @property
    def reports(self) -> TemporalReports:
        """How receivers reach the place."""
        return TemporalReports(self.client, self.installation, timings=self.timings)

    async def _watched(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        """Watch what shows nothing by itself: events come to the place."""
        beats = asyncio.create_task(_beat())
        try:
            await asyncio.sleep(request.duration.total_seconds())
        finally:
            beats.cancel()
        return await self._reported(request.deployments)

    async def _reported(self, deployments: Sequence[DeploymentSpec]) -> ReadDeploymentsResult:
        """Read what runs as a worker does, from what the place itself keeps."""
        known = await self.reports.reconciliations("shop", "staging", "web")
        opener = FakeOpener(scm=FakeScm(commits=tuple(MAIN)), reconciled=known)
        answer = await FluxObserver(opener).observe("shop", deployments)
        return replace(answer, read_at=now())

    @activity.defn
    async def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        raise AssertionError("a place writes nothing")

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        raise AssertionError("a place syncs nothing")

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        raise AssertionError("a place has no tracker")

    @activity.defn
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        await self.watcher_is_there.wait()
        self.statuses.append(request.status)
        return PublishStatusResult(written=True)

    async def joined(self, number: int, revision: str) -> Tracker:
        """Start a puppet that works here and has received what runs."""
        one = await self.tracker(number, revision)
        await one.send(Phase.WORKING)
        await one.receives(lambda signal: signal.observed_at is not None)
        return one

    async def tracker(self, number: int, revision: str, *, workflow_runs: bool = True) -> Tracker:
        """Start a puppet for a tracker whose merge commit is `revision`."""
        ref = TrackerRef(namespace="shop", name=f"web-{number}", uid=f"uid-{number}", attempt=1)
        identity = promotion_workflow_id(self.installation, ref.namespace, ref.name, ref.uid, ref.attempt)
        view = MemberSignal(
            tracker=ref,
            number=number,
            workflow_id=identity,
            counter=Counter(epoch=1, n=0),
            hop=1,
            role=Role.TARGET,
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

    async def next_try(self) -> datetime | None:
        """Return when the place tries again what it cannot read."""
        return (await self.progress()).again_at

    async def spent_on(self, tracker: Tracker) -> Tally[str]:
        """Count the place's signals to a tracker, and its activities by name, since that one came.

        Workflow tasks are left out: how many events the server hands over with one of them is a matter of moments.
        """
        spent: Tally[str] = Tally()
        came = False
        for event in (await self.place.fetch_history()).events:
            payloads = [
                *event.workflow_execution_signaled_event_attributes.input.payloads,
                *event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args.payloads,
            ]
            if payloads:
                [view] = DATA_CONVERTER.payload_converter.from_payloads(payloads, [MemberSignal])
                came = came or view.tracker == tracker.view.tracker
            elif came and event.HasField("signal_external_workflow_execution_initiated_event_attributes"):
                signal = event.signal_external_workflow_execution_initiated_event_attributes
                spent["signals"] += signal.workflow_execution.workflow_id == tracker.view.workflow_id
            elif came and event.HasField("activity_task_scheduled_event_attributes"):
                spent[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
        return spent

    async def replays(self) -> bool:
        """Replay the place's newest run; raises when the code would decide otherwise."""
        replayer = Replayer(
            workflows=[EnvironmentWorkflow], data_converter=DATA_CONVERTER, workflow_runner=workflow_runner()
        )
        history = await self.place.fetch_history()
        while not any(event.HasField("workflow_task_completed_event_attributes") for event in history.events):
            # The newest run may have just begun: a replay of nothing never ends.
            await asyncio.sleep(0.05)
            history = await self.place.fetch_history()
        result = await replayer.replay_workflow(history)
        return result.replay_failure is None

    async def ended(self) -> WorkflowExecutionStatus | None:
        return (await self.place.describe()).status


async def _beat() -> None:
    """Learn of a cancellation, which comes with the answer to a heartbeat."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


def relation(base: str, head: str) -> Relation:
    """Compare commits of the main line; others are on a branch of their own."""
    return declared.relation(MAIN, base, head)


async def stop_workflows(client: Client, queue: str) -> None:
    """Terminate what a test left running; some of it has ended by itself meanwhile."""
    async for one in client.list_workflows(f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'"):
        with suppress(RPCError):
            await client.get_workflow_handle(one.id).terminate("the test is over")


@asynccontextmanager
async def place(server: Server, **changes: Any) -> AsyncIterator[World]:
    """Run workers of one installation over a fresh world."""
    client = await connected(server)
    installation = f"test-{uuid.uuid4()}"
    world = World(client=client, installation=installation, **changes)
    workflows = [EnvironmentWorkflow, Puppet]
    async with served(server, client, installation, workflows, activities_of(world)):
        try:
            yield world
        finally:
            if isinstance(server, str):
                await stop_workflows(client, Queues(installation=installation).promotions)
