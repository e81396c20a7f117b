"""One installation belongs to one cluster: its replicas share it, another cluster is refused."""

import asyncio
import os
import sys
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiError, ApiForbidden, ApiUnauthorized, ApiUnavailable, Document
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.watcher.fakes import FakeKubernetes, become
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner
from worker.watcher.installation import InstallationTaken, claim, claim_patiently, read_cluster
from workflows.identity import Queues, installation_workflow_id
from workflows.installation.workflow import InstallationWorkflow


@pytest.fixture
async def client(temporal_server: str) -> Client:
    return await Client.connect(temporal_server, data_converter=DATA_CONVERTER)


@pytest.fixture
def installation() -> str:
    return f"claim-{uuid4().hex[:8]}"


class Failing(FakeKubernetes):
    """Fail a few times, or be without rights, before the namespace is shown."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def get(self, *_: object) -> Document:
        if self.errors:
            raise self.errors.pop(0)
        return {"metadata": {"uid": "uid-of-default"}}


async def test_replicas_of_one_cluster_hold_the_name_together(client: Client, installation: str) -> None:
    await asyncio.gather(*(claim(client, installation, "cluster-a") for _ in range(5)))
    await claim(client, installation, "cluster-a")
    description = await client.get_workflow_handle(installation_workflow_id(installation)).describe()
    assert await description.memo_value("cluster") == "cluster-a"


async def test_another_cluster_is_refused_with_what_to_do(client: Client, installation: str) -> None:
    await claim(client, installation, "cluster-a")
    with pytest.raises(InstallationTaken) as caught:
        await claim(client, installation, "cluster-b")
    refusal = str(caught.value)
    assert f"PILOTAGE_INSTALLATION `{installation}` belongs to another cluster" in refusal
    assert "`cluster-a`" in refusal
    assert f"temporal workflow terminate --workflow-id installation/{installation}" in refusal
    await claim(client, f"{installation}-2", "cluster-b")


async def test_of_two_clusters_at_once_exactly_one_gets_the_name(client: Client, installation: str) -> None:
    outcomes = await asyncio.gather(
        *(claim(client, installation, cluster) for cluster in ("cluster-a", "cluster-b")), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["InstallationTaken", "NoneType"]


async def test_the_name_is_free_again_once_the_workflow_is_terminated(client: Client, installation: str) -> None:
    await claim(client, installation, "cluster-a")
    await client.get_workflow_handle(installation_workflow_id(installation)).terminate("the cluster is gone")
    await claim(client, installation, "cluster-b")
    with pytest.raises(InstallationTaken):
        await claim(client, installation, "cluster-a")


async def test_a_worker_runs_the_holding_workflow_and_shows_whose_it_is(client: Client, installation: str) -> None:
    queue = Queues(installation=installation).promotions
    handle = client.get_workflow_handle(installation_workflow_id(installation))
    async with Worker(client, task_queue=queue, workflows=[InstallationWorkflow], workflow_runner=workflow_runner()):
        await claim(client, installation, "cluster-a")
        assert "cluster-a" in str(await handle.query("__temporal_workflow_metadata"))
        await claim(client, installation, "cluster-a")
        with pytest.raises(InstallationTaken):
            await claim(client, installation, "cluster-b")
    replayer = Replayer(
        workflows=[InstallationWorkflow], workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER
    )
    await replayer.replay_workflow(await handle.fetch_history())


async def test_the_name_stays_taken_when_the_workflow_continues_as_new(
    client: Client, installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.installation.workflow.LOOK", timedelta(milliseconds=50))
    monkeypatch.setattr("workflows.installation.workflow.EVENTS_BEFORE_CONTINUING", 15)
    queue = Queues(installation=installation).promotions
    handle = client.get_workflow_handle(installation_workflow_id(installation))
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=queue, workflows=[InstallationWorkflow], workflow_runner=runner):
        await claim(client, installation, "cluster-a")
        first = (await handle.describe()).run_id

        async def continued() -> bool:
            return (await handle.describe()).run_id != first

        await become(continued)
        await claim(client, installation, "cluster-a")
        with pytest.raises(InstallationTaken):
            await claim(client, installation, "cluster-b")
        await handle.terminate()


@pytest.mark.parametrize("error", [ApiUnavailable("no answer in time"), ApiUnauthorized("Unauthorized", status=401)])
async def test_an_api_server_that_is_away_or_takes_no_credential_now_is_waited_for(
    client: Client, installation: str, error: ApiError
) -> None:
    why: list[str] = []
    await claim_patiently(client, Failing(error), installation, waiting=why.append)
    assert why == [str(error)]
    with pytest.raises(InstallationTaken):
        await claim(client, installation, "another")


async def test_a_watcher_without_the_right_goes_on_unclaimed(client: Client, installation: str) -> None:
    kubernetes = Failing(ApiForbidden("namespaces is forbidden", status=403))
    await claim_patiently(client, kubernetes, installation)
    await claim(client, installation, "another")
    description = await client.get_workflow_handle(installation_workflow_id(installation)).describe()
    assert await description.memo_value("cluster") == "another"


async def test_the_cluster_is_known_by_the_namespace_that_no_one_can_delete(api: KubernetesApi) -> None:
    uid = await read_cluster(api)
    assert len(uid) == 36
    assert await read_cluster(api) == uid


async def test_the_watcher_of_another_cluster_ends_with_code_2_and_names_the_variable(
    client: Client, installation: str, temporal_server: str, kubernetes_api: KubernetesAccess
) -> None:
    await claim(client, installation, "uid-of-another-cluster")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PILOTAGE_", "TEMPORAL_"))}
    environment = {
        **kept,
        "PILOTAGE_INSTALLATION": installation,
        "PILOTAGE_HTTP_HOST": "127.0.0.1",
        "PILOTAGE_HTTP_PORT": "0",
        "TEMPORAL_ADDRESS": temporal_server,
        "KUBECONFIG": str(kubernetes_api.kubeconfig),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker", "watcher"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 2, text
    assert f"PILOTAGE_INSTALLATION `{installation}` belongs to another cluster" in text
    assert "Traceback" not in text
