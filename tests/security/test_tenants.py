"""To take another tenant's turn: with many dead hosts, many resources, or many names for oneself."""

import ast
import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import Priority
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.configuration import ResourceConfigActivities
from activities.contracts import ConditionActivities
from activities.credential_checks import CredentialProofs
from activities.models.configuration import FindPolicyInput
from activities.models.credential_checks import CheckedResource, PublishConnectionInput
from activities.models.status import PublishStatusResult
from activities.models.tracking import Timings
from activities.slots import Slots, shared_by, slot_of
from crds.api.ports import resource_of
from crds.api.reflector import Key, Reflector
from crds.v1alpha1.test_runner import TestRunner
from providers.call_admission import Admission
from providers.callers import calling_for
from providers.errors import ProviderBusy
from providers.http import HttpClients, HttpOptions
from providers.learned import Learned
from tests.activities.cluster import Cluster, policy, shop
from tests.activities.fakes import FakeOpener, FakePlaces, FakeRuns
from tests.worlds.serving import Crowd, serving
from tests.worlds.ticking import one_hop, promote
from worker.serving.process import build_worker
from worker.settings import Settings
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.credential_checks import TemporalCredentialChecks
from worker.temporal.sandbox import workflow_runner
from worker.watcher.queue import KeyedQueue
from workflows.credential_check.workflow import CredentialCheckWorkflow
from workflows.identity import fairness_key
from workflows.promotion.workflow import PromotionWorkflow

WORKER = Path(__file__).parents[2] / "worker"
STARTS = ("start_workflow", "WithStartWorkflowOperation")
DEAD = 500
LIMIT, SLOTS = 20, 200


@dataclass
class Hanging:
    """Work that was let in and never ends, by whom it was let in."""

    let_in: list[str] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def begin(self, tenant: str, admission: Admission) -> None:
        """Begin a call that its host never answers."""

        async def call() -> None:
            async with admission.place():
                self.let_in.append(tenant)
                await asyncio.Event().wait()

        with calling_for(tenant):
            self.tasks.append(asyncio.create_task(call()))
        for _ in range(3):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def hanging() -> AsyncIterator[Hanging]:
    made = Hanging()
    yield made
    await made.end()


@pytest.mark.parametrize("names", [1, DEAD], ids=["under one name", "under a name for each"])
async def test_to_hold_every_call_at_a_host_that_is_shared(hanging: Hanging, names: int) -> None:
    admission = Admission(host="host", limit=LIMIT, waiting_limit=2 * LIMIT, patience=timedelta(hours=1))
    for number in range(DEAD):
        await hanging.begin(f"attacker/runner-{number % names}", admission)
    before = len(hanging.let_in)
    await hanging.begin("shop/web", admission)
    assert hanging.let_in[before:] == ["shop/web"]
    assert before < LIMIT


async def test_to_hold_every_call_of_a_worker_with_a_host_for_each_runner(hanging: Hanging) -> None:
    clients = HttpClients(HttpOptions(calls_in_all=100))
    for number in range(DEAD):
        await hanging.begin(f"attacker/runner-{number}", clients.admission(f"dead-{number}", "token"))
    before = len(hanging.let_in)
    await hanging.begin("shop/web", clients.admission("alive", "token"))
    assert hanging.let_in[before:] == ["shop/web"]
    refused = [task for task in hanging.tasks if task.done()]
    assert {type(task.exception()) for task in refused} == {ProviderBusy}
    assert len(refused) == DEAD - before


def test_to_have_forgotten_what_was_learned_for_another_tenant() -> None:
    learned, made = Learned(limit=100), list[str]()

    def token(tenant: str, key: str) -> None:
        with calling_for(tenant):
            learned.get(lambda: made.append(key), (key,))

    token("shop/web", "shop")
    token("", "ours")
    for number in range(DEAD):
        token(f"attacker/runner-{number}", f"dead-{number}")
    token("shop/web", "shop")
    token("", "ours")
    # What is in use by several is theirs who brought it, and stays while it is used.
    assert (made.count("shop"), made.count("ours"), len(learned)) == (1, 1, 100)
    token("attacker/runner", f"dead-{DEAD - 1}")
    assert made.count(f"dead-{DEAD - 1}") == 1
    token("attacker/runner", "dead-0")
    assert made.count("dead-0") == 2


def test_to_hold_every_slot_of_a_queue() -> None:
    slots, pauses = Slots(SLOTS), list[timedelta | None]()
    with shared_by(slots), ExitStack() as held:
        for _ in range(DEAD):
            try:
                held.enter_context(slot_of("attacker"))
            except ProviderBusy as busy:
                pauses.append(busy.retry_after)
        assert SLOTS // 2 < slots.shares.held_by("attacker") < SLOTS
        assert len(pauses) == DEAD - slots.shares.held_by("attacker")
        # A slot that is refused is asked for again, later and later, and never all at once.
        assert all(pause is not None and pause < timedelta(minutes=1) for pause in pauses)
        with slot_of("shop"):
            assert slots.shares.held_by("shop") == 1
    assert slots.shares.taken == 0


async def test_to_have_another_tenant_s_resource_looked_at_after_all_of_one_s_own() -> None:
    looked_at: list[Key] = []

    async def look(key: Key) -> None:
        looked_at.append(key)

    queue: KeyedQueue[Key] = KeyedQueue(name="test", handle=look, namespace_of=lambda key: key.namespace, workers=1)
    for number in range(1000):
        queue.add(Key("attacker", f"web-{number}"))
    for number in range(5):
        queue.add(Key("shop", f"web-{number}"))
    work = asyncio.create_task(queue.run())
    await until(lambda: queue.depth == 0)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert [number for number, key in enumerate(looked_at) if key.namespace == "shop"] == [1, 3, 5, 7, 9]
    assert len(looked_at) == 1005


class Turns:
    """Somebody else's work: how often it went on."""

    def __init__(self) -> None:
        self.number = 0

    async def count(self) -> None:
        while True:
            self.number += 1
            await asyncio.sleep(0)


async def turns_during(work: Coroutine[Any, Any, object]) -> int:
    others = Turns()
    counting = asyncio.create_task(others.count())
    await work
    counting.cancel()
    return others.number


async def test_to_hold_the_event_loop_of_a_worker_with_many_large_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each object lasts too long.
    monkeypatch.setattr("crds.api.pauses.AT_A_TIME", timedelta(0))
    cluster = shop()
    for number in range(300):
        spec = policy("dev", "staging", repositoryRefs=[{"name": f"other-{number}"}])
        cluster.add("PromotionPolicy", f"mine-{number}", spec)
    config = ResourceConfigActivities(cluster.port(), FakeOpener(), FakePlaces())
    request = FindPolicyInput(namespace="shop", environment="dev", repository="web")
    assert await turns_during(config.find_policy(request)) >= 300


async def test_to_hold_the_event_loop_of_the_watcher_with_many_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crds.api.pauses.AT_A_TIME", timedelta(0))
    mirror: Reflector[Any] = Reflector(
        kubernetes=runners(("attacker",), 300).port(),
        resource=resource_of(TestRunner.definition),
        namespace=None,
        project=lambda document: document,
        on_change=lambda change: None,
    )
    assert await turns_during(mirror._list()) >= 300
    assert len(mirror.objects) == 300


BEGUN: list[str] = []
SERVED: list[str] = []


@activity.defn
async def serve(namespace: str) -> None:
    """Note whose turn it is."""
    SERVED.append(namespace)


@workflow.defn(sandboxed=False)
class Begins:
    """Note whose turn it is, in a second run as well, and be served by another queue."""

    @workflow.run
    async def run(self, namespace: str, again: bool) -> None:
        """Note the namespace."""
        if again:
            workflow.continue_as_new(args=[namespace, False])
        BEGUN.append(namespace)
        queue = f"{workflow.info().task_queue}-activities"
        await workflow.execute_activity(serve, namespace, task_queue=queue, start_to_close_timeout=timedelta(minutes=1))


async def test_to_come_first_at_the_server_with_many_workflows_that_are_started_together(temporal_server: str) -> None:
    client, queue = await Client.connect(temporal_server), f"turns-{uuid.uuid4().hex}"
    BEGUN.clear()
    SERVED.clear()

    async def start(namespace: str) -> WorkflowHandle[Any, Any]:
        priority = Priority(fairness_key=fairness_key(namespace))
        identity = f"{queue}-{uuid.uuid4().hex}"
        return await client.start_workflow(
            Begins.run, args=[namespace, True], id=identity, task_queue=queue, priority=priority
        )

    for _ in range(60):
        await start("attacker")
    last = await start("shop")
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Begins],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,
        max_concurrent_workflow_tasks=1,
    ):
        await until(lambda: len(BEGUN) == 61)
        # First come, first served would have let in all others before it. A run that continues keeps its key.
        assert BEGUN.index("shop") < 30
        # What a workflow calls has the workflow's key.
        async with Worker(client, task_queue=f"{queue}-activities", activities=[serve], max_concurrent_activities=1):
            await last.result()
            assert SERVED.count("attacker") < 30


def test_to_be_served_without_the_key_of_one_s_namespace() -> None:
    starts, keyed = 0, 0
    for path in sorted(WORKER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] not in STARTS:
                continue
            # What an interceptor passes on has what its caller set.
            if ast.unparse(node.func).startswith("super()"):
                continue
            starts += 1
            keyed += any(one.arg == "priority" and "fairness_key(" in ast.unparse(one.value) for one in node.keywords)
    # The workflow that holds the name of the installation belongs to no namespace.
    assert starts > 5
    assert keyed == starts - 1


class DeadHosts(FakeOpener):
    """The attacker's hosts accept and never answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def ci_runs(self, namespace: str, runner: str) -> FakeRuns:
        if namespace == "attacker":
            self.asked += 1
            await asyncio.Event().wait()
        return FakeRuns()


class Conditions(ConditionActivities):
    """Keep what is published."""

    def __init__(self) -> None:
        self.published: list[str] = []

    @activity.defn
    async def publish_connection(self, request: PublishConnectionInput) -> PublishStatusResult:
        self.published.append(f"{request.connection.namespace}: {request.outcome.reason}")
        return PublishStatusResult(written=True)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 activities of a worker bring it about
            await asyncio.sleep(0.02)


def runner(namespace: str, number: int) -> CheckedResource:
    return CheckedResource(kind="TestRunner", namespace=namespace, name=f"ci-{number}", uid=f"uid-ci-{number}")


def runners(namespaces: tuple[str, ...], number: int) -> Cluster:
    cluster = Cluster()
    spec = {"jenkins": {"url": "https://ci.example"}, "secretRef": {"name": "token"}}
    for namespace in namespaces:
        for each in range(number):
            cluster.add("TestRunner", f"ci-{each}", spec, namespace=namespace)
    return cluster


async def test_to_stop_another_tenant_with_hosts_that_never_answer(
    temporal_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.credential_checks.ANSWER_WITHIN", timedelta(hours=1))
    client = await Client.connect(temporal_server, data_converter=DATA_CONVERTER)
    settings = Settings(installation=f"i{uuid.uuid4().hex[:12]}", check_slots=8, shutdown_grace_seconds=0)
    timings = Timings(activity_start_to_close=timedelta(hours=1))
    checks = TemporalCredentialChecks(client=client, installation=settings.installation, timings=timings)
    dead, conditions, crowd = DeadHosts(), Conditions(), Crowd(make=lambda: one_hop(client))
    proofs = CredentialProofs(runners(("attacker", "shop"), 40).port(), dead)
    activities = crowd.activities()
    activities["kubernetes"].append(conditions.publish_connection)
    # One worker serves a queue: the promotion's work shares the slots that the attacker wants.
    checking = [proofs.check_connection, *activities.pop("checks")]
    workflows: list[type] = [PromotionWorkflow, CredentialCheckWorkflow]
    async with (
        serving(client, settings.installation, workflows, activities, workflow_runner()),
        build_worker(client, settings, "checks", checking),
    ):
        for number in range(40):
            await checks.request_check(runner("attacker", number), 1)
        await until(lambda: dead.asked == 6)
        await checks.request_check(runner("shop", 1), 1)
        await until(lambda: bool(conditions.published))
        await promote(client, settings.installation)
        assert (conditions.published, dead.asked) == (["shop: CredentialAccepted"], 6)
        assert [len(world.triggers) for world in crowd.worlds.values()] == [3]
