"""Which resource a webhook's address names, and the system that sends there."""

from collections.abc import Mapping
from dataclasses import dataclass

from crds.v1alpha1.scm_host import ScmHost
from crds.v1alpha1.test_runner import RunnerType

GIT_REPOSITORY, SCM_PROVIDER, CLUSTER_SCM_PROVIDER = "GitRepository", "ScmProvider", "ClusterScmProvider"
TEST_RUNNER, ARGOCD_INSTANCE = "TestRunner", "ArgoCDInstance"
KINDS = (GIT_REPOSITORY, SCM_PROVIDER, CLUSTER_SCM_PROVIDER, TEST_RUNNER, ARGOCD_INSTANCE)
NO_NAMESPACE = "-"
"""Stands in an address for the namespace of a ClusterScmProvider."""
ARGOCD = "argocd"
RUNNERS: Mapping[RunnerType, str] = {
    RunnerType.JENKINS: "jenkins",
    RunnerType.GITHUB_ACTIONS: ScmHost.GITHUB.value,
    RunnerType.GITLAB_CI: ScmHost.GITLAB.value,
}
"""Who sends the webhooks of a CI system."""


@dataclass(frozen=True, kw_only=True, order=True)
class Hook:
    """The resource that an address `/hooks/<namespace>/<kind>/<name>` names."""

    namespace: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace or NO_NAMESPACE}/{self.kind}/{self.name}"

    @property
    def shard(self) -> str:
        """Who shares what is scarce: the namespace."""
        return self.namespace or NO_NAMESPACE


def hook_at(namespace: str, kind: str, name: str) -> Hook | None:
    """Read an address; None where it can name no resource."""
    if kind not in KINDS or (kind == CLUSTER_SCM_PROVIDER) != (namespace == NO_NAMESPACE):
        return None
    return Hook(namespace="" if namespace == NO_NAMESPACE else namespace, kind=kind, name=name)
