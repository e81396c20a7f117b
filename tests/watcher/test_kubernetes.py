"""The client and the mirror on a real kube-apiserver."""

import asyncio
import gc
import socket
import time
from pathlib import Path

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.light import LightApi
from crds.api.ports import (
    ApiConflict,
    ApiInvalid,
    ApiNotFound,
    ApiUnauthorized,
    ApiUnavailable,
)
from crds.api.reflector import Key, ObjectChange, Reflector
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.providers.listener import answering
from tests.watcher.fakes import until
from tests.watcher.samples import tracker
from worker.watcher.trackers import TRACKERS


async def test_errors_come_by_their_meaning(api: KubernetesApi, namespace: str) -> None:
    with pytest.raises(ApiNotFound):
        await api.get(TRACKERS, namespace, "web-1")
    created = await api.create(TRACKERS, namespace, tracker())
    with pytest.raises(ApiConflict) as taken:
        await api.create(TRACKERS, namespace, tracker())
    assert taken.value.reason == "AlreadyExists"
    with pytest.raises(ApiInvalid, match=r"repository"):
        await api.create(TRACKERS, namespace, {**tracker(), "metadata": {"name": "wrong"}})
    with pytest.raises(ApiConflict):
        await api.delete(TRACKERS, namespace, "web-412", uid="another")
    await api.merge(TRACKERS, namespace, "web-412", {"metadata": {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"], "labels": {"a": "c"}}}
    with pytest.raises(ApiConflict):
        await api.merge(TRACKERS, namespace, "web-412", stale)
    async with KubernetesApi.at(api.server) as stranger:
        with pytest.raises(ApiUnavailable, match="reached"):
            await stranger.get(TRACKERS, namespace, "web-412")


async def test_the_small_client_of_short_commands_reads_judges_and_watches(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    async with LightApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as light:
        await light.create(TRACKERS, namespace, tracker(), dry_run=True)
        with pytest.raises(ApiNotFound):
            await light.get(TRACKERS, namespace, "web-412")
        with pytest.raises(ApiInvalid, match=r"repository"):
            await light.create(TRACKERS, namespace, {**tracker(), "metadata": {"name": "wrong"}}, dry_run=True)
        page = await light.list_all(TRACKERS, namespace)
        created = await light.create(TRACKERS, namespace, tracker())
        async with light.watch(TRACKERS, namespace, resource_version=page.resource_version) as events:
            first = await anext(aiter(events))
    assert (first.type, first.object["metadata"]["uid"]) == ("ADDED", created["metadata"]["uid"])
    assert page.items == ()


async def test_an_unknown_credential_is_another_error_than_a_missing_right(
    kubernetes_api: KubernetesAccess, namespace: str, tmp_path: Path
) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text(kubernetes_api.kubeconfig.read_text().replace(kubernetes_api.admin_token, "wrong"))
    async with await KubernetesApi.connect(kubeconfig=str(broken)) as stranger:
        with pytest.raises(ApiUnauthorized):
            await stranger.get(TRACKERS, namespace, "web-412")


async def test_a_kubeconfig_that_no_one_can_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "kubeconfig"
    for text in ("{a: [", "[]", "", "clusters: 1"):
        broken.write_text(text)
        with pytest.raises(ApiUnavailable, match="kubeconfig"):
            await KubernetesApi.connect(kubeconfig=str(broken))


async def test_the_mirror_follows_the_real_server(api: KubernetesApi, namespace: str) -> None:
    changes: list[ObjectChange[str]] = []
    reflector = Reflector(
        kubernetes=api,
        resource=TRACKERS,
        namespace=namespace,
        project=lambda document: str(document["metadata"].get("labels", {}).get("a", "")),
        on_change=changes.append,
    )
    await api.create(TRACKERS, namespace, tracker(1))
    task = asyncio.create_task(reflector.run())
    await until(lambda: reflector.has_synced)
    await api.create(TRACKERS, namespace, tracker(2))
    await until(lambda: len(changes) == 2)
    await api.merge(TRACKERS, namespace, "web-1", {"metadata": {"labels": {"a": "b"}}})
    await until(lambda: len(changes) == 3)
    await api.delete(TRACKERS, namespace, "web-2")
    await until(lambda: len(changes) == 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert dict(reflector.objects) == {Key(namespace, "web-1"): "b"}


async def test_a_watch_that_is_left_keeps_no_socket_waiting_for_the_server(kubernetes_api: KubernetesAccess) -> None:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as api:
        page = await api.list_page(TRACKERS)
        async with api.watch(TRACKERS, None, resource_version=page.resource_version):
            assert _open_sockets(kubernetes_api.url)
        # The socket is closed by the loop's next turn, which is sooner than any answer of the server.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not _open_sockets(kubernetes_api.url)


def _open_sockets(url: str) -> list[int]:
    """Return the descriptors of this process' connections to a server."""
    found = []
    for one in gc.get_objects():
        if isinstance(one, socket.socket) and one.fileno() != -1 and one.family == socket.AF_INET:
            try:
                host, port = one.getpeername()
            except OSError:
                continue
            if url.endswith(f"{host}:{port}"):
                found.append(one.fileno())
    return found


async def test_no_name_leads_to_another_path(api: KubernetesApi, namespace: str) -> None:
    for name in ("..", ".", ""):
        with pytest.raises(ApiInvalid):
            await api.get(TRACKERS, namespace, name)
    for name in ("../../../secrets", "web-1/status", "web-1?x=y", "web-1#x", "%2e%2e", "é 🚀"):
        with pytest.raises((ApiNotFound, ApiInvalid)):
            await api.get(TRACKERS, namespace, name)


@pytest.mark.parametrize(("pause", "connections"), [(60.0, 1), (90.0, 2)])
async def test_a_connection_outlives_a_pause_but_not_the_servers_own_limit(
    pause: float, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering() as (port, opened), KubernetesApi.at(f"http://127.0.0.1:{port}") as api:
        await api.get(TRACKERS, "shop", "web-412")
        later = time.monotonic() + pause
        monkeypatch.setattr("aiohttp.connector.monotonic", lambda: later)
        await api.get(TRACKERS, "shop", "web-412")
    assert len(opened) == connections
