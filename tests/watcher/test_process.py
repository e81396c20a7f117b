"""The watcher as a process: it outlives the loss of each server, and ends when asked to."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES, ApiError, Document
from crds.api.verification import BINDINGS
from deploy.local.environment.assembly import LocalEnvironment
from tests.watcher.fakes import become
from worker.watcher.commands import COMMANDS
from worker.watcher.trackers import TRACKERS

NAMESPACE = "watched"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    with LocalEnvironment(tmp_path_factory.mktemp("watcher")) as local:
        local.start("temporal", "kubernetes", "resources", watchers=2)
        yield local


async def create(environment: LocalEnvironment, number: int) -> None:
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
    async with await KubernetesApi.connect(kubeconfig=str(environment.kubeconfig)) as api:
        if NAMESPACE not in {one["metadata"]["name"] for one in (await api.list_all(NAMESPACES)).items}:
            await api.create(NAMESPACES, None, {"metadata": {"name": NAMESPACE}})
        await api.create(TRACKERS, NAMESPACE, {"metadata": {"name": f"web-{number}"}, "spec": spec})


async def await_condition(environment: LocalEnvironment, number: int, kind: str, status: str) -> Document:
    """Wait until a tracker has a condition with this status, and return it."""
    found: list[Document] = []
    async with await KubernetesApi.connect(kubeconfig=str(environment.kubeconfig)) as api:

        async def reached() -> bool:
            try:
                tracker = await api.get(TRACKERS, NAMESPACE, f"web-{number}")
            except ApiError:
                return False
            found[:] = [
                one
                for one in tracker.get("status", {}).get("conditions", ())
                if (one["type"], one["status"]) == (kind, status)
            ]
            return bool(found)

        await become(reached)
    return found[0]


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_a_ready_watcher_takes_trackers_on_and_counts(environment: LocalEnvironment) -> None:
    await create(environment, 1)
    await await_condition(environment, 1, "Accepted", "True")
    assert fetch(f"{environment.http_url('watcher-1')}/readyz") == (200, '{"status": "ok"}')
    assert fetch(f"{environment.http_url('watcher-1')}/healthz")[0] == 200
    status, body = fetch(f"{environment.http_url('watcher-1')}/metrics")
    assert status == 200
    assert 'pilotage_queue_depth{queue="trackers"}' in body
    assert "temporal_num_pollers" in body or "temporal_request" in body


async def test_the_other_replica_goes_on_when_one_is_killed(environment: LocalEnvironment) -> None:
    environment.kill("watcher-1")
    await create(environment, 2)
    assert await await_condition(environment, 2, "Accepted", "True")
    environment.restart("watcher-1")


async def test_a_tracker_applied_while_temporal_is_away_is_taken_on_when_it_is_back(
    environment: LocalEnvironment,
) -> None:
    environment.kill("temporal")
    await create(environment, 3)
    environment.restart("temporal")
    assert await await_condition(environment, 3, "Accepted", "True")


async def test_the_watch_goes_on_after_the_api_server_was_killed(environment: LocalEnvironment) -> None:
    environment.kill("kube-apiserver")
    environment.restart("kube-apiserver")
    await create(environment, 4)
    await await_condition(environment, 4, "Accepted", "True")
    body = fetch(f"{environment.http_url('watcher-2')}/metrics")[1]
    assert 'pilotage_watch_restarts_total{reason="ApiUnavailable",resource="pullrequesttrackers"}' in body


async def test_a_terminated_watcher_stops_in_good_order(environment: LocalEnvironment) -> None:
    environment.terminate("watcher-2")
    log = environment.log("watcher-2").read_text()
    assert "watcher stopped" in log
    assert "Traceback" not in log.split("watcher stopped")[-1]
    # The one that is left does the work of both.
    await create(environment, 5)
    await await_condition(environment, 5, "WorkflowAvailable", "True")


async def test_without_the_admission_policy_commands_are_refused_where_people_look(
    environment: LocalEnvironment,
) -> None:
    async with await KubernetesApi.connect(kubeconfig=str(environment.kubeconfig)) as api:
        await api.delete(BINDINGS, None, "promotioncommands.pilotage.dev")
        environment.kill("watcher-1")
        environment.restart("watcher-1")
        ready = f"{environment.http_url('watcher-1')}/readyz"

        async def logged() -> bool:
            return "commands refused" in fetch(ready)[1]

        await become(logged)
        spec = {"trackerRef": {"name": "web-5"}, "verb": "hold", "environment": "dev", "requestedBy": "the-ceo"}
        await api.create(COMMANDS, NAMESPACE, {"metadata": {"name": "forged"}, "spec": spec})

        async def answered() -> bool:
            return "accepted" in (await api.get(COMMANDS, NAMESPACE, "forged")).get("status", {})

        await become(answered)
        status = (await api.get(COMMANDS, NAMESPACE, "forged"))["status"]
    shown = {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
    assert (status["accepted"], shown["Ready"]) == (False, ("False", "Refused"))
    # The process is of use for everything else.
    assert fetch(ready)[0] == 200
    assert "commands are refused" in environment.log("watcher-1").read_text()
