"""How calls reach the API server: through the proxy that is named, and with no credential but the configured one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crds.api.client_parts import Configuration, proxy_of
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import SECRETS

NAMED = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMED:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@asynccontextmanager
async def _server(received: list[str]) -> AsyncIterator[str]:
    """Answer every request as an API server without objects; yield the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = b'{"items": [], "metadata": {"resourceVersion": "1"}}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _configured(server: str) -> KubernetesApi:
    return KubernetesApi(Configuration(host=server, api_key={"BearerToken": "Bearer secret"}))


async def test_a_netrc_entry_for_the_api_server_takes_no_part_in_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    received: list[str] = []
    async with _server(received) as address, _configured(f"http://{address}") as api:
        assert (await api.list_all(SECRETS, "shop")).items == ()
    [request] = received
    assert "authorization: bearer secret" in request.lower()
    assert "basic" not in request.lower()


async def test_a_call_goes_through_the_proxy_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[str] = []
    async with _server(received) as address:
        monkeypatch.setenv("HTTP_PROXY", f"http://{address}")
        async with _configured("http://api.example:6443") as api:
            await api.list_all(SECRETS, "shop")
    assert received[0].startswith("GET http://api.example:6443/api/v1/namespaces/shop/secrets?")


async def test_a_proxy_of_the_configuration_comes_before_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: list[str] = []
    async with _server(received) as address:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        configuration = Configuration(host="http://api.example:6443")
        configuration.proxy = f"http://{address}"
        async with KubernetesApi(configuration) as api:
            await api.list_all(SECRETS, "shop")
    assert received[0].startswith("GET http://api.example:6443/")


@pytest.mark.parametrize(
    ("server", "without", "proxy"),
    [
        ("https://10.0.0.1:6443", "", "http://tls.example:3128"),
        ("https://10.0.0.1:6443", "10.0.0.1", None),
        ("https://10.0.0.1:6443", "10.0.0.1:6443", None),
        ("https://10.0.0.1:6443", "10.0.0.1:443", "http://tls.example:3128"),
        ("https://api.cluster.example", ".cluster.example", None),
        ("https://[fd00::1]:6443", "*", None),
        ("http://10.0.0.1", "", None),
    ],
)
def test_the_proxy_of_a_server_is_that_of_its_scheme_unless_the_server_is_excepted(
    monkeypatch: pytest.MonkeyPatch, server: str, without: str, proxy: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://tls.example:3128")
    monkeypatch.setenv("NO_PROXY", without)
    assert proxy_of(server) == proxy
