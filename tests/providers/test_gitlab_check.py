"""What proves a credential at GitLab, and what it is reported to miss."""

import json

import httpx
import pytest

from providers.errors import ProviderMisconfigured, ProviderRejected, ProviderUnauthorized
from tests.providers.hosts import TOKEN, FakeHost, answer, gitlab

PROJECT = "/api/v4/projects/acme%2Fweb"


def checked(host: FakeHost, *scopes: str, **project: object) -> FakeHost:
    host.on("GET", "/api/v4/personal_access_tokens/self", answer({"scopes": list(scopes)}))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web", **project}))
    host.on("POST", "/api/graphql", answer({"errors": [{"message": "no such field"}]}))
    return host


async def test_check_names_the_missing_scope_and_lets_a_credential_for_pipelines_be(host: FakeHost) -> None:
    assert await gitlab(checked(host, "api").http()).check() == "acme/web"
    with pytest.raises(ProviderUnauthorized, match="scope `api`"):
        await gitlab(checked(host, "read_api").http()).check()
    data = {"token": TOKEN, "triggerToken": "glptt-trigger-token"}
    assert await gitlab(checked(host, "read_api").http(), data=data).check() == "acme/web"


async def test_an_oauth_token_is_proved_by_the_project_since_nothing_shows_what_it_is(host: FakeHost) -> None:
    checked(host)
    host.on("GET", "/api/v4/personal_access_tokens/self", answer({"message": "400 Bad request"}, 400))
    assert await gitlab(host.http()).check() == "acme/web"
    assert {request.headers["authorization"] for request in host.requests} == {f"Bearer {TOKEN}"}
    assert not any("private-token" in request.headers for request in host.requests)


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        ({"pushCode": False, "createLabel": True}, "set commit statuses: give it the role Developer"),
        ({"pushCode": False, "createLabel": False}, "set commit statuses nor create labels"),
    ],
)
async def test_check_names_what_the_token_s_user_may_not_do(
    host: FakeHost, rights: dict[str, bool], missing: str
) -> None:
    checked(host, "api")
    host.on("POST", "/api/graphql", answer({"data": {"project": {"userPermissions": rights}}}))
    with pytest.raises(ProviderUnauthorized, match=missing):
        await gitlab(host.http()).check()
    assert host.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(host.requests[-1].content)["variables"] == {"path": "acme/web"}


@pytest.mark.parametrize(
    "answered",
    [
        answer({"data": {"project": {"userPermissions": {"pushCode": True, "createLabel": True}}}}),
        answer({"data": {"project": None}}),
        answer({"errors": [{"message": "no such field"}]}),
        answer({"message": "404 Not Found"}, 404),
        answer(status=302, location="https://gitlab.example.com/users/sign_in"),
        httpx.Response(200, html="<title>Sign in</title>"),
    ],
)
async def test_where_the_host_does_not_show_what_the_user_may_do_nothing_is_missing(
    host: FakeHost, answered: httpx.Response
) -> None:
    checked(host, "api")
    host.on("POST", "/api/graphql", answered)
    assert await gitlab(host.http()).check() == "acme/web"


async def test_an_archived_project_and_one_that_is_called_otherwise_now_are_refused(host: FakeHost) -> None:
    with pytest.raises(ProviderRejected, match="archived"):
        await gitlab(checked(host, "api", archived=True).http()).check()
    renamed = checked(host, "api", path_with_namespace="acme/shop")
    with pytest.raises(ProviderMisconfigured, match="`acme/web` is called `acme/shop` now"):
        await gitlab(renamed.http()).check()
    renamed.on("GET", "/api/v4/projects/4711", answer({"path_with_namespace": "acme/shop"}))
    assert await gitlab(renamed.http(), project="4711").check() == "acme/shop"


async def test_without_a_token_nothing_is_sent(host: FakeHost) -> None:
    with pytest.raises(ProviderMisconfigured, match="key `token`"):
        await gitlab(host.http(), data={"other": "x"}).check()
    assert host.requests == []
