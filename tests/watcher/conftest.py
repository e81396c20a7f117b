"""A connection to the real API server, and a namespace of its own for each test."""

import itertools
from collections.abc import AsyncIterator

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import (
    NAMESPACES,
)
from deploy.local.environment.kubernetes_server import KubernetesAccess

_numbers = itertools.count(1)


@pytest.fixture
async def api(kubernetes_api: KubernetesAccess) -> AsyncIterator[KubernetesApi]:
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def namespace(api: KubernetesApi) -> str:
    name = f"watcher-{next(_numbers)}"
    await api.create(NAMESPACES, None, {"metadata": {"name": name}})
    return name
