"""Where calls may go: hosts that are named, and no address that only insiders can reach unless it is named.

A tenant writes addresses into resources, and our process runs inside the cluster: without a bound it would fetch
metadata of the cloud or call the API server for anybody. A name is no proof either, since its owner decides what it
resolves to, and may decide otherwise for the next look-up; so the address that is connected to is the one checked.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import httpcore
import httpx

from providers.errors import ProviderMisconfigured
from providers.host_names import Address, address_of, canonical
from providers.threads import Threads

DEFAULT_PORTS = {"http": 80, "https": 443}
# Whatever the cluster calls its domain: `kubernetes.default.svc.cluster.local`.
_CLUSTER_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
_METADATA = tuple(
    ipaddress.ip_network(text)
    # Azure, Alibaba Cloud, Oracle's first, AWS over IPv6 (pods' credentials too) and Google's; others' are link-local.
    for text in ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::/32", "fd20:ce::254")
)
_EMBEDDING = tuple(
    ipaddress.ip_network(text)
    # NAT64 (RFC 6052), that of a network of one's own (RFC 8215), and the first form of all (RFC 4291, 2.5.5.1).
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")
)

_LOOKING_UP = Threads(32, "names")

Endpoint = tuple[str, int]
"""An address and a port."""


@dataclass(frozen=True, kw_only=True)
class HostPattern:
    """One entry of a list of hosts: `api.github.com`, `*.example.com`, either with `:8443`, or `[::1]:8080`."""

    host: str
    """Name or address as `canonical` returns it; `*.` in front stands for all hosts below one."""
    port: int | None = None
    """None = any."""

    @classmethod
    def parse(cls, text: str) -> "HostPattern":
        """Read one entry. Raises ValueError that names what is wrong with it."""
        entry = text.strip().lower()
        if "://" in entry or "/" in entry or "@" in entry:
            raise ValueError(f"`{text[:80]}`: write a host without scheme, path and user, such as api.github.com:443")
        host, port = entry, ""
        if entry.startswith("["):
            host, _, rest = entry[1:].partition("]")
            port = rest.removeprefix(":")
            if (rest and not rest.startswith(":")) or ":" not in host or address_of(host) is None:
                raise ValueError(f"`{text[:80]}`: an IPv6 address stands in brackets, and only a port may follow it")
        elif entry.count(":") == 1:
            host, _, port = entry.partition(":")
        if not host.strip(".") or host.startswith("*..") or "*" in host.removeprefix("*.") or host == "*.":
            raise ValueError(f"`{text[:80]}`: `*.` may stand in front of a domain, and `*` nowhere else")
        if (":" in entry and entry.count(":") == 1 and not port) or (port and not port.isascii()):
            raise ValueError(f"`{text[:80]}`: a number must follow the colon")
        if port and (not port.isdigit() or not 1 <= int(port[:6]) <= 65_535):
            raise ValueError(f"`{text[:80]}`: the port must be a number from 1 to 65535")
        return cls(host=_named_host(host, text), port=int(port) if port else None)

    def matches(self, host: str, port: int) -> bool:
        """Return whether a call to this host and port is meant, in whatever way the host is written."""
        name = canonical(host)
        # An address is below no domain, though its text may end like one.
        below = not self.names_one and name.endswith(self.host[1:]) and address_of(name) is None
        return (below or name == self.host) and self.port in (None, port)

    @property
    def names_one(self) -> bool:
        """Whether it names one host rather than all below a domain."""
        return not self.host.startswith("*.")


def _named_host(host: str, text: str) -> str:
    """Return the host of an entry in its one form. Raises ValueError where no call could be meant."""
    domain = canonical(host.removeprefix("*."))
    if not domain.isascii() or not domain:
        raise ValueError(f"`{text[:80]}`: it is no name that can be looked up")
    if not host.startswith("*."):
        return domain
    if address_of(domain) is not None:
        raise ValueError(f"`{text[:80]}`: nothing is below an address")
    return f"*.{domain}"


def entry_of(host: str, port: int) -> str:
    """Return the entry of a list of hosts that names one host at one port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_of(url: httpx.URL) -> str:
    """Return the host that a call to this URL looks up, in ASCII.

    `url.host` decodes it, and raises for what is no international name.
    """
    return url.raw_host.decode("ascii", errors="replace")


def port_of(url: httpx.URL) -> int:
    """Return the port that a call to this URL connects to."""
    return url.port or DEFAULT_PORTS.get(url.scheme, 0)


class AddressRules:
    """Decide which hosts and addresses may be called. Raises ProviderMisconfigured for all others."""

    def __init__(self, allowed_hosts: Iterable[str] = (), *, cluster_addresses: Iterable[str] = ()) -> None:
        self._allowed = tuple(HostPattern.parse(entry) for entry in allowed_hosts)
        self._cluster = frozenset(found for text in cluster_addresses if (found := address_of(text)) is not None)
        self._endpoints: frozenset[tuple[Address, int]] = frozenset()

    def keep_from(self, endpoints: Iterable[Endpoint]) -> None:
        """Take where the API server of this cluster listens, in place of what was known before.

        With their ports: the same machine may serve a CI system at another one.
        """
        self._endpoints = frozenset(
            (found, port) for text, port in endpoints if (found := address_of(text)) is not None
        )

    def check_host(self, host: str, port: int) -> None:
        """Check a name before it is resolved."""
        if self._allowed and not any(pattern.matches(host, port) for pattern in self._allowed):
            text = f"host {entry_of(host, port)} is not allowed: fix the spec's address"
            raise ProviderMisconfigured(f"{text}, or add it to PILOTAGE_ALLOWED_HOSTS of Pilotage's workers")
        name = canonical(host)
        is_cluster = name in _CLUSTER_NAMES or name.startswith(f"{_CLUSTER_NAMES[-1]}.")
        if is_cluster and not self._is_named(host, port):
            raise _refused(host, port, "is the API server of this cluster")

    def check_address(self, host: str, port: int, address: str) -> None:
        """Check what a name resolved to."""
        text = address.partition("%")[0]
        found = _unwrapped(ipaddress.ip_address(text))
        reason = self._reserved(found, port)
        if reason and not self._is_named(host, port):
            raise _refused(host, port, f"is at {found}, {reason}")

    def _reserved(self, address: Address, port: int) -> str:
        if address in self._cluster or (address, port) in self._endpoints:
            return "the API server of this cluster"
        if any(address in network for network in _METADATA):
            return "which serves metadata of the cloud"
        if address.is_loopback or address.is_unspecified:
            return "which is this machine itself"
        if address.is_link_local:
            return "a link-local address"
        if address.is_multicast or (address.is_reserved and address.version == 4):
            return "which is no address of a host"
        return ""

    def _is_named(self, host: str, port: int) -> bool:
        return any(pattern.names_one and pattern.matches(host, port) for pattern in self._allowed)


def _refused(host: str, port: int, why: str) -> ProviderMisconfigured:
    text = f"host {host} {why}, and is called only where it is named: fix the spec's address"
    entry = entry_of(host, port)
    return ProviderMisconfigured(f"{text}, or add `{entry}` to PILOTAGE_ALLOWED_HOSTS of Pilotage's workers")


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one leads to, as mapped, 6to4, NAT64 and Teredo addresses do."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address.teredo is not None:
            return address.teredo[1]
        if any(address in network for network in _EMBEDDING) and int(address) > 1:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Resolve, check and connect: the address that was checked is the one that is connected to."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises ProviderMisconfigured where one of them is refused.

        The look-up has `timeout`, and the addresses share another one, so that dead ones leave time to others.
        """
        options = list(socket_options or ())
        addresses = await self._resolve(host, port, timeout)
        for address in addresses:
            self._rules.check_address(host, port, address)
        begun = time.monotonic()
        share = timeout
        for index, address in enumerate(addresses):
            if timeout is not None:
                left = max(begun + timeout - time.monotonic(), 0.0)
                share = left / (len(addresses) - index)
            try:
                return await self._network.connect_tcp(address, port, share, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if index == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 -- the signature is the library's
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no address of a resource is a file of ours."""
        raise httpcore.ConnectError("sockets in the file system are not called")

    async def sleep(self, seconds: float) -> None:
        """Pause."""
        await self._network.sleep(seconds)

    async def _resolve(self, host: str, port: int, limit_seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(limit_seconds):
                found = await _LOOKING_UP.run(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _proxy(proxy: httpx.Proxy | None) -> httpcore.Proxy | None:
    if proxy is None:
        return None
    return httpcore.Proxy(url=str(proxy.url), auth=proxy.raw_auth, headers=proxy.headers.raw)


class CheckedTransport(httpx.AsyncHTTPTransport):
    """HTTPX's own transport, over connections of a CheckedNetwork."""

    def __init__(
        self,
        rules: AddressRules,
        *,
        verify: ssl.SSLContext,
        limits: httpx.Limits,
        proxy: httpx.Proxy | None = None,
    ) -> None:
        super().__init__(verify=verify, limits=limits)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=CheckedNetwork(rules),
            # A proxy is what is connected to, and looks names up itself: of a host behind it only the name is checked.
            proxy=_proxy(proxy),
        )
