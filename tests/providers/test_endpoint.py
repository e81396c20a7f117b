"""The one HTTP client: what it sends, follows, refuses and bounds."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Self
from urllib.parse import parse_qsl, unquote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import assume, given
from hypothesis import strategies as st

from activities.models.tracking import Timings
from providers.addresses import CheckedTransport
from providers.endpoint import Endpoint, _join, unanswered
from providers.errors import (
    ProviderBusy,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.http import HttpClients, HttpOptions
from providers.messages import Request, segment
from providers.metrics import Call
from providers.models import Credential, Route
from providers.tracing import NoSpan
from tests.providers.hosts import TOKEN, FakeHost, answer
from tests.providers.listener import answering

GET = Request(method="GET", path="/x", operation="get")


def endpoint(
    http: HttpClients, *, base: str = "https://host.example.com/ctx", calls: list[Call] | None = None, **data: str
) -> Endpoint:
    kept = calls if calls is not None else []

    async def authorize() -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}

    return Endpoint(
        http=http,
        base_url=base,
        credential=Credential(data=data or {"token": TOKEN}),
        record=kept.append,
        authorize=authorize,
    )


class Traced(NoSpan):
    """A span that carries a header."""

    headers: Mapping[str, str] = {"traceparent": "00-abc"}

    def __init__(self, method: str, host: str) -> None:
        self.begun = (method, host)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *outcome: object) -> None:
        return None


async def test_an_encoded_path_arrives_byte_by_byte(host: FakeHost) -> None:
    host.always(answer({}))
    path = f"/job/{segment('a%2Fb')}/{segment('x/y z')}"
    await endpoint(host.http()).call(Request(method="GET", path=path, operation="get", query={"q": "a b+c", "r": "[]"}))
    assert host.paths() == ["GET /ctx/job/a%252Fb/x%2Fy%20z?q=a%20b%2Bc&r=%5B%5D"]


@given(name=st.text(min_size=1), value=st.text())
def test_any_text_in_an_address_stays_one_segment_or_one_value(name: str, value: str) -> None:
    assume(name not in (".", ".."))
    request = Request(method="GET", path=f"/job/{segment(name)}/x", operation="get", query={"q": value})
    sent = _join(httpx.URL("https://host.example.com/ctx"), request.target)
    path, _, query = sent.raw_path.decode("ascii").partition("?")
    assert [unquote(part) for part in path.split("/")] == ["", "ctx", "job", name, "x"]
    assert parse_qsl(query, keep_blank_values=True) == [("q", value)]
    assert (sent.host, sent.fragment) == ("host.example.com", "")


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_walk_the_path_is_refused(name: str) -> None:
    with pytest.raises(ProviderRejected):
        segment(name)


async def test_every_request_names_who_asks_and_carries_the_trace(host: FakeHost) -> None:
    host.always(answer({}))
    http = host.http({"trace": Traced})
    await endpoint(http).call(GET)
    headers = host.requests[0].headers
    assert headers["user-agent"] == "pilotage"
    assert headers["traceparent"] == "00-abc"
    assert headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_redirect_of_a_read_is_followed_on_the_same_origin_and_recorded_each_time(host: FakeHost) -> None:
    calls: list[Call] = []
    host.on("GET", "/ctx/x", answer(status=301, location="/ctx/y?z=1"))
    host.on("GET", r"/ctx/y\?z=1", answer({"ok": True}))
    reply = await endpoint(host.http(), calls=calls).call(GET)
    assert reply.document() == {"ok": True}
    assert [call.response_code for call in calls] == [301, 200]


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example.com/x",
        "http://host.example.com/x",
        "https://host.example.com:8443/x",
        "//evil.example.com",
        "http://[bad",
    ],
)
async def test_a_redirect_to_another_origin_is_not_followed(host: FakeHost, location: str) -> None:
    host.always(answer(status=302, location=location))
    with pytest.raises(ProviderMalformed):
        await endpoint(host.http()).call(GET)
    assert len(host.requests) == 1


async def test_a_redirect_loop_ends(host: FakeHost) -> None:
    host.always(answer(status=302, location="/ctx/x"))
    with pytest.raises(ProviderMalformed, match="too often"):
        await endpoint(host.http()).call(GET)
    assert len(host.requests) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("/ctx/y?token=abc", "https://host.example.com/ctx/y;"),
        ("https://user:abc@new.example.com:8443/y#abc", "https://new.example.com:8443/y;"),
        ("http://[abc", "no URL;"),
        ("", "no URL;"),
    ],
)
async def test_a_redirect_of_a_write_is_never_followed_and_names_where_it_leads(
    host: FakeHost, status: int, location: str, where: str
) -> None:
    host.always(answer(status=status, location=location))
    with pytest.raises(ProviderMisconfigured) as caught:
        await endpoint(host.http()).call(Request(method="POST", path="/x", operation="trigger"))
    assert host.paths() == ["POST /ctx/x"]
    assert f"moved to {where}" in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer minted/1=="}, {"Jenkins-Crumb": "minted/1=="}, {"Cookie": "a=b; session=minted/1=="}],
    ids=lambda headers: next(iter(headers)),
)
@pytest.mark.parametrize("echoed", ["/minted/1==", "/login-minted%2F1%3D%3D?to=minted/1=="])
async def test_a_redirect_of_a_write_shows_no_token_that_one_call_was_sent_with(
    host: FakeHost, headers: dict[str, str], echoed: str
) -> None:
    host.always(answer(status=302, location=f"/moved{echoed}"))
    with pytest.raises(ProviderMisconfigured, match=r"moved to https://host\.example\.com/moved/") as caught:
        await endpoint(host.http()).call(Request(method="POST", path="/x", operation="trigger", headers=headers))
    assert "minted" not in str(caught.value)


async def test_a_secret_that_begins_as_a_token_of_one_call_is_hidden_as_a_whole(host: FakeHost) -> None:
    host.always(answer(status=302, location=f"/moved/{TOKEN}"))
    headers = {"Authorization": f"Bearer {TOKEN[:6]}"}
    with pytest.raises(ProviderMisconfigured) as caught:
        await endpoint(host.http()).call(Request(method="POST", path="/x", operation="trigger", headers=headers))
    assert TOKEN[6:] not in str(caught.value)


async def test_a_refused_read_names_no_more_than_the_origin_that_it_leads_to(host: FakeHost) -> None:
    host.always(answer(status=302, location="https://user:abc@login.example.com:8443/abc?abc#abc"))
    request = Request(method="GET", path="/x", operation="get", accepts=frozenset({302}))
    called = endpoint(host.http())
    error = called.error(request, await called.call(request))
    assert str(error).endswith("answered 302: leads to https://login.example.com:8443")


async def test_a_redirect_that_a_write_expects_is_its_answer(host: FakeHost) -> None:
    host.always(answer(status=303, location="/ctx/y"))
    request = Request(method="POST", path="/x", operation="trigger", accepts=frozenset({303}))
    assert (await endpoint(host.http()).call(request)).headers["location"] == "/ctx/y"


@pytest.mark.parametrize(
    "base",
    [
        "not a url",
        "ftp://host",
        "https://",
        "https://host:99999",
        "https://host:port",
        "http://host.example.com",
        "https://user:pass@host.example.com",
        "https://host.example.com?x=1",
        "https://other.example.org",
        "https://evilexample.com",
    ],
)
async def test_an_address_that_may_not_be_called_is_an_error_of_the_first_call(host: FakeHost, base: str) -> None:
    http = host.http({"allowed_hosts": ("*.example.com",)})
    with pytest.raises(ProviderMisconfigured) as caught:
        await endpoint(http, base=base).call(GET)
    assert "pass" not in str(caught.value).replace("password", "")
    assert host.requests == []


@pytest.mark.parametrize("allowed", ["host.example.com", "*.example.com", " HOST.example.com "])
async def test_an_allowed_host_is_called(host: FakeHost, allowed: str) -> None:
    host.always(answer({}))
    await endpoint(host.http({"allowed_hosts": (allowed,)})).call(GET)
    assert len(host.requests) == 1


async def test_plain_http_is_called_only_when_the_operator_allows_it(host: FakeHost) -> None:
    host.always(answer({}))
    await endpoint(host.http({"allow_http": True}), base="http://host.example.com").call(GET)
    assert len(host.requests) == 1


async def test_cookies_of_one_credential_never_reach_another(host: FakeHost) -> None:
    host.always(answer({}, set_cookie="session=abc; Path=/"))
    http = host.http()
    reply = await endpoint(http).call(GET)
    await endpoint(http, token="another-credential").call(GET)
    assert reply.cookies == ("session=abc",)
    assert "cookie" not in host.requests[1].headers


async def test_calls_beyond_all_bounds_are_refused_without_being_sent_until_a_place_is_free(host: FakeHost) -> None:
    gate = asyncio.Event()

    class Waiting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await gate.wait()
            return host.handle(request)

    host.always(answer({}))
    http = HttpClients(HttpOptions(transport=Waiting(), in_flight_limit=2, waiting_per_place=0))
    one, other = endpoint(http), endpoint(http, token="another-credential")
    going = [asyncio.create_task(one.call(GET)) for _ in range(2)]
    await asyncio.sleep(0)
    calls: list[Call] = []
    with pytest.raises(ProviderBusy) as caught:
        await endpoint(http, calls=calls).call(GET)
    assert caught.value.retry_after is not None
    assert calls == []
    going.append(asyncio.create_task(other.call(GET)))
    gate.set()
    await asyncio.gather(*going)
    await one.call(GET)
    assert len(host.requests) == 4


async def test_an_answer_that_drips_is_cut_off_in_time() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    class Dripping(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=drip())

    calls: list[Call] = []
    http = HttpClients(HttpOptions(transport=Dripping(), timeout=timedelta(milliseconds=80)))
    with pytest.raises(ProviderUnavailable) as caught:
        await endpoint(http, calls=calls).call(GET)
    assert caught.value.status == 504
    assert [call.response_code for call in calls] == [504]


async def test_a_cancelled_call_is_recorded_once_and_frees_its_place() -> None:
    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(60)
            raise AssertionError

    calls: list[Call] = []
    http = HttpClients(HttpOptions(transport=Hanging(), in_flight_limit=1))
    task = asyncio.create_task(endpoint(http, calls=calls).call(GET))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [call.response_code for call in calls] == [500]
    async with http.admission("host.example.com", endpoint(http).credential_id).place(waits=False):
        pass


@pytest.mark.parametrize(("pause", "connections"), [(Timings().poll_maximum * 1.2, 1), (timedelta(minutes=3), 2)])
async def test_a_connection_outlives_the_longest_pause_between_two_polls(
    pause: timedelta, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with answering() as (port, opened):
        http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
        host = endpoint(http, base=f"http://127.0.0.1:{port}")
        await host.call(GET)
        later = time.monotonic() + pause.total_seconds()
        monkeypatch.setattr("httpcore._async.http11.time", SimpleNamespace(monotonic=lambda: later))
        await host.call(GET)
        await http.aclose()
    assert len(opened) == connections


async def test_an_undecodable_body_is_malformed(host: FakeHost) -> None:
    class Garbled(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))

    with pytest.raises(ProviderMalformed):
        await endpoint(HttpClients(HttpOptions(transport=Garbled()))).call(GET)


def test_every_exception_of_the_http_library_is_ours_afterwards() -> None:
    names = [getattr(httpx, name) for name in dir(httpx)]
    kinds = [kind for kind in names if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 20
    for kind in kinds:
        error = kind.__new__(kind)
        error.args = (TOKEN,)
        made = unanswered(error, "`GET /x` at host", (TOKEN,))
        assert made.status in (500, 503, 504)
        assert TOKEN not in str(made)


async def test_an_error_text_hides_the_credential_and_names_the_call(host: FakeHost) -> None:
    host.always(answer({"message": f"no right for {TOKEN} and https://a:{TOKEN}@b/c"}, 403))
    with pytest.raises(ProviderUnauthorized) as caught:
        await endpoint(host.http()).call(GET)
    text = str(caught.value)
    assert text.startswith("`GET /x` at host.example.com answered 403: no right for ***")
    assert TOKEN not in text


async def test_names_in_a_secret_are_no_secrets(host: FakeHost) -> None:
    host.always(answer({"message": "builder is missing the Job/Build permission"}, 403))
    with pytest.raises(ProviderUnauthorized, match="builder is missing"):
        await endpoint(host.http(), username="builder", token=TOKEN).call(GET)


async def test_a_ca_that_is_no_pem_is_named_as_such() -> None:
    http = HttpClients()
    with pytest.raises(ProviderMisconfigured, match=r"`ca\.crt`"):
        async with http.client(Route(ca_pem="no pem")):
            pass


def certificate_for(host: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a self-signed certificate in PEM."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def authority() -> str:
    """Return a CA in PEM that is like no other."""
    return certificate_for("ca.example.com", ec.generate_private_key(ec.SECP256R1())).decode()


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return what serves `localhost` with a certificate that no one trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificate_for("localhost", key)
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls.pem").write_bytes(certificate + key.private_bytes(serialization.Encoding.PEM, *plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    return context


async def test_a_certificate_that_is_not_trusted_is_no_outage_and_names_the_field_of_the_ca(tmp_path: Path) -> None:
    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=self_signed(tmp_path))
    async with server:
        port = server.sockets[0].getsockname()[1]
        http = HttpClients(HttpOptions(allowed_hosts=("127.0.0.1",)))
        with pytest.raises(ProviderMisconfigured, match="`caSecretRef`") as caught:
            await endpoint(http, base=f"https://127.0.0.1:{port}").call(GET)
    assert "self-signed" in str(caught.value)


async def test_clients_are_shared_by_their_ca_and_closed_together() -> None:
    http = HttpClients()
    async with http.client(Route()) as client, http.client(Route()) as again:
        assert again is client
    assert isinstance(http.options.timeout, timedelta)
    assert http.options.timeout < timedelta(seconds=30)
    await http.aclose()
    assert client.is_closed
    async with http.client(Route()) as other:
        assert other is not client
    await http.aclose()


async def test_clients_of_other_cas_are_closed_once_they_are_out_of_use() -> None:
    http = HttpClients()
    first = authority()
    async with http.client(Route(ca_pem=authority())) as used:
        async with http.client(Route(ca_pem=first)) as early:
            pass
        for _ in range(40):
            async with http.client(Route(ca_pem=authority())) as client:
                assert not client.is_closed
        assert (early.is_closed, used.is_closed) == (True, False)
        async with http.client(Route(ca_pem=first)) as again:
            assert again is not early
    await http.aclose()


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look names up itself, where no address can be checked."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/does/not/exist")
    async with HttpClients().client(Route()) as client:
        for address in ("http://ci.example.com", "https://ci.example.com"):
            assert isinstance(client._transport_for_url(httpx.URL(address)), CheckedTransport)


async def test_no_one_listening_is_no_connection() -> None:
    http = HttpClients(HttpOptions(allow_http=True, allowed_hosts=("127.0.0.1",)))
    with pytest.raises(ProviderUnavailable) as caught:
        await endpoint(http, base="http://127.0.0.1:9").call(GET)
    assert caught.value.status == 503
    await http.aclose()


async def test_a_stream_ends_quietly_when_its_connection_is_cut() -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b'{"a": 1}\n{"b"'
        yield b": 2}\n\n"
        raise httpx.RemoteProtocolError("peer closed connection")

    class Cutting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=cut())

    http = HttpClients(HttpOptions(transport=Cutting()))
    async with aclosing(endpoint(http).lines(GET)) as lines:
        assert [line async for line in lines] == [b'{"a": 1}', b'{"b": 2}']


async def test_a_stream_that_is_answered_with_a_time_to_wait_keeps_calls_back(host: FakeHost) -> None:
    host.always(answer(status=503, retry_after="60"))
    system = endpoint(host.http())
    async with aclosing(system.lines(GET)) as lines:
        with pytest.raises(ProviderUnavailable):
            await anext(lines)
    with pytest.raises(ProviderRateLimited):
        await system.call(GET)
    assert len(host.requests) == 1


async def test_a_stream_without_an_end_of_line_is_bounded(host: FakeHost) -> None:
    async def flood() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    class Flooding(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=flood())

    http = HttpClients(HttpOptions(transport=Flooding()))
    async with aclosing(endpoint(http).lines(GET)) as lines:
        with pytest.raises(ProviderMalformed):
            await anext(lines)


async def test_certificates_are_verified() -> None:
    context = await HttpClients()._trust(Route())
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
