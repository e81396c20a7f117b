"""What workers serve: the workflows, and the activities of each queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities.commit_statuses import CommitStatusPosts, Supersession
from activities.comparing import RevisionComparison
from activities.configuration import ResourceConfigActivities
from activities.credential_checks import CredentialProofs
from activities.deployments import ArgoCDActivities
from activities.drift.activity import PromotedChanges
from activities.event_sinks.delivering import EventDeliveries
from activities.observations import StreamActivities
from activities.ports import CommitStatusWorkflows, NewsReceivers, Places, PostingOpener, ResourceOpener, SinkOpener
from activities.pull_requests import ScmHostActivities
from activities.record_sinks import RecordSink
from activities.repository_sync import RepositorySyncs
from activities.test_runs import CiActivities
from crds.api.ports import Kubernetes
from workflows.commit_status.workflow import CommitStatusWorkflow
from workflows.credential_check.workflow import CredentialCheckWorkflow
from workflows.drift.workflow import DriftWorkflow
from workflows.environment.workflow import EnvironmentWorkflow
from workflows.event_sink.workflow import EventSinkWorkflow
from workflows.installation.workflow import InstallationWorkflow
from workflows.promotion.workflow import PromotionWorkflow
from workflows.repository.workflow import RepositorySyncWorkflow
from workflows.subscription_fault.workflow import SubscriptionFaultWorkflow

PROMOTIONS = "promotions"
"""The queue of workflows; the only one whose workers are versioned."""

WORKFLOWS: tuple[type, ...] = (
    PromotionWorkflow,
    EnvironmentWorkflow,
    CredentialCheckWorkflow,
    RepositorySyncWorkflow,
    DriftWorkflow,
    InstallationWorkflow,
    CommitStatusWorkflow,
    SubscriptionFaultWorkflow,
    EventSinkWorkflow,
)

Activity = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """What activities reach the world through."""

    kubernetes: Kubernetes
    opener: ResourceOpener
    places: Places
    receivers: NewsReceivers
    records: RecordSink
    postings: PostingOpener
    commit_statuses: CommitStatusWorkflows
    sinks: SinkOpener


def build_activities(dependencies: Dependencies) -> Mapping[str, Sequence[Activity]]:
    """Return the activities by queue; those of the queue `kubernetes` are the watcher's."""
    opener = dependencies.opener
    comparison = RevisionComparison(opener)
    config = ResourceConfigActivities(dependencies.kubernetes, opener, dependencies.places, comparison)
    scm = ScmHostActivities(opener, comparison)
    ci = CiActivities(opener)
    delivery = ArgoCDActivities(opener)
    syncs = RepositorySyncs(dependencies.kubernetes, opener, dependencies.receivers, dependencies.records)
    posts = CommitStatusPosts(dependencies.postings, dependencies.commit_statuses)
    proofs = CredentialProofs(dependencies.kubernetes, opener, postings=dependencies.postings)
    check = proofs.check_connection
    drift = PromotedChanges(dependencies.kubernetes, opener)
    return {
        "config": (
            config.find_policy,
            config.read_environment,
            config.read_repository,
            config.list_trackers,
            config.send_view,
            config.join_place,
            config.send_views,
            config.open_hop,
            config.take_lane,
            Supersession(dependencies.commit_statuses).close_superseded,
            # For those that were asked for before `checks` existed: they wait in this queue until somebody serves them.
            check,
        ),
        "checks": (
            check,
            drift.create_drift_monitors,
            drift.look_for_drift,
            drift.sync_drifted,
            drift.present_drift,
            EventDeliveries(dependencies.sinks).deliver_events,
        ),
        "scm": (
            scm.read_pull_request,
            scm.list_changed_files,
            scm.compare_revisions,
            scm.deliver_files,
            scm.read_instructions,
            scm.present_on_pull_request,
            syncs.sync_repository,
            syncs.tidy_repository,
            posts.post_commit_status,
        ),
        "ci": (ci.trigger_round, ci.trigger_test, ci.poll_tests, ci.cancel_tests),
        "delivery": (
            delivery.read_deployments,
            delivery.deliver_application,
            delivery.sync_application,
        ),
        "observation": (StreamActivities(opener).watch_deployments,),
    }
