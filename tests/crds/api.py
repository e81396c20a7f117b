"""A small client of the real API server: raw objects in, status objects out."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from ruamel.yaml import YAML

from crds.group import API_VERSION
from crds.v1alpha1.kinds import BY_KIND
from deploy.local.environment.binaries import find
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.crds.resources import Document

TIMEOUT_SECONDS = 30.0


class Api:
    """Acts as one user; the administrator may act as anybody else."""

    def __init__(self, access: KubernetesAccess, user: str = "admin", *, impersonated: str = "") -> None:
        self._access = access
        self._kubeconfig = access.kubeconfig if user == "admin" else access.kubeconfig_for(user)
        config = YAML(typ="safe").load(self._kubeconfig.read_text())
        token = config["users"][0]["user"]["token"]
        self._client = httpx.Client(
            base_url=access.url,
            verify=False,
            headers={
                "Authorization": f"Bearer {token}",
                **({"Impersonate-User": impersonated} if impersonated else {}),
            },
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def create(self, document: Document, *, dry_run: bool = False) -> httpx.Response:
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self._client.post(self._path(document, named=False), json=document, params=query)

    def patch(self, document: Document, change: Mapping[str, Any], *, status: bool = False) -> httpx.Response:
        path = self._path(document, named=True) + ("/status" if status else "")
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._client.patch(path, json=dict(change), headers=headers)

    def delete(self, document: Document) -> httpx.Response:
        return self._client.delete(self._path(document, named=True))

    def delete_collection(self, document: Document, *, labels: str = "") -> httpx.Response:
        """Delete all objects of a document's kind and namespace, or those with these labels."""
        return self._client.delete(self._path(document, named=False), params={"labelSelector": labels})

    def apply(self, document: Document, *, manager: str, subresource: str = "") -> httpx.Response:
        """Apply on the server, by force."""
        path = self._path(document, named=True) + (f"/{subresource}" if subresource else "")
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self._client.patch(path, json=document, headers=headers, params={"fieldManager": manager, "force": True})

    def replace(self, document: Document, *, subresource: str = "") -> httpx.Response:
        path = self._path(document, named=True) + (f"/{subresource}" if subresource else "")
        return self._client.put(path, json=document)

    def create_other(self, path: str, document: Document) -> httpx.Response:
        return self._client.post(path, json=document)

    def kubectl(self, *arguments: str) -> str:
        command = [str(find("kubectl")), f"--kubeconfig={self._kubeconfig}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _path(self, document: Document, *, named: bool) -> str:
        metadata = document["metadata"]
        namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        plural = BY_KIND[document["kind"]].definition.plural
        return f"/apis/{API_VERSION}{namespace}/{plural}" + (f"/{metadata['name']}" if named else "")


def apply_folder(api: Api, folder: Path) -> str:
    return api.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))


def message(response: httpx.Response) -> str:
    return str(response.json().get("message", ""))
