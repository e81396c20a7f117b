"""InstallationWorkflow: as long as it runs, its installation belongs to the cluster that started it."""

from temporalio import workflow
from temporalio.common import VersioningBehavior

from workflows.identity import INSTALLATION_WORKFLOW


# It runs for years and does nothing: pinned, it would keep the workers of its first version for as long.
@workflow.defn(name=INSTALLATION_WORKFLOW, versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class InstallationWorkflow:
    """Stay until terminated, which frees the name for another cluster. The cluster's uid is in the memo."""

    @workflow.run
    async def run(self, cluster_uid: str) -> None:
        """Wait for ever."""
        workflow.set_current_details(
            f"Held by the cluster whose namespace `default` has the uid `{cluster_uid}`. "
            "Terminate this workflow to free the name once that cluster is gone."
        )
        await workflow.wait_condition(lambda: False)
