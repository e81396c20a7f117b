"""Who polls the task queues of an installation."""

import asyncio
from collections.abc import Mapping

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkerDeploymentRequest
from temporalio.client import Client

from worker.temporal.calls import CALL_TIMEOUT
from workflows.identity import Queues

WORKFLOWS, ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
SERVED: Mapping[str, str] = {
    "promotions": "worker",
    "config": "worker",
    "checks": "worker",
    "scm": "worker",
    "ci": "worker",
    "delivery": "worker",
    "observation": "worker",
    "kubernetes": "watcher",
}
"""Which process serves a queue, by the name that Queues has for it."""


async def pollers(client: Client, installation: str) -> Mapping[str, int]:
    """Return how many pollers each queue had in the last minutes, by the queue's short name. Raises RPCError."""
    queues = Queues(installation=installation)
    counts = await asyncio.gather(*(_pollers(client, getattr(queues, name), name) for name in SERVED))
    return dict(zip(SERVED, counts, strict=True))


async def _pollers(client: Client, queue: str, name: str) -> int:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=WORKFLOWS if name == "promotions" else ACTIVITIES,
    )
    answer = await client.workflow_service.describe_task_queue(request, retry=True, timeout=CALL_TIMEOUT)
    return len(answer.pollers)


async def unrouted_deployments(client: Client, installation: str) -> tuple[str, ...]:
    """Return worker deployments that poll for workflows and have no current version: none of them gets a new run.

    Raises RPCError.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=Queues(installation=installation).promotions),
        task_queue_type=WORKFLOWS,
    )
    answer = await client.workflow_service.describe_task_queue(request, retry=True, timeout=CALL_TIMEOUT)
    versioned = WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    polling = [one.deployment_options for one in answer.pollers]
    if any(one.worker_versioning_mode != versioned for one in polling):
        # Workers without a version take what is routed to none.
        return ()
    names = sorted({one.deployment_name for one in polling})
    routed = await asyncio.gather(*(_has_current_version(client, name) for name in names))
    return tuple(name for name, has_one in zip(names, routed, strict=True) if not has_one)


async def _has_current_version(client: Client, deployment: str) -> bool:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    answer = await client.workflow_service.describe_worker_deployment(request, retry=True, timeout=CALL_TIMEOUT)
    return bool(answer.worker_deployment_info.routing_config.current_deployment_version.build_id)
