"""Where credentials may be sent: attackers write addresses into resources, and own what names resolve to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.addresses import AddressRules, CheckedNetwork, HostPattern
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderMisconfigured, ProviderUnavailable
from providers.exchange import Request
from providers.http import HttpClients, HttpOptions
from providers.models import Credential

GET = Request(method="GET", path="/secret", operation="get")
Resolve = Callable[[str], list[str]]


async def call(base: str, *, allowed: tuple[str, ...] = (), hosts: tuple[str, ...] | None = None) -> None:
    """Send a credential to an address that a resource names."""
    http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=allowed, cluster_addresses=("10.96.0.1",)))
    credential = Credential(data={"token": "s3cret-token"}, name="ci-token", hosts=hosts)
    endpoint = Endpoint(http=http, base_url=base, credential=credential, record=lambda _call: None)
    try:
        await endpoint.call(GET)
    finally:
        await http.aclose()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What each name resolves to, one answer after the other; the last one stays."""
    answers: dict[str, list[list[str]]] = {}
    real = asyncio.BaseEventLoop.getaddrinfo

    async def resolve(self: Any, host: Any, port: Any, **options: Any) -> Any:
        if host not in answers:
            return await real(self, host, port, **options)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    return answers


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Count what arrives at a port of this machine."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@pytest.mark.parametrize(
    "base",
    [
        "http://169.254.169.254",
        "http://[fd00:ec2::254]",
        "http://[::ffff:169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://168.63.129.16",
        "http://127.0.0.1:8001",
        "http://127.1:8001",
        "http://0.0.0.0:8001",
        "http://[::1]:8001",
        "http://localhost:8001",
        "http://[fe80::1]",
        "http://2130706433",
        "http://10.96.0.1",
        "https://kubernetes",
        "https://kubernetes.default.svc",
        "https://KUBERNETES.default.svc.cluster.local.",
    ],
)
async def test_to_read_metadata_or_call_the_api_server_with_our_rights(base: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="PILOTAGE_ALLOWED_HOSTS"):
        await call(base)


async def test_to_reach_this_machine_by_a_name_of_ones_own(names: dict[str, list[list[str]]]) -> None:
    async with listener() as (port, heard):
        names["evil.example.com"] = [["127.0.0.1"]]
        for allowed in ((), ("*.example.com",)):
            with pytest.raises(ProviderMisconfigured, match="this machine"):
                await call(f"http://evil.example.com:{port}", allowed=allowed)
        names["evil.example.com"] = [["203.0.113.7", "127.0.0.1"]]
        with pytest.raises(ProviderMisconfigured):
            await call(f"http://evil.example.com:{port}")
    assert heard == []


async def test_to_rebind_a_name_between_the_check_and_the_connection(names: dict[str, list[list[str]]]) -> None:
    async with listener() as (port, heard):
        # The first answer passes the check; an implementation that resolves again connects to the second.
        names["evil.example.com"] = [["192.0.2.1"], ["127.0.0.1"]]
        with pytest.raises(ProviderError) as refused:
            async with asyncio.timeout(8):
                await call(f"http://evil.example.com:{port}")
    assert heard == []
    assert isinstance(refused.value, ProviderUnavailable)


async def test_a_host_that_the_operator_named_is_called_wherever_it_is(names: dict[str, list[list[str]]]) -> None:
    async with listener() as (port, heard):
        names["ci.example.com"] = [["127.0.0.1"]]
        await call(f"http://ci.example.com:{port}", allowed=(f"ci.example.com:{port}",))
        with pytest.raises(ProviderMisconfigured):
            await call(f"http://ci.example.com:{port}", allowed=("ci.example.com:443",))
    assert len(heard) == 1


async def test_to_have_a_secret_sent_to_a_host_that_its_owner_did_not_name() -> None:
    async with listener() as (port, heard):
        allowed = ("127.0.0.1",)
        for hosts in (("ci.example.com",), (), (f"127.0.0.1:{port + 1}",), ("*.0.0.1",), ("not a host/",)):
            with pytest.raises(ProviderMisconfigured, match=r"pilotage\.dev/hosts"):
                await call(f"http://127.0.0.1:{port}", allowed=allowed, hosts=hosts)
        await call(f"http://127.0.0.1:{port}", allowed=allowed, hosts=("ci.example.com", f"127.0.0.1:{port}"))
    assert len(heard) == 1


@pytest.mark.parametrize(
    "entry", ["", "*", "https://x", "a/b", "u@h", "h:", "h:0", "h:99999", "h:x", "a.*.b", "[::1]x"]
)
def test_an_entry_that_can_name_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="`"):
        HostPattern.parse(entry)


@pytest.mark.parametrize(
    ("entry", "host", "port", "wanted"),
    [
        ("API.github.com", "api.github.com", 443, True),
        ("api.github.com.", "api.github.com", 443, True),
        ("api.github.com:8443", "api.github.com", 443, False),
        ("*.example.com", "a.b.example.com", 1, True),
        ("*.example.com", "example.com", 1, False),
        ("*.example.com", "evilexample.com", 1, False),
        ("[::1]:80", "::1", 80, True),
        ("::1", "::1", 80, True),
    ],
)
def test_an_entry_names_a_host_and_perhaps_a_port(entry: str, host: str, port: int, wanted: bool) -> None:
    assert HostPattern.parse(entry).matches(host, port) is wanted


@given(st.ip_addresses())
def test_every_address_is_judged_alike_by_itself_and_by_a_name(address: Any) -> None:
    rules = AddressRules(("named.example.com",))
    refused = False
    try:
        rules.check_address("other.example.com", 443, str(address))
    except ProviderMisconfigured:
        refused = True
    assert refused or not (address.is_loopback or address.is_link_local or address.is_unspecified)
    rules.check_address("named.example.com", 443, str(address))


async def test_addresses_that_do_not_answer_share_the_time_of_one_connection(
    names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def unanswered(self: Any, host: str, port: int, timeout: float, *_others: Any) -> Any:  # noqa: ASYNC109
        waited.append(timeout)
        await asyncio.sleep(timeout)
        raise httpcore.ConnectTimeout

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", unanswered)
    names["many.example.com"] = [[f"192.0.2.{last}" for last in range(1, 5)]]
    with pytest.raises(httpcore.ConnectTimeout):
        await CheckedNetwork(AddressRules()).connect_tcp("many.example.com", 443, timeout=0.2)
    assert len(waited) == 4
    assert waited == pytest.approx([0.05] * 4, rel=0.5)


async def test_the_look_for_a_name_takes_no_longer_than_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unanswered(self: Any, host: Any, port: Any, **options: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", unanswered)
    async with asyncio.timeout(5):
        with pytest.raises(httpcore.ConnectTimeout):
            await CheckedNetwork(AddressRules()).connect_tcp("slow.example.com", 443, timeout=0.05)
