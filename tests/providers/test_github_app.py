"""GitHub Apps: tokens are minted once, kept, renewed early and after a refusal."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from providers.errors import ProviderMalformed, ProviderMisconfigured, ProviderNotFound, ProviderUnauthorized
from tests.providers.hosts import FakeHost, answer, github

MINT = "/app/installations/99/access_tokens"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def secret(key: rsa.RSAPrivateKey) -> dict[str, str]:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return {"appID": "4711", "installationID": "99", "privateKey": pem.decode()}


def minted(token: str, lifetime: timedelta = timedelta(hours=1)) -> httpx.Response:
    return answer({"token": token, "expires_at": (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")}, 201)


def authorizations(host: FakeHost) -> list[str]:
    return [request.headers["authorization"] for request in host.requests if "/repos/" in request.url.path]


async def test_a_token_is_minted_with_a_signed_and_short_claim(
    host: FakeHost, key: rsa.RSAPrivateKey, secret: Mapping[str, str]
) -> None:
    host.on("POST", MINT, minted("ghs_one"))
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web"}))
    await github(host.http(), data=secret).check()
    signed = host.requests[0].headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(signed, key.public_key(), algorithms=["RS256"])
    assert claims["iss"] == "4711"
    assert claims["exp"] - claims["iat"] <= 600
    assert authorizations(host) == ["Bearer ghs_one"]


async def test_a_hundred_calls_at_once_mint_one_token(host: FakeHost, secret: Mapping[str, str]) -> None:
    host.on("POST", MINT, minted("ghs_one"), minted("ghs_two"))
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web"}))
    http = host.http({"in_flight_limit": 200})
    await asyncio.gather(*(github(http, data=secret).check() for _ in range(100)))
    assert set(authorizations(host)) == {"Bearer ghs_one"}
    assert host.paths().count(f"POST {MINT}") == 1


async def test_a_token_is_renewed_five_minutes_before_its_end(host: FakeHost, secret: Mapping[str, str]) -> None:
    host.on("POST", MINT, minted("ghs_one", timedelta(minutes=4)), minted("ghs_two"))
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web"}))
    http = host.http()
    await github(http, data=secret).check()
    await github(http, data=secret).check()
    assert authorizations(host) == ["Bearer ghs_one", "Bearer ghs_two"]


async def test_a_refused_token_is_replaced_once(host: FakeHost, secret: Mapping[str, str]) -> None:
    host.on("POST", MINT, minted("ghs_one"), minted("ghs_two"))
    host.on("GET", "/repos/acme/web", answer({"message": "Bad credentials"}, 401), answer({"full_name": "acme/web"}))
    assert await github(host.http(), data=secret).check() == "acme/web"
    assert authorizations(host) == ["Bearer ghs_one", "Bearer ghs_two"]


async def test_a_token_refused_to_many_calls_at_once_is_replaced_once(
    host: FakeHost, secret: Mapping[str, str]
) -> None:
    host.on("POST", MINT, minted("ghs_one"), minted("ghs_two"), minted("ghs_three"))

    def judged(request: httpx.Request) -> httpx.Response:
        good = request.headers["authorization"] == "Bearer ghs_two"
        return answer({"full_name": "acme/web"}) if good else answer({"message": "Bad credentials"}, 401)

    host.on("GET", "/repos/acme/web", judged)
    one = github(host.http({"in_flight_limit": 50}), data=secret)
    assert await asyncio.gather(*(one.check() for _ in range(20))) == ["acme/web"] * 20
    assert host.paths().count(f"POST {MINT}") == 2


async def test_a_second_refusal_is_reported(host: FakeHost, secret: Mapping[str, str]) -> None:
    host.on("POST", MINT, minted("ghs_one"), minted("ghs_two"))
    host.on("GET", "/repos/acme/web", answer({"message": "Bad credentials"}, 401))
    with pytest.raises(ProviderUnauthorized):
        await github(host.http(), data=secret).check()
    assert len(authorizations(host)) == 2


async def test_a_plain_token_that_is_refused_is_not_tried_again(host: FakeHost) -> None:
    host.always(answer({"message": "Bad credentials"}, 401))
    with pytest.raises(ProviderUnauthorized):
        await github(host.http()).check()
    assert len(host.requests) == 1


async def test_the_installation_of_a_repository_is_found_once(host: FakeHost, secret: Mapping[str, str]) -> None:
    data = {key: value for key, value in secret.items() if key == "privateKey"}
    host.on("GET", "/repos/acme/web/installation", answer({"id": 99}))
    host.on("POST", MINT, minted("ghs_one", timedelta(minutes=1)), minted("ghs_two"))
    host.on("GET", "/repos/acme/web", answer({"full_name": "acme/web"}))
    http = host.http()
    await github(http, data=data, app_id="4711").check()
    await github(http, data=data, app_id="4711").check()
    assert host.paths().count("GET /repos/acme/web/installation") == 1
    assert host.paths().count(f"POST {MINT}") == 2


async def test_an_app_that_was_installed_again_is_found_again(host: FakeHost, secret: Mapping[str, str]) -> None:
    data = {**secret, "installationID": ""}
    host.on("GET", "/repos/acme/web/installation", answer({"id": 99}), answer({"id": 100}))
    host.on("POST", MINT, minted("ghs_one"), answer({"message": "Not Found"}, 404))
    host.on("POST", "/app/installations/100/access_tokens", minted("ghs_two"))
    found = answer({"full_name": "acme/web"})
    host.on("GET", "/repos/acme/web", found, answer({"message": "Bad credentials"}, 401), found)
    http = host.http()
    await github(http, data=data).check()
    assert await github(http, data=data).check() == "acme/web"
    assert host.requests[-1].headers["authorization"] == "Bearer ghs_two"


@pytest.mark.parametrize("known", ["", "99"])
async def test_an_installation_that_is_nowhere_is_not_looked_for_over_and_over(
    host: FakeHost, secret: Mapping[str, str], known: str
) -> None:
    host.on("GET", "/repos/acme/web/installation", answer({"id": 99}))
    host.on("POST", MINT, answer({"message": "Not Found"}, 404))
    with pytest.raises(ProviderNotFound):
        await github(host.http(), data={**secret, "installationID": known}).check()
    assert host.paths().count(f"POST {MINT}") == 1


async def test_an_app_is_checked_as_itself_without_a_repository(host: FakeHost, secret: Mapping[str, str]) -> None:
    host.on("GET", "/app", answer({"slug": "pilotage"}))
    assert await github(host.http(), owner="", data=secret).check() == "pilotage"


@pytest.mark.parametrize(
    ("change", "advice"),
    [({"appID": ""}, "appID"), ({"privateKey": "-----BEGIN nonsense"}, "no RSA private key")],
)
async def test_an_unusable_app_secret_names_what_to_fix(
    host: FakeHost, secret: Mapping[str, str], change: Mapping[str, str], advice: str
) -> None:
    with pytest.raises(ProviderMisconfigured, match=advice):
        await github(host.http(), data={**secret, **change}).check()
    assert host.requests == []


@pytest.mark.parametrize(
    ("minutes", "shown"), [(30, "clock is 1800 s behind"), (-30, "clock is 1800 s ahead of"), (0, "")]
)
async def test_a_clock_that_is_wrong_is_named_where_a_claim_is_refused(
    host: FakeHost, secret: Mapping[str, str], minutes: int, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    monkeypatch.setattr(time, "time", lambda: now)
    theirs = formatdate(now + 60 * minutes, usegmt=True)
    host.on("POST", MINT, answer({"message": "'Issued at' claim ('iat') is in the future"}, 401, date=theirs))
    with pytest.raises(ProviderUnauthorized) as refused:
        await github(host.http(), data=secret).check()
    assert shown in str(refused.value)
    assert ("clock" in str(refused.value)) is bool(shown)


async def test_an_app_without_installation_and_repository_is_asked_to_name_one(
    host: FakeHost, secret: Mapping[str, str]
) -> None:
    with pytest.raises(ProviderMisconfigured, match="installationID"):
        await github(host.http(), owner="", data={**secret, "installationID": ""}).comments.own(1)


async def test_a_minted_answer_without_an_end_is_malformed(host: FakeHost, secret: Mapping[str, str]) -> None:
    host.on("POST", MINT, answer({"token": "ghs_one"}, 201))
    with pytest.raises(ProviderMalformed, match="expires_at"):
        await github(host.http(), data=secret).check()
