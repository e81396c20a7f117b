"""The connection to Temporal, places reached through it, and the worker process as a whole."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
import uuid
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from temporalio import workflow
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import worker.temporal.connect
from activities.models.places import Counter, MemberSignal, Role, SendViewInput
from activities.models.tracking import Timings, TrackerRef
from crds.reasons.vocabulary import Phase
from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.environment.ports import free_port
from tests.upgrade.builds import make_current
from tests.workflows.environment.puppets import eventually
from worker.serving.process import build_worker, versioning
from worker.serving.registry import PROMOTIONS
from worker.settings import Settings
from worker.temporal import search_attributes
from worker.temporal.connect import (
    CONNECT_TIMEOUT,
    TemporalPlaces,
    TemporalUnavailable,
    connect,
    ensure_search_attributes,
)
from worker.temporal.queues import unrouted_deployments
from worker.temporal.search_attributes import find_missing
from worker.temporal.starts import TASK_TIMEOUT
from workflows.identity import environment_workflow_id, fairness_key
from workflows.policies import SUMMARY_BYTES
from workflows.runtime.timers import wait_until

ROOT = Path(__file__).parents[2]
MANY_TESTS = [f"test-{number}" for number in range(50)]
SIGNAL = MemberSignal(
    tracker=TrackerRef(namespace="shop", name="web-412", uid="u", attempt=1),
    number=412,
    workflow_id="w",
    counter=Counter(epoch=1, n=1),
    hop=1,
    role=Role.TARGET,
    phase=Phase.WORKING,
    held=False,
)


@pytest.fixture
async def client(temporal_server: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    return await connect()


async def test_no_server_is_reported_within_ten_seconds_and_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    started = time.monotonic()
    with pytest.raises(TemporalUnavailable, match=r"127\.0\.0\.1:1.*TEMPORAL_ADDRESS"):
        await connect()
    assert time.monotonic() - started < 10


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timedelta(seconds=10) > CONNECT_TIMEOUT
    monkeypatch.setattr(worker.temporal.connect, "CONNECT_TIMEOUT", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TemporalUnavailable, match="TEMPORAL_ADDRESS"):
            await connect()


async def test_search_attributes_are_registered_once(client: Client) -> None:
    await ensure_search_attributes(client)
    await ensure_search_attributes(client)
    assert (await find_missing(client)).nothing


class Listing:
    """An operator service that refuses to list."""

    def __init__(self, status: RPCStatusCode) -> None:
        self.status = status

    async def list_search_attributes(self, *_: object, **__: object) -> None:
        raise RPCError("not now", self.status, b"")


def refuse_listing(status: RPCStatusCode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "operator_service", property(lambda _: Listing(status)))


@pytest.mark.parametrize(
    "status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.NOT_FOUND]
)
async def test_a_server_that_cannot_list_its_search_attributes_now_is_not_trusted_to_have_them(
    client: Client, status: RPCStatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_listing(status, monkeypatch)
    with pytest.raises(TemporalUnavailable, match="default now: not now"):
        await ensure_search_attributes(client)


@pytest.mark.parametrize("status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED])
async def test_a_server_that_lets_no_one_list_search_attributes_is_asked_by_queries(
    client: Client, status: RPCStatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_listing(status, monkeypatch)
    await ensure_search_attributes(client)
    wanted = {**search_attributes.SEARCH_ATTRIBUTES, "PilotageAbsent": search_attributes.KEYWORD}
    monkeypatch.setattr(search_attributes, "SEARCH_ATTRIBUTES", wanted)
    assert set((await find_missing(client)).missing) == {"PilotageAbsent"}


async def test_an_attribute_of_another_type_is_none_that_workflows_could_set(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_attributes, "SEARCH_ATTRIBUTES", {"PilotageState": search_attributes.INT})
    with pytest.raises(TemporalUnavailable, match="PilotageState is Keyword, where Int is wanted"):
        await ensure_search_attributes(client)


async def test_versioned_workers_without_a_current_version_get_no_run_and_are_named(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = f"t{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("TEMPORAL_DEPLOYMENT_NAME", installation)
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "a")
    async with build_worker(client, Settings(installation=installation), PROMOTIONS, ()):

        async def named() -> bool:
            # Temporal learns of a deployment from its first poll.
            with suppress(RPCError):
                return await unrouted_deployments(client, installation) == (installation,)
            return False

        await eventually(named)
        await make_current(client, "a", deployment=installation)
        assert await unrouted_deployments(client, installation) == ()


def test_every_namespace_and_what_belongs_to_none_has_a_key_that_the_server_takes() -> None:
    names = ["shop", "n" * 63, ""]
    keys = [fairness_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(1 <= len(key.encode()) <= 64 for key in keys)


async def test_signalling_a_place_starts_it_once_and_again_after_its_end(client: Client) -> None:
    installation = f"t{uuid.uuid4().hex[:8]}"
    request = SendViewInput(namespace="shop", environment="staging", repository="web", signal=SIGNAL, timings=Timings())
    places = TemporalPlaces(client, installation)
    handle = client.get_workflow_handle(environment_workflow_id(installation, "shop", "staging", "web"))
    await places.send(request)
    first = await handle.describe()
    await places.send(request)
    assert (await handle.describe()).run_id == first.run_id
    await handle.terminate()
    await places.send(request)
    second = await handle.describe()
    assert (second.status, second.run_id != first.run_id) == (WorkflowExecutionStatus.RUNNING, True)
    assert second.typed_search_attributes.search_attributes[0].value in ("shop", "staging", "web")
    assert second.raw_description.workflow_execution_info.priority.fairness_key == "shop"
    await handle.terminate()


async def test_a_call_that_no_place_answers_is_no_error_in_the_log(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.temporal.connect, "ANSWER_TIMEOUT", timedelta(seconds=0.5))
    errors: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context["message"]))
    places = TemporalPlaces(client, f"t{uuid.uuid4().hex[:8]}")
    assert SIGNAL.awaits_answer
    request = SendViewInput(namespace="shop", environment="staging", repository="web", signal=SIGNAL, timings=Timings())
    assert await places.send(request) is None
    await asyncio.sleep(0)
    gc.collect()
    assert errors == []


async def test_a_worker_that_dies_costs_each_workflow_that_it_worked_on_six_seconds(client: Client) -> None:
    name = f"t{uuid.uuid4().hex[:8]}"
    update: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "Any", id=f"{name}-update", task_queue=name, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    starts = [
        client.start_workflow("Any", id=f"{name}-start", task_queue=name),
        client.start_workflow("Any", id=f"{name}-signal", task_queue=name, start_signal="poke"),
        # Without a worker no update is accepted, and the start counts.
        client.execute_update_with_start_workflow(
            "member", start_workflow_operation=update, rpc_timeout=timedelta(seconds=1)
        ),
    ]
    await asyncio.gather(*starts, update.workflow_handle(), return_exceptions=True)
    for end in ("start", "signal", "update"):
        described = await client.get_workflow_handle(f"{name}-{end}").describe()
        config = described.raw_description.execution_config
        assert config.default_workflow_task_timeout.ToTimedelta() == TASK_TIMEOUT
        await client.get_workflow_handle(f"{name}-{end}").terminate()


@workflow.defn(sandboxed=False)
class Waiting:
    """Wait once, for many tests."""

    @workflow.run
    async def run(self) -> None:
        await wait_until(lambda: False, at_most=timedelta(milliseconds=10), why=f"poll {', '.join(MANY_TESTS)}")


async def test_what_a_timeline_shows_is_no_longer_than_a_server_takes(client: Client) -> None:
    queue = f"t{uuid.uuid4().hex[:8]}"
    async with Worker(client, task_queue=queue, workflows=[Waiting], workflow_runner=UnsandboxedWorkflowRunner()):
        summary = f"Provider {'n' * 63}/{'p' * 253}"
        handle = await client.start_workflow(Waiting.run, id=queue, task_queue=queue, static_summary=summary)
        await handle.result()
    events = (await handle.fetch_history()).events
    shown = [one.user_metadata.summary.data for one in events if one.HasField("user_metadata")]
    assert [text[:8] for text in shown] == [b'"Provide', b'"poll te']
    # https://docs.temporal.io/cloud/limits: longer ones may be refused.
    assert max(map(len, shown)) <= SUMMARY_BYTES + len('""')


@pytest.mark.parametrize(
    ("name", "build", "versioned"), [("pilotage", "b1", True), ("pilotage", "", False), ("", "b1", False)]
)
def test_workers_are_versioned_only_where_a_controller_sets_it(
    monkeypatch: pytest.MonkeyPatch, name: str, build: str, versioned: bool
) -> None:
    monkeypatch.setenv("TEMPORAL_DEPLOYMENT_NAME", name)
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", build)
    assert (versioning() is not None) is versioned


async def test_a_worker_process_becomes_ready_and_leaves_on_sigterm(
    temporal_server: str, kubernetes_api: KubernetesAccess
) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "TEMPORAL_ADDRESS": temporal_server,
        "KUBECONFIG": str(kubernetes_api.kubeconfig),
        "PILOTAGE_INSTALLATION": "process",
        "PILOTAGE_HTTP_HOST": "127.0.0.1",
        "PILOTAGE_HTTP_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker", "worker", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        metrics = await _when_ready(f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGTERM)
        _, logs = await asyncio.wait_for(process.communicate(), timeout=30)
    assert process.returncode == 0, logs
    assert "temporal_" in metrics
    assert b"worker runs" in logs


async def _when_ready(url: str) -> str:
    deadline = time.monotonic() + 60
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            try:
                async with session.get(f"{url}/readyz") as response:
                    ready = response.status == 200
                async with session.get(f"{url}/metrics") as response:
                    text = await response.text()
                if ready and "temporal_num_pollers" in text:
                    return text
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(timedelta(milliseconds=200).total_seconds())
    raise AssertionError("the worker did not become ready")
