"""DiscoveryActivities: write what a repository's list led to as its condition `Discovered`."""

from temporalio import activity

from activities.contracts import DiscoveryActivities
from activities.failures import reported
from activities.models.repository_sync import PublishDiscoveryInput
from activities.models.status import PublishStatusResult
from crds.api.ports import Kubernetes
from crds.api.publishing import DISCOVERY_MANAGER, WantedCondition, publish_conditions
from crds.conditions import ConditionType
from crds.v1alpha1.git_repository import GitRepository


class DiscoveryConditions(DiscoveryActivities):
    """Write the condition through the Kubernetes API."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    @activity.defn
    @reported
    async def publish_discovery(self, request: PublishDiscoveryInput) -> PublishStatusResult:
        """Write the condition unless the uid shows that it is not ours to write. Safe to retry."""
        repository, discovered = request.repository, request.discovered
        written = await publish_conditions(
            self._kubernetes,
            GitRepository.definition,
            namespace=repository.namespace,
            name=repository.name,
            uid=repository.uid,
            wanted=(
                WantedCondition(
                    type=ConditionType.DISCOVERED,
                    status=discovered.complete,
                    reason=discovered.reason,
                    message=discovered.message,
                ),
            ),
            field_manager=DISCOVERY_MANAGER,
            generation=discovered.generation,
        )
        return PublishStatusResult(written=written, reason="" if written else "NothingToWrite")
