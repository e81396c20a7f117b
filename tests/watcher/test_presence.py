"""A watcher notices that Temporal was away, and that it came back without its memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from crds.api.ports import Document
from tests.watcher.fakes import FakeKubernetes, become, until
from worker.temporal.connect import TemporalUnavailable
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher import presence
from worker.watcher.installation import InstallationTaken, claim
from worker.watcher.presence import watch_presence
from workflows.identity import INSTALLATION_WORKFLOW, Queues, installation_workflow_id

LOOK = timedelta(milliseconds=20)


class Default(FakeKubernetes):
    """A cluster with the namespace that distinguishes it from others."""

    async def get(self, *_: object) -> Document:
        return {"metadata": {"uid": "cluster-a"}}


@pytest.fixture
async def client(temporal_server: str) -> Client:
    return await Client.connect(temporal_server, data_converter=DATA_CONVERTER)


@pytest.fixture
def installation() -> str:
    return f"presence-{uuid4().hex[:8]}"


@asynccontextmanager
async def watched(client: Client, installation: str, returned: Callable[[], None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(watch_presence(client, Default(), installation, returned=returned, look=LOOK))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_installation_that_temporal_forgot_is_claimed_again_and_all_is_looked_for(
    client: Client, installation: str
) -> None:
    await claim(client, installation, "cluster-a")
    handle = client.get_workflow_handle(installation_workflow_id(installation))
    times: list[None] = []
    # Two replicas: the one that does not claim learns of the loss from the new run.
    async with (
        watched(client, installation, lambda: times.append(None)),
        watched(client, installation, lambda: times.append(None)),
    ):
        await asyncio.sleep(0.3)
        assert times == []
        await handle.terminate()
        await until(lambda: len(times) == 2)
        await asyncio.sleep(0.2)
    assert len(times) == 2
    assert await (await handle.describe()).memo_value("cluster") == "cluster-a"


async def test_an_installation_that_another_cluster_took_meanwhile_ends_the_watcher(
    client: Client, installation: str
) -> None:
    await claim(client, installation, "cluster-a")
    handle = client.get_workflow_handle(installation_workflow_id(installation))
    async with watched(client, installation, lambda: None) as task:
        await asyncio.sleep(0.2)
        await handle.terminate()
        # Only one of two clusters wins; the loser must not go on next to it.
        try:
            await claim(client, installation, "cluster-b")
        except InstallationTaken:
            assert not task.done()
        else:
            with pytest.raises(InstallationTaken, match="cluster-b"):
                await asyncio.wait_for(task, 60)


@workflow.defn(name=INSTALLATION_WORKFLOW, sandboxed=False)
class Continuing:
    """Hold the name as the workflow of the product does, and continue as new at each signal."""

    def __init__(self) -> None:
        self.asked = False

    @workflow.run
    async def run(self, cluster: str) -> None:
        await workflow.wait_condition(lambda: self.asked)
        workflow.continue_as_new(cluster)

    @workflow.signal
    def renew(self) -> None:
        self.asked = True


async def test_a_holder_that_continues_as_new_is_the_same_memory(client: Client, installation: str) -> None:
    await claim(client, installation, "cluster-a")
    handle = client.get_workflow_handle(installation_workflow_id(installation))
    first = (await handle.describe()).run_id
    times: list[None] = []
    queue = Queues(installation=installation).promotions
    async with (
        Worker(client, task_queue=queue, workflows=[Continuing]),
        watched(client, installation, lambda: times.append(None)),
    ):
        await asyncio.sleep(0.2)
        for _ in range(2):
            await handle.signal("renew")

        async def continued() -> bool:
            return (await handle.describe()).run_id != first

        await become(continued)
        await asyncio.sleep(0.3)
        assert times == []
        # A claim of its own is another memory all the same.
        await handle.terminate()
        await until(lambda: len(times) == 1)


async def test_all_is_looked_for_once_after_each_outage(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str | Exception] = ["one", WorkflowsUnavailable("away"), WorkflowsUnavailable("away"), "one", "one"]
    asked = 0

    async def look(_client: Client, _installation: str) -> str:
        nonlocal asked
        asked += 1
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(presence, "_holder", look)
    times: list[int] = []
    async with watched(client, installation, lambda: times.append(asked)):
        await until(lambda: asked >= 8)
    assert times == [4]


@dataclass
class Restored:
    """A Temporal that comes back without search attributes, which cannot be registered at the first tries."""

    holder: str = ""
    away: bool = False
    failures: int = 2
    asked: int = 0

    async def find_holder(self, _client: Client, _installation: str) -> str:
        if self.away:
            raise WorkflowsUnavailable("away")
        return self.holder

    async def ensure(self, _client: Client) -> None:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise TemporalUnavailable("it starts")


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Restored:
    restored = Restored()
    monkeypatch.setattr(presence, "_holder", restored.find_holder)
    monkeypatch.setattr(presence, "ensure_search_attributes", restored.ensure)
    return restored


async def test_search_attributes_are_asked_for_after_an_outage_until_temporal_answers(
    client: Client, installation: str, restored: Restored
) -> None:
    restored.holder = "one"
    times: list[int] = []
    async with watched(client, installation, lambda: times.append(restored.asked)):
        await asyncio.sleep(0.1)
        assert restored.asked == 0
        restored.away = True
        await asyncio.sleep(0.1)
        restored.away = False
        await until(lambda: times == [3])
        await asyncio.sleep(0.1)
    assert (restored.asked, restored.failures) == (3, 0)


async def test_search_attributes_are_asked_for_where_the_installation_may_not_be_claimed(
    client: Client, installation: str, restored: Restored
) -> None:
    async with watched(client, installation, lambda: None):
        await until(lambda: restored.asked >= 3)
    assert restored.failures == 0


async def test_a_watcher_that_could_not_claim_looks_for_nothing_without_an_outage(
    client: Client, installation: str
) -> None:
    times: list[None] = []
    async with watched(client, installation, lambda: times.append(None)) as task:
        await asyncio.sleep(0.3)
        assert not task.done()
    assert times == []
