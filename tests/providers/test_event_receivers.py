"""Events that are posted: signed so that receivers can prove them, to one address, and without showing a secret."""

import base64
from datetime import UTC, datetime

import pytest

from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.event_receivers.options import EventReceiverOptions
from providers.models import Credential, EventMessage
from providers.ports import EventReceiver
from providers.registry import Access, open_event_receiver
from providers.webhooks.signatures import NotProven, require_signed_id
from tests.providers.hosts import FakeHost, answer

URL = "https://hooks.example.com/services/T0/B0/very-secret-path"
KEY = f"whsec_{base64.b64encode(b'0123456789abcdef01234567').decode()}"
MESSAGE = EventMessage(id="evt-1", content_type="application/json", body='{"text": "ä & 🚢"}'.encode())


def receiver(host: FakeHost, url: str = URL, hosts: tuple[str, ...] | None = None, **data: str) -> EventReceiver:
    credential = Credential(data={"address": url, **data}, name="chat", hosts=hosts)
    return open_event_receiver(EventReceiverOptions(url=url), Access(http=host.http(), credential=credential))


async def test_an_event_is_posted_byte_by_byte_to_the_address_itself(host: FakeHost) -> None:
    host.always(answer({}, 202))
    await receiver(host).post(MESSAGE)
    (request,) = host.requests
    assert (request.method, str(request.url), request.content) == ("POST", URL, MESSAGE.body)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "evt-1"
    assert not {"webhook-signature", "authorization"} & set(request.headers)


async def test_a_signature_is_proven_by_who_knows_the_secret_and_by_no_one_else(host: FakeHost) -> None:
    host.always(answer({}))
    await receiver(host, secret=KEY, token="t0ken").post(MESSAGE)
    (request,) = host.requests
    headers = dict(request.headers)
    assert headers["authorization"] == "Bearer t0ken"
    require_signed_id(headers, request.content, KEY, datetime.now(UTC))
    other = f"whsec_{base64.b64encode(b'another key of 24 bytes.').decode()}"
    for body, secret in ((request.content + b" ", KEY), (request.content, other)):
        with pytest.raises(NotProven):
            require_signed_id(headers, body, secret, datetime.now(UTC))


async def test_a_secret_without_the_prefix_is_the_key_itself(host: FakeHost) -> None:
    host.always(answer({}))
    await receiver(host, secret="a plain text").post(MESSAGE)
    headers = dict(host.requests[0].headers)
    as_token = base64.b64encode(b"a plain text").decode()
    require_signed_id(headers, MESSAGE.body, as_token, datetime.now(UTC))
    assert headers["webhook-signature"].startswith("v1,")


async def test_a_secret_that_is_no_key_sends_nothing(host: FakeHost) -> None:
    host.always(answer({}))
    with pytest.raises(ProviderMisconfigured, match="`secret`"):
        await receiver(host, secret="whsec_not base64!").post(MESSAGE)
    assert host.requests == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderRejected),
        (401, ProviderUnauthorized),
        (429, ProviderRateLimited),
        (503, ProviderUnavailable),
        (307, ProviderError),
        (302, ProviderError),
    ],
)
async def test_any_other_answer_is_a_refusal_that_shows_no_secret(
    host: FakeHost, status: int, error: type[ProviderError]
) -> None:
    host.always(answer({"error": f"no such hook: {URL} {KEY}"}, status, location="https://evil.example/x"))
    with pytest.raises(error) as refused:
        await receiver(host, secret=KEY, token="t0ken-of-mine").post(MESSAGE)
    assert len(host.requests) == 1
    text = str(refused.value)
    assert not [one for one in ("very-secret-path", KEY, KEY.removeprefix("whsec_"), "t0ken-of-mine") if one in text]
    assert "hooks.example.com" in text or isinstance(refused.value, ProviderMalformed)


async def test_a_secret_goes_to_the_hosts_alone_that_its_owner_names(host: FakeHost) -> None:
    host.always(answer({}))
    with pytest.raises(ProviderMisconfigured, match="may not be sent to hooks"):
        await receiver(host, hosts=("other.example.com",)).post(MESSAGE)
    assert host.requests == []


@pytest.mark.parametrize("url", ["http://hooks.example.com/x", "https://elsewhere.example.com/x"])
async def test_plain_http_and_hosts_that_the_operator_does_not_allow_are_not_called(host: FakeHost, url: str) -> None:
    host.always(answer({}))
    clients = host.http({"allowed_hosts": ("hooks.example.com",)})
    access = Access(http=clients, credential=Credential(data={}))
    with pytest.raises(ProviderMisconfigured):
        await open_event_receiver(EventReceiverOptions(url=url), access).post(MESSAGE)
    assert host.requests == []
    await open_event_receiver(EventReceiverOptions(url=URL), access).post(MESSAGE)
    assert len(host.requests) == 1
