"""What a credential of GitHub misses, named when it is proved and where a call is refused."""

from collections.abc import Mapping

import pytest

from providers.errors import ProviderError, ProviderMisconfigured, ProviderRejected, ProviderUnauthorized
from tests.providers.apps import github_app
from tests.providers.hosts import FakeHost, answer, github

REPOSITORY = "/repos/acme/web"
NEEDS = {"contents": "read", "pull_requests": "write", "statuses": "write"}
GRANTED = {"contents": "write", "metadata": "read", "pull_requests": "write", "statuses": "write"}
EXPIRES = "2099-01-01T00:00:00Z"


def _token(permissions: Mapping[str, str] | None) -> Mapping[str, object]:
    named = {} if permissions is None else {"permissions": permissions}
    return {"token": "ghs_minted", "expires_at": EXPIRES, **named}


def _by_app(host: FakeHost, *granted: Mapping[str, str] | None) -> None:
    host.on("POST", "/app/installations/.*/access_tokens", *(answer(_token(each), 201) for each in granted))
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web"}))


@pytest.mark.parametrize("granted", [GRANTED, None], ids=["everything", "not shown"])
async def test_an_app_with_every_permission_is_ready(host: FakeHost, granted: Mapping[str, str] | None) -> None:
    _by_app(host, granted)
    assert await github(host.http(), data=github_app("rights").secret, needs=NEEDS).check() == "acme/web"


async def test_a_permission_that_an_app_misses_is_named_until_it_is_granted(host: FakeHost) -> None:
    too_little = {"contents": "read", "pull_requests": "read", "metadata": "read"}
    _by_app(host, too_little, GRANTED)
    app = github(host.http(), data=github_app("rights").secret, needs=NEEDS)
    with pytest.raises(
        ProviderUnauthorized, match=r"does not have the permission `pull_requests: write`, `statuses: write`: "
    ):
        await app.check()
    assert await app.check() == "acme/web"
    minted = [path for path in host.paths() if path.endswith("/access_tokens")]
    assert len(minted) == 2


async def test_a_token_that_was_refused_for_want_of_a_permission_is_replaced_for_the_next_call(host: FakeHost) -> None:
    _by_app(host, {"contents": "read"}, GRANTED)
    refused = answer({"message": "Resource not accessible by integration"}, 403)
    host.on("POST", f"{REPOSITORY}/issues/1/labels", refused, answer([{"name": "a"}]))
    host.on("POST", f"{REPOSITORY}/labels", answer({}, 201))
    labels = github(host.http(), data=github_app("rights").secret).labels
    with pytest.raises(ProviderUnauthorized):
        await labels.add(1, ["a"])
    assert await labels.add(1, ["a"]) == ("a",)
    assert len([path for path in host.paths() if path.endswith("/access_tokens")]) == 2


@pytest.mark.parametrize(
    ("scopes", "repository", "missing"),
    [
        ("repo, workflow", {"private": True}, ""),
        ("public_repo", {"private": False}, ""),
        ("public_repo", {"private": True}, "does not have the scope `repo`"),
        ("repo:status", {"private": False}, "does not have the scope `repo`"),
        ("", {"private": False}, "does not have the scope `repo`"),
        ("repo", {"private": True, "permissions": {"pull": True, "push": False}}, "give it the role Write"),
        (None, {"private": True, "permissions": {"pull": True, "push": False}}, ""),
    ],
)
async def test_a_classic_token_is_refused_with_what_it_or_its_user_misses(
    host: FakeHost, scopes: str | None, repository: Mapping[str, object], missing: str
) -> None:
    found = answer({"full_name": "acme/web", **repository})
    if scopes is not None:
        found.headers["x-oauth-scopes"] = scopes
    host.on("GET", REPOSITORY, found)
    checked = github(host.http(), needs=NEEDS).check()
    if missing:
        with pytest.raises(ProviderUnauthorized, match=missing):
            await checked
    else:
        assert await checked == "acme/web"
    # Where nothing is written to pull requests, reading is enough.
    assert await github(host.http(), needs={"contents": "read"}).check() == "acme/web"


@pytest.mark.parametrize(
    ("repository", "error", "missing"),
    [
        ({"archived": True}, ProviderRejected, "`acme/web` is archived, so that GitHub refuses every change"),
        ({"full_name": "acme/shop"}, ProviderMisconfigured, "`acme/web` is called `acme/shop` now"),
    ],
)
async def test_a_repository_that_was_archived_or_renamed_is_not_ready(
    host: FakeHost, repository: Mapping[str, object], error: type[ProviderError], missing: str
) -> None:
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web", **repository}))
    with pytest.raises(error, match=missing):
        await github(host.http()).check()


async def test_a_refused_call_names_the_permission_that_it_needs(host: FakeHost) -> None:
    message = {"message": "Resource not accessible by personal access token"}
    host.always(answer(message, 403, x_accepted_github_permissions="pull_requests=write"))
    with pytest.raises(ProviderUnauthorized, match="the call needs the permission pull_requests=write"):
        await github(host.http()).comments.create(1, "x")
