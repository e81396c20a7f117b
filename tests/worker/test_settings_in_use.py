"""Settings at work: what a process does changes with each of them."""

import asyncio
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.ports import ReferenceMissing
from activities.record_sinks import RecordLine
from crds.api.ports import EventTarget
from deploy.local.environment.certificates import write_certificates
from providers.endpoint import Endpoint
from providers.errors import ProviderMisconfigured, ProviderNotFound
from providers.http import HttpClients
from providers.messages import Request
from providers.metrics import Call
from providers.models import Credential
from tests.activities.cluster import Cluster
from tests.worker.test_wrong_settings import run
from worker.opening.resources import ClusterOpener, open_clients
from worker.serving.process import build_worker, record_sink
from worker.settings import Settings
from worker.temporal.clock import ClockWatch, read_clock
from worker.temporal.connect import create_telemetry
from workflows.identity import INSTALLATION_WORKFLOW, Queues

MANY = 3
PATIENCE = 30


def settings(**given: object) -> Settings:
    return Settings.model_validate({"installation": f"i{uuid.uuid4().hex[:12]}", **given})


async def test_records_go_where_the_setting_points(tmp_path: Path) -> None:
    cluster, file = Posting(), tmp_path / "records.jsonl"
    about = EventTarget(api_version="v1", kind="GitRepository", namespace="shop", name="web", uid="uid-web")
    line = RecordLine(key="uid-1/1/0", about=about, record={"tracker": "web-1"})
    await record_sink(settings(), cluster.port()).write((line,))
    await record_sink(settings(record_file=str(file)), cluster.port()).write((line,))
    assert cluster.posted == [("web", "RecordKept", line.encoded())]
    assert [json.loads(text) for text in file.read_text().splitlines()] == [{"key": "uid-1/1/0", "tracker": "web-1"}]


async def test_calls_to_hosts_trust_the_authorities_of_the_setting(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")
    server = TestServer(web.Application())
    await server.start_server(ssl=context)
    named = {"allowed_hosts": ("localhost",)}
    try:
        async with open_clients(settings(**named, extra_ca=str(tmp_path / "ca.crt"))) as clients:
            assert clients.options.authorities
            with pytest.raises(ProviderNotFound):
                await call(clients, f"https://localhost:{server.port}")
        async with open_clients(settings(**named)) as clients:
            with pytest.raises(ProviderMisconfigured, match="caSecretRef"):
                await call(clients, f"https://localhost:{server.port}")
    finally:
        await server.close()


@dataclass
class Posting(Cluster):
    """Keep the events that are posted."""

    posted: list[tuple[str, str, str]] = field(default_factory=list)

    async def post_event(
        self, target: EventTarget, *, name: str, reason: str, message: str, warning: bool, component: str
    ) -> bool:
        self.posted.append((target.name, reason, message))
        return True


@dataclass
class Meeting:
    """Those who come wait for each other until so many are there; `most` counts how many ever were."""

    wanted: int
    present: int = 0
    most: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    async def attend(self) -> None:
        """Come, wait until enough are there, and leave."""
        self.present += 1
        self.most = max(self.most, self.present)
        if self.present >= self.wanted:
            self.complete.set()
        try:
            await asyncio.wait_for(self.complete.wait(), PATIENCE)
        finally:
            self.present -= 1


@pytest.fixture
async def host() -> AsyncIterator[tuple[str, Meeting]]:
    """A host whose answers wait for each other; none waits unless a test wants several."""
    meeting = Meeting(wanted=1)

    async def answer(_request: web.Request) -> web.Response:
        await meeting.attend()
        return web.Response(text="{}")

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}", meeting


async def call(clients: HttpClients, base_url: str) -> int:
    def record(_call: Call) -> None:
        pass

    endpoint = Endpoint(http=clients, base_url=base_url, credential=Credential(data={}), record=record)
    return (await endpoint.call(Request(method="GET", path="", operation="get"))).status


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "PILOTAGE_ALLOW_HTTP"),
        ({"allow_http": True}, "PILOTAGE_ALLOWED_HOSTS"),
        ({"allow_http": True, "allowed_hosts": ("example.com",)}, "PILOTAGE_ALLOWED_HOSTS"),
        ({"allow_http": True, "allowed_hosts": ("127.0.0.1",)}, ""),
    ],
)
async def test_only_addresses_that_the_settings_allow_are_called(
    host: tuple[str, Meeting], given: dict[str, object], named: str
) -> None:
    base_url, meeting = host
    async with open_clients(settings(**given)) as clients:
        if named:
            with pytest.raises(ProviderMisconfigured, match=named):
                await call(clients, base_url)
        else:
            assert await call(clients, base_url) == 200
    assert meeting.most == (0 if named else 1)


@pytest.mark.parametrize("limit", [1, MANY])
async def test_as_many_calls_are_in_flight_as_the_setting_allows(host: tuple[str, Meeting], limit: int) -> None:
    base_url, meeting = host
    meeting.wanted = limit
    async with open_clients(settings(allow_http=True, allowed_hosts=("127.0.0.1",), scm_in_flight=limit)) as clients:
        await asyncio.gather(*(call(clients, base_url) for _ in range(MANY)))
    assert meeting.most == limit


@pytest.mark.parametrize(("namespace", "accepted"), [("here", True), ("elsewhere", False)])
async def test_the_secret_of_the_cluster_s_provider_is_in_the_namespace_of_the_setting(
    host: tuple[str, Meeting], namespace: str, *, accepted: bool
) -> None:
    cluster = Cluster()
    spec = {"github": {"domain": host[0]}, "secretRef": {"name": "token"}}
    cluster.add("ClusterScmProvider", "shared", spec, namespace="")
    cluster.secrets["here", "token"] = {"token": b"ghp_0123456789abcdef"}
    chosen = settings(allow_http=True, system_namespace=namespace)
    async with open_clients(chosen) as clients:
        opener = ClusterOpener(cluster.port(), clients, system_namespace=chosen.system_namespace)
        if accepted:
            await opener.provider_check("", "shared")
        else:
            with pytest.raises(ReferenceMissing, match="namespace elsewhere"):
                await opener.provider_check("", "shared")


@workflow.defn
class Busy:
    """Run so many activities side by side."""

    @workflow.run
    async def run(self, queue: str, count: int) -> None:
        """Wait for all of them."""
        limit = timedelta(seconds=2 * PATIENCE)
        await asyncio.gather(
            *(workflow.execute_activity("attend", task_queue=queue, start_to_close_timeout=limit) for _ in range(count))
        )


async def be_busy(client: Client, worker: Worker, count: int) -> None:
    """Let a worker of our making run `count` activities that are wanted at the same time."""
    queue = f"busy-{uuid.uuid4().hex}"
    runner = Worker(client, task_queue=queue, workflows=[Busy], workflow_runner=UnsandboxedWorkflowRunner())
    async with runner, worker:
        await client.execute_workflow(Busy.run, args=[worker.task_queue, count], id=queue, task_queue=queue)


@pytest.mark.parametrize("slots", [1, MANY])
@pytest.mark.parametrize(
    ("queue", "setting"), [("ci", "activity_slots"), ("observation", "observation_slots"), ("checks", "check_slots")]
)
async def test_as_many_activities_run_at_a_time_as_the_setting_allows(
    temporal_server: str, queue: str, setting: str, slots: int
) -> None:
    meeting = Meeting(wanted=slots)

    @activity.defn(name="attend")
    async def attend() -> None:
        await meeting.attend()

    client = await Client.connect(temporal_server)
    await be_busy(client, build_worker(client, settings(**{setting: slots}), queue, [attend]), MANY)
    assert meeting.most == slots


@pytest.mark.parametrize(("grace", "outcome"), [(0, "cancelled"), (600, "finished")])
async def test_a_running_activity_has_the_grace_of_the_setting(temporal_server: str, grace: int, outcome: str) -> None:
    begun, released = asyncio.Event(), asyncio.Event()
    outcomes: list[str] = []

    @activity.defn(name="attend")
    async def attend() -> None:
        begun.set()
        try:
            await asyncio.wait_for(released.wait(), PATIENCE)
            outcomes.append("finished")
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    client = await Client.connect(temporal_server)
    worker = build_worker(client, settings(shutdown_grace_seconds=grace), "ci", [attend])
    queue = f"grace-{uuid.uuid4().hex}"
    runner = Worker(client, task_queue=queue, workflows=[Busy], workflow_runner=UnsandboxedWorkflowRunner())
    async with runner:
        running = asyncio.create_task(worker.run())
        handle = await client.start_workflow(Busy.run, args=[worker.task_queue, 1], id=queue, task_queue=queue)
        await asyncio.wait_for(begun.wait(), PATIENCE)
        stopping = asyncio.create_task(worker.shutdown())
        if grace:
            released.set()
        await asyncio.wait_for(stopping, PATIENCE)
        await running
        if grace:
            await handle.result()
        else:
            await handle.terminate()
    assert outcomes == [outcome]


@pytest.mark.parametrize("kept", [1, 3])
async def test_as_many_workflows_stay_in_memory_as_the_setting_allows(temporal_server: str, kept: int) -> None:
    telemetry = create_telemetry()
    client = await Client.connect(temporal_server, runtime=telemetry.runtime)
    chosen = settings(cached_workflows=kept)
    queue = Queues(installation=chosen.installation).promotions
    async with build_worker(client, chosen, "promotions", []):
        for number in range(3):
            handle = await client.start_workflow(
                INSTALLATION_WORKFLOW, "uid", id=f"{chosen.installation}-{number}", task_queue=queue
            )
            # Its first task is done once it answers.
            await handle.query("__stack_trace")
        sizes = await _cache_sizes(telemetry.metrics_url)
        for number in range(3):
            await client.get_workflow_handle(f"{chosen.installation}-{number}").terminate()
    assert max(sizes) == kept


async def _cache_sizes(url: str) -> list[float]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        text = await response.text()
    return [
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("temporal_sticky_cache_size")
    ]


@pytest.mark.parametrize(("allowed", "off"), [(5, True), (30, False)])
async def test_a_clock_may_be_off_by_as_much_as_the_setting_allows(
    temporal_server: str, allowed: int, *, off: bool
) -> None:
    chosen = settings(clock_skew_seconds=allowed)
    watch = ClockWatch(
        await Client.connect(temporal_server),
        installation=chosen.installation,
        allowed=timedelta(seconds=chosen.clock_skew_seconds),
        now=lambda: read_clock() + timedelta(seconds=15),
    )
    await watch.look()
    assert bool(watch.problem) is off


ENDING = {"TEMPORAL_ADDRESS": "no address"}
"""A setting that ends a process at once; for a server that is away it waits."""
ENDED = "worker has a wrong setting"


@pytest.mark.parametrize(("level", "warned"), [("warning", True), ("error", False)])
def test_lines_below_the_level_of_the_setting_are_left_out(tmp_path: Path, level: str, warned: bool) -> None:
    _, log = run("worker", tmp_path, **ENDING, PILOTAGE_LOG_LEVEL=level, PILOTAGE_CONTXT="x")
    assert ("PILOTAGE_CONTXT: no such setting" in log) is warned
    assert ENDED in log


@pytest.mark.parametrize(("form", "is_json"), [("console", False), ("json", True)])
def test_lines_have_the_form_of_the_setting(tmp_path: Path, form: str, is_json: bool) -> None:
    _, log = run("worker", tmp_path, **ENDING, PILOTAGE_LOG_FORMAT=form)
    [line] = [line for line in log.splitlines() if ENDED in line]
    assert line.startswith("{") is is_json
    assert not is_json or json.loads(line)["event"] == ENDED
