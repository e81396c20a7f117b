"""Where credentials may be sent: attackers write addresses into resources, and own what names resolve to."""

import asyncio
import ipaddress
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiForbidden, ApiResource, ApiUnavailable, Document, Page
from deploy.local.environment.kubernetes_server import KubernetesAccess
from providers.addresses import AddressRules, CheckedNetwork, HostPattern
from providers.callers import calling_for
from providers.endpoint import Endpoint
from providers.errors import ProviderError, ProviderMisconfigured, ProviderUnavailable
from providers.host_names import address_of
from providers.http import HttpClients, HttpOptions
from providers.messages import Request
from providers.models import Credential
from worker.opening.server_endpoints import ENDPOINT_SLICES, find_endpoints, follow_endpoints

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
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, **options: Any) -> Any:
        if host not in answers:
            return real(host, port, **options)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return answers


@asynccontextmanager
async def listener() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Count what arrives at a port of this machine."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], received


@pytest.mark.parametrize(
    "base",
    [
        "http://169.254.169.254",
        "http://[fd00:ec2::254]",
        "http://[::ffff:169.254.169.254]",
        "http://[fd00:ec2::23]",
        "http://[fd20:ce::254]",
        "http://192.0.0.192",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[64:ff9b:1::a9fe:a9fe]",
        "http://[::169.254.169.254]",
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
        "https://kubernetes.default.svc.corp.internal",
        "http://[2001:0:a9fe:a9fe::5601:5601]",
    ],
)
async def test_to_read_metadata_or_call_the_api_server_with_our_rights(base: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="PILOTAGE_ALLOWED_HOSTS"):
        await call(base)


async def test_to_reach_this_machine_by_a_name_of_ones_own(names: dict[str, list[list[str]]]) -> None:
    async with listener() as (port, received):
        names["evil.example.com"] = [["127.0.0.1"]]
        for allowed in ((), ("*.example.com",)):
            with pytest.raises(ProviderMisconfigured, match="this machine"):
                await call(f"http://evil.example.com:{port}", allowed=allowed)
        names["evil.example.com"] = [["203.0.113.7", "127.0.0.1"]]
        with pytest.raises(ProviderMisconfigured):
            await call(f"http://evil.example.com:{port}")
    assert received == []


async def test_to_rebind_a_name_between_the_check_and_the_connection(names: dict[str, list[list[str]]]) -> None:
    async with listener() as (port, received):
        # The first answer passes the check; an implementation that resolves again connects to the second.
        names["evil.example.com"] = [["192.0.2.1"], ["127.0.0.1"]]
        with pytest.raises(ProviderError) as refused:
            async with asyncio.timeout(8):
                await call(f"http://evil.example.com:{port}")
    assert received == []
    assert isinstance(refused.value, ProviderUnavailable)


async def test_a_host_that_the_operator_named_is_called_wherever_it_is(names: dict[str, list[list[str]]]) -> None:
    async with listener() as (port, received):
        names["ci.example.com"] = [["127.0.0.1"]]
        await call(f"http://ci.example.com:{port}", allowed=(f"ci.example.com:{port}",))
        with pytest.raises(ProviderMisconfigured):
            await call(f"http://ci.example.com:{port}", allowed=("ci.example.com:443",))
    assert len(received) == 1


async def test_to_have_a_secret_sent_to_a_host_that_its_owner_did_not_name() -> None:
    async with listener() as (port, received):
        allowed = ("127.0.0.1",)
        for hosts in (("ci.example.com",), (), (f"127.0.0.1:{port + 1}",), ("*.0.0.1",), ("not a host/",)):
            with pytest.raises(ProviderMisconfigured, match=r"pilotage\.dev/hosts"):
                await call(f"http://127.0.0.1:{port}", allowed=allowed, hosts=hosts)
        await call(f"http://127.0.0.1:{port}", allowed=allowed, hosts=("ci.example.com", f"127.0.0.1:{port}"))
    assert len(received) == 1


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "",
            "*",
            "*.",
            "*..",
            ".",
            "..",
            "https://x",
            "a/b",
            "u@h",
            "h:",
            "h:0",
            "h:99999",
            "h:x",
            "h:４４３",
            "a.*.b",
        ),
        *("[::1]x", "[ci.example.com]:443", "[127.0.0.1]", "*.0.0.1", "*.1", "*.::1", "ⓖithub.com"),
    ],
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
        ("[0:0::1]:80", "::1", 80, True),
        ("[2001:DB8::00a]", "2001:db8:0:0::a", 443, True),
        ("10.0.0.1", "::ffff:10.0.0.1", 443, True),
        ("[::ffff:a00:1]:443", "10.0.0.1", 443, True),
        ("127.0.0.1", "127.1", 443, True),
        ("127.0.0.1", "2130706433", 443, True),
        ("127.0.0.1", "0x7f.0.0.1", 443, True),
        ("127.0.0.1", "0177.0.0.1", 443, True),
        ("177.0.0.1", "0177.0.0.1", 443, False),
        ("fe80::1", "fe80::1%25eth0", 443, True),
        ("*.example.com.", "A.Example.COM.", 443, True),
        ("bücher.example", "xn--bcher-kva.example", 443, True),
        ("xn--BCHER-kva.example", "BÜCHER.example", 443, True),
        ("*.bücher.example", "a.xn--bcher-kva.example", 443, True),
        ("*.bücher.example", "xn--bcher-kva.example", 443, False),
        ("bücher.example", "bucher.example", 443, False),
        ("api.github.com", "api。github。com", 443, True),
        ("*.example.com", "127.0.0.1", 443, False),
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


def _written(address: ipaddress.IPv4Address) -> list[str]:
    """Write an address in the ways that the C library and IPv6 know."""
    number, parts = int(address), str(address).split(".")
    return [
        str(address),
        f"{address}.",
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(f"0{int(part):o}" for part in parts),
        ".".join(hex(int(part)).upper() for part in parts),
        f"{parts[0]}.{number & 0xFF_FFFF}",
        f"::ffff:{address}",
        f"[::FFFF:{address}]",
        ipaddress.IPv6Address(0xFFFF_0000_0000 | number).exploded,
    ]


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.data())
def test_every_way_to_write_an_address_is_the_same_host_and_no_other_one(address: Any, other: Any, data: Any) -> None:
    entry, host = (data.draw(st.sampled_from(_written(address))) for _ in range(2))
    pattern = HostPattern.parse(f"[{entry.strip('[]')}]" if ":" in entry else entry)
    assert pattern.matches(host, 443)
    assert pattern.matches(data.draw(st.sampled_from(_written(other))), 443) is (address == other)
    below = HostPattern.parse("*.example.com")
    assert not below.matches(host, 443)


@given(st.ip_addresses(v=6))
def test_every_way_to_write_an_address_of_ipv6_is_the_same_host(address: Any) -> None:
    for entry in (str(address), address.exploded, f"[{address.exploded.upper()}]", f"{address}%eth0"):
        for host in (str(address), address.exploded, address.exploded.upper(), f"{address}%25eth0"):
            assert HostPattern.parse(entry).matches(host, 443)


_LABEL = st.text(st.characters(categories=["Ll", "Lu", "Nd"], max_codepoint=0x24F), min_size=1, max_size=12)


@given(st.lists(_LABEL, min_size=2, max_size=4).map(".".join))
def test_a_name_is_the_same_host_in_each_of_its_forms(name: str) -> None:
    try:
        pattern = HostPattern.parse(name)
    except ValueError:
        return
    below = HostPattern.parse(f"*.{name}") if address_of(name) is None else pattern
    for host in (name, f"{name}.", name.upper() if name.isascii() else name, pattern.host):
        assert pattern.matches(host, 443)
        assert not HostPattern.parse("other.example").matches(host, 443)
        if address_of(name) is None:
            assert below.matches(f"ci.{host}", 443)
            assert not below.matches(host, 443)


@given(st.text(max_size=80))
def test_no_text_in_an_entry_or_an_address_does_harm(text: str) -> None:
    http = HttpClients(HttpOptions(allow_http=True))
    with suppress(ValueError):
        assert HostPattern.parse(text).matches(text, 443) in (True, False)
    for address in (f"https://{text}", f"https://xn--{text}/", text):
        with suppress(ProviderMisconfigured):
            assert http.address(address).scheme in ("http", "https")


async def test_to_call_the_api_server_at_an_address_behind_its_service(kubernetes_api: KubernetesAccess) -> None:
    """What the real API server advertises, and a slice of its Service as a control plane of several servers has it."""
    labels = {"kubernetes.io/service-name": "kubernetes"}
    behind: Document = {
        "metadata": {"name": "second-server", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.20.30.40"]}],
        "ports": [{"name": "https", "port": 6443}],
    }
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as kubernetes:
        advertised = await kubernetes.advertised()
        await kubernetes.create(ENDPOINT_SLICES, "default", behind)
        found = await find_endpoints(kubernetes)
        await kubernetes.delete(ENDPOINT_SLICES, "default", "second-server")
    assert ("10.20.30.40", 6443) in found
    port = httpx.URL(kubernetes_api.url).port
    assert advertised
    assert {one_port for _, one_port in found} == {6443, port}
    rules = AddressRules()
    rules.keep_from(found)
    with pytest.raises(ProviderMisconfigured, match="API server"):
        rules.check_address("argo.evil.example", 6443, "10.20.30.40")


class Cluster:
    """Answer what is known of the API server; each outage takes one read."""

    def __init__(self, *, outages: int = 0, hidden: bool = False) -> None:
        self.outages, self.hidden, self.reads = outages, hidden, 0

    async def advertised(self) -> tuple[str, ...]:
        self.reads += 1
        if self.reads <= self.outages:
            raise ApiUnavailable("away")
        if self.hidden:
            raise ApiForbidden("no")
        return ("10.0.0.1:6443",)

    async def list_page(self, _resource: ApiResource, _namespace: str, *, label_selector: str) -> Page:
        assert label_selector
        slice_ = {"endpoints": [{"addresses": ["10.0.0.2"]}], "ports": [{"port": 6443}]}
        return Page(items=(slice_,), resource_version="1")


async def followed(cluster: Cluster) -> AddressRules:
    """Return the rules as soon as the addresses of the API server are known."""
    rules, known = AddressRules(), asyncio.Event()
    following = asyncio.create_task(follow_endpoints(cast(KubernetesApi, cluster), cast(HttpClients, rules), known))
    async with asyncio.timeout(20):
        await known.wait()
    following.cancel()
    return rules


async def test_to_call_the_api_server_soon_after_an_outage_of_it() -> None:
    """Five minutes until the next look would be five minutes in which its addresses are like any others."""
    rules = await followed(Cluster(outages=2))
    for address in ("10.0.0.1", "10.0.0.2"):
        with pytest.raises(ProviderMisconfigured, match="API server"):
            rules.check_address("argo.evil.example", 6443, address)


async def test_to_call_the_api_server_behind_its_service_where_discovery_is_refused() -> None:
    rules = await followed(Cluster(hidden=True))
    with pytest.raises(ProviderMisconfigured, match="API server"):
        rules.check_address("argo.evil.example", 6443, "10.0.0.2")


def test_an_endpoint_of_the_api_server_is_called_only_where_it_is_named() -> None:
    rules = AddressRules(("argocd.example.com", "10.1.2.3:6443"))
    rules.keep_from([("10.1.2.3", 6443), ("fd00::10", 6443), ("", 443), ("no address", 1)])
    for host, port, address in (
        ("argo.evil.example", 6443, "10.1.2.3"),
        ("argo.evil.example", 6443, "::ffff:10.1.2.3"),
        ("argo.evil.example", 6443, "fd00:0::10"),
    ):
        with pytest.raises(ProviderMisconfigured, match="API server"):
            rules.check_address(host, port, address)
    # The same machine may serve something else, and an operator may mean it.
    rules.check_address("argo.evil.example", 443, "10.1.2.3")
    rules.check_address("argocd.example.com", 6443, "10.1.2.3")
    rules.check_address("10.1.2.3", 6443, "10.1.2.3")
    rules.keep_from([])
    rules.check_address("argo.evil.example", 6443, "10.1.2.3")


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


@pytest.fixture
def unanswered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names whose look-ups end with the test; all others resolve to this machine."""
    never, asked = threading.Event(), list[str]()

    def look_up(host: str, port: int, **_options: Any) -> Any:
        asked.append(host)
        if host.endswith(".dead.example"):
            never.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    never.set()


async def test_the_look_for_a_name_takes_no_longer_than_a_connection(unanswered: list[str]) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(httpcore.ConnectTimeout):
            await CheckedNetwork(AddressRules()).connect_tcp("one.dead.example", 443, timeout=0.05)
    assert unanswered == ["one.dead.example"]


async def test_to_keep_others_from_looking_up_names_by_names_that_never_resolve(unanswered: list[str]) -> None:
    network = CheckedNetwork(AddressRules(("shop.example.com",)))
    with calling_for("attacker/web"):
        dead = [asyncio.create_task(network.connect_tcp(f"n{number}.dead.example", 443)) for number in range(500)]
    await asyncio.sleep(0)
    async with listener() as (port, _):
        with calling_for("shop/web"):
            stream = await asyncio.wait_for(network.connect_tcp("shop.example.com", port), 30)
        await stream.aclose()
    assert "shop.example.com" in unanswered
    assert len(unanswered) < 32
    for task in dead:
        task.cancel()
    await asyncio.gather(*dead, return_exceptions=True)


@pytest.mark.parametrize("host", ["[fd00::7]:8443", "ci.example.com:8443"])
async def test_a_refusal_names_the_entry_that_would_allow_the_host(host: str) -> None:
    with pytest.raises(ProviderMisconfigured, match=re.escape(f"add `{host}` to its annotation")):
        await call(f"http://{host}", hosts=("other.example.com",))
    with pytest.raises(ProviderMisconfigured, match=re.escape(f"host {host} is not allowed")):
        await call(f"http://{host}", allowed=("other.example.com",))
