"""Find runs that are pinned to another worker version than the current one, and have them look."""

import asyncio
from collections import Counter
from dataclasses import dataclass

from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from worker.cli.exits import CliError, ExitCode
from worker.temporal.calls import CALL_TIMEOUT, found
from worker.temporal.connect import TemporalMisconfigured, TemporalUnavailable, connect
from worker.temporal.outcomes import WorkflowsUnavailable
from workflows.identity import POKE_SIGNAL, Queues

PAGE = 500
_VERSION = SearchAttributeKey.for_keyword("TemporalWorkerDeploymentVersion")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What was found."""

    current: str
    """Build of the current version."""
    left: Counter[tuple[str, str]]
    """How many runs of each (version, workflow type) are on another one."""


async def move(installation: str, deployment: str, *, rate: int, dry: bool) -> Moved:
    """Poke each run that is on another version. Raises CliError."""
    try:
        return await poke_older(await connect(), installation, deployment, rate=rate, dry=dry)
    except TemporalMisconfigured as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
    except (TemporalUnavailable, WorkflowsUnavailable, RPCError) as error:
        raise CliError(str(error), code=ExitCode.UNREACHABLE) from error


async def poke_older(client: Client, installation: str, deployment: str, *, rate: int, dry: bool = False) -> Moved:
    """Poke each run that is on another version than the current one, so many a second.

    Raises CliError where there is no current version, WorkflowsUnavailable and RPCError.
    """
    current = await _current(client, deployment)
    queue = Queues(installation=installation).promotions
    query = (
        f"ExecutionStatus = 'Running' AND TaskQueue = '{queue}' AND TemporalWorkerDeployment = '{deployment}' "
        f"AND TemporalWorkerDeploymentVersion != '{deployment}:{current}'"
    )
    left: Counter[tuple[str, str]] = Counter()
    async for run in client.list_workflows(query, page_size=PAGE):
        version = run.typed_search_attributes.get(_VERSION) or "an unknown version"
        left[version, run.workflow_type] += 1
        if not dry:
            await _signal(client, run.id)
            await asyncio.sleep(1 / rate)
    return Moved(current=current, left=left)


async def _current(client: Client, deployment: str) -> str:
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment)
    try:
        answer = await client.workflow_service.describe_worker_deployment(request, retry=True, timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            text = f"Temporal knows no worker deployment {deployment} in namespace {client.namespace}"
            advice = "start workers with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID"
            raise CliError(text, code=ExitCode.NOT_FOUND, advice=advice) from error
        raise
    build = answer.worker_deployment_info.routing_config.current_deployment_version.build_id
    if not build:
        raise CliError(
            f"worker deployment {deployment} has no current version",
            advice=f"temporal worker deployment set-current-version --deployment-name {deployment} --build-id …",
        )
    return build


async def _signal(client: Client, workflow_id: str) -> None:
    """Poke a run; one that has ended meanwhile needs none. Raises WorkflowsUnavailable."""
    await found(lambda: client.get_workflow_handle(workflow_id).signal(POKE_SIGNAL, rpc_timeout=CALL_TIMEOUT))
