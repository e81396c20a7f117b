"""What the chart's hook runs before a release goes: no tracker is left that could not be deleted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES, ApiInvalid, ApiResource, Document, Kubernetes
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.receiver.world import tracker
from worker.uninstalling import (
    DEPLOYMENTS,
    PODS,
    TRACKERS,
    StillRunning,
    release_finalizers,
    stop_watchers,
    watchers_named,
)
from worker.watcher.entries import FINALIZER

NAMESPACE, OTHER = "uninstalled", "still-installed"
SOON = timedelta(seconds=0.01)


@pytest.fixture
async def api(kubernetes_api: KubernetesAccess) -> AsyncIterator[KubernetesApi]:
    """An administrator's connection."""
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as connected:
        yield connected


async def make(api: KubernetesApi, namespace: str, number: int, *finalizers: str) -> None:
    document = tracker(number)
    metadata = {"name": document["metadata"]["name"], "finalizers": [*finalizers]}
    await api.create(TRACKERS, namespace, {"metadata": metadata, "spec": document["spec"]})


async def finalizers(api: KubernetesApi, namespace: str) -> list[list[str]]:
    page = await api.list_all(TRACKERS, namespace)
    return [one["metadata"].get("finalizers", []) for one in page.items]


async def test_every_tracker_of_the_namespaces_loses_our_finalizer_and_keeps_others(api: KubernetesApi) -> None:
    for namespace in (NAMESPACE, OTHER):
        await api.create(NAMESPACES, None, {"metadata": {"name": namespace}})
        await make(api, namespace, 1, FINALIZER)
        await make(api, namespace, 2, "example.com/kept", FINALIZER)
        await make(api, namespace, 3)
    assert await release_finalizers(api, namespaces=[NAMESPACE]) == 2
    assert await finalizers(api, NAMESPACE) == [[], ["example.com/kept"], []]
    assert await finalizers(api, OTHER) == [[FINALIZER], ["example.com/kept", FINALIZER], []]
    assert await release_finalizers(api, namespaces=[NAMESPACE]) == 0


class Odd:
    """The API server with a watcher that still runs, or with trackers of which it takes no change."""

    def __init__(self, api: KubernetesApi, *, refused: str = "") -> None:
        self._api = api
        self._refused = refused
        self.list_page = api.list_page

    async def merge(self, resource: ApiResource, namespace: str, name: str, changes: Document) -> None:
        if name == self._refused:
            raise ApiInvalid(f"{name} is invalid: spec.number", status=422)
        await self._api.merge(resource, namespace, name, changes)
        if not self._refused:
            await self._api.merge(resource, namespace, name, {"metadata": {"finalizers": [FINALIZER]}})

    def port(self) -> Kubernetes:
        return cast(Kubernetes, self)


async def test_a_watcher_that_still_runs_is_named_instead_of_a_race_without_end(api: KubernetesApi) -> None:
    await api.create(NAMESPACES, None, {"metadata": {"name": "watched"}})
    await make(api, "watched", 1, FINALIZER)
    async with asyncio.timeout(20):
        with pytest.raises(StillRunning, match=r"tracker watched/web-1 .*--stop namespace/deployment"):
            await release_finalizers(Odd(api).port(), namespaces=["watched"])


async def test_a_tracker_that_cannot_be_changed_keeps_no_other_from_being_released(api: KubernetesApi) -> None:
    await api.create(NAMESPACES, None, {"metadata": {"name": "refused"}})
    for number in (1, 2):
        await make(api, "refused", number, FINALIZER)
    with pytest.raises(ApiInvalid, match="web-1"):
        await release_finalizers(Odd(api, refused="web-1").port(), namespaces=["refused"])
    assert await finalizers(api, "refused") == [[FINALIZER], []]


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "pilotage", "image": "pilotage"}]}}
    return {"metadata": {"name": name}, "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}}


def pod_metadata(app: str, name: str) -> dict[str, Any]:
    # Held by a finalizer, as by the kubelet that stops it.
    return {"name": name, "labels": {"app": app}, "finalizers": ["example.com/kubelet"] if name == "stopping" else []}


async def test_the_watchers_are_scaled_to_nothing_and_waited_for(api: KubernetesApi) -> None:
    """No controller runs here: the test reports what one would."""
    name = "scaled-watcher"
    await api.create(DEPLOYMENTS, "default", deployment(name))
    with pytest.raises(StillRunning, match=f"default/{name}"):
        await stop_watchers(api, "default", name, within=timedelta(seconds=0.2), look=SOON)
    scaled = await api.get(DEPLOYMENTS, "default", name)
    assert scaled["spec"]["replicas"] == 0
    # No kubelet runs here: a pod that is being stopped stays, and counts in no status any more.
    for pod in ("stopping", "evicted"):
        await api.create(PODS, "default", deployment(name)["spec"]["template"] | {"metadata": pod_metadata(name, pod)})
    await api.merge(PODS, "default", "evicted", {"status": {"phase": "Failed"}}, subresource="status")
    await api.delete(PODS, "default", "stopping")
    seen = {"status": {"replicas": 0, "observedGeneration": scaled["metadata"]["generation"]}}
    await api.merge(DEPLOYMENTS, "default", name, seen, subresource="status")
    with pytest.raises(StillRunning, match=f"default/{name}"):
        await stop_watchers(api, "default", name, within=timedelta(seconds=0.2), look=SOON)
    stopping = asyncio.create_task(stop_watchers(api, "default", name, look=SOON))
    await api.merge(PODS, "default", "stopping", {"metadata": {"finalizers": []}})
    await asyncio.wait_for(stopping, timeout=20)
    assert stopping.result() is None
    await api.delete(DEPLOYMENTS, "default", name)
    # One that is gone is as good as stopped.
    await stop_watchers(api, "default", name)


@pytest.mark.parametrize("text", ["pilotage-watcher", "/x", "a/", "a/b/c"])
def test_watchers_are_named_with_their_namespace(text: str) -> None:
    with pytest.raises(ValueError, match="namespace/name"):
        watchers_named(text)
    assert watchers_named("pilotage/pilotage-watcher") == ("pilotage", "pilotage-watcher")
