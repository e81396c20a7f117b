"""The small client of short commands: how it finds a cluster, and what it makes of answers."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crds.api.access import NeedsClient, read_access
from crds.api.light import LightApi
from crds.api.ports import (
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ApiResource,
    ApiUnavailable,
    ApiUnconfigured,
)

PODS = ApiResource(group="", version="v1", plural="pods", kind="Pod")
Answers = Callable[[str, str], tuple[int, Any]]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def write(path: Path, user: dict[str, Any], *, server: str = "http://127.0.0.1:1", **cluster: Any) -> str:
    """Write a kubeconfig with one context."""
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"tokenFile": "token"}, "Bearer from-a-file"),
        ({"username": "a", "password": "b"}, f"Basic {base64.b64encode(b'a:b').decode()}"),
        ({}, None),
    ],
    ids=["token", "file", "basic", "none"],
)
def test_the_credential_of_the_user_is_sent(tmp_path: Path, user: dict[str, Any], header: str | None) -> None:
    (tmp_path / "token").write_text("from-a-file\n")

    access = read_access(kubeconfig=write(tmp_path / "config", user))

    assert (access.headers.get("Authorization"), access.namespace) == (header, "shop")
    assert "abc" not in repr(access)


def test_a_plugin_is_run_with_its_variables_and_what_it_prints_is_the_credential(tmp_path: Path) -> None:
    script = (
        "import json, os\n"
        "asked = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "token = os.environ['PREFIX'] + asked['spec']['cluster']['server']\n"
        "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': token}}))"
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", script],
        "env": [{"name": "PREFIX", "value": "for-"}],
        "provideClusterInfo": True,
    }

    access = read_access(kubeconfig=write(tmp_path / "config", {"exec": plugin}))

    assert access.headers["Authorization"] == "Bearer for-http://127.0.0.1:1"


def test_a_plugin_that_fails_is_named(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}

    with pytest.raises(ApiUnconfigured, match="the credential plugin false ended with code 1"):
        read_access(kubeconfig=write(tmp_path / "config", {"exec": plugin}))


def test_of_several_files_the_first_that_names_something_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / "first", {"token": "one"})
    (tmp_path / "second").write_text("current-context: there\nusers: [{name: u, user: {token: two}}]\n")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{first}:{tmp_path}/second")

    assert read_access().headers["Authorization"] == "Bearer one"


@pytest.mark.parametrize(
    ("user", "cluster"), [({"auth-provider": {"name": "x"}}, {}), ({"as": "bob"}, {}), ({}, {"proxy-url": "http://p"})]
)
def test_what_it_does_not_serve_is_left_to_the_kubernetes_client(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any]
) -> None:
    with pytest.raises(NeedsClient):
        read_access(kubeconfig=write(tmp_path / "config", user, **cluster))


@pytest.mark.parametrize("text", ["[", "[]", "clusters: 3", "current-context: gone", "{}"])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)

    with pytest.raises(ApiUnconfigured, match=str(path)):
        read_access(kubeconfig=str(path))


@asynccontextmanager
async def serving(tmp_path: Path, answers: Answers, connections: list[int]) -> AsyncIterator[LightApi]:
    """Serve answers over HTTP, and give a client that reaches them."""

    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.decode().splitlines()[0].split()
                length = head.lower().partition(b"content-length: ")[2].split()
                await reader.readexactly(int(length[0]) if length else 0)
                status, body = answers(method, path)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/prefix"
    config = write(tmp_path / "config", {"token": "x"}, server=address)
    async with LightApi.connect(kubeconfig=config) as client:
        yield client
    server.close()
    await asyncio.gather(*served)


@pytest.mark.parametrize(
    ("status", "kind"), [(404, ApiNotFound), (403, ApiForbidden), (409, ApiConflict), (500, ApiUnavailable)]
)
async def test_an_answer_that_is_no_success_is_an_error_by_its_meaning(
    tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    connections: list[int] = []
    refusal = {"kind": "Status", "message": "no"}
    async with serving(tmp_path, lambda _method, _path: (status, refusal), connections) as client:
        with pytest.raises(kind, match="no"):
            await client.get(PODS, "shop", "a")


async def test_pages_are_one_list_over_one_connection(tmp_path: Path) -> None:
    paths: list[str] = []
    connections: list[int] = []

    def answers(_method: str, path: str) -> tuple[int, Any]:
        paths.append(path)
        more = {"continue": "next"} if "continue" not in path else {}
        return 200, {"metadata": {"resourceVersion": "9", **more}, "items": [{"n": len(paths)}]}

    async with serving(tmp_path, answers, connections) as client:
        page = await client.list_all(PODS, "shop", label_selector="a=b")

    assert (page.items, page.resource_version) == (({"n": 1}, {"n": 2}), "9")
    assert paths[0] == "/prefix/api/v1/namespaces/shop/pods?limit=100&labelSelector=a%3Db"
    assert connections == [1]


async def test_a_dry_run_is_marked_as_one_for_the_api_server(tmp_path: Path) -> None:
    asked: list[str] = []

    def answers(method: str, path: str) -> tuple[int, Any]:
        asked.append(f"{method} {path}")
        return 201, {}

    async with serving(tmp_path, answers, []) as client:
        await client.create(PODS, "shop", {"metadata": {"name": "a"}}, dry_run=True)

    assert asked == ["POST /prefix/api/v1/namespaces/shop/pods?dryRun=All"]


async def test_a_watch_yields_events_until_the_server_ends_it(tmp_path: Path) -> None:
    lines = b"".join(
        json.dumps({"type": "ADDED", "object": {"metadata": {"name": name}}}).encode() + b"\n" for name in ("a", "b")
    )
    async with (
        serving(tmp_path, lambda _method, _path: (200, lines), []) as client,
        client.watch(PODS, None, resource_version="1") as events,
    ):
        names = [event.object["metadata"]["name"] async for event in events]

    assert names == ["a", "b"]


async def test_a_watch_ends_after_a_silence_and_keeps_what_it_yielded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        line = json.dumps({"type": "ADDED", "object": {"metadata": {"name": "a"}}}).encode() + b"\n"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + line)
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        left.set()

    left = asyncio.Event()
    monkeypatch.setattr("crds.api.light.WATCH_SILENCE", timedelta(seconds=0.1))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        asyncio.timeout(10),
        LightApi.connect(kubeconfig=write(tmp_path / "c", {}, server=address)) as api,
        api.watch(PODS, None, resource_version="1") as events,
    ):
        names = [event.object["metadata"]["name"] async for event in events]
    await asyncio.wait_for(left.wait(), timeout=10)
    assert names == ["a"]


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with LightApi.connect(kubeconfig=write(tmp_path / "config", {})) as client:
        with pytest.raises(ApiUnavailable, match="cannot be reached"):
            await client.get(PODS, None, "a")
