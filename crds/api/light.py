"""A small client of the API server for commands that end soon: what they call, over h11, and nothing to import for it.

The processes use crds/api/kubernetes.py, whose transport alone takes longer to import than a short command may last.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import h11

from crds.api.access import ServerAccess, read_access
from crds.api.api_errors import api_error, secret_data, unreachable, watch_events
from crds.api.ports import (
    PAGE_SIZE,
    SECRETS,
    WATCH_SILENCE,
    WATCH_TIMEOUT,
    ApiGone,
    ApiResource,
    ApiUnavailable,
    ApiUnconfigured,
    Document,
    Page,
    SecretData,
    WatchEvent,
)
from crds.texts.plain import plain_values

CALL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
READ_BYTES = 256 * 1024

_FAILURES = (OSError, TimeoutError, h11.ProtocolError, EOFError)


class LightApi:
    """Read, list, create and watch. Every method raises ApiError of the fitting kind and nothing else."""

    def __init__(self, access: ServerAccess, *, kubeconfig: str | None = None, context: str | None = None) -> None:
        self._access = access
        self._named = {"kubeconfig": kubeconfig, "context": context}
        self._idle: list[_Connection] = []

    @classmethod
    def connect(cls, *, kubeconfig: str | None = None, context: str | None = None) -> Self:
        """Read the configuration as kubectl does. Raises ApiUnconfigured, and NeedsClient for what is not served here.

        Nothing is sent yet.
        """
        return cls(read_access(kubeconfig=kubeconfig, context=context), kubeconfig=kubeconfig, context=context)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        while self._idle:
            self._idle.pop().close()

    @property
    def default_namespace(self) -> str:
        """Namespace of the kubeconfig's context, or of the pod."""
        return self._access.namespace

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        """Read one object."""
        return await self._call("GET", resource.path(namespace, name))

    async def list_all(
        self, resource: ApiResource, namespace: str | None = None, *, label_selector: str | None = None
    ) -> Page:
        """List all pages as one. A continue token that expired on the way starts the list again."""
        items: list[Document] = []
        token: str | None = None
        restarted = False
        while True:
            query = {"limit": str(PAGE_SIZE), "continue": token, "labelSelector": label_selector}
            try:
                answer = await self._call("GET", resource.path(namespace), query=query)
            except ApiGone:
                if restarted:
                    raise
                restarted, token = True, None
                items.clear()
                continue
            metadata = answer.get("metadata")
            if not isinstance(metadata, dict):
                raise ApiUnavailable("the answer to a list is not a list")
            items += answer.get("items") or []
            token = metadata.get("continue") or None
            if token is None:
                return Page(items=tuple(items), resource_version=str(metadata.get("resourceVersion", "")))

    async def create(
        self, resource: ApiResource, namespace: str | None, document: Mapping[str, Any], *, dry_run: bool = False
    ) -> Document:
        """Create one object; with `dry_run` the API server judges it as it would, and keeps nothing."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **document}
        query = {"dryRun": "All" if dry_run else None}
        return await self._call("POST", resource.path(namespace), query=query, body=body)

    async def get_secret(self, namespace: str, name: str) -> SecretData:
        """Read one Secret. The values belong in no log, error or status."""
        return secret_data(await self.get(SECRETS, namespace, name), f"{namespace}/{name}")

    @asynccontextmanager
    async def watch(
        self,
        resource: ApiResource,
        namespace: str | None,
        *,
        resource_version: str,
        timeout: timedelta = WATCH_TIMEOUT,  # noqa: ASYNC109 the server ends the watch
        label_selector: str | None = None,
    ) -> AsyncIterator[AsyncIterator[WatchEvent]]:
        """Follow a list from a resourceVersion on; the iterator ends as the server ends it, or after a silence."""
        seconds = timeout.total_seconds()
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(seconds)),
            "labelSelector": label_selector,
        }
        try:
            connection, status = await self._send("GET", resource.path(namespace), query, None)
        except _FAILURES as error:
            raise unreachable(error) from None
        try:
            if status != 200:
                raise api_error(status, await connection.body())
            yield _events(connection)
        finally:
            connection.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Document:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                connection, status = await self._send(method, path, query or {}, body)
                data = await connection.body()
        except _FAILURES as error:
            raise unreachable(error) from None
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()
        if not 200 <= status <= 299:
            raise api_error(status, data)
        try:
            document = json.loads(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise ApiUnavailable("the answer is not a JSON object", status=status)
        return document

    async def _send(
        self, method: str, path: str, query: Mapping[str, str | None], body: Mapping[str, Any] | None
    ) -> "tuple[_Connection, int]":
        connection, status = await self._send_once(method, path, query, body)
        if status != 401:
            return connection, status
        refusal = await connection.body()
        connection.close()
        # Short-lived tokens of exec plugins and token files are renewed by reading them again.
        try:
            self._access = read_access(**self._named)
        except ApiUnconfigured:
            raise api_error(status, refusal) from None
        return await self._send_once(method, path, query, body)

    async def _send_once(
        self, method: str, path: str, query: Mapping[str, str | None], body: Mapping[str, Any] | None
    ) -> "tuple[_Connection, int]":
        encoded = urlencode([(key, value) for key, value in query.items() if value is not None])
        url = urlsplit(self._access.server)
        target = f"{url.path}{path}" + (f"?{encoded}" if encoded else "")
        headers = {"Host": url.netloc, "Accept": "application/json", "User-Agent": "pilotage", **self._access.headers}
        data = b"" if body is None else json.dumps(plain_values(body)).encode()
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        request = h11.Request(method=method, target=target, headers=list(headers.items()))
        # The server closes what was idle for long, which shows as a failure of the next call: only reads are repeated.
        while body is None and self._idle:
            connection = self._idle.pop()
            with suppress(*_FAILURES):
                return connection, await connection.send(request, data)
            connection.close()
        connection = await _open(self._access)
        return connection, await connection.send(request, data)


class _Connection:
    """One HTTP/1.1 connection: a request, then its answer, as often as the server keeps it open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)
        self.patience_seconds = CALL_SECONDS
        """How long nothing may arrive."""

    async def send(self, request: h11.Request, data: bytes) -> int:
        """Send a request and return the status of its answer, whose body is next."""
        if self._http.our_state is not h11.IDLE:
            self._http.start_next_cycle()
        parts = (request, h11.Data(data=data), h11.EndOfMessage()) if data else (request, h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(part) or b"" for part in parts))
        await self._writer.drain()
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return int(event.status_code)
            if isinstance(event, h11.ConnectionClosed):
                raise EOFError("the connection was closed")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return

    async def body(self) -> bytes:
        """Return the whole body."""
        return b"".join([chunk async for chunk in self.chunks()])

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def close(self) -> None:
        """Leave at once, also in the middle of an answer."""
        self._writer.transport.abort()

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(self.patience_seconds):
                self._http.receive_data(await self._reader.read(READ_BYTES))
        return event


async def _open(access: ServerAccess) -> _Connection:
    url = urlsplit(access.server)
    name = access.server_name or url.hostname or ""
    port = url.port or (443 if access.tls else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                url.hostname,
                port,
                ssl=access.tls,
                server_hostname=name if access.tls else None,
                limit=READ_BYTES,
            )
    except OSError as error:
        # A failed connect names the address in pieces, and one that took too long names nothing.
        raise ConnectionError(f"{url.hostname}:{port}: {_cause(error)}") from None
    return _Connection(reader, writer)


def _cause(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return os.strerror(error.errno) if isinstance(error, ConnectionError) and error.errno else str(error)


async def _events(connection: _Connection) -> AsyncIterator[WatchEvent]:
    connection.patience_seconds = WATCH_SILENCE.total_seconds()
    try:
        async for event in watch_events(connection.chunks()):
            yield event
    except TimeoutError:
        return
    except _FAILURES as error:
        raise unreachable(error) from None
