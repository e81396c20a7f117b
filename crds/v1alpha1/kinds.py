"""All kinds of the version, in the order in which they are installed."""

from crds.resource import Resource
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.drift_monitor import DriftMonitor
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_command import PromotionCommand
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner

KINDS: tuple[type[Resource], ...] = (
    PullRequestTracker,
    PromotionPolicy,
    Environment,
    TestRunner,
    ArgoCDInstance,
    GitRepository,
    ScmProvider,
    ClusterScmProvider,
    PromotionCommand,
    Provider,
    CommitStatus,
    DriftMonitor,
    EventSink,
)

CONNECTED: frozenset[type[Resource]] = frozenset(
    {ScmProvider, ClusterScmProvider, GitRepository, TestRunner, ArgoCDInstance, Provider}
)
"""Kinds that declare a connection; the condition Reachable proves it."""

BY_KIND: dict[str, type[Resource]] = {model.definition.kind: model for model in KINDS}
