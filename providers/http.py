"""The one sanctioned HTTP client: bounded in time, size and number, without retries, cookies or foreign redirects."""

import hashlib
import importlib.util
import json
import ssl
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, TypeVar, cast

import httpcore
import httpx

from providers.addresses import AddressRules, CheckedTransport, Endpoint, host_of, port_of
from providers.answer_room import AnswerRoom
from providers.bodies import ACCEPTED_CODING
from providers.call_admission import Admission
from providers.credentials import fingerprint
from providers.errors import ProviderMisconfigured
from providers.learned import Learned
from providers.models import Credential, Proxy, Route
from providers.shares import Shares
from providers.tracing import Trace, untraced
from providers.trust import trusting

_CONNECT_TIMEOUT_SECONDS = 5.0
_HIGHEST_PORT = 65_535
_CLIENTS_KEPT = 32
"""One per CA; each holds a trust store of about 1 MB and its open connections."""
# Longer than the longest pause between two polls, so that a poll costs no handshake; hosts close earlier if they wish.
KEPT_ALIVE_SECONDS = 150.0

if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it several times in each call, to learn that this is asyncio: a search of the whole path
    # for what is not there, and a twentieth of a worker's processor time. This makes the answer immediate.
    cast(Any, sys.modules)["sniffio"] = None

# What is read at once is parsed in one go, and so are all headers of an answer: of the library's own bounds, 64 and
# 100 KiB, a host makes 200 ms. GitHub's headers are 5 KiB.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 16 * 1024
httpcore.AsyncHTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE = 32 * 1024

T = TypeVar("T")


def _unnoted(_status: int) -> None:
    """Forget the status."""


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """Hold what an operator may choose about calls to other systems."""

    allow_http: bool = False
    """Whether `http://` addresses are called at all; False because credentials would travel in the clear."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that may be called, such as `api.github.com`, `*.example.com` or `git.example.com:8443`; empty = any but
    this machine, link-local and metadata addresses and the cluster's API server, which must be named."""
    cluster_addresses: tuple[str, ...] = ()
    """IP addresses of the cluster's own API server."""
    authorities: str = ""
    """Certificate authorities in PEM, trusted in addition to the public ones."""
    timeout: timedelta = timedelta(seconds=25)
    """Bound of one whole round trip, body included; below every activity's start-to-close timeout."""
    slow_timeout: timedelta = timedelta(seconds=45)
    """The same for hosts that delay answers, by up to 30 s, rather than refuse calls: Azure DevOps."""
    settled_within: timedelta = timedelta(seconds=12)
    """How long one call awaits what a host does in the background after its answer, such as a merge."""
    in_flight_limit: int = 16
    """Calls at a time per (host, credential); further ones wait in turn. GitHub's secondary limit is 100 per user."""
    waiting_per_place: int = 2
    """Calls that wait per place at most, since a waiting one holds an activity slot; then ProviderBusy."""
    patience: timedelta = timedelta(seconds=5)
    """How long a call waits for its place; then ProviderBusy."""
    stream_limit: int = 256
    """Open streams at a time per (host, credential)."""
    calls_in_all: int = 600
    """Calls at a time to all hosts together, those included that wait for their turn; one namespace has a share."""
    streams_in_all: int = 1000
    """Open streams at a time to all hosts together; one namespace has a share."""
    answers_in_all_bytes: int = 64 * 1024 * 1024
    """What all answers together hold that are worked on; one namespace has a share."""
    user_agent: str = "pilotage"
    transport: httpx.AsyncBaseTransport | None = None
    """Replaces the network, in tests."""
    trace: Trace = untraced
    """Opens the span of each round trip."""
    answered: Callable[[int], None] = _unnoted
    """Learns the status of each answer, in the task of the call."""


@dataclass(kw_only=False)
class _Client:
    client: httpx.AsyncClient
    users: int = 0


class HttpClients:
    """Share connections, bounds and what was learned about hosts among all adapters of one process and event loop."""

    def __init__(self, options: HttpOptions | None = None) -> None:
        self.options = options or HttpOptions()
        self._rules = AddressRules(self.options.allowed_hosts, cluster_addresses=self.options.cluster_addresses)
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        self._admissions: dict[tuple[str, ...], Admission] = {}
        self._calls, self._streams = Shares(self.options.calls_in_all), Shares(self.options.streams_in_all)
        self.room = AnswerRoom(self.options.answers_in_all_bytes)
        self._learned = Learned()

    def keep_from(self, endpoints: Iterable[Endpoint]) -> None:
        """Take where the API server of the cluster listens: it is called only where the operator names it."""
        self._rules.keep_from(endpoints)

    @asynccontextmanager
    async def client(self, route: Route) -> AsyncIterator[httpx.AsyncClient]:
        """Lend the client of a route, whose CA it trusts in addition to the usual ones. Raises ProviderMisconfigured.

        Clients that no one uses are closed, the least recently used first, once there are too many.
        """
        key = hashlib.sha256(json.dumps(asdict(route)).encode()).hexdigest()
        if key not in self._clients:
            proxy = self.proxy(route.proxy) if route.proxy is not None else None
            trusted = await self._trust(route)
            # Somebody else may have opened it meanwhile.
            if key not in self._clients:
                self._clients[key] = _Client(self._make_client(trusted, proxy))
        client = self._clients[key]
        self._clients.move_to_end(key)
        client.users += 1
        try:
            yield client.client
        finally:
            client.users -= 1
            await self._close_idle()

    async def _close_idle(self) -> None:
        idle = [key for key, client in self._clients.items() if not client.users]
        surplus = idle[: max(0, len(self._clients) - _CLIENTS_KEPT)]
        for client in [self._clients.pop(key) for key in surplus]:
            await client.client.aclose()

    def admission(self, host: str, credential: str, *, stream: bool = False) -> Admission:
        """Return what admits the calls, or the open streams, of one (host, credential)."""
        key = (host, credential, "stream" if stream else "call")
        found = self._admissions.get(key)
        if found is None:
            # Credentials are renewed: those that are in no use any more are let go.
            self._admissions = {each: one for each, one in self._admissions.items() if not one.idle}
            limit = self.options.stream_limit if stream else self.options.in_flight_limit
            found = self._admissions[key] = Admission(
                host=host,
                limit=limit,
                waiting_limit=limit * self.options.waiting_per_place,
                patience=self.options.patience,
                everywhere=self._streams if stream else self._calls,
            )
        return found

    def memory(self, kind: type[T], credential: Credential, *key: str) -> T:
        """Return what this process keeps under a key, such as a token cache; made by `kind()` at first.

        It counts for one credential and its route: who names a proxy, or whom to trust, may forge all that a host
        answers, and must be believed by no one else.
        """
        return self._learned.get(kind, (kind, fingerprint(credential), *key))

    def address(self, base_url: str) -> httpx.URL:
        """Check a base address against the operator's rules. Raises ProviderMisconfigured."""
        try:
            url = httpx.URL(base_url.strip())
        except httpx.InvalidURL:
            raise ProviderMisconfigured("the address in the spec is not a URL: fix it") from None
        if url.scheme not in ("http", "https") or not url.raw_host or (url.port or 0) > _HIGHEST_PORT:
            raise ProviderMisconfigured("the address in the spec is not an http(s) URL: fix it")
        if url.userinfo or url.query or url.fragment:
            text = "the address in the spec holds a user, password, query or fragment: remove it from there"
            raise ProviderMisconfigured(f"{text}; a credential belongs into the Secret")
        if url.scheme == "http" and not self.options.allow_http:
            text = f"http:// to {host_of(url)} is not allowed: use https:// in the spec's address"
            raise ProviderMisconfigured(f"{text}, or set PILOTAGE_ALLOW_HTTP for Pilotage's workers")
        self._rules.check_host(host_of(url), port_of(url))
        return url

    async def aclose(self) -> None:
        """Close all connections; the object may be used again."""
        clients, self._clients = list(self._clients.values()), OrderedDict()
        for client in clients:
            await client.client.aclose()

    def proxy(self, proxy: Proxy) -> httpx.Proxy:
        """Check a proxy as any other host that is connected to. Raises ProviderMisconfigured."""
        what = "key `address` of the Secret that `proxySecretRef` names"
        try:
            url = httpx.URL(proxy.address.strip())
        except httpx.InvalidURL:
            raise ProviderMisconfigured(f"{what} is not a URL: fix it") from None
        if url.scheme not in ("http", "https") or not url.raw_host:
            raise ProviderMisconfigured(f"{what} is not the http(s) URL of a proxy: fix it")
        self._rules.check_host(host_of(url), port_of(url))
        return httpx.Proxy(url, auth=(proxy.username, proxy.password) if proxy.username else None)

    def _make_client(self, trusted: ssl.SSLContext, proxy: httpx.Proxy | None) -> httpx.AsyncClient:
        # Clients are shared between credentials, so a session cookie of one must never reach another.
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        # In-flight places bound the calls; a second bound here would only hide who waits.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=KEPT_ALIVE_SECONDS)
        transport = self.options.transport
        if transport is None:
            transport = CheckedTransport(self._rules, verify=trusted, limits=limits, proxy=proxy)
        return httpx.AsyncClient(
            verify=trusted,
            transport=transport,
            timeout=httpx.Timeout(self.options.timeout.total_seconds(), connect=_CONNECT_TIMEOUT_SECONDS),
            limits=limits,
            follow_redirects=False,
            # A proxy named in the environment resolves names itself, where no address can be checked.
            trust_env=False,
            cookies=no_cookies,
            headers={"User-Agent": self.options.user_agent, "Accept-Encoding": ACCEPTED_CODING},
        )

    async def _trust(self, route: Route) -> ssl.SSLContext:
        return await trusting(route, self.options.authorities)
