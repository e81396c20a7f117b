"""The activities that workflows may call, one ABC per task queue. A method name is the wire name and never changes."""

from abc import ABC, abstractmethod

from temporalio import activity

from activities.models.commit_statuses import (
    CloseSupersededInput,
    PostCommitStatusInput,
    PostCommitStatusResult,
    PublishPostInput,
)
from activities.models.configuration import (
    FindPolicyInput,
    FindPolicyResult,
    ListTrackersInput,
    ListTrackersResult,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
)
from activities.models.credential_checks import CheckConnectionInput, CheckConnectionResult, PublishConnectionInput
from activities.models.delivery import (
    DeliverApplicationInput,
    DeliverApplicationResult,
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    WatchDeploymentsInput,
    WriteResult,
)
from activities.models.drift import (
    CreateDriftMonitorsInput,
    CreateDriftMonitorsResult,
    LookForDriftInput,
    LookForDriftResult,
    PresentDriftInput,
    PresentDriftResult,
    PublishDriftInput,
    PublishDriftResult,
    SyncDriftedInput,
)
from activities.models.event_sinks import DeliverEventsInput, DeliverEventsResult, PublishEventSinkInput
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
from activities.models.places import PlaceSignal, SendViewInput
from activities.models.repository_sync import (
    PublishDiscoveryInput,
    SyncRepositoryInput,
    SyncRepositoryResult,
    TidyRepositoryInput,
    TidyRepositoryResult,
)
from activities.models.revisions import (
    CompareRevisionsInput,
    CompareRevisionsResult,
    ListChangedFilesInput,
    ListChangedFilesResult,
    PresentInput,
    PresentResult,
    ReadPullRequestInput,
    ReadPullRequestResult,
)
from activities.models.status import PublishPlaceInput, PublishStatusInput, PublishStatusResult
from activities.models.steering import ReadInstructionsInput, ReadInstructionsResult
from activities.models.testing import (
    CancelTestsInput,
    CancelTestsResult,
    PollTestsInput,
    PollTestsResult,
    TriggerRoundInput,
    TriggerRoundResult,
    TriggerTestInput,
    TriggerTestResult,
)


class ConfigActivities(ABC):
    """Read what teams declared (queue `config`). An API error is raised, never answered as "not found"."""

    @activity.defn
    @abstractmethod
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        """Choose the policy of one (source environment, repository); validates it, all errors at once."""

    @activity.defn
    @abstractmethod
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        """Read an environment with its deployments of one repository, selectors resolved, references checked."""

    @activity.defn
    @abstractmethod
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        """Read a GitRepository; a missing repository, provider or Secret is a problem in the answer.

        A pull request that is named is read alongside; one that cannot be read is left out of the answer.
        """

    @activity.defn
    @abstractmethod
    async def list_trackers(self, request: ListTrackersInput) -> ListTrackersResult:
        """List a repository's trackers that are not terminal."""

    @activity.defn
    @abstractmethod
    async def send_view(self, request: SendViewInput) -> PlaceSignal | None:
        """Send a member's view to a place, starting its workflow if needed, and return the place's. Safe to retry.

        None where the place has nothing to answer yet, or no worker answered in time: its answer follows by signal.
        """

    @activity.defn
    @abstractmethod
    async def join_place(self, request: JoinPlaceInput) -> JoinPlaceResult:
        """Send a place the view with which it is joined, as `send_view` does, and read its Environment.

        A read that fails is left out of the answer. Safe to retry.
        """

    @activity.defn
    @abstractmethod
    async def send_views(self, request: SendViewsInput) -> SendViewsResult:
        """Send a member's views to several places, as `send_view` does. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def open_hop(self, request: OpenHopInput) -> OpenHopResult:
        """Find a hop's policy, as `find_policy` does, then read its target and send it a view. Safe to retry.

        What of the target fails is left out of the answer. A promotion that finds another policy at a retry leaves a
        member behind that only works, at a place that asks it later and forgets it then.
        """

    @activity.defn
    @abstractmethod
    async def take_lane(self, request: TakeLaneInput) -> TakeLaneResult:
        """Send a place that its grant is taken, then read its deployments. Safe to retry.

        A read that fails is left out of the answer: the holder of the lane then reads alone.
        """


class ConnectionActivities(ABC):
    """Prove what resources declare (queue `checks`): a host that never answers keeps nothing else from its turn."""

    @activity.defn
    @abstractmethod
    async def check_connection(self, request: CheckConnectionInput) -> CheckConnectionResult:
        """Prove address and credential of one resource by one cheap call. A refusal is an answer. Safe to retry."""


class DriftActivities(ABC):
    """Watch that what was promoted stays in place (queue `checks`): nothing of a promotion ever waits for it."""

    @activity.defn
    @abstractmethod
    async def create_drift_monitors(self, request: CreateDriftMonitorsInput) -> CreateDriftMonitorsResult:
        """Make or take over one DriftMonitor for each deployment that a change arrived in. Safe to retry.

        One that watches a later promotion is left alone, however late this one comes.
        """

    @activity.defn
    @abstractmethod
    async def look_for_drift(self, request: LookForDriftInput) -> LookForDriftResult:
        """Return which monitors of an ArgoCDInstance show what is not so any more. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def sync_drifted(self, request: SyncDriftedInput) -> WriteResult:
        """Start one sync of an application that got out of sync, as for a promotion. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def present_drift(self, request: PresentDriftInput) -> PresentDriftResult:
        """Show on a pull request what the monitors of its tracker report. Safe to retry.

        While its promotion goes on, that shows it: it is the answer then.
        """


class ScmActivities(ABC):
    """Call the SCM host (queue `scm`)."""

    @activity.defn
    @abstractmethod
    async def read_pull_request(self, request: ReadPullRequestInput) -> ReadPullRequestResult:
        """Read one pull request. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        """Return which components a pull request touches. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        """Compare pairs of commits by ancestry. Safe to retry; answers for full hashes never change."""

    @activity.defn
    @abstractmethod
    async def deliver_files(self, request: DeliverFilesInput) -> DeliverFilesResult:
        """Write artifacts to the files of several deployments, all in one commit. Safe to retry.

        A commit whose reply was lost is found by its key, and what is there already by the values.
        """

    @activity.defn
    @abstractmethod
    async def read_instructions(self, request: ReadInstructionsInput) -> ReadInstructionsResult:
        """Read what people asked for on a pull request by labels and comments, and whether they may. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def present_on_pull_request(self, request: PresentInput) -> PresentResult:
        """Make labels, commit statuses and comments as wanted, sending only differences. Safe to retry."""


class RepositorySyncActivities(ABC):
    """Look at the list of a repository's pull requests (queue `scm`)."""

    @activity.defn
    @abstractmethod
    async def sync_repository(self, request: SyncRepositoryInput) -> SyncRepositoryResult:
        """List what changed, signal trackers and make those that `discovery` wants. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def tidy_repository(self, request: TidyRepositoryInput) -> TidyRepositoryResult:
        """Export and remove trackers that ended long ago, and return whether any are left. Safe to retry."""


class CommitStatusActivities(ABC):
    """Show on commits what events of Flux report (queue `scm`)."""

    @activity.defn
    @abstractmethod
    async def post_commit_status(self, request: PostCommitStatusInput) -> PostCommitStatusResult:
        """Post one status, or find that it is there, or that something newer is. Safe to retry if it looks first."""


class SupersessionActivities(ABC):
    """Reach the commits that a newer one overtook (queue `config`)."""

    @activity.defn
    @abstractmethod
    async def close_superseded(self, request: CloseSupersededInput) -> None:
        """Signal the workflows of other commits of one context that a newer commit was reconciled. Safe to retry."""


class TestRunActivities(ABC):
    """Call CI systems (queue `ci`)."""

    __test__ = False

    @activity.defn
    @abstractmethod
    async def trigger_round(self, request: TriggerRoundInput) -> TriggerRoundResult:
        """Find or create a run of each test, side by side. One test's failure does not hide the others. Safe to retry.

        A test that failed is triggered again alone.
        """

    @activity.defn
    @abstractmethod
    async def trigger_test(self, request: TriggerTestInput) -> TriggerTestResult:
        """Find the run of this key, else create it. Safe to retry after a lost reply."""

    @activity.defn
    @abstractmethod
    async def poll_tests(self, request: PollTestsInput) -> PollTestsResult:
        """Read several runs of several runners. One run's or runner's error does not hide the others."""

    @activity.defn
    @abstractmethod
    async def cancel_tests(self, request: CancelTestsInput) -> CancelTestsResult:
        """Cancel every run of these keys that still goes on. Safe to retry."""


class DeliveryActivities(ABC):
    """Read and move deployments in short calls (queue `delivery`)."""

    @activity.defn
    @abstractmethod
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        """Read what several deployments run. One deployment's problem does not hide the others."""

    @activity.defn
    @abstractmethod
    async def deliver_application(self, request: DeliverApplicationInput) -> DeliverApplicationResult:
        """Write an artifact to one deployment by compare-and-set, and start one sync of it. Safe to retry."""

    @activity.defn
    @abstractmethod
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        """Start one sync marked with the key, after a re-read that must still show our write. Safe to retry."""


class ObservationActivities(ABC):
    """Follow deployments while a lane is held (queue `observation`)."""

    @activity.defn
    @abstractmethod
    async def watch_deployments(self, request: WatchDeploymentsInput) -> ReadDeploymentsResult:
        """Return at the first change that matters, or after the duration with a fresh read. Heartbeats."""


class ResourceActivities(ABC):
    """Write results back to Kubernetes (queue `kubernetes`, served by the watcher)."""

    @activity.defn
    @abstractmethod
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        """Write a tracker's status and events unless uid, attempt or sequence show that it is not ours to write."""

    @activity.defn
    @abstractmethod
    async def publish_place(self, request: PublishPlaceInput) -> PublishStatusResult:
        """Write one repository's entry of an Environment's status unless a newer sequence is there."""


class ConditionActivities(ABC):
    """Write what was proved back to Kubernetes (queue `kubernetes`, served by the watcher)."""

    @activity.defn
    @abstractmethod
    async def publish_connection(self, request: PublishConnectionInput) -> PublishStatusResult:
        """Write one condition unless the uid or a newer generation shows that it is not ours. Safe to retry."""


class DiscoveryActivities(ABC):
    """Write what a repository's list led to back to Kubernetes (queue `kubernetes`, served by the watcher)."""

    @activity.defn
    @abstractmethod
    async def publish_discovery(self, request: PublishDiscoveryInput) -> PublishStatusResult:
        """Write the condition `Discovered` unless the uid shows that it is not ours to write. Safe to retry."""


class PostRecordActivities(ABC):
    """Write what became of posts back to Kubernetes (queue `kubernetes`, served by the watcher)."""

    @activity.defn
    @abstractmethod
    async def publish_post(self, request: PublishPostInput) -> PublishStatusResult:
        """Write what was posted last, or why not, to a Provider and a CommitStatus; a newer record stays."""


class DriftStatusActivities(ABC):
    """Write what was seen of promoted changes back to Kubernetes (queue `kubernetes`, served by the watcher)."""

    @activity.defn
    @abstractmethod
    async def publish_drift(self, request: PublishDriftInput) -> PublishDriftResult:
        """Write statuses and events of monitors unless uid or generation show that they are about another promotion.

        Safe to retry.
        """


class EventSinkActivities(ABC):
    """Send events to receivers outside the cluster (queue `checks`)."""

    @activity.defn
    @abstractmethod
    async def deliver_events(self, request: DeliverEventsInput) -> DeliverEventsResult:
        """Send events in order until one is not taken. Safe to retry: one that arrives twice has the same id."""


class EventSinkStatusActivities(ABC):
    """Write what became of deliveries back to Kubernetes (queue `kubernetes`, served by the watcher)."""

    @activity.defn
    @abstractmethod
    async def publish_event_sink(self, request: PublishEventSinkInput) -> PublishStatusResult:
        """Write the condition Delivered, with what was sent and what was not, unless the sink is another one by now.

        Safe to retry.
        """
