"""One system at one address with one credential: sends, records each round trip, raises outcome errors only."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack

import httpx

from providers.addresses import host_of, port_of
from providers.answer_room import NoRoom
from providers.bodies import read_body, read_lines
from providers.call_budgets import budget_of
from providers.credentials import check_destination, check_proxy, fingerprint
from providers.decoding import decoded, decoded_in_steps, is_crowded
from providers.error_mapping import asked_wait, is_limit, moved, refusal
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.host_names import canonical
from providers.http import HttpClients
from providers.messages import Reply, Request, TooMuch
from providers.metrics import Call, Recorder
from providers.models import Credential
from providers.reading import AT_ONCE_BYTES
from providers.redaction import redacted_line, variants

_REDIRECT_LIMIT = 3
# Parts of a Secret that are names rather than secrets, and needed in messages.
_NAMES = frozenset({"username", "appID", "installationID", "clientID", "tenantID", "authority", "ca.crt"})
# Headers of single calls that prove nothing.
_OPEN_HEADERS = frozenset({"accept", "if-none-match"})
# A stream that is silent for so long was probably cut by a proxy; the caller reads again.
_STREAM_SILENCE_SECONDS = 90.0

Authorize = Callable[[], Awaitable[Mapping[str, str]]]
Refine = Callable[[Request, Reply, ProviderError], ProviderError]


class Endpoint:
    """Call one address. `authorize` is asked for headers at each call; `refine` may name a vendor's error better.

    `secrets` are hidden in texts next to those of the credential, such as a Basic header's value. A `slow` system is
    one that delays its answers on purpose, and is given the time for that.
    """

    def __init__(
        self,
        *,
        http: HttpClients,
        base_url: str,
        credential: Credential,
        record: Recorder,
        authorize: Authorize | None = None,
        headers: Mapping[str, str] | None = None,
        refine: Refine | None = None,
        secrets: Iterable[str] = (),
        slow: bool = False,
    ) -> None:
        self._http = http
        self._timeout = http.options.slow_timeout if slow else http.options.timeout
        self._base_url = base_url
        self._credential = credential
        self.credential_id = fingerprint(credential)
        self._record = record
        self._authorize = authorize
        self._headers = dict(headers or {})
        self._refine = refine
        hidden = [value.strip() for key, value in credential.data.items() if key not in _NAMES]
        self._secrets = variants([*hidden, *secrets])

    async def call(self, request: Request) -> Reply:
        """Send once and return a success or an accepted status. Raises ProviderError for all else.

        A limit is no accepted status: who accepts 403 means a missing right, and would take the limit for one.
        """
        url = self._address()
        headers = await self._all_headers(request)
        admission = self._http.admission(canonical(host_of(url)), self.credential_id)
        async with self._http.client(self._credential.route) as client, admission.place():
            reply = await self._follow(client, request, url, headers)
            admission.note_budget(budget_of(reply.headers))
            if reply.ok or (reply.status in request.accepts and not is_limit(reply)):
                return reply
            # While the place is held, so that the call that gets it next is not sent.
            admission.note(asked_wait(reply))
            raise self.error(request, reply)

    async def lines(self, request: Request) -> AsyncGenerator[bytes, None]:
        """Yield the lines of a streamed answer until it ends or falls silent; recorded once, when it opens."""
        url = self._address()
        headers = await self._all_headers(request)
        self._http.admission(canonical(host_of(url)), self.credential_id).refuse_while_quiet()
        streams = self._http.admission(canonical(host_of(url)), self.credential_id, stream=True)
        room = self._http.room.answer()
        async with streams.place(waits=False), AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._http.client(self._credential.route))
            response = await self._open(stack, client, request, url, headers)
            try:
                async for line in read_lines(response, fit=room.fit):
                    yield line
            except ProviderMalformed as error:
                raise self._malformed(request, error, response.status_code) from None
            except NoRoom as full:
                raise self._unread(request, full) from None
            finally:
                room.fit(0)

    def error(self, request: Request, reply: Reply) -> ProviderError:
        """Make the error that an answer means, its text redacted and bounded."""
        what, url = self._name(request), f"{self._base_url.strip().rstrip('/')}{request.path}"
        found: ProviderError = refusal(reply, what, url=url)
        if reply.redirects and not request.reads:
            found = moved(reply, what, url=url)
        if self._refine is not None:
            found = self._refine(request, reply, found)
        # Longest first, as in `variants`: a form that holds another one is hidden as a whole.
        hidden = sorted({*variants(_minted(request)), *self._secrets}, key=len, reverse=True)
        text = redacted_line(str(found), hidden)
        return type(found)(text, status=found.status, retry_after=found.retry_after)

    def redact(self, text: str) -> str:
        """Make a host's text fit to be shown."""
        return redacted_line(text, self._secrets)

    def _address(self) -> httpx.URL:
        """Check where the credential is about to go, by the operator's rules and by those of the Secret."""
        url = self._http.address(self._base_url)
        check_destination(self._credential, host_of(url), port_of(url))
        if self._credential.route.proxy is not None:
            proxy = self._http.proxy(self._credential.route.proxy).url
            check_proxy(self._credential, host_of(proxy), port_of(proxy))
        return url

    def _malformed(self, request: Request, error: ProviderMalformed, code: int) -> ProviderMalformed:
        """Name the call whose answer could not be read; what stands in a header may be shown as well."""
        kind = TooMuch if isinstance(error, TooMuch) else ProviderMalformed
        return kind(self.redact(f"{self._name(request)}: {error}"), status=error.status or code)

    def _unread(self, request: Request, full: NoRoom) -> ProviderError:
        """Name the call whose answer found no room. What a write did is unknown, as after any lost answer."""
        kind = ProviderBusy if request.reads else ProviderUnavailable
        return kind(f"{self._name(request)}: {full}", retry_after=full.retry_after)

    def _name(self, request: Request) -> str:
        return f"`{request.method} {request.path}` at {httpx.URL(self._base_url.strip()).netloc.decode()}"

    async def _all_headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": "application/json", **self._headers}
        if self._authorize is not None:
            headers.update(await self._authorize())
        headers.update(request.headers)
        return headers

    async def _follow(
        self, client: httpx.AsyncClient, request: Request, base: httpx.URL, headers: Mapping[str, str]
    ) -> Reply:
        """Follow redirects of reads on the same origin only, so that credentials stay where they belong."""
        url = _join(base, request.target)
        for _ in range(_REDIRECT_LIMIT):
            reply = await self._send(client, request, url, headers)
            location = reply.headers.get("location")
            followed = request.reads and reply.redirects and reply.status not in request.accepts
            if not followed or not location:
                return reply
            try:
                target = url.join(location)
            except (httpx.InvalidURL, ValueError):
                raise ProviderMalformed(f"{self._name(request)} redirects to no URL", status=reply.status) from None
            if (target.scheme, target.raw_host, target.port) != (url.scheme, url.raw_host, url.port):
                text = self.redact(
                    f"{self._name(request)} redirects to another address, {host_of(target)}; not followed"
                )
                raise ProviderMalformed(text, status=reply.status)
            url = target
        raise ProviderMalformed(f"{self._name(request)} redirects too often")

    async def _send(
        self, client: httpx.AsyncClient, request: Request, url: httpx.URL, headers: Mapping[str, str]
    ) -> Reply:
        """Make one round trip and record it once, however it ends."""
        started, room = time.perf_counter(), self._http.room.answer()
        code = 500
        answered: Mapping[str, str] = {}
        limit = min(request.timeout or self._timeout, self._timeout)
        try:
            with self._http.options.trace(request.method, host_of(url)) as span:
                headers = {**headers, **span.headers}
                async with asyncio.timeout(limit.total_seconds()), AsyncExitStack() as stack:
                    made = _build(client, request, url, headers, self._timeout.total_seconds())
                    response = await client.send(made, stream=True)
                    stack.push_async_callback(response.aclose)
                    answered = {name.lower(): value for name, value in response.headers.items()}
                    code = response.status_code
                    span.answered(code)
                    self._http.options.answered(code)
                    body = await read_body(response, fit=room.fit)
            return Reply(
                status=code,
                headers=answered,
                body=body,
                cookies=_cookies(response),
                decoded=await _decoded(body),
                room=room,
            )
        except ProviderMalformed as error:
            raise self._malformed(request, error, code) from None
        except NoRoom as full:
            room.fit(0)
            raise self._unread(request, full) from None
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
            failure = unanswered(error, self._name(request), self._secrets)
            code = failure.status or code
            raise failure from None
        finally:
            self._record(_call(request, code, started, answered))

    async def _open(
        self,
        stack: AsyncExitStack,
        client: httpx.AsyncClient,
        request: Request,
        base: httpx.URL,
        headers: Mapping[str, str],
    ) -> httpx.Response:
        started = time.perf_counter()
        code = 500
        try:
            # The span ends when the stream is open: it lasts for minutes, and is silent for most of them.
            with self._http.options.trace(request.method, host_of(base)) as span:
                url, headers = _join(base, request.target), {**headers, **span.headers}
                made = _build(client, request, url, headers, _STREAM_SILENCE_SECONDS)
                async with asyncio.timeout(self._http.options.timeout.total_seconds()):
                    response = await client.send(made, stream=True)
                    stack.push_async_callback(response.aclose)
                    code = response.status_code
                    span.answered(code)
                    self._http.options.answered(code)
                    if response.is_success:
                        return response
                    room = self._http.room.answer()
                    try:
                        body = await read_body(response, fit=room.fit)
                    except ProviderMalformed as error:
                        raise self._malformed(request, error, code) from None
                    except NoRoom as full:
                        raise self._unread(request, full) from None
                    finally:
                        room.fit(0)
            answered = {name.lower(): value for name, value in response.headers.items()}
            reply = Reply(status=code, headers=answered, body=body)
            # Looked up only now: while no call is in flight, an idle admission may be let go and replaced.
            self._http.admission(canonical(host_of(base)), self.credential_id).note(asked_wait(reply))
            raise self.error(request, reply)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
            failure = unanswered(error, self._name(request), self._secrets)
            code = failure.status or code
            raise failure from None
        finally:
            self._record(_call(request, code, started, {}))


def _minted(request: Request) -> Iterator[str]:
    """Yield what the headers of one call may hold: minted tokens, crumbs and sessions, which a host may echo."""
    for name, value in request.headers.items():
        if name.lower() not in _OPEN_HEADERS:
            for part in value.split("; "):
                yield part.rpartition(" ")[2]
                yield part.partition("=")[2]


def unanswered(error: Exception, what: str, secrets: tuple[str, ...] = ()) -> ProviderError:
    """Name a call that got no complete answer: 504 for a timeout, 503 for no connection, else 500."""
    if isinstance(error, httpx.DecodingError):
        return ProviderMalformed(f"{what}: the answer cannot be decoded", status=500)
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return ProviderUnavailable(f"{what}: no answer in time", status=504)
    if isinstance(error, httpx.ConnectError) and (untrusted := _untrusted(error)) is not None:
        text = f"{what}: the server's certificate is not trusted ({untrusted.verify_message})"
        return ProviderMisconfigured(
            f"{text}: fix the address, or put the authority that signed it into `ca.crt` of `caSecretRef`, "
            "of a Provider `certSecretRef`, or for all hosts into `PILOTAGE_EXTRA_CA` of Pilotage's workers",
            status=503,
        )
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return ProviderUnavailable(redacted_line(f"{what}: no connection: {error}", secrets), status=503)
    # Other texts of the HTTP library may quote a header, so only the kind is shown.
    return ProviderUnavailable(f"{what}: no complete answer ({type(error).__name__})", status=500)


def _untrusted(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """Find the refusal of a certificate among the causes; the HTTP library keeps it two levels down."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _join(base: httpx.URL, target: str) -> httpx.URL:
    """Append to the base's own path byte by byte: `%2F` and `%252F` must arrive as they are."""
    try:
        return base.copy_with(raw_path=base.raw_path.rstrip(b"/") + target.encode("ascii"))
    except httpx.InvalidURL as error:
        raise ProviderRejected(f"a path cannot be asked for: {error}") from None


def _build(
    client: httpx.AsyncClient,
    request: Request,
    url: httpx.URL,
    headers: Mapping[str, str],
    silence_seconds: float,
) -> httpx.Request:
    timeout = httpx.Timeout(silence_seconds, connect=client.timeout.connect)
    parts = {name: (None, content) for name, content in (request.parts or {}).items()}
    return client.build_request(
        request.method,
        url,
        headers=dict(headers),
        json=request.json,
        content=request.content,
        data=request.form,
        files=parts or None,
        timeout=timeout,
    )


def _call(request: Request, code: int, started: float, headers: Mapping[str, str]) -> Call:
    return Call(
        api=request.api,
        operation=request.operation,
        response_code=code,
        duration_seconds=time.perf_counter() - started,
        headers=headers,
    )


async def _decoded(body: bytes) -> object:
    """Decode what is large once, in steps where it is too much for one go; None for no JSON, which its reader shows."""
    if len(body) <= AT_ONCE_BYTES:
        return None
    try:
        return await decoded_in_steps(body) if is_crowded(body) else decoded(body)
    except (ValueError, RecursionError):
        return None


def _cookies(response: httpx.Response) -> tuple[str, ...]:
    return tuple(value.partition(";")[0].strip() for value in response.headers.get_list("set-cookie"))
