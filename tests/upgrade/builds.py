"""Two builds of our processes, as a rolling upgrade has them side by side."""

import os
import signal
import sys
import time
from datetime import timedelta
from typing import Any

from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import VersionDrainageStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.ports import answers_http
from deploy.local.environment.processes import Processes, ProcessSpec
from tests.workflows.environment.puppets import eventually
from worker.launching import QUEUES
from worker.serving.registry import PROMOTIONS

DEPLOYMENT = "pilotage"
ACTIVITIES = ",".join(queue for queue in QUEUES if queue != PROMOTIONS)
PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 30.0
CALL_TIMEOUT = timedelta(seconds=10)
SERVER_ARGUMENTS = (
    '--dynamic-config-value=matching.wv.VersionDrainageStatusVisibilityGracePeriod="1s"',
    '--dynamic-config-value=matching.wv.VersionDrainageStatusRefreshInterval="1s"',
)
"""Have the server look every second, instead of every three minutes, whether a build has drained."""


class Build:
    """The processes of one build: a pod of workflows, a pod of activities and a watcher."""

    def __init__(self, environment: LocalEnvironment, build_id: str) -> None:
        self.id = build_id
        self._environment = environment
        self._processes = Processes(environment.directory / f"build-{build_id}", lambda _line: None)

    def start(self) -> None:
        """Start all three, and return when they are ready."""
        self._spawn("workflows", "worker", "--queues", PROMOTIONS)
        self._spawn("activities", "worker", "--queues", ACTIVITIES)
        self._spawn("watcher", "watcher")
        self._processes.await_ready(*self._processes.names())

    def stop(self, *names: str) -> set[str]:
        """Stop processes as Kubernetes does, with SIGTERM and patience; return those that ended by themselves."""
        for name in names:
            os.kill(self._processes.pid(name), signal.SIGTERM)
        ended: set[str] = set()
        deadline = time.monotonic() + GRACE_SECONDS
        while len(ended) < len(names) and time.monotonic() < deadline:
            time.sleep(0.05)
            ended |= self._processes.reap().keys()
        return ended

    def close(self) -> None:
        """Leave no process behind."""
        self._processes.stop_all()

    def _spawn(self, name: str, *command: str) -> None:
        unique = f"{name}-{self.id}-1"
        own = {"TEMPORAL_DEPLOYMENT_NAME": DEPLOYMENT, "TEMPORAL_WORKER_BUILD_ID": self.id}
        spec = ProcessSpec(
            name=name,
            command=[sys.executable, "-m", "worker", *command],
            environment={**self._environment.process_environment(unique), **own},
            ready=answers_http(f"{self._environment.http_url(unique)}/readyz"),
            grace_seconds=GRACE_SECONDS,
        )
        self._processes.spawn(spec)


NO_ANSWER = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
"""A call that lasted too long: the server answers the first, the client that stops waiting raises the second."""
NOT_YET = (*NO_ANSWER, RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.UNAVAILABLE)


async def make_current(client: Client, build_id: str, *, deployment: str = DEPLOYMENT) -> None:
    """Let new runs begin on a build, as `temporal worker deployment set-current-version` does."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build_id, identity="operator"
    )

    async def accepted() -> bool:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request, timeout=CALL_TIMEOUT)
        except RPCError as refusal:
            # The server learns of a version from its first poll, and a busy machine's answers late.
            if refusal.status in NOT_YET:
                return False
            raise
        return True

    await eventually(accepted, seconds=PATIENCE_SECONDS)


async def drainage(client: Client, build_id: str) -> str:
    """Return what the server answers about a build that is no longer current: by it Kubernetes stops pods in time."""
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
    )
    described = await client.workflow_service.describe_worker_deployment_version(request, timeout=CALL_TIMEOUT)
    status = described.worker_deployment_version_info.drainage_info.status
    return VersionDrainageStatus.Name(status).removeprefix("VERSION_DRAINAGE_STATUS_")


async def open_runs(client: Client, build: Build | None = None) -> list[WorkflowExecution]:
    """List the runs that are open, on one build or on any."""
    pinned = f" AND TemporalWorkerDeploymentVersion = '{DEPLOYMENT}:{build.id}'" if build else ""
    return [one async for one in client.list_workflows(f"ExecutionStatus = 'Running'{pinned}")]


async def build_of(client: Client, workflow_id: str) -> str:
    """Return the build that the newest run of a workflow is pinned to."""
    described = await client.get_workflow_handle(workflow_id).describe()
    return str(described.raw_description.workflow_execution_info.versioning_info.deployment_version.build_id)


async def ask(client: Client, workflow_id: str, query: str) -> Any:
    """Query a workflow as people do: who gets no answer asks once more.

    A worker that ends may have taken the query's task, and the server hands that task to no other worker.
    """
    handle = client.get_workflow_handle(workflow_id)
    try:
        return await handle.query(query, rpc_timeout=CALL_TIMEOUT)
    except RPCError as silence:
        if silence.status not in NO_ANSWER:
            raise
    return await handle.query(query, rpc_timeout=CALL_TIMEOUT)
