"""The GitHub stand-in keeps the rules of GitHub's REST documentation."""

import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.local.sandbox import seed
from deploy.local.sandbox.server import Sandbox

PULL = "repos/acme/web/pulls/412"
LABELS = "repos/acme/web/issues/412/labels"
COMMENTS = "repos/acme/web/issues/412/comments"
MERGE_STATUSES = f"repos/acme/web/statuses/{seed.MERGE_SHA}"


async def test_a_merged_pull_request_names_its_commits_author_and_labels(github: httpx.AsyncClient) -> None:
    pull = (await github.get(PULL)).json()
    assert (pull["state"], pull["merged"], pull["merge_commit_sha"]) == ("closed", True, seed.MERGE_SHA)
    assert (pull["head"]["sha"], pull["base"]["ref"], pull["user"]["login"]) == (seed.HEAD_SHA, "main", seed.AUTHOR)
    assert [label["name"] for label in pull["labels"]] == ["feature"]


async def test_an_own_server_answers_below_api_v3(world: Sandbox, github: httpx.AsyncClient) -> None:
    pull = (await github.get("api/v3/" + PULL)).json()
    assert pull["url"] == f"{world.url}/github/api/v3/{PULL}"


async def test_the_newest_api_version_has_no_merge_commit(github: httpx.AsyncClient) -> None:
    newest = await github.get(PULL, headers={"X-GitHub-Api-Version": "2026-03-10"})
    assert "merge_commit_sha" not in newest.json()
    assert newest.headers["x-github-api-version-selected"] == "2026-03-10"
    assert (await github.get(PULL)).headers["x-github-api-version-selected"] == "2022-11-28"
    assert (await github.get(PULL, headers={"X-GitHub-Api-Version": "2019-01-01"})).status_code == 410


async def test_an_unchanged_read_is_free(github: httpx.AsyncClient) -> None:
    first = await github.get(PULL)
    again = await github.get(PULL, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    await github.post(LABELS, json={"labels": ["new"]})
    assert (await github.get(PULL, headers={"If-None-Match": first.headers["etag"]})).status_code == 200


async def test_an_exhausted_quota_is_a_403_with_nothing_remaining(world: Sandbox, github: httpx.AsyncClient) -> None:
    world.state.load({"github": {"tokens": {"poor-token": {"login": "poor", "limit": 1}}}})
    headers = {"Authorization": "Bearer poor-token"}
    assert (await github.get(PULL, headers=headers)).status_code == 200
    refused = await github.get(PULL, headers=headers)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    world.state.clock.advance(3601)
    assert (await github.get(PULL, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Authorization": "Bearer wrong"}, 401), ({"Authorization": ""}, 401), ({"User-Agent": ""}, 403)],
)
async def test_a_stranger_is_turned_away(github: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    assert (await github.get(PULL, headers=headers)).status_code == status


@pytest.mark.parametrize(
    "path", ["repos/acme/nope/pulls/412", "repos/acme/web/pulls/1", "repos/acme/web/pulls/x", "nowhere"]
)
async def test_what_does_not_exist_is_not_found(github: httpx.AsyncClient, path: str) -> None:
    reply = await github.get(path)
    assert (reply.status_code, reply.json()["message"]) == (404, "Not Found")


async def test_the_list_has_open_ones_and_follows_links(world: Sandbox, github: httpx.AsyncClient) -> None:
    assert (await github.get("repos/acme/web/pulls")).json() == []
    repository = world.state.github.repository(seed.REPOSITORY)
    assert repository is not None
    for number in range(1, 6):
        world.state.github.add_pull(repository, {"number": number, "head": {"ref": f"b{number}", "sha": seed.HEAD_SHA}})
    page = await github.get("repos/acme/web/pulls", params={"state": "all", "per_page": 4})
    assert [pull["number"] for pull in page.json()] == [5, 4, 3, 2]
    assert "merged" not in page.json()[0]
    rest = await github.get(page.links["next"]["url"])
    assert [pull["number"] for pull in rest.json()] == [1, 412]
    assert "next" not in rest.links
    found = await github.get("repos/acme/web/pulls", params={"head": "acme:b3"})
    assert [pull["number"] for pull in found.json()] == [3]


@pytest.mark.parametrize(
    ("base", "head", "status", "ahead", "behind"),
    [
        (seed.PREVIOUS_SHA, seed.MERGE_SHA, "ahead", 2, 0),
        (seed.MERGE_SHA, seed.PREVIOUS_SHA, "behind", 0, 2),
        ("main", seed.MERGE_SHA, "identical", 0, 0),
        (seed.MERGE_SHA, seed.HOTFIX_SHA, "diverged", 1, 2),
    ],
)
async def test_commits_compare(
    github: httpx.AsyncClient, base: str, head: str, status: str, ahead: int, behind: int
) -> None:
    found = (await github.get(f"repos/acme/web/compare/{base}...{head}")).json()
    assert (found["status"], found["ahead_by"], found["behind_by"]) == (status, ahead, behind)
    assert len(found["commits"]) == ahead


async def test_statuses_append_and_the_newest_per_context_counts(github: httpx.AsyncClient) -> None:
    for state in ("pending", "failure", "success"):
        made = await github.post(MERGE_STATUSES, json={"state": state, "context": "pilotage/dev"})
        assert made.status_code == 201
    listed = (await github.get(f"repos/acme/web/commits/{seed.MERGE_SHA}/statuses")).json()
    assert [row["state"] for row in listed] == ["success", "failure", "pending"]
    combined = (await github.get("repos/acme/web/commits/main/status")).json()
    assert (combined["state"], combined["total_count"]) == ("success", 1)


@pytest.mark.parametrize(
    "body",
    [
        {"state": "success", "description": "x" * 141},
        {"state": "passed"},
        {"state": "success", "target_url": ""},
    ],
)
async def test_a_status_that_breaks_a_limit_is_invalid(github: httpx.AsyncClient, body: dict[str, str]) -> None:
    reply = await github.post(MERGE_STATUSES, json=body)
    assert (reply.status_code, reply.json()["message"]) == (422, "Validation Failed")


async def test_labels_are_created_where_missing_and_matched_without_case(github: httpx.AsyncClient) -> None:
    added = await github.post(LABELS, json={"labels": ["pilotage/testing", "FEATURE"]})
    assert [label["name"] for label in added.json()] == ["feature", "pilotage/testing"]
    assert (await github.get("repos/acme/web/labels/pilotage%2Ftesting")).json()["color"] == "ededed"
    exists = await github.post("repos/acme/web/labels", json={"name": "Pilotage/Testing"})
    assert (exists.status_code, exists.json()["errors"][0]["code"]) == (422, "already_exists")
    assert (await github.delete(f"{LABELS}/pilotage%2Ftesting")).status_code == 200
    assert (await github.delete(f"{LABELS}/pilotage%2Ftesting")).status_code == 404
    events = (await github.get("repos/acme/web/issues/412/events")).json()
    assert [event["event"] for event in events][-2:] == ["labeled", "unlabeled"]
    assert events[-1]["actor"]["login"] == "pilotage-bot"


async def test_comments_are_created_changed_and_paged(github: httpx.AsyncClient) -> None:
    made = (await github.post(COMMENTS, json={"body": "one"})).json()
    await github.post(COMMENTS, json={"body": "two"})
    changed = await github.patch(f"repos/acme/web/issues/comments/{made['id']}", json={"body": "first"})
    assert changed.json()["body"] == "first"
    page = await github.get(COMMENTS, params={"per_page": 1})
    assert [comment["body"] for comment in page.json()] == ["first"]
    assert [comment["body"] for comment in (await github.get(page.links["next"]["url"])).json()] == ["two"]
    assert (await github.post(COMMENTS, json={"body": "x" * 65_537})).status_code == 422


async def test_merging_wants_the_head_that_was_seen(control: httpx.AsyncClient, github: httpx.AsyncClient) -> None:
    opened = {"repo": "acme/web", "number": 413, "head": {"ref": "hotfix", "sha": seed.HOTFIX_SHA}}
    assert (await control.post("/_github/pull", json=opened)).status_code == 200
    merge = "repos/acme/web/pulls/413/merge"
    assert (await github.get(merge)).status_code == 404
    assert (await github.put(merge, json={"sha": seed.HEAD_SHA})).status_code == 409
    merged = (await github.put(merge, json={"sha": seed.HOTFIX_SHA})).json()
    assert (await github.get("repos/acme/web/git/ref/heads/main")).json()["object"]["sha"] == merged["sha"]
    assert (await github.put(merge, json={})).status_code == 405
    compared = (await github.get(f"repos/acme/web/compare/{seed.MERGE_SHA}...main")).json()
    assert compared["status"] == "ahead"


async def test_a_file_is_replaced_only_by_who_knows_it(github: httpx.AsyncClient) -> None:
    path = "repos/acme/web/contents/src/app.py"
    found = (await github.get(path)).json()
    change = {"message": "change", "content": "dmVyc2lvbiA9IDMK"}
    assert (await github.put(path, json=change)).status_code == 422
    assert (await github.put(path, json={**change, "sha": "0" * 40})).status_code == 409
    assert (await github.put(path, json={**change, "sha": found["sha"]})).status_code == 200
    assert (await github.put("repos/acme/web/contents/new.txt", json=change)).status_code == 201
    assert (await github.get("repos/acme/web/contents/nothing")).status_code == 404


async def test_an_app_gets_a_token_for_its_signed_claims_only(world: Sandbox, github: httpx.AsyncClient) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = int(time.time())
    path = f"app/installations/{seed.GITHUB_INSTALLATION_ID}/access_tokens"

    def signed(**changes: object) -> dict[str, str]:
        claims = {"iss": str(seed.GITHUB_APP_ID), "iat": now - 60, "exp": now + 540} | changes
        return {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm='RS256')}"}

    made = await github.post(path, headers=signed())
    assert made.status_code == 201
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await github.get(PULL, headers=token)).status_code == 200
    assert (await github.get("repos/acme/web/installation", headers=signed())).json()[
        "id"
    ] == seed.GITHUB_INSTALLATION_ID
    for changes in ({"exp": now + 1200}, {"exp": now - 1}, {"iss": "1"}, {"iat": now + 600}):
        assert (await github.post(path, headers=signed(**changes))).status_code == 401
    assert (await github.post(path)).status_code == 401
    assert (await github.post("app/installations/1/access_tokens", headers=signed())).status_code == 404
    world.state.clock.advance(3601)
    assert (await github.get(PULL, headers=token)).status_code == 401


async def test_a_missing_permission_is_named(world: Sandbox, github: httpx.AsyncClient) -> None:
    limited = {"login": "app", "permissions": {"pull_requests": "read"}}
    world.state.load({"github": {"tokens": {"limited-token": limited}}})
    headers = {"Authorization": "Bearer limited-token"}
    assert (await github.get(PULL, headers=headers)).status_code == 200
    refused = await github.post(MERGE_STATUSES, headers=headers, json={"state": "success"})
    assert refused.status_code == 403
    assert refused.headers["x-accepted-github-permissions"] == "statuses=write"


async def test_people_have_their_seeded_rights(github: httpx.AsyncClient) -> None:
    rights = [
        (await github.get(f"repos/acme/web/collaborators/{login}/permission")).json()["permission"]
        for login in ("ada", "mallory", "stranger")
    ]
    assert rights == ["write", "read", "none"]
