"""The real API server with the namespaces that these tests use."""

from collections.abc import Iterator

import pytest

from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.crds.api import Api


@pytest.fixture(scope="module")
def api(kubernetes_api: KubernetesAccess) -> Iterator[Api]:
    """The administrator."""
    client = Api(kubernetes_api)
    for name in ("shop", "crds"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        assert client.create_other("/api/v1/namespaces", namespace).status_code in (201, 409)
    yield client
    client.close()


@pytest.fixture
def alice(kubernetes_api: KubernetesAccess) -> Iterator[Api]:
    """A person without any right but those that a test grants."""
    client = Api(kubernetes_api, "alice")
    yield client
    client.close()


@pytest.fixture
def bob(kubernetes_api: KubernetesAccess) -> Iterator[Api]:
    """Another person."""
    client = Api(kubernetes_api, "bob")
    yield client
    client.close()
