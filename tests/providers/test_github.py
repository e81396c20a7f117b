"""GitHub as an SCM host, request by request."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from providers.errors import (
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
)
from providers.github.wire import base_url
from providers.models import Ancestry, ChangeState, Comment, CommitStatus, StatusState
from tests.providers.hosts import TOKEN, FakeHost, answer, github

REPOSITORY = "/repos/acme/web"
PULL = {
    "number": 412,
    "title": "Sell umbrellas",
    "state": "closed",
    "merged": True,
    "merge_commit_sha": "m" * 40,
    "html_url": "https://github.example.com/acme/web/pull/412",
    "user": {"login": "ada"},
    "head": {"sha": "h" * 40, "ref": "umbrellas"},
    "base": {"ref": "main"},
    "labels": [{"name": "feature"}],
}


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("", "https://api.github.com"),
        ("github.com", "https://api.github.com"),
        ("git.example.com", "https://git.example.com/api/v3"),
        ("acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://git.example.com/custom/", "https://git.example.com/custom"),
        ("http://127.0.0.1:8080/github", "http://127.0.0.1:8080/github"),
    ],
)
def test_a_domain_names_the_address_of_its_api(domain: str, wanted: str) -> None:
    assert base_url(domain) == wanted


async def test_every_request_pins_the_api_version(host: FakeHost) -> None:
    host.always(answer(PULL))
    await github(host.http()).pull_requests.get(412)
    headers = host.requests[0].headers
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["user-agent"] == "pilotage"
    assert headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_merged_pull_request_names_its_merge_commit(host: FakeHost) -> None:
    host.always(answer(PULL))
    change = await github(host.http()).pull_requests.get(412)
    assert (change.state, change.merge_sha, change.author) == (ChangeState.MERGED, "m" * 40, "ada")
    assert (change.branch, change.base_branch, change.labels) == ("umbrellas", "main", ("feature",))


async def test_the_test_merge_of_an_open_pull_request_is_no_merge(host: FakeHost) -> None:
    host.always(answer({**PULL, "state": "open", "merged": False}))
    change = await github(host.http()).pull_requests.get(412)
    assert (change.state, change.merge_sha) == (ChangeState.OPEN, None)


async def test_a_pull_request_closed_without_merge_is_closed(host: FakeHost) -> None:
    host.always(answer({**PULL, "merged": False, "merged_at": None}))
    assert (await github(host.http()).pull_requests.get(412)).state is ChangeState.CLOSED


async def test_an_unchanged_pull_request_is_read_without_quota(host: FakeHost) -> None:
    host.on("GET", f"{REPOSITORY}/pulls/412", answer(PULL, etag='W/"1"'), answer(status=304), answer(PULL))
    http = host.http()
    first = await github(http).pull_requests.get(412)
    second = await github(http).pull_requests.get(412)
    assert second == first
    assert host.requests[1].headers["if-none-match"] == 'W/"1"'
    await github(http, token="another-credential").pull_requests.get(412)
    assert "if-none-match" not in host.requests[2].headers


async def test_changed_files_are_read_over_all_pages_and_renames_count_twice(host: FakeHost) -> None:
    first = [{"filename": f"src/{number}.py"} for number in range(100)]
    host.on("GET", r".*/files\?per_page=100&page=1", answer(first, link='<https://x/?page=2>; rel="next"'))
    host.on("GET", r".*/files\?per_page=100&page=2", answer([{"filename": "new.py", "previous_filename": "old.py"}]))
    changed = await github(host.http()).pull_requests.changed_files(412)
    assert (len(changed.paths), changed.complete) == (102, True)
    assert changed.paths[-2:] == ("new.py", "old.py")


@pytest.mark.parametrize(("count", "complete"), [(2999, True), (3000, False)])
async def test_a_list_that_reaches_the_hosts_limit_is_not_taken_for_complete(
    host: FakeHost, count: int, complete: bool
) -> None:
    # A rename is one entry, though it has two paths.
    files = [{"filename": f"new/{number}", "previous_filename": f"old/{number}"} for number in range(count)]
    for page in range(1, 31):
        link = '<https://x/>; rel="next"' if page < 30 else '<https://x/>; rel="prev"'
        listed = files[(page - 1) * 100 : page * 100]
        host.on("GET", rf".*/files\?per_page=100&page={page}", answer(listed, link=link))
    changed = await github(host.http()).pull_requests.changed_files(412)
    assert (len(changed.paths), changed.complete) == (2 * count, complete)


async def test_a_full_page_without_a_link_is_not_taken_for_the_last(host: FakeHost) -> None:
    first = [{"name": f"l{number}"} for number in range(100)]
    host.on("GET", r".*/labels\?.*page=1", answer(first))
    host.on("GET", r".*/labels\?.*page=2", answer([]))
    assert len(await github(host.http()).labels.list(412)) == 100
    assert len(host.requests) == 2


async def test_all_pages_of_a_list_are_bounded_together(host: FakeHost) -> None:
    heavy = [{"name": "a", "filename": "a", "patch": "x" * 4_000_000}]
    host.always(answer(heavy, link='<https://x/?page=2>; rel="next"'))
    files = await github(host.http()).pull_requests.changed_files(1)
    assert (files.paths, files.complete) == (("a",), False)
    assert len(host.requests) == 9
    with pytest.raises(ProviderMalformed, match="pages of a list"):
        await github(host.http()).labels.list(1)


@pytest.mark.parametrize("shown", [{"retry_after": "60"}, {"x_ratelimit_remaining": "0"}, {}])
async def test_a_limit_is_not_taken_for_a_right_to_create_labels_that_misses(
    host: FakeHost, shown: dict[str, str]
) -> None:
    limit = answer({"message": "You have exceeded a secondary rate limit."}, 403, **shown)
    host.on("POST", f"{REPOSITORY}/labels", limit, answer({}, 201))
    host.on("POST", f"{REPOSITORY}/issues/412/labels", answer([{"name": "Bug"}]))
    http = host.http()
    with pytest.raises(ProviderRateLimited):
        await github(http).labels.add(412, ["Bug"])
    assert host.paths() == [f"POST {REPOSITORY}/labels"]


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        # A limit is answered with success.
        (answer({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}), 2),
        (answer({"message": "Not Found"}, 404), 1),
        (answer({"message": "Resource not accessible"}, 403), 1),
        (answer({"message": "Bad request"}, 400), 1),
    ],
)
async def test_an_account_that_is_not_shown_is_remembered_only_where_it_never_will_be(
    host: FakeHost, first: httpx.Response, asked: int
) -> None:
    host.on("GET", "/user", answer({"message": "Resource not accessible by integration"}, 403))
    host.on("POST", ".*/graphql", first, answer({"data": {"viewer": {"login": "pilot[bot]"}}}))
    host.on("GET", ".*/comments.*", answer([{"id": 1, "body": "x", "user": {"login": "pilot[bot]"}}]))
    comments = github(host.http()).comments
    assert [one.account_known for one in await comments.own(412)] == [False]
    assert [one.account_known for one in await comments.own(412)] == [asked == 2]
    assert len([path for path in host.paths() if "graphql" in path]) == asked


async def test_a_host_that_always_names_a_next_page_is_left(host: FakeHost) -> None:
    host.always(answer([], link='<https://x/?page=2>; rel="next"'))
    with pytest.raises(ProviderMalformed, match="pages"):
        await github(host.http()).labels.list(412)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("identical", Ancestry.IDENTICAL),
        ("ahead", Ancestry.AHEAD),
        ("behind", Ancestry.BEHIND),
        ("diverged", Ancestry.DIVERGED),
        ("sideways", Ancestry.UNKNOWN),
    ],
)
async def test_ancestry_is_read_without_files(host: FakeHost, status: str, wanted: Ancestry) -> None:
    host.always(answer({"status": status}))
    assert await github(host.http()).revisions.compare("a", "b") is wanted
    assert host.paths() == [f"GET {REPOSITORY}/compare/a...b?per_page=1&page=2"]


async def test_a_commit_is_identical_to_itself_without_asking(host: FakeHost) -> None:
    assert await github(host.http()).revisions.compare("a", "a") is Ancestry.IDENTICAL
    assert host.requests == []


@pytest.mark.parametrize(
    ("answered", "wanted"),
    [("Not Found", Ancestry.UNKNOWN), ("No common ancestor between a and b.", Ancestry.DIVERGED)],
)
async def test_an_unknown_commit_is_unknown_and_an_unrelated_one_diverged(
    host: FakeHost, answered: str, wanted: Ancestry
) -> None:
    host.on("GET", f"{REPOSITORY}/compare/.*", answer({"message": answered}, 404))
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web"}))
    assert await github(host.http()).revisions.compare("a", "b") is wanted


async def test_commits_of_a_repository_that_the_credential_does_not_see_are_not_called_unknown(host: FakeHost) -> None:
    # GitHub answers 404 for a private repository, as it does for a commit that is not there.
    host.always(answer({"message": "Not Found"}, 404))
    revisions = github(host.http()).revisions
    with pytest.raises(ProviderNotFound):
        await revisions.compare("a", "b")
    with pytest.raises(ProviderNotFound):
        await revisions.resolve("abcdef0")


async def test_an_abbreviation_of_no_commit_is_none(host: FakeHost) -> None:
    host.on("GET", f"{REPOSITORY}/commits/.*", answer({"message": "No commit found for SHA: abcdef0"}, 422))
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web"}))
    assert await github(host.http()).revisions.resolve("abcdef0") is None


async def test_the_newest_status_of_each_context_counts_over_pages(host: FakeHost) -> None:
    first = {"statuses": [{"context": "a", "state": "success", "description": None, "target_url": "https://x"}]}
    second = {"statuses": [{"context": "a", "state": "failure"}, {"context": "b", "state": "odd"}]}
    host.on("GET", r".*/commits/c0/status\?.*page=1", answer(first, link='<https://x>; rel="next"'))
    host.on("GET", r".*/commits/c0/status\?.*page=2", answer(second))
    found = await github(host.http()).commit_statuses.newest("c0")
    assert found["a"] == CommitStatus(context="a", state=StatusState.SUCCESS, description="", url="https://x")
    assert found["b"].state is StatusState.ERROR


@pytest.mark.parametrize(("url", "sent"), [("https://x/1", True), ("", False), ("ftp://x", False)])
async def test_a_status_is_cut_to_the_hosts_limits(host: FakeHost, url: str, sent: bool) -> None:
    host.always(answer({}, 201))
    status = CommitStatus(context="pilotage/dev", state=StatusState.SUCCESS, description="ä" * 200, url=url)
    await github(host.http()).commit_statuses.set("c0", status)
    body = host.body()
    assert isinstance(body, dict)
    assert body["description"] == "ä" * 139 + "…"
    assert ("target_url" in body) is sent


async def test_a_missing_label_is_created_once_with_a_colour_and_then_only_added(host: FakeHost) -> None:
    host.on("POST", f"{REPOSITORY}/labels", answer({}, 201))
    host.on("POST", f"{REPOSITORY}/issues/412/labels", answer([{"name": "Bug"}, {"name": "promoted/dev"}]))
    http = host.http()
    await github(http).labels.add(412, ["promoted/dev"])
    assert await github(http).labels.add(412, ["promoted/dev"]) == ("Bug", "promoted/dev")
    assert host.paths() == [
        f"POST {REPOSITORY}/labels",
        f"POST {REPOSITORY}/issues/412/labels",
        f"POST {REPOSITORY}/issues/412/labels",
    ]
    created = host.body(0)
    assert isinstance(created, dict)
    assert len(created["color"]) == 6
    assert "promoted to dev" in created["description"]
    assert host.body(1) == {"labels": ["promoted/dev"]}


@pytest.mark.parametrize("status", [403, 422])
async def test_a_label_that_exists_or_may_not_be_created_is_added_all_the_same(host: FakeHost, status: int) -> None:
    host.on("POST", f"{REPOSITORY}/labels", answer({"message": "no"}, status))
    host.on("POST", f"{REPOSITORY}/issues/412/labels", answer([]))
    await github(host.http()).labels.add(412, ["x"])
    assert len(host.requests) == 2


async def test_a_label_is_removed_by_its_quoted_name_and_its_absence_is_fine(host: FakeHost) -> None:
    host.always(answer({"message": "Label does not exist"}, 404))
    await github(host.http()).labels.remove(412, "promoted/a b")
    assert host.paths() == [f"DELETE {REPOSITORY}/issues/412/labels/promoted%2Fa%20b"]


async def test_comments_are_created_edited_and_bounded(host: FakeHost) -> None:
    host.on("POST", f"{REPOSITORY}/issues/412/comments", answer({"id": 7, "body": "x"}, 201))
    host.on("PATCH", f"{REPOSITORY}/issues/comments/7", answer({"id": 7, "body": "y"}))
    listed = [
        {"id": 6, "body": "z", "user": {"login": "mallory"}},
        {"id": 7, "body": "y", "user": {"login": "Pilotage-bot"}},
        {"id": 8, "body": "deleted account", "user": None},
    ]
    host.on("GET", f"{REPOSITORY}/issues/412/comments.*", answer(listed))
    host.on("GET", "/user", answer({"login": "pilotage-bot"}))
    comments = github(host.http()).comments
    created = await comments.create(412, "x" * 70_000)
    sent = host.body()
    assert isinstance(sent, dict)
    assert len(sent["body"]) == 65_536
    await comments.update(created, "y")
    assert await comments.own(412) == (Comment(id="7", body="y"),)
    await comments.own(412)
    assert host.paths().count("GET /user") == 1


async def test_check_names_the_repository_or_without_one_the_account(host: FakeHost) -> None:
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web"}))
    host.on("GET", "/user", answer({"login": "pilotage-bot"}))
    assert await github(host.http()).check() == "acme/web"
    assert await github(host.http(), owner="").check() == "pilotage-bot"


async def test_a_secondary_limit_states_how_long_to_wait(host: FakeHost) -> None:
    host.always(answer({"message": "secondary rate limit"}, 403, retry_after="30"))
    with pytest.raises(ProviderRateLimited) as caught:
        await github(host.http()).pull_requests.get(412)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 30


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        ({"other": "x"}, "neither key `token` nor key `privateKey`"),
        ({"token": "not\nsendable"}, "key `token` holds characters"),
        ({"token": "schlüssel"}, "key `token` holds characters"),
    ],
)
async def test_an_unusable_secret_names_its_key_and_sends_nothing(
    host: FakeHost, data: dict[str, str], refusal: str
) -> None:
    with pytest.raises(ProviderMisconfigured, match=refusal):
        await github(host.http(), data=data).check()
    assert host.requests == []


async def test_a_token_with_a_trailing_newline_is_sent_without_it(host: FakeHost) -> None:
    host.always(answer({"full_name": "acme/web"}))
    await github(host.http(), data={"token": f"{TOKEN}\n"}).check()
    assert host.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


async def test_a_refusal_is_not_to_be_repeated(host: FakeHost) -> None:
    host.always(answer({"message": "Validation Failed"}, 422))
    with pytest.raises(ProviderRejected) as caught:
        await github(host.http()).commit_statuses.set(
            "c0", CommitStatus(context="x", state=StatusState.ERROR, description="")
        )
    assert not caught.value.retryable


async def test_where_the_host_does_not_name_our_account_no_person_s_comment_counts_as_ours(host: FakeHost) -> None:
    host.on("GET", "/user", answer({"message": "Resource not accessible by integration"}, 403))
    host.on("GET", f"{REPOSITORY}/issues/412/comments.*", answer([{"id": 6, "body": "z", "user": {"login": ""}}]))
    assert await github(host.http()).comments.own(412) == ()


def page_by_page(entries: Sequence[Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Answer with the page that is asked for of a list as it is then."""

    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        return answer(entries[(number - 1) * 100 : number * 100])

    return page


async def test_a_command_behind_any_number_of_comments_that_were_edited_is_read(host: FakeHost) -> None:
    """The host lists what was edited since as well, the oldest first; none of that moves a look on."""
    edited = {"body": "x", "user": {"login": "eve"}, "created_at": "2026-11-29T10:00:00Z"}
    newest = {"user": {"login": "ada"}, "body": "/pilotage hold", "created_at": "2026-11-30T10:00:00Z"}
    comments = [{"id": number, **edited} for number in range(1, 651)] + [{"id": 651, **newest}]

    host.on("GET", "/user", answer({"login": "pilot"}))
    host.on("GET", rf"{REPOSITORY}/issues/412/comments\?.*", page_by_page(comments))
    steering = github(host.http()).steering
    assert steering is not None
    found = await steering.remarks(412, datetime(2026, 11, 30, 9, tzinfo=UTC), "")
    assert [(one.id, one.body) for one in found.remarks] == [("651", "/pilotage hold")]


async def test_a_look_at_comments_ends_where_it_takes_no_more(host: FakeHost) -> None:
    listed = {"body": "x", "user": {"login": "eve"}, "created_at": "2026-11-30T10:00:00Z"}
    host.on("GET", "/user", answer({"login": "pilot"}))
    host.on(
        "GET",
        rf"{REPOSITORY}/issues/412/comments\?.*",
        answer([{"id": number, **listed} for number in range(1, 101)], link='<https://x>; rel="next"'),
    )
    steering = github(host.http()).steering
    assert steering is not None
    found = await steering.remarks(412, datetime(2026, 11, 30, 9, tzinfo=UTC), "")
    assert (len(found.remarks), len(host.requests)) == (100, 2)


@pytest.mark.parametrize("left", [40, 99, 100])
async def test_a_label_is_seen_where_the_list_of_events_got_shorter(host: FakeHost, left: int) -> None:
    """As the events of an account do not show any more that the host has hidden."""
    label = {"event": "labeled", "actor": {"login": "ada"}, "created_at": "2026-11-30T10:00:00Z"}
    events = [{"id": number, "event": "mentioned"} for number in range(1, 251)]

    host.on("GET", "/user", answer({"login": "pilot"}))
    host.on("GET", rf"{REPOSITORY}/issues/412/events\?.*", page_by_page(events))
    steering = github(host.http()).steering
    assert steering is not None
    cursor = (await steering.label_events(412, "")).cursor
    del events[left:]
    events.append({"id": 251, "label": {"name": "pilotage/hold"}, **label})
    look = await steering.label_events(412, cursor)
    assert [one.label for one in look.events] == ["pilotage/hold"]
    assert (await steering.label_events(412, look.cursor)).events == ()
