"""Applications of Entra: tokens are minted once, kept, renewed early and after a refusal, and go where they may."""

import asyncio
from urllib.parse import parse_qs

import httpx
import pytest

from providers.azure_devops.options import AzureDevOpsOptions
from providers.errors import ProviderMalformed, ProviderMisconfigured, ProviderUnauthorized, ProviderUnavailable
from providers.models import Credential
from providers.registry import Access, open_scm_host
from tests.providers.hosts import IDENTITY, FakeHost, answer, azure_devops

TOKEN_PATH = "/directory-1/oauth2/v2.0/token"
# Of the organization's account, which answers in one call.
ACCOUNT = {"authenticatedUser": {"id": "1", "providerDisplayName": "Pilotage"}}
SECRET = {"clientID": "app-1", "clientSecret": "s3cret-of-the-application", "tenantID": "directory-1"}
SIGN_IN = httpx.Response(203, content=b"<html></html>", headers={"content-type": "text/html"})


def minted(token: str, seconds: int = 3599) -> httpx.Response:
    return answer({"token_type": "Bearer", "expires_in": seconds, "access_token": token})


def used(host: FakeHost) -> list[str]:
    return [request.headers["authorization"] for request in host.requests if request.method == "GET"]


async def test_a_token_is_asked_for_as_the_application_and_sent_to_the_host(host: FakeHost) -> None:
    host.on("POST", TOKEN_PATH, minted("entra-1"))
    host.on("GET", ".*", answer(ACCOUNT))
    assert await azure_devops(host.http(), project="", data=SECRET).check() == "Pilotage"
    asked = host.requests[0]
    assert asked.url.host == "login.microsoftonline.com"
    assert "authorization" not in asked.headers
    assert {key: values[0] for key, values in parse_qs(asked.content.decode()).items()} == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_secret": "s3cret-of-the-application",
        "scope": "499b84ac-1321-427f-aa17-267ca6975798/.default",
    }
    assert used(host) == ["Bearer entra-1"]


async def test_a_hundred_calls_at_once_mint_one_token(host: FakeHost) -> None:
    host.on("POST", TOKEN_PATH, minted("entra-1"), minted("entra-2"))
    host.on("GET", ".*", answer(ACCOUNT))
    http = host.http({"in_flight_limit": 200})
    await asyncio.gather(*(azure_devops(http, project="", data=SECRET).check() for _ in range(100)))
    assert set(used(host)) == {"Bearer entra-1"}
    assert host.paths().count(f"POST {TOKEN_PATH}") == 1


async def test_another_secret_gets_another_token(host: FakeHost) -> None:
    host.on("POST", TOKEN_PATH, minted("entra-1"), minted("entra-2"))
    host.on("GET", ".*", answer(ACCOUNT))
    http = host.http()
    await azure_devops(http, project="", data=SECRET).check()
    await azure_devops(http, project="", data={**SECRET, "clientSecret": "rotated"}).check()
    assert used(host) == ["Bearer entra-1", "Bearer entra-2"]


async def test_a_token_that_ends_soon_is_replaced_before(host: FakeHost) -> None:
    host.on("POST", TOKEN_PATH, minted("entra-1", seconds=200), minted("entra-2"))
    host.on("GET", ".*", answer(ACCOUNT))
    scm = azure_devops(host.http(), project="", data=SECRET)
    await scm.check()
    await scm.check()
    assert used(host) == ["Bearer entra-1", "Bearer entra-2"]


@pytest.mark.parametrize("refusal", [answer({"message": "TF400813"}, 401), SIGN_IN], ids=["401", "sign-in page"])
async def test_a_refused_token_is_replaced_once(host: FakeHost, refusal: httpx.Response) -> None:
    host.on("POST", TOKEN_PATH, minted("entra-1"), minted("entra-2"))
    host.on("GET", ".*", refusal, answer(ACCOUNT), refusal, refusal)
    scm = azure_devops(host.http(), project="", data=SECRET)
    assert await scm.check() == "Pilotage"
    assert used(host) == ["Bearer entra-1", "Bearer entra-2"]
    with pytest.raises(ProviderUnauthorized):
        await scm.check()
    assert len(used(host)) == 4


@pytest.mark.parametrize(
    ("status", "error", "refusal"),
    [
        (401, "invalid_client", "AADSTS7000215: Invalid client secret provided."),
        (400, "unauthorized_client", "AADSTS700016: Application with identifier 'app-1' was not found."),
    ],
)
async def test_a_credential_that_entra_refuses_is_named_alike_each_time(
    host: FakeHost, status: int, error: str, refusal: str
) -> None:
    bodies = [{"error": error, "error_description": f"{refusal} Trace ID: {number}"} for number in (1, 2)]
    host.on("POST", TOKEN_PATH, *(answer(body, status) for body in bodies))
    scm = azure_devops(host.http(), project="", data=SECRET)
    messages = set()
    for _ in bodies:
        with pytest.raises(ProviderUnauthorized) as raised:
            await scm.check()
        messages.add(str(raised.value))
    assert messages == {f"Entra gives the application no token: {refusal}"}
    assert used(host) == []


async def test_an_entra_that_is_away_is_no_bad_credential(host: FakeHost) -> None:
    host.on("POST", TOKEN_PATH, answer({}, 503))
    with pytest.raises(ProviderUnavailable):
        await azure_devops(host.http(), project="", data=SECRET).check()


@pytest.mark.parametrize("token", ["", "two\nlines", "x" * 20_000, None])
async def test_a_token_that_no_header_can_hold_is_refused(host: FakeHost, token: str | None) -> None:
    host.on("POST", TOKEN_PATH, answer({"expires_in": 3599, "access_token": token}))
    with pytest.raises(ProviderMalformed):
        await azure_devops(host.http(), project="", data=SECRET).check()


@pytest.mark.parametrize("missing", ["clientID", "clientSecret", "tenantID"])
async def test_a_missing_part_of_the_secret_is_named_and_nothing_is_sent(host: FakeHost, missing: str) -> None:
    data = {key: value for key, value in SECRET.items() if key != missing}
    with pytest.raises(ProviderMisconfigured, match=missing):
        await azure_devops(host.http(), project="", data=data).check()
    assert host.requests == []


@pytest.mark.parametrize(
    ("hosts", "refused"),
    [
        (("dev.azure.com",), "login.microsoftonline.us"),
        (("login.microsoftonline.us",), "dev.azure.com"),
        (("dev.azure.com", "login.microsoftonline.us"), ""),
    ],
)
async def test_secret_and_token_go_only_to_hosts_that_the_secret_allows(
    host: FakeHost, hosts: tuple[str, ...], refused: str
) -> None:
    host.on("POST", TOKEN_PATH, minted("entra-1"))
    host.on("GET", ".*", answer(ACCOUNT))
    options = AzureDevOpsOptions(organization="umbrella")
    data = {**SECRET, "authority": "https://login.microsoftonline.us/"}
    credential = Credential(data=data, hosts=hosts, name="azure")
    scm = open_scm_host(options, Access(http=host.http(), credential=credential), IDENTITY)
    if refused:
        with pytest.raises(ProviderMisconfigured, match=refused):
            await scm.check()
    else:
        assert await scm.check() == "Pilotage"
    assert refused not in {request.url.host for request in host.requests}
