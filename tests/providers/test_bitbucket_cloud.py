"""Bitbucket Cloud: what its answers mean, and what is sent."""

import base64
from datetime import UTC, datetime

import httpx
import pytest

from providers.bitbucket_cloud import wire
from providers.errors import (
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import Ancestry, ChangeState, Comment, CommitStatus, StatusState
from tests.providers.hosts import TOKEN, FakeHost, answer, bitbucket_cloud

SHA = "abc1230000000000000000000000000000000001"
HEAD = "def4560000000000000000000000000000000002"
ROOT = "/2.0/repositories/acme/web"
WEB = "https://bitbucket.example.com"
SIDE = {"repository": {"full_name": "acme/web"}}
PULL = {
    "id": 7,
    "title": "Sell umbrellas",
    "state": "OPEN",
    "author": {"nickname": "ada", "display_name": "Ada L."},
    "source": {**SIDE, "branch": {"name": "feature/x"}, "commit": {"hash": HEAD[:12]}},
    "destination": {**SIDE, "branch": {"name": "main"}, "commit": {"hash": SHA[:12]}},
    "merge_commit": None,
    "links": {"html": {"href": "https://bitbucket.org/acme/web/pull-requests/7"}},
}


def knows(host: FakeHost, *shas: str) -> None:
    """Answer for these commits, by any abbreviation, and for no other."""
    host.on("GET", rf"{ROOT}/commit/[^/]+", answer({"type": "error", "error": {"message": "Commit not found"}}, 404))
    for sha in shas:
        host.on("GET", rf"{ROOT}/commit/{sha[:12]}[0-9a-f]*", answer({"hash": sha}))


def page(*values: object, following: str | None = None) -> httpx.Response:
    return answer({"values": list(values), **({"next": following} if following else {})})


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ({"token": TOKEN}, f"Bearer {TOKEN}"),
        (
            {"username": "ada@example.com", "token": TOKEN},
            "Basic " + base64.b64encode(f"ada@example.com:{TOKEN}".encode()).decode(),
        ),
    ],
)
async def test_an_access_token_is_sent_as_bearer_and_a_person_s_token_with_the_address(
    host: FakeHost, data: dict[str, str], sent: str
) -> None:
    host.always(answer({"error": {"message": f"no: {sent}"}}, 401))
    with pytest.raises(ProviderUnauthorized) as refused:
        await bitbucket_cloud(host.http(), data=data).check()
    assert host.requests[0].headers["authorization"] == sent
    assert sent.split()[1] not in str(refused.value)


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("", "https://api.bitbucket.org/2.0"),
        ("bitbucket.org", "https://api.bitbucket.org/2.0"),
        ("https://api.bitbucket.org/", "https://api.bitbucket.org/2.0"),
        ("https://proxy.example.com:8443/bb/2.0", "https://proxy.example.com:8443/bb/2.0"),
    ],
)
def test_the_address_of_the_api_is_made_from_what_people_write(domain: str, wanted: str) -> None:
    assert wire.base_url(domain) == wanted


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("OPEN", ChangeState.OPEN),
        ("MERGED", ChangeState.MERGED),
        ("DECLINED", ChangeState.CLOSED),
        ("SUPERSEDED", ChangeState.CLOSED),
    ],
)
async def test_merged_is_distinguished_from_declined_and_superseded(
    host: FakeHost, state: str, wanted: ChangeState
) -> None:
    knows(host, HEAD, SHA)
    host.on("GET", f"{ROOT}/pullrequests/7", answer({**PULL, "state": state, "merge_commit": {"hash": SHA[:12]}}))
    change = await bitbucket_cloud(host.http()).pull_requests.get(7)
    # What an open one would be merged as is none of its commits.
    assert (change.state, change.merge_sha) == (wanted, SHA if state == "MERGED" else None)


async def test_abbreviated_hashes_are_expanded_and_asked_for_once(host: FakeHost) -> None:
    knows(host, HEAD, SHA)
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    scm = bitbucket_cloud(host.http())
    change = await scm.pull_requests.get(7)
    assert (change.head_sha, change.branch, change.base_branch, change.author) == (HEAD, "feature/x", "main", "ada")
    assert await scm.pull_requests.get(7) == change
    assert host.paths().count(f"GET {ROOT}/commit/{HEAD[:12]}") == 1


async def test_a_head_that_only_its_fork_has_stays_abbreviated(host: FakeHost) -> None:
    knows(host)
    source = {**PULL["source"], "repository": None}  # type: ignore[dict-item]
    host.on("GET", f"{ROOT}/pullrequests/7", answer({**PULL, "source": source}))
    change = await bitbucket_cloud(host.http()).pull_requests.get(7)
    assert (change.head_sha, change.from_fork) == (HEAD[:12], True)


async def test_a_merge_commit_that_is_not_there_is_an_error_and_never_half_a_hash(host: FakeHost) -> None:
    knows(host, HEAD)
    host.on("GET", f"{ROOT}/pullrequests/7", answer({**PULL, "state": "MERGED", "merge_commit": {"hash": SHA[:12]}}))
    with pytest.raises(ProviderNotFound, match="merge commit"):
        await bitbucket_cloud(host.http()).pull_requests.get(7)


async def test_to_have_another_commit_promoted_by_a_branch_that_is_called_like_the_merge_commit(host: FakeHost) -> None:
    knows(host, HEAD)
    host.on("GET", f"{ROOT}/commit/{SHA[:12]}", answer({"hash": "e" * 40}))
    host.on("GET", f"{ROOT}/pullrequests/7", answer({**PULL, "state": "MERGED", "merge_commit": {"hash": SHA[:12]}}))
    with pytest.raises(ProviderNotFound, match="merge commit"):
        await bitbucket_cloud(host.http()).pull_requests.get(7)


async def test_changed_files_are_read_behind_the_redirect_over_pages_with_both_paths_of_a_rename(
    host: FakeHost,
) -> None:
    there = f"{WEB}{ROOT}/diffstat/acme/web:def%0Dabc"
    host.on("GET", f"{ROOT}/pullrequests/7/diffstat", answer(None, 302, location=f"{there}?topic=true"))
    host.on("GET", rf"{ROOT}/diffstat/.*topic=true", page({"new": {"path": "b"}, "old": {"path": "a"}},
                                                          following=f"{there}?page=2"))  # fmt: skip
    host.on("GET", rf"{ROOT}/diffstat/.*page=2", page({"new": None, "old": {"path": "c"}}))
    changed = await bitbucket_cloud(host.http()).pull_requests.changed_files(7)
    assert (set(changed.paths), changed.complete) == ({"a", "b", "c"}, True)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/2.0/repositories/acme/web/x",
        "http://bitbucket.example.com/2.0/repositories/acme/web/x",
        "https://bitbucket.example.com:8443/2.0/repositories/acme/web/x",
        "https://bitbucket.example.com@evil.example/2.0/repositories/acme/web/x",
        "https://bitbucket.example.com/2.0/user",
        "https://bitbucket.example.com/2.0/repositories/../user",
        "https://bitbucket.example.com/2.0/repositories/%2e%2E/user",
        "https://bitbucket.example.com/2.0/repositories/acme/web/x y",
        "https://bitbucket.example.com:port/2.0/repositories/acme/web/x",
        "/2.0/repositories/acme/web/x",
        "https://bitbucket.example.com/2.0/repositories/" + "x" * 5000,
    ],
)
async def test_a_next_page_that_leads_elsewhere_is_never_asked_for(host: FakeHost, elsewhere: str) -> None:
    host.on("GET", rf"{ROOT}/commit/{SHA}/statuses.*", page(following=elsewhere))
    with pytest.raises(ProviderMalformed):
        await bitbucket_cloud(host.http()).commit_statuses.newest(SHA)
    assert len(host.requests) == 1


async def test_pages_without_end_are_given_up(host: FakeHost) -> None:
    there = f"{WEB}{ROOT}/commit/{SHA}/statuses?page=2"
    host.on("GET", rf"{ROOT}/commit/{SHA}/statuses.*", page(following=there))
    with pytest.raises(ProviderMalformed, match="100 pages"):
        await bitbucket_cloud(host.http()).commit_statuses.newest(SHA)
    assert len(host.requests) == wire.PAGE_LIMIT


@pytest.mark.parametrize(
    ("shared", "wanted"), [(SHA, Ancestry.AHEAD), (HEAD, Ancestry.BEHIND), ("9" * 40, Ancestry.DIVERGED)]
)
async def test_the_best_common_ancestor_shows_how_two_commits_stand(
    host: FakeHost, shared: str, wanted: Ancestry
) -> None:
    host.on("GET", rf"{ROOT}/merge-base/{SHA}\.\.{HEAD}", answer({"hash": shared}))
    assert await bitbucket_cloud(host.http()).revisions.compare(SHA, HEAD) is wanted


async def test_without_a_common_ancestor_known_commits_diverge_and_others_are_unknown(host: FakeHost) -> None:
    host.on("GET", f"{ROOT}", answer({"full_name": "acme/web"}))
    host.on("GET", rf"{ROOT}/merge-base/.*", answer({"error": {"message": "Not found"}}, 404))
    knows(host, SHA)
    revisions = bitbucket_cloud(host.http()).revisions
    assert await revisions.compare(SHA, HEAD) is Ancestry.UNKNOWN
    knows(host, SHA, HEAD)
    assert await revisions.compare(SHA, HEAD) is Ancestry.DIVERGED


async def test_a_repository_that_the_credential_does_not_see_is_no_unknown_commit(host: FakeHost) -> None:
    host.always(answer({"type": "error", "error": {"message": "You may not have access"}}, 404))
    with pytest.raises(ProviderNotFound, match="access"):
        await bitbucket_cloud(host.http()).revisions.compare(SHA, HEAD)


async def test_a_long_context_keeps_its_name_and_gets_a_key_that_no_other_has(host: FakeHost) -> None:
    host.always(answer({}, 201))
    statuses = bitbucket_cloud(host.http()).commit_statuses
    for name in ("dev", "prod"):
        context = f"pilotage/{'x' * 40}-{name}"
        await statuses.set(SHA, CommitStatus(context=context, state=StatusState.PENDING, description=""))
    bodies = [host.body(number) for number in (0, 1)]
    keys = [str(body["key"]) for body in bodies if isinstance(body, dict)]
    assert [len(key) for key in keys] == [wire.KEY_LIMIT, wire.KEY_LIMIT]
    assert keys[0] != keys[1]
    listed = page(*({**body, "type": "build"} for body in bodies if isinstance(body, dict)))
    host.on("GET", rf"{ROOT}/commit/{SHA}/statuses.*", listed)
    assert {context[-4:] for context in await statuses.newest(SHA)} == {"-dev", "prod"}


@pytest.mark.parametrize("url", ["", "ftp://x", "https://example.com/" + "x" * 450])
async def test_a_status_without_an_address_that_the_host_takes_links_to_the_commit(host: FakeHost, url: str) -> None:
    host.always(answer({}, 201))
    status = CommitStatus(context="pilotage/dev", state=StatusState.ERROR, description="x" * 300, url=url)
    await bitbucket_cloud(host.http()).commit_statuses.set(SHA, status)
    body = host.body()
    assert isinstance(body, dict)
    assert (body["url"], body["state"]) == (f"https://bitbucket.org/acme/web/commits/{SHA}", "STOPPED")
    assert (len(body["description"]), body["description"][-1]) == (wire.TEXT_LIMIT, "…")


async def test_statuses_of_others_are_known_by_their_key_and_odd_states_are_errors(host: FakeHost) -> None:
    theirs = {"key": "build-1", "name": "Build #1", "state": "NEW", "url": "https://ci.example.com/1"}
    host.on("GET", rf"{ROOT}/commit/{SHA}/statuses.*", page(theirs))
    newest = await bitbucket_cloud(host.http()).commit_statuses.newest(SHA)
    assert {context: status.state for context, status in newest.items()} == {"build-1": StatusState.ERROR}


def comment(number: int, uuid: str, **changes: object) -> dict[str, object]:
    return {"id": number, "user": {"uuid": uuid}, "content": {"raw": f"text {number}"}, "deleted": False, **changes}


async def test_own_comments_are_sorted_and_deleted_ones_and_those_of_others_left_out(host: FakeHost) -> None:
    host.on("GET", "/2.0/user", answer({"uuid": "{1}", "nickname": "bot"}))
    listed = [comment(9, "{1}"), comment(3, "{1}"), comment(4, "{2}"), comment(5, "{1}", deleted=True)]
    host.on("GET", rf"{ROOT}/pullrequests/7/comments.*", page(*listed))
    own = await bitbucket_cloud(host.http()).comments.own(7)
    assert own == (Comment(id="7:3", body="text 3"), Comment(id="7:9", body="text 9"))


@pytest.mark.parametrize("status", [401, 403])
async def test_an_access_token_learns_as_whom_it_writes_from_what_it_wrote(host: FakeHost, status: int) -> None:
    refusal = "This API is not accessible by this authentication mechanism"
    host.on("GET", "/2.0/user", answer({"type": "error", "error": {"message": refusal}}, status))
    host.on("GET", rf"{ROOT}/pullrequests/7/comments.*", page(comment(3, "{1}"), comment(4, "{2}")))
    host.on("POST", f"{ROOT}/pullrequests/7/comments", answer(comment(5, "{1}"), 201))
    comments = bitbucket_cloud(host.http()).comments
    assert [(one.id, one.account_known) for one in await comments.own(7)] == [("7:3", False), ("7:4", False)]
    assert (await comments.create(7, "x")).id == "7:5"
    assert [(one.id, one.account_known) for one in await comments.own(7)] == [("7:3", True)]
    assert host.paths().count("GET /2.0/user") == 1


async def test_a_credential_that_is_not_accepted_is_no_access_token(host: FakeHost) -> None:
    host.on("GET", "/2.0/user", answer({"error": {"message": "Token is invalid, expired, or not supported"}}, 401))
    for call in (bitbucket_cloud(host.http()).comments.own(7), bitbucket_cloud(host.http(), workspace="").check()):
        with pytest.raises(ProviderUnauthorized):
            await call


async def test_a_deleted_comment_is_gone_though_the_host_still_shows_it(host: FakeHost) -> None:
    host.on("GET", f"{ROOT}/pullrequests/7/comments/5", answer(comment(5, "{1}", deleted=True)))
    with pytest.raises(ProviderNotFound):
        await bitbucket_cloud(host.http()).comments.get("7:5")


async def test_a_comment_is_updated_at_its_pull_request(host: FakeHost) -> None:
    host.always(answer({}))
    await bitbucket_cloud(host.http()).comments.update(Comment(id="7:5", body=""), "new")
    assert host.paths() == [f"PUT {ROOT}/pullrequests/7/comments/5"]
    assert host.body() == {"content": {"raw": "new"}}


async def test_check_names_the_scope_that_the_credential_misses(host: FakeHost) -> None:
    host.on("GET", ROOT, answer({"full_name": "acme/web"}))
    detail = {"required": ["pullrequest"], "granted": ["repository"]}
    refusal = {"message": "Your credentials lack one or more required privilege scopes.", "detail": detail}
    host.on("GET", rf"{ROOT}/pullrequests\?.*", answer({"type": "error", "error": refusal}, 403))
    with pytest.raises(ProviderUnauthorized, match="scope `pullrequest`"):
        await bitbucket_cloud(host.http()).check()


async def test_an_access_token_alone_is_proved_by_the_answer_that_it_has_no_account(host: FakeHost) -> None:
    refusal = "This API is not accessible by this authentication mechanism"
    host.on("GET", "/2.0/user", answer({"type": "error", "error": {"message": refusal}}, 403))
    assert await bitbucket_cloud(host.http(), workspace="").check() == "an access token"


async def test_a_timeout_of_the_host_and_its_rate_limit_are_reported_as_such(host: FakeHost) -> None:
    host.on("GET", ROOT, answer({}, 555), answer({"error": {"message": "Rate limit"}}, 429))
    scm = bitbucket_cloud(host.http())
    with pytest.raises(ProviderUnavailable):
        await scm.check()
    with pytest.raises(ProviderRateLimited) as limited:
        await scm.check()
    assert limited.value.retry_after is not None
    assert limited.value.retry_after.total_seconds() == 60


async def test_a_command_before_any_number_of_comments_is_read_however_small_the_pages_are(host: FakeHost) -> None:
    """The host lists the newest first, and no look goes back behind what an earlier one has seen."""
    texts = ["/pilotage hold", *["Looks good"] * 340]
    comments = [
        {"id": number, "content": {"raw": text}, "user": {"uuid": "{8}"}, "created_on": "2026-11-30T10:00:00Z"}
        for number, text in enumerate(texts, 1)
    ][::-1]

    def shown(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        following = f"{WEB}{ROOT}/pullrequests/7/comments?page={number + 1}" if number * 50 < len(comments) else None
        return page(*comments[(number - 1) * 50 : number * 50], following=following)

    host.on("GET", "/2.0/user", answer({"uuid": "{7}"}))
    host.on("GET", rf"{ROOT}/pullrequests/7/comments\?.*", shown)
    steering = bitbucket_cloud(host.http()).steering
    assert steering is not None
    begun = datetime(2026, 11, 30, 9, tzinfo=UTC)
    found = await steering.remarks(7, begun, "")
    assert [(one.id, one.body) for one in found.remarks[:2]] == [("7:1", "/pilotage hold"), ("7:2", "Looks good")]
    following = await steering.remarks(7, begun, found.cursor)
    assert following.remarks[0].id == "7:101"


async def test_a_repository_that_was_renamed_is_named_unless_it_is_named_by_its_id(host: FakeHost) -> None:
    host.on("GET", ROOT, httpx.Response(301, headers={"location": f"{WEB}/2.0/repositories/acme/shop"}))
    host.on("GET", "/2.0/repositories/(acme/shop|%7B1%7D/web)", answer({"full_name": "acme/shop"}))
    host.on("GET", ".*/pullrequests.*", answer({"size": 0}))
    with pytest.raises(ProviderMisconfigured, match="`acme/web` is called `acme/shop` now"):
        await bitbucket_cloud(host.http()).check()
    assert await bitbucket_cloud(host.http(), workspace="{1}").check() == "{1}/web"
