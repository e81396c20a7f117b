"""Flux's own Alerts and Providers are served as they are, on a real API server that has kinds of their names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import structlog

from activities.flux.planning import plan
from activities.flux.subscriptions import FLUX_GROUP, flux_alerts, flux_providers
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES, ApiNotFound, ApiResource
from crds.rules.flux_expressions import evaluate
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.activities.flux.events import event
from worker.receiver.flux_mirrors import FluxMirrors

DEFINITIONS = ApiResource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)
KINDS = (("Alert", "alerts"), ("Provider", "providers"))
SPECS: dict[str, dict[str, Any]] = {
    "Provider": {"type": "github", "address": "https://github.com/acme/web", "secretRef": {"name": "token"}},
    "Alert": {
        "providerRef": {"name": "host"},
        "eventMetadata": {"cluster": "dev"},
        "eventSources": [{"kind": "Kustomization", "name": "*", "namespace": "flux-system"}],
    },
}


def version(name: str, *, storage: bool) -> dict[str, Any]:
    """Return a version that takes any fields: Flux's own definitions are none of ours."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema}


def definition(kind: str, plural: str) -> dict[str, Any]:
    """Return a kind with Flux's name in the older of its versions."""
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{FLUX_GROUP}"},
        "spec": {
            "group": FLUX_GROUP,
            "names": names,
            "scope": "Namespaced",
            "versions": [version("v1beta2", storage=True)],
        },
    }


@asynccontextmanager
async def mirrored(api: KubernetesApi, namespace: str) -> AsyncIterator[FluxMirrors]:
    mirrors = FluxMirrors(api, namespaces=(namespace,), flux_alerts=True, look=timedelta(milliseconds=100))
    following = asyncio.create_task(mirrors.run())
    try:
        await until(lambda: mirrors.has_synced)
        yield mirrors
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not wanted():  # noqa: ASYNC110 -- what changes it is a watch
            await asyncio.sleep(0.05)


@pytest.fixture
async def api(kubernetes_api: KubernetesAccess) -> AsyncIterator[KubernetesApi]:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as connected:
        yield connected


async def test_a_cluster_without_flux_serves_what_it_has_and_one_with_flux_its_alerts(api: KubernetesApi) -> None:
    namespace = "flux-alerts"
    await api.create(NAMESPACES, None, {"metadata": {"name": namespace}})
    async with mirrored(api, namespace) as mirrors:
        assert list(mirrors.of("")) == []
        for kind, plural in KINDS:
            await api.create(DEFINITIONS, None, definition(kind, plural))
        for kind, name, resource in (
            ("Provider", "host", flux_providers("v1beta2")),
            ("Alert", "all", flux_alerts("v1beta2")),
        ):
            metadata = {"name": name, "namespace": namespace}
            wanted = {"apiVersion": resource.api_version, "kind": kind, "metadata": metadata, "spec": SPECS[kind]}
            await _create(api, resource, namespace, wanted)
        # Flux came later, and no receiver was started again.
        await until(lambda: bool(list(mirrors.of(namespace))))

    async with mirrored(api, namespace) as mirrors:
        await until(lambda: bool(list(mirrors.of(namespace))))
        (made,) = plan(event(), mirrors.of(namespace), targets=mirrors.target, evaluate=evaluate)
        assert made.target is not None
        assert made.target.is_flux
        assert made.wanted is not None
        assert made.wanted.context == f"kustomization/webapp/{made.target.uid.partition('-')[0]}"
        assert made.subscription.document["apiVersion"] == f"{FLUX_GROUP}/v1beta2"

    newer = {"spec": {"versions": [version("v1beta3", storage=True), version("v1beta2", storage=False)]}}
    for _, plural in KINDS:
        await api.merge(DEFINITIONS, None, f"{plural}.{FLUX_GROUP}", newer)
    for resource in (flux_alerts("v1beta3"), flux_providers("v1beta3")):
        await _served(api, resource, namespace)
    async with mirrored(api, namespace) as mirrors:
        await until(lambda: bool(list(mirrors.of(namespace))))
        (made,) = plan(event(), mirrors.of(namespace), targets=mirrors.target, evaluate=evaluate)
        assert made.wanted is not None
        assert made.subscription.document["apiVersion"] == f"{FLUX_GROUP}/v1beta3"


async def _served(api: KubernetesApi, resource: ApiResource, namespace: str) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await api.list_page(resource, namespace, limit=1)
                return
            except ApiNotFound:
                await asyncio.sleep(0.2)


async def _create(api: KubernetesApi, resource: ApiResource, namespace: str, wanted: dict[str, Any]) -> None:
    """Create an object of a kind that the server may need a moment to serve."""
    async with asyncio.timeout(30):
        while True:
            try:
                await api.create(resource, namespace, wanted)
                return
            except ApiNotFound:
                await asyncio.sleep(0.2)


async def test_a_receiver_without_the_role_for_flux_logs_that_once(kubernetes_api: KubernetesAccess) -> None:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig_for("bob"))) as api:
        with structlog.testing.capture_logs() as lines:
            mirrors = FluxMirrors(api, flux_alerts=True)
            following = asyncio.create_task(mirrors.run())
            # It asks again each second.
            await asyncio.sleep(2.5)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    [refused] = [line for line in lines if line["event"] == "Flux's Alerts cannot be listed"]
    assert 'cannot list resource "alerts" in API group "notification.toolkit.fluxcd.io"' in refused["error"]
    assert not mirrors.has_synced
