"""What is particular about Gitea and Forgejo, each of it read in their sources or recorded."""

import base64
import json
from typing import Any

import httpx
import pytest

from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.gitea import wire
from providers.gitea.options import ForgejoOptions, GiteaOptions
from providers.models import Ancestry, Comment, CommitStatus, LabelEvent, StatusState
from providers.ports import Steering
from tests.providers.hosts import TOKEN, FakeHost, answer, gitea

REPOSITORY = "/api/v1/repos/acme/web"
SHA, OLDER = "1" * 40, "2" * 40
PULL = {
    "number": 1,
    "state": "open",
    "user": {"login": "mona"},
    "head": {"ref": "feature", "label": "feature", "sha": SHA, "repo_id": 7},
    "base": {"ref": "main", "label": "main", "sha": OLDER, "repo_id": 7},
}
SCOPE = {"message": "token does not have at least one of required scope(s), required=[read:user], token scope=all"}


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("git.example.com", "https://git.example.com/api/v1"),
        ("git.example.com:3000/git/", "https://git.example.com:3000/git/api/v1"),
        ("http://git.example.com/api/v1", "http://git.example.com/api/v1"),
        (" https://git.example.com/ ", "https://git.example.com/api/v1"),
    ],
)
def test_the_address_may_be_a_name_a_port_a_sub_path_or_the_api_itself(domain: str, wanted: str) -> None:
    assert wire.base_url(domain) == wanted


@pytest.mark.parametrize("made", [GiteaOptions, ForgejoOptions])
async def test_a_token_is_sent_as_a_token_and_user_and_password_as_basic(
    host: FakeHost, made: type[GiteaOptions]
) -> None:
    host.always(answer([]))
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web"}))
    await gitea(host.http(), made=made).check()
    await gitea(host.http(), made=made, data={"username": "mona", "password": "pass phrase"}).check()
    basic = base64.b64encode(b"mona:pass phrase").decode()
    sent = dict.fromkeys(one.headers["authorization"] for one in host.requests)
    assert list(sent) == [f"token {TOKEN}", f"Basic {basic}"]


@pytest.mark.parametrize(
    ("data", "key"), [({"x": "y"}, "token"), ({"username": "mona"}, "password"), ({"token": "ü"}, "token")]
)
async def test_a_secret_without_a_usable_credential_names_the_key_and_nothing_is_sent(
    host: FakeHost, data: dict[str, str], key: str
) -> None:
    with pytest.raises(ProviderMisconfigured, match=f"`{key}`"):
        await gitea(host.http(), data=data).check()
    assert host.requests == []


async def test_what_a_password_is_sent_as_is_cut_out_of_what_the_host_answers(host: FakeHost) -> None:
    basic = base64.b64encode(b"mona:hunter-two").decode()
    host.always(answer({"message": f"no such credential: {basic}, hunter-two"}, 401))
    with pytest.raises(ProviderUnauthorized) as refused:
        await gitea(host.http(), data={"username": "mona", "password": "hunter-two"}).check()
    assert basic not in str(refused.value)
    assert "hunter-two" not in str(refused.value)


async def test_a_token_that_may_not_show_whose_it_is_is_accepted_and_a_refused_account_is_not(host: FakeHost) -> None:
    host.on("GET", "/api/v1/user", answer(SCOPE, 403))
    assert await gitea(host.http(), owner="").check()
    host.on("GET", "/api/v1/user", answer({"message": "You must change your password."}, 403))
    with pytest.raises(ProviderUnauthorized):
        await gitea(host.http(), owner="").check()


async def test_a_credential_is_proved_at_each_check(host: FakeHost) -> None:
    host.on("GET", "/api/v1/user", answer({"login": "mona"}), answer({"message": "invalid"}, 401))
    scm = gitea(host.http(), owner="")
    assert await scm.check() == "mona"
    with pytest.raises(ProviderUnauthorized):
        await scm.check()


async def test_of_unknown_accounts_all_comments_may_be_ours_until_one_was_written(host: FakeHost) -> None:
    mine, other = {"id": 1, "body": "a", "user": {"login": "Bot"}}, {"id": 2, "body": "b", "user": {"login": "mona"}}
    host.on("GET", "/api/v1/user", answer(SCOPE, 403))
    host.on("GET", f"{REPOSITORY}/issues/1/comments", answer([mine, other]))
    host.on("POST", f"{REPOSITORY}/issues/1/comments", answer(mine, 201))
    scm = gitea(host.http())
    assert await scm.comments.own(1) == (
        Comment(id="1", body="a", account_known=False),
        Comment(id="2", body="b", account_known=False),
    )
    await scm.comments.create(1, "a")
    assert await scm.comments.own(1) == (Comment(id="1", body="a"),)
    assert host.paths().count("GET /api/v1/user") == 1


async def test_an_event_of_the_pull_request_is_no_comment(host: FakeHost) -> None:
    host.always(answer(None, 204))
    with pytest.raises(ProviderNotFound):
        await gitea(host.http()).comments.get("5")
    with pytest.raises(ProviderNotFound):
        await gitea(host.http()).comments.update(Comment(id="5", body=""), "x")


async def test_a_branch_that_is_gone_is_named_by_its_label(host: FakeHost) -> None:
    gone = {**PULL, "head": {"ref": "refs/pull/1/head", "label": "feature/a", "sha": SHA, "repo_id": 7}}
    host.always(answer(gone))
    assert (await gitea(host.http()).pull_requests.get(1)).branch == "feature/a"


@pytest.mark.parametrize(("repository", "is_fork"), [(7, False), (8, True), (-1, True)])
async def test_a_pull_request_from_a_fork_is_known_also_once_the_fork_is_gone(
    host: FakeHost, repository: int, is_fork: bool
) -> None:
    host.always(answer({**PULL, "head": {**PULL["head"], "repo_id": repository}}))  # type: ignore[dict-item]
    assert (await gitea(host.http()).pull_requests.get(1)).from_fork is is_fork


async def test_pages_smaller_than_asked_for_are_read_to_the_end(host: FakeHost) -> None:
    pages = [answer([{"filename": f"{name}.py"}], x_total_count="3") for name in "abc"]
    host.on("GET", ".*/files.*", *pages)
    assert (await gitea(host.http()).pull_requests.changed_files(1)).paths == ("a.py", "b.py", "c.py")
    assert len(host.requests) == 3


async def test_a_list_without_a_total_ends_with_a_page_that_is_not_full(host: FakeHost) -> None:
    full = [{"filename": f"{number}.py", "previous_filename": "old.py"} for number in range(50)]
    host.on("GET", ".*/files.*", answer(full), answer(full[:1]), answer([]))
    files = await gitea(host.http()).pull_requests.changed_files(1)
    assert (len(files.paths), files.complete, len(host.requests)) == (51, True, 2)


async def test_a_pull_request_with_very_many_files_is_read_as_far_as_github_lists(host: FakeHost) -> None:
    full = [{"filename": f"{number}.py"} for number in range(50)]
    host.always(answer(full, x_total_count="100000"))
    files = await gitea(host.http()).pull_requests.changed_files(1)
    assert (files.complete, len(host.requests)) == (False, 60)


async def test_a_list_that_never_ends_is_given_up(host: FakeHost) -> None:
    host.always(answer({"statuses": []}, link='<https://git.example.com/x?page=2>; rel="next"'))
    with pytest.raises(ProviderMalformed):
        await gitea(host.http()).commit_statuses.newest(SHA)
    assert len(host.requests) == 100


@pytest.mark.parametrize(
    ("of_head", "of_base", "wanted"),
    [(1, 0, Ancestry.AHEAD), (0, 1, Ancestry.BEHIND), (1, 1, Ancestry.DIVERGED)],
)
async def test_ancestry_is_asked_by_what_one_commit_has_and_the_other_has_not(
    host: FakeHost, of_head: int, of_base: int, wanted: Ancestry
) -> None:
    host.on("GET", f".*/commits.sha={SHA}&not={OLDER}.*", answer([{"sha": SHA}] * of_head))
    host.on("GET", f".*/commits.sha={OLDER}&not={SHA}.*", answer([{"sha": OLDER}] * of_base))
    assert await gitea(host.http()).revisions.compare(OLDER, SHA) is wanted


async def test_a_failure_of_the_host_is_no_unknown_commit(host: FakeHost) -> None:
    host.on("GET", ".*/commits.sha=.*", answer({"message": ""}, 500))
    host.on("GET", f".*/git/commits/{SHA}.*", answer({"sha": SHA}))
    host.on("GET", f".*/git/commits/{OLDER}.*", answer({"sha": OLDER}))
    host.on("POST", ".*/statuses/.*", answer({"message": ""}, 500))
    scm = gitea(host.http())
    with pytest.raises(ProviderUnavailable):
        await scm.revisions.compare(OLDER, SHA)
    with pytest.raises(ProviderUnavailable):
        await scm.commit_statuses.set(SHA, CommitStatus(context="c", state=StatusState.ERROR, description=""))


async def test_a_commit_of_a_repository_that_the_credential_does_not_see_is_not_merely_unknown(host: FakeHost) -> None:
    host.always(answer({"message": "not found"}, 404))
    with pytest.raises(ProviderNotFound):
        await gitea(host.http()).revisions.resolve(SHA[:7])
    with pytest.raises(ProviderNotFound):
        await gitea(host.http()).revisions.compare(OLDER, SHA)


async def test_a_branch_that_is_called_like_a_hash_is_no_commit_of_that_hash(host: FakeHost) -> None:
    host.always(answer({"sha": OLDER}))
    assert await gitea(host.http()).revisions.resolve("deadbee") is None
    assert await gitea(host.http()).revisions.resolve(OLDER[:7]) == OLDER


async def test_the_status_with_the_highest_number_is_the_newest_wherever_it_stands(host: FakeHost) -> None:
    rows = [{"id": number, "context": "c", "status": state} for number, state in ((2, "success"), (1, "pending"))]
    host.always(answer({"statuses": rows}, x_total_count="2"))
    assert (await gitea(host.http()).commit_statuses.newest(SHA))["c"].state is StatusState.SUCCESS


@pytest.mark.parametrize("state", ["warning", "skipped", "passed", ""])
async def test_states_that_are_not_ours_equal_none_of_them(host: FakeHost, state: str) -> None:
    host.always(answer({"statuses": [{"id": 1, "context": "c", "status": state}]}, x_total_count="1"))
    assert (await gitea(host.http()).commit_statuses.newest(SHA))["c"].state is StatusState.ERROR


async def test_a_label_that_exists_and_was_left_out_is_not_created_again(host: FakeHost) -> None:
    # Such as one of two that exclude each other.
    host.on("POST", ".*/issues/1/labels", answer([{"id": 2, "name": "promoted/prod"}]))
    host.on("GET", f"{REPOSITORY}/labels.*", answer([{"id": 1, "name": "promoted/staging"}], x_total_count="1"))
    there = await gitea(host.http()).labels.add(1, ["promoted/staging", "promoted/prod"])
    assert there == ("promoted/prod",)
    assert [path for path in host.paths() if path == f"POST {REPOSITORY}/labels"] == []


async def test_a_label_that_may_not_be_created_is_reported(host: FakeHost) -> None:
    host.on("POST", ".*/issues/1/labels", answer([]))
    host.on("GET", f"{REPOSITORY}/labels.*", answer([]))
    host.on("POST", f"{REPOSITORY}/labels", answer({"message": "required=[write:issue]"}, 403))
    with pytest.raises(ProviderUnauthorized, match="write:issue"):
        await gitea(host.http()).labels.add(1, ["promoted/staging"])


async def test_a_write_to_a_repository_that_was_renamed_names_the_new_place(host: FakeHost) -> None:
    host.on("POST", ".*", answer(None, 307, location="/api/v1/repos/acme/shop/issues/1/comments"))
    with pytest.raises(ProviderMisconfigured, match="acme/shop"):
        await gitea(host.http()).comments.create(1, "x")
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("repository", "wanted", "refusal"),
    [
        ({"archived": True}, ProviderRejected, "Forgejo refuses every change: unarchive it"),
        ({"permissions": {"pull": True, "push": False}}, ProviderUnauthorized, "right to write"),
        ({"full_name": "acme/shop"}, ProviderMisconfigured, "called `acme/shop` now"),
    ],
)
async def test_a_repository_that_may_not_be_written_is_not_ready(
    host: FakeHost, repository: dict[str, object], wanted: type[ProviderError], refusal: str
) -> None:
    host.always(answer({"full_name": "acme/web", **repository}))
    with pytest.raises(wanted, match=refusal):
        await gitea(host.http(), made=ForgejoOptions).check()


async def test_a_token_without_a_scope_is_answered_with_the_ones_it_needs(host: FakeHost) -> None:
    host.on("GET", REPOSITORY, answer({"full_name": "acme/web", "permissions": {"push": True}}))
    refusal = {"message": SCOPE["message"].replace("read:user", "read:issue")}
    host.on("GET", rf"{REPOSITORY}/labels\?.*", answer(refusal, 403))
    with pytest.raises(ProviderUnauthorized, match="`write:repository` and `write:issue`"):
        await gitea(host.http()).check()


def commented(number: int, minute: int) -> dict[str, Any]:
    """Return a comment of a timeline."""
    made = f"2026-01-01T{minute // 60:02d}:{minute % 60:02d}:00Z"
    return {"id": number, "type": "comment", "body": "x", "user": {"login": "bot"}, "created_at": made}


def labelled(number: int, name: str) -> dict[str, Any]:
    """Return the last row of a timeline: a person puts a label there."""
    made = {"user": {"login": "ada"}, "created_at": "2026-01-02T00:00:00Z"}
    return {"id": number, "type": "label", "body": "1", "label": {"name": name}, **made}


def reviewed(number: int, minute: int) -> dict[str, Any]:
    """Return a comment on a line of code, which the host shows in no timeline."""
    return {**commented(number, minute), "type": "code"}


def timeline(host: FakeHost, rows: list[dict[str, Any]], *, changed: str = "", reviews: int = 0) -> Steering:
    """Serve a timeline as the host does: the total is that of the page, and a page that has nothing is `null`.

    `changed` is when the pull request changed last, and `reviews` counts the comments on lines of code.
    """

    def page(request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        behind = [row for row in rows if row["created_at"] >= asked["since"]]
        size = int(asked["limit"])
        page = behind[(int(asked["page"]) - 1) * size : int(asked["page"]) * size]
        found = [row for row in page if row["type"] != "code"]
        return httpx.Response(200, content=json.dumps(found or None), headers={"x-total-count": str(len(found))})

    host.on("GET", "/api/v1/user", answer({"login": "pilot"}))
    host.on("GET", f"{REPOSITORY}/pulls/1", answer({"number": 1, "updated_at": changed}))
    listed = [{"id": 1, "comments_count": reviews // 2}, {"id": 2, "comments_count": reviews - reviews // 2}]
    host.on("GET", rf"{REPOSITORY}/pulls/1/reviews\?.*", answer(listed, x_total_count="2"))
    host.on("GET", rf"{REPOSITORY}/issues/1/timeline\?.*", page)
    steering = gitea(host.http()).steering
    assert steering is not None
    return steering


def pages(host: FakeHost) -> list[httpx.Request]:
    """Return the requests for pages of the timeline."""
    return [request for request in host.requests if "/timeline" in request.url.path]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("comments", [60, 250, 900])
async def test_a_label_behind_any_number_of_comments_is_seen_once(host: FakeHost, comments: int, at_once: bool) -> None:
    rows = [commented(number, 0 if at_once else number) for number in range(1, comments + 1)]
    steering = timeline(host, [*rows, labelled(1_000, "pilotage/hold")])
    cursor, found = "", list[LabelEvent]()
    for _ in range(6):
        host.requests.clear()
        answered = await steering.label_events(1, cursor)
        cursor, found = answered.cursor, [*found, *answered.events]
        assert len(pages(host)) <= (20 if at_once else 5)
    assert [(one.label, one.added, one.by.name) for one in found] == [("pilotage/hold", True, "ada")]
    assert [request.url.params["since"] for request in pages(host)] == ["2026-01-02T00:00:00Z"] * 2


async def test_comments_move_the_look_on_where_there_is_no_label(host: FakeHost) -> None:
    steering = timeline(host, [commented(number, number) for number in range(1, 61)])
    cursor = (await steering.label_events(1, "")).cursor
    host.requests.clear()
    assert (await steering.label_events(1, cursor)).cursor == cursor
    assert {request.url.params["since"] for request in pages(host)} == {"2026-01-01T01:00:00Z"}


@pytest.mark.parametrize("comments", [49, 100, 120, 990])
async def test_comments_on_lines_of_code_are_no_end_of_the_list(host: FakeHost, comments: int) -> None:
    """The host counts them in a page, and leaves them out: a page that has nothing looks like the end."""
    rows = [commented(1, 0), *(reviewed(number, 1) for number in range(2, comments + 2))]
    steering = timeline(
        host, [*rows, labelled(2_000, "pilotage/hold")], changed="2026-01-02T00:00:00Z", reviews=comments
    )
    found = await steering.label_events(1, "")
    assert [one.label for one in found.events] == ["pilotage/hold"]
    assert len(pages(host)) <= comments // 50 + 5
    assert (await steering.label_events(1, found.cursor)).events == ()


async def test_what_changed_without_a_row_is_looked_for_once(host: FakeHost) -> None:
    """Such as a new description; behind its moment the next look begins."""
    steering = timeline(host, [commented(1, 0)], changed="2026-01-03T00:00:00Z")
    found = await steering.label_events(1, "")
    assert (len(pages(host)), len(host.requests)) == (4, 7)
    host.requests.clear()
    assert (await steering.label_events(1, found.cursor)).cursor == found.cursor
    assert [request.url.path.rpartition("/")[2] for request in host.requests] == ["1", "timeline"]


async def test_a_label_of_the_second_in_which_the_last_look_ended_is_seen(host: FakeHost) -> None:
    rows = [commented(1, 0)]
    steering = timeline(host, rows, changed="2026-01-02T00:00:00Z")
    cursor = (await steering.label_events(1, "")).cursor
    rows.append(labelled(2, "pilotage/hold"))
    found = await steering.label_events(1, cursor)
    assert [one.label for one in found.events] == ["pilotage/hold"]
    assert (await steering.label_events(1, found.cursor)).events == ()


async def test_what_the_host_shows_as_null_hides_no_label(host: FakeHost) -> None:
    """Such as a mention in a comment that was deleted since."""
    null = b"null"
    first = json.dumps([commented(1, 1), labelled(51, "pilotage/hold")]).encode().replace(b", {", b", null, {")
    steering = timeline(host, [])
    pages = [httpx.Response(200, content=content) for content in (first, b"[null]", null, b"[null]", null)]
    host.on("GET", rf"{REPOSITORY}/issues/1/timeline\?.*", *pages)
    found = await steering.label_events(1, "")
    assert [one.label for one in found.events] == ["pilotage/hold"]
    assert (await steering.label_events(1, found.cursor)).events == ()


async def test_a_comment_that_is_deleted_between_two_pages_hides_no_label(host: FakeHost) -> None:
    rows = [
        *(commented(number, number) for number in range(1, 51)),
        labelled(51, "pilotage/hold"),
        commented(52, 2_880),
    ]
    rows[-1]["created_at"] = "2026-01-03T00:00:00Z"
    steering = timeline(host, rows)
    page = host.routes[0].answers[0]

    def deleting(request: httpx.Request) -> httpx.Response:
        assert callable(page)
        found = page(request)
        if len(rows) == 52:
            del rows[0]
        return found

    host.on("GET", rf"{REPOSITORY}/issues/1/timeline\?.*", deleting)
    assert [one.label for one in (await steering.label_events(1, "")).events] == ["pilotage/hold"]
