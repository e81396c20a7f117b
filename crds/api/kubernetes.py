"""Call the Kubernetes API server: raw calls on the official async client, errors by meaning.

The client's generated methods, informer and Watch are not used: they validate too much and survive too little.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp

from crds.api.api_errors import api_error, secret_data, unreachable, unusable_configuration
from crds.api.bodies import delete_options, event_document
from crds.api.client_parts import Configuration, Transport, loaders
from crds.api.kubeconfig import any_exists, in_pod, pod_namespace
from crds.api.ports import (
    EVENTS,
    PAGE_SIZE,
    SECRETS,
    WATCH_SILENCE,
    WATCH_TIMEOUT,
    ApiConflict,
    ApiGone,
    ApiResource,
    ApiUnauthorized,
    ApiUnavailable,
    ApiUnconfigured,
    Document,
    EventTarget,
    Page,
    SecretData,
    WatchEvent,
)
from crds.api.streams import cut, events
from crds.texts.json_document import to_json
from crds.texts.plain import plain_values

CALL_TIMEOUT = timedelta(seconds=30)
CONNECT_TIMEOUT = timedelta(seconds=5)
WATCH_GRACE = timedelta(seconds=10)
"""How long after the server's own end of a watch the client takes the connection for dead."""

_MERGE_PATCH = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
# With its parameter the client leaves the body alone; else it writes JSON that go-yaml refuses.
_APPLY_PATCH = "application/apply-patch+yaml; charset=utf-8"
_LOADERS: Any = loaders


class KubernetesApi:
    """Implement crds.api.ports.Kubernetes. Open it with `async with await KubernetesApi.connect(…)`."""

    def __init__(self, configuration: Configuration, *, default_namespace: str = "default", loader: Any = None) -> None:
        # Temporal, not the HTTP client, repeats calls; and each watch holds a connection for minutes.
        configuration.retries = None
        configuration.connection_pool_maxsize = 0
        self._configuration = configuration
        self._default_namespace = default_namespace
        self._loader = loader
        self._client: Any = Transport(configuration)

    @classmethod
    async def connect(cls, *, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """Read the configuration as kubectl does: the given file, $KUBECONFIG, ~/.kube/config, else the pod's own.

        Raises ApiUnconfigured naming what is missing. Nothing is sent yet.
        """
        configuration = Configuration()
        paths = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        exists = any_exists(paths)
        if not exists and (kubeconfig or context or not in_pod()):
            pod = "" if kubeconfig else ", and this is no pod of a cluster"
            raise ApiUnconfigured(f"there is no kubeconfig at {paths}{pod}"[:512])
        try:
            if exists:
                loader = await _LOADERS.load_kube_config(
                    config_file=paths, context=context, client_configuration=configuration
                )
                namespace = loader.current_context["context"].get("namespace") or "default"
                return cls(configuration, default_namespace=namespace, loader=loader)
            _LOADERS.load_incluster_config(client_configuration=configuration)
        except Exception as error:  # noqa: BLE001 the loader's YAML and plugins raise anything
            raise unusable_configuration(paths, error) from None
        return cls(configuration, default_namespace=pod_namespace())

    @classmethod
    def at(cls, server: str) -> Self:
        """Call a server that wants no credential, such as `kubectl proxy`."""
        return cls(Configuration(host=server))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections, watches included."""
        await self._client.close()

    @property
    def default_namespace(self) -> str:
        """Namespace of the kubeconfig's context, or of the pod."""
        return self._default_namespace

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return str(self._configuration.host)

    async def advertised(self) -> tuple[str, ...]:
        """Return `address:port` at which the API server is reached, as it answers; every account may ask for it."""
        answer = await self._call("GET", "/api")
        found = answer.get("serverAddressByClientCIDRs")
        listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return tuple(str(one.get("serverAddress") or "") for one in listed)

    async def list_page(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        limit: int = PAGE_SIZE,
        continue_token: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """List one page; no namespace means all of them."""
        query = {
            "limit": str(limit),
            "continue": continue_token,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        answer = await self._call("GET", resource.path(namespace), query=query)
        items, metadata = answer.get("items"), answer.get("metadata")
        if not isinstance(metadata, dict) or not (items is None or isinstance(items, list)):
            raise ApiUnavailable("the answer to a list is not a list")
        return Page(
            items=tuple(items or ()),
            resource_version=str(metadata.get("resourceVersion", "")),
            continue_token=metadata.get("continue") or None,
        )

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        """List all pages as one. A continue token that expired on the way starts the list again."""
        items: list[Document] = []
        token: str | None = None
        restarted = False
        while True:
            try:
                page = await self.list_page(
                    resource,
                    namespace,
                    continue_token=token,
                    label_selector=label_selector,
                    field_selector=field_selector,
                )
            except ApiGone:
                if restarted:
                    raise
                restarted, token = True, None
                items.clear()
                continue
            items.extend(page.items)
            token = page.continue_token
            if token is None:
                return Page(items=tuple(items), resource_version=page.resource_version)

    def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,
        field_selector: str | None = None,
        label_selector: str | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Follow a list from a resourceVersion on; the iterator ends as the server ends it, or after a silence."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(timeout.total_seconds())),
            "fieldSelector": field_selector,
            "labelSelector": label_selector,
        }
        return self._watch(resource.path(namespace), query, timeout + WATCH_GRACE)

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        """Read one object."""
        return await self._call("GET", resource.path(namespace, name))

    async def create(
        self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any], *, dry_run: bool = False
    ) -> Document:
        """Create one object; ApiConflict with reason `AlreadyExists` where the name is taken.

        With `dry_run` the API server judges it as it would, and keeps nothing.
        """
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **document}
        query = {"dryRun": "All"} if dry_run else {}
        return await self._call("POST", resource.path(namespace), query=query, body=body)

    async def merge(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        changes: Mapping[str, Any],
        *,
        subresource: str | None = None,
    ) -> Document:
        """Apply a JSON merge patch; `metadata.resourceVersion` inside it makes it a compare-and-set."""
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=changes, content_type=_MERGE_PATCH)

    async def patch(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        resource_version: str,
        field_manager: str,
        subresource: str | None = None,
    ) -> Document:
        """Apply the operations of a JSON patch to the object at this very version, else ApiConflict."""
        # The version that is written is the one that must stand there.
        version = {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version}
        path = resource.path(namespace, name, subresource)
        query = {"fieldManager": field_manager}
        return await self._call("PATCH", path, query=query, body=[version, *operations], content_type=_JSON_PATCH)

    async def apply(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        document: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = True,
        subresource: str | None = None,
    ) -> Document:
        """Apply server-side the fields that the manager owns; `metadata.resourceVersion` makes it a compare-and-set."""
        metadata = {"name": name, **dict(document.get("metadata", {}))}
        if resource.namespaced:
            metadata["namespace"] = namespace
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **document, "metadata": metadata}
        query = {"fieldManager": field_manager, "force": "true" if force else None}
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY_PATCH)

    async def delete(
        self,
        resource: ApiResource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete one object; with a uid, or a version, only that very one (else ApiConflict)."""
        await self._call("DELETE", resource.path(namespace, name), body=delete_options(uid, resource_version))

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        """Read one Secret. The values belong in no log, error or status."""
        return secret_data(await self.get(SECRETS, namespace, name), f"{namespace}/{name}")

    async def post_event(
        self, target: EventTarget, *, name: str, reason: str, message: str, warning: bool, component: str
    ) -> bool:
        """Post one Kubernetes event under a name that identifies it; False where it was posted before."""
        document = event_document(
            target, name=name, reason=reason, message=message, warning=warning, component=component
        )
        try:
            await self.create(EVENTS, document["metadata"]["namespace"], document)
        except ApiConflict:
            return False
        return True

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        content_type: str = "application/json",
    ) -> Document:
        limits = aiohttp.ClientTimeout(total=CALL_TIMEOUT.total_seconds(), sock_connect=CONNECT_TIMEOUT.total_seconds())
        try:
            response = await self._send(method, path, query or {}, body, content_type, limits)
            data = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(error) from None
        if not 200 <= response.status <= 299:
            raise api_error(response.status, data)
        try:
            document = json.loads(data)
        except ValueError:
            raise ApiUnavailable("the answer is not JSON", status=response.status) from None
        if not isinstance(document, dict):
            raise ApiUnavailable("the answer is not a JSON object", status=response.status)
        return document

    @asynccontextmanager
    async def _watch(
        self, path: str, query: Mapping[str, str | None], total: timedelta
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        limits = aiohttp.ClientTimeout(
            total=total.total_seconds(),
            sock_connect=CONNECT_TIMEOUT.total_seconds(),
            sock_read=WATCH_SILENCE.total_seconds(),
        )
        try:
            response = await self._send("GET", path, query, None, "application/json", limits)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(error) from None
        try:
            if response.status != 200:
                raise api_error(response.status, await response.read())
            yield events(response)
        finally:
            cut(response)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None],
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
        content_type: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        response = await self._send_once(method, path, query, body, content_type, limits)
        if response.status != 401 or self._loader is None:
            return response
        response.close()
        # Loading the configuration again renews the short-lived tokens of exec plugins.
        try:
            await self._loader.load_and_set(self._configuration)
        except Exception as error:  # noqa: BLE001 an exec plugin may raise anything
            raise ApiUnauthorized(f"the credential could not be renewed: {type(error).__name__}", status=401) from None
        return await self._send_once(method, path, query, body, content_type, limits)

    async def _send_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None],
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
        content_type: str,
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        encoded = urlencode([(key, value) for key, value in query.items() if value is not None])
        url = f"{self._configuration.host}{path}" + (f"?{encoded}" if encoded else "")
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "pilotage"}
        settings: Any = await self._configuration.auth_settings()
        for setting in settings.values():
            headers[setting["key"]] = setting["value"]
        data: Any = body
        if content_type == _APPLY_PATCH:
            data = to_json(body)
        elif body is not None:
            data = plain_values(body)
        answer = await self._client.request(method, url, headers=headers, body=data, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response
