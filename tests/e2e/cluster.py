"""A plain client of the API server for tests that look every fraction of a second: kubectl costs too much for that."""

from typing import Any

import httpx

from crds.group import API_VERSION
from crds.v1alpha1.kinds import BY_KIND
from deploy.local.environment.kubernetes_server import KubernetesAccess

Document = dict[str, Any]

TIMEOUT_SECONDS = 30.0
CORE = {"Namespace": "namespaces", "Secret": "secrets", "Event": "events"}


class Cluster:
    """Acts as the administrator."""

    def __init__(self, access: KubernetesAccess) -> None:
        self._client = httpx.Client(
            base_url=access.url,
            # The certificate is made per environment; other tests show that clients check it.
            verify=False,
            headers={"Authorization": f"Bearer {access.admin_token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def apply(self, document: Document) -> None:
        """Apply one object server-side, as `kubectl apply --server-side` does."""
        metadata = document["metadata"]
        path = _path(document["kind"], metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": "e2e", "force": "true", "fieldValidation": "Strict"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        answer = self._client.patch(path, json=document, params=query, headers=headers)
        assert answer.is_success, answer.text

    def get(self, kind: str, namespace: str, name: str) -> Document:
        """Read one object; an empty one where there is none."""
        answer = self._client.get(_path(kind, namespace, name))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return {}
        answer.raise_for_status()
        return dict(answer.json())

    def list(self, kind: str, namespace: str | None = None) -> list[Document]:
        """List the objects of one namespace, or of all."""
        answer = self._client.get(_path(kind, namespace, None))
        answer.raise_for_status()
        return list(answer.json()["items"])

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete one object."""
        self._client.delete(_path(kind, namespace, name)).raise_for_status()


def _path(kind: str, namespace: str | None, name: str | None) -> str:
    start, plural = ("/api/v1", CORE[kind]) if kind in CORE else _custom(kind)
    inside = f"/namespaces/{namespace}" if namespace and kind != "Namespace" else ""
    return f"{start}{inside}/{plural}" + (f"/{name}" if name else "")


def _custom(kind: str) -> tuple[str, str]:
    return f"/apis/{API_VERSION}", BY_KIND[kind].definition.plural
