"""Hold the installation's name for this cluster: another cluster with the same name would answer for our trackers."""

import asyncio
from collections.abc import Callable

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from crds.api.backoff import STANDARD
from crds.api.ports import NAMESPACES, ApiError, ApiForbidden, Kubernetes
from worker.temporal.calls import CALL_TIMEOUT, found, starting
from worker.temporal.outcomes import WorkflowsUnavailable
from workflows.identity import INSTALLATION_WORKFLOW, Queues, installation_workflow_id

_logger = structlog.get_logger(__name__)

CLUSTER_NAMESPACE = "default"
"""The namespace whose uid identifies a cluster: every cluster has it, and it cannot be deleted."""
CLUSTER_MEMO = "cluster"


class InstallationTaken(Exception):
    """Another cluster holds the installation's name; the text names what to do."""


async def claim_patiently(
    client: Client, kubernetes: Kubernetes, installation: str, *, waiting: Callable[[str], None] = lambda why: None
) -> None:
    """Claim the installation for this cluster; servers that are away are waited for. Raises InstallationTaken.

    `waiting` is called with why it waits.
    """
    failures = 0
    while True:
        try:
            await claim(client, installation, await read_cluster(kubernetes))
            return
        except ApiForbidden as error:
            # A watcher of named namespaces may have been given no more than a Role in each of them.
            _logger.warning(
                "cannot identify this cluster among others that use the same PILOTAGE_INSTALLATION: "
                f"grant the watcher `get` on the namespace `{CLUSTER_NAMESPACE}`",
                error=str(error),
            )
            return
        except (ApiError, WorkflowsUnavailable) as error:
            failures += 1
            waiting(str(error))
            _logger.warning("waiting to claim the installation", installation=installation, error=str(error))
            await asyncio.sleep(STANDARD.pause(failures).total_seconds())


async def read_cluster(kubernetes: Kubernetes) -> str:
    """Return what identifies this cluster. Raises ApiError."""
    document = await kubernetes.get(NAMESPACES, None, CLUSTER_NAMESPACE)
    return str(document["metadata"]["uid"])


async def claim(client: Client, installation: str, cluster: str) -> None:
    """Start the installation's workflow, or find that it is ours. Raises InstallationTaken, WorkflowsUnavailable."""
    workflow_id = installation_workflow_id(installation)
    handle = client.get_workflow_handle(workflow_id)
    while True:
        try:
            await starting(
                lambda: client.start_workflow(
                    INSTALLATION_WORKFLOW,
                    cluster,
                    id=workflow_id,
                    task_queue=Queues(installation=installation).promotions,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    memo={CLUSTER_MEMO: cluster},
                    static_summary=f"cluster {cluster}",
                    rpc_timeout=CALL_TIMEOUT,
                )
            )
            return
        except WorkflowAlreadyStartedError:
            running = await found(lambda: handle.describe(rpc_timeout=CALL_TIMEOUT))
        if running is None or running.status is not WorkflowExecutionStatus.RUNNING:
            # It was terminated between the two calls.
            continue
        holder = str(await running.memo_value(CLUSTER_MEMO, ""))
        if holder != cluster:
            raise InstallationTaken(
                f"PILOTAGE_INSTALLATION `{installation}` belongs to another cluster (its namespace "
                f"`{CLUSTER_NAMESPACE}` has the uid `{holder}`, this cluster's has `{cluster}`): give this cluster a "
                "name of its own. If that cluster is gone for good, free the name with "
                f"`temporal workflow terminate --workflow-id {workflow_id}` and start again."
            )
        return
