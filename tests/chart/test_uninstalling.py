"""What the chart's hook runs before a release goes: no tracker is left that could not be deleted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES
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
