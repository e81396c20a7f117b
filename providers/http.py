"""The one sanctioned HTTP client: bounded in time, size and number, without retries, cookies or foreign redirects."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar, cast

import httpx

from providers.admission import Admission
from providers.bodies import ACCEPTED_CODING
from providers.errors import ProviderMisconfigured
from providers.tracing import Trace, untraced

_CONNECT_TIMEOUT_SECONDS = 5.0
_HIGHEST_PORT = 65_535
# Longer than the longest pause between two polls, so that a poll costs no handshake; hosts close earlier if they wish.
_KEPT_ALIVE_SECONDS = 150.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """Hold what an operator may choose about calls to other systems."""

    allow_http: bool = False
    """Whether `http://` addresses are called at all; False because credentials would travel in the clear."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names that may be called, `*.example.com` for all below one; empty = any."""
    trust_env: bool = False
    """Whether proxies and CA files named in the environment are used."""
    timeout: timedelta = timedelta(seconds=25)
    """Bound of one whole round trip, body included; below every activity's start-to-close timeout."""
    in_flight_limit: int = 16
    """Calls at a time per (host, credential); further ones wait in turn. GitHub's secondary limit is 100 per user."""
    waiting_per_place: int = 2
    """Calls that wait per place at most, since a waiting one holds an activity slot; then ProviderBusy."""
    patience: timedelta = timedelta(seconds=5)
    """How long a call waits for its place; then ProviderBusy."""
    stream_limit: int = 256
    """Open streams at a time per (host, credential)."""
    user_agent: str = "pilotage"
    transport: httpx.AsyncBaseTransport | None = None
    """Replaces the network, in tests."""
    trace: Trace = untraced
    """Opens the span of each round trip."""


class HttpClients:
    """Share connections, bounds and what was learned about hosts among all adapters of one process and event loop."""

    def __init__(self, options: HttpOptions | None = None) -> None:
        self.options = options or HttpOptions()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._admissions: dict[tuple[str, ...], Admission] = {}
        self._memory: dict[tuple[object, ...], object] = {}

    def client(self, ca_pem: str | None) -> httpx.AsyncClient:
        """Return the client that trusts this CA beside the usual ones. Raises ProviderMisconfigured for a bad CA."""
        key = hashlib.sha256((ca_pem or "").encode()).hexdigest()
        if key not in self._clients:
            self._clients[key] = self._make_client(ca_pem)
        return self._clients[key]

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
            )
        return found

    def memory(self, kind: type[T], *key: str) -> T:
        """Return what this process keeps under a key, such as a token cache; made by `kind()` at first."""
        return cast(T, self._memory.setdefault((kind, *key), kind()))

    def address(self, base_url: str) -> httpx.URL:
        """Check a base address against the operator's rules. Raises ProviderMisconfigured."""
        try:
            url = httpx.URL(base_url.strip())
        except httpx.InvalidURL:
            raise ProviderMisconfigured("the address in the spec is not a URL: fix it") from None
        if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > _HIGHEST_PORT:
            raise ProviderMisconfigured("the address in the spec is not an http(s) URL: fix it")
        if url.userinfo or url.query or url.fragment:
            text = "the address in the spec holds a user, password, query or fragment: remove it from there"
            raise ProviderMisconfigured(f"{text}; a credential belongs into the Secret")
        if url.scheme == "http" and not self.options.allow_http:
            text = f"http:// to {url.host} is not allowed: use https:// in the spec's address"
            raise ProviderMisconfigured(f"{text}, or set PILOTAGE_ALLOW_HTTP for Pilotage's workers")
        if not self._is_allowed(url.host):
            text = f"host {url.host} is not allowed: fix the spec's address"
            raise ProviderMisconfigured(f"{text}, or add the host to PILOTAGE_ALLOWED_HOSTS of Pilotage's workers")
        return url

    async def aclose(self) -> None:
        """Close all connections; the object may be used again."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    def _is_allowed(self, host: str) -> bool:
        if not self.options.allowed_hosts:
            return True
        name = host.lower()
        for allowed in (entry.strip().lower() for entry in self.options.allowed_hosts):
            if name == allowed or (allowed.startswith("*.") and name.endswith(allowed[1:])):
                return True
        return False

    def _make_client(self, ca_pem: str | None) -> httpx.AsyncClient:
        # Clients are shared between credentials, so a session cookie of one must never reach another.
        no_cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        return httpx.AsyncClient(
            verify=self._trust(ca_pem),
            transport=self.options.transport,
            timeout=httpx.Timeout(self.options.timeout.total_seconds(), connect=_CONNECT_TIMEOUT_SECONDS),
            # In-flight slots bound the calls; a second bound here would only hide who waits.
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=100, keepalive_expiry=_KEPT_ALIVE_SECONDS
            ),
            follow_redirects=False,
            trust_env=self.options.trust_env,
            cookies=no_cookies,
            headers={"User-Agent": self.options.user_agent, "Accept-Encoding": ACCEPTED_CODING},
        )

    def _trust(self, ca_pem: str | None) -> ssl.SSLContext | bool:
        if self.options.transport is not None:
            return True
        context = httpx.create_ssl_context(trust_env=self.options.trust_env)
        if ca_pem:
            try:
                context.load_verify_locations(cadata=ca_pem)
            except (ssl.SSLError, ValueError):
                text = "key `ca.crt` of the Secret that `caSecretRef` names holds no certificate in PEM: fix it"
                raise ProviderMisconfigured(text) from None
        return context
