"""The stand-ins of both Bitbuckets: their limits, refusals and pages are the vendors'."""

from typing import Any

import httpx
import pytest

from deploy.local.sandbox import seed
from deploy.local.sandbox.server import Sandbox

CLOUD = f"/bitbucketCloud/2.0/repositories/{seed.REPOSITORY}"
SERVER = "/bitbucketDataCenter/rest/api/latest/projects/ACME/repos/web"
STATUS = {"key": "pilotage/dev", "state": "INPROGRESS", "url": "https://x/1", "name": "pilotage/dev"}


async def ask(world: Sandbox, method: str, path: str, body: Any = None, *, token: str = "") -> httpx.Response:
    cloud = path.startswith("/bitbucketCloud")
    known = seed.BITBUCKET_CLOUD_TOKEN if cloud else seed.BITBUCKET_DATA_CENTER_TOKEN
    headers = {"Authorization": f"Bearer {token or known}", "X-Atlassian-Token": "no-check"}
    async with httpx.AsyncClient(base_url=world.url, headers=headers) as client:
        return await client.request(method, path, json=body)


@pytest.mark.parametrize(
    "wrong", [{"key": "x" * 41}, {"url": ""}, {"state": "PASSED"}, {"name": "x" * 256}], ids=lambda wrong: str(*wrong)
)
async def test_cloud_refuses_a_status_beyond_its_limits(world: Sandbox, wrong: dict[str, str]) -> None:
    path = f"{CLOUD}/commit/{seed.MERGE_SHA}/statuses/build"
    refused = await ask(world, "POST", path, {**STATUS, **wrong})
    assert (refused.status_code, refused.json()["type"]) == (400, "error")
    assert next(iter(wrong)) in refused.json()["error"]["message"]


async def test_a_status_is_overwritten_by_its_key_at_both(world: Sandbox) -> None:
    for path, listed in (
        (f"{CLOUD}/commit/{seed.MERGE_SHA}/statuses/build", f"{CLOUD}/commit/{seed.MERGE_SHA}/statuses"),
        (
            f"{SERVER}/commits/{seed.MERGE_SHA}/builds",
            f"/bitbucketDataCenter/rest/build-status/latest/commits/{seed.MERGE_SHA}",
        ),
    ):
        world.state.github.repositories[seed.REPOSITORY].statuses.clear()
        for state in ("INPROGRESS", "SUCCESSFUL"):
            assert (await ask(world, "POST", path, {**STATUS, "state": state})).is_success
        found = (await ask(world, "GET", listed)).json()["values"]
        assert [one["state"] for one in found] == ["SUCCESSFUL"]


async def test_cloud_names_its_next_page_by_a_whole_address(world: Sandbox) -> None:
    for number in range(3):
        body = {"content": {"raw": f"text {number}"}}
        await ask(world, "POST", f"{CLOUD}/pullrequests/{seed.PULL_NUMBER}/comments", body)
    first = (await ask(world, "GET", f"{CLOUD}/pullrequests/{seed.PULL_NUMBER}/comments?pagelen=2")).json()
    assert (first["size"], len(first["values"])) == (3, 2)
    assert first["next"].startswith(f"{world.url}{CLOUD}/")
    last = (await ask(world, "GET", first["next"].removeprefix(world.url))).json()
    assert ([one["content"]["raw"] for one in last["values"]], "next" in last) == (["text 2"], False)


async def test_cloud_has_no_account_for_an_access_token_and_names_a_scope_that_is_missing(world: Sandbox) -> None:
    assert (await ask(world, "GET", "/bitbucketCloud/2.0/user")).status_code == 403
    world.state.load({"bitbucketCloud": {"tokens": {"narrow-token": {"login": "bot", "rights": ["repository"]}}}})
    refused = await ask(world, "GET", f"{CLOUD}/pullrequests", token="narrow-token")
    assert refused.status_code == 403
    assert refused.json()["error"]["detail"] == {"required": ["pullrequest"], "granted": ["repository"]}


async def test_data_center_refuses_a_stale_version_a_write_without_its_header_and_a_missing_right(
    world: Sandbox,
) -> None:
    repository = world.state.github.repositories[seed.REPOSITORY]
    pull = world.state.github.add_pull(repository, {"number": 7, "head": {"ref": "hotfix", "sha": seed.HOTFIX_SHA}})
    read = (await ask(world, "GET", f"{SERVER}/pull-requests/7")).json()
    pull.head_sha = seed.HEAD_SHA
    stale = await ask(world, "POST", f"{SERVER}/pull-requests/7/merge?version={read['version']}")
    assert (stale.status_code, pull.state) == (409, "open")
    assert stale.json()["errors"][0]["exceptionName"].endswith("PullRequestOutOfDateException")
    headers = {"Authorization": f"Bearer {seed.BITBUCKET_DATA_CENTER_TOKEN}"}
    async with httpx.AsyncClient(base_url=world.url, headers=headers) as client:
        assert (await client.post(f"{SERVER}/pull-requests/7/decline?version=1")).status_code == 403
    world.state.load({"bitbucketDataCenter": {"tokens": {"reader-token": {"login": "bot", "rights": ["REPO_READ"]}}}})
    refused = await ask(world, "POST", f"{SERVER}/pull-requests/7/merge?version=1", token="reader-token")
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["exceptionName"].endswith("AuthorisationException")
