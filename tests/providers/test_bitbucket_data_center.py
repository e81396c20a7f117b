"""Bitbucket Data Center: what its answers mean, and what is sent."""

import base64
from collections.abc import Callable

import httpx
import pytest

from crds.reasons.vocabulary import MergeMethod
from providers.bitbucket_data_center import wire
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import (
    Ancestry,
    ChangeState,
    Comment,
    CommitStatus,
    Merge,
    NewPullRequest,
    StatusState,
)
from providers.ports import PullRequestChanges
from tests.providers.hosts import TOKEN, FakeHost, answer, bitbucket_data_center

SHA = "abc1230000000000000000000000000000000001"
HEAD = "def4560000000000000000000000000000000002"
REST = "/context/rest"
ROOT = f"{REST}/api/latest/projects/acme/repos/web"
OWN = {"slug": "web", "project": {"key": "ACME"}}
PULL = {
    "id": 7,
    "version": 3,
    "title": "Sell umbrellas",
    "state": "OPEN",
    "author": {"user": {"name": "ada"}},
    "fromRef": {"id": "refs/heads/feature/x", "latestCommit": HEAD, "repository": OWN},
    "toRef": {"id": "refs/heads/main", "latestCommit": SHA, "repository": OWN},
    "links": {"self": [{"href": "https://bitbucket.example.com/context/projects/ACME/repos/web/pull-requests/7"}]},
}
MERGED = {**PULL, "version": 4, "state": "MERGED", "properties": {"mergeCommit": {"id": SHA}}}
PROPOSED = NewPullRequest(head="feature/x", base="main", title="Promote", body="By Pilotage")


def page(*values: object, following: int | None = None, limit: int = 1000) -> httpx.Response:
    more = {"isLastPage": following is None, "nextPageStart": following, "limit": limit}
    return answer({"values": list(values), "size": len(values), **more})


def refusal(status: int, exception: str) -> httpx.Response:
    named = f"com.atlassian.bitbucket.{exception}"
    return answer({"errors": [{"context": None, "message": "no", "exceptionName": named}]}, status)


@pytest.fixture
def changes(host: FakeHost) -> PullRequestChanges:
    found = bitbucket_data_center(host.http()).changes
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("git.example.com", "https://git.example.com/rest"),
        ("https://git.example.com:7990/bitbucket/", "https://git.example.com:7990/bitbucket/rest"),
        ("https://git.example.com/rest/api/latest", "https://git.example.com/rest"),
        ("https://git.example.com/rest/api/1.0", "https://git.example.com/rest"),
        ("http://git.example.com/ctx/rest", "http://git.example.com/ctx/rest"),
    ],
)
def test_the_address_of_the_api_is_made_from_what_people_write(domain: str, wanted: str) -> None:
    assert wire.base_url(domain) == wanted


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ({"token": TOKEN}, f"Bearer {TOKEN}"),
        ({"username": "bot", "password": TOKEN}, "Basic " + base64.b64encode(f"bot:{TOKEN}".encode()).decode()),
    ],
)
async def test_a_token_is_sent_as_bearer_and_a_password_with_its_name(
    host: FakeHost, data: dict[str, str], sent: str
) -> None:
    host.always(answer({"errors": [{"message": f"no: {sent}"}]}, 401))
    with pytest.raises(ProviderUnauthorized) as refused:
        await bitbucket_data_center(host.http(), data=data).check()
    assert host.requests[0].headers["authorization"] == sent
    assert sent.split()[1] not in str(refused.value)
    assert refused.value.status == 401


async def test_a_missing_permission_is_distinguished_from_a_credential_that_is_not_accepted(host: FakeHost) -> None:
    host.on("GET", ROOT, refusal(401, "AuthorisationException"))
    with pytest.raises(ProviderUnauthorized, match="without the permission; give it read access") as refused:
        await bitbucket_data_center(host.http()).check()
    # Otherwise nothing else would be shown either.
    assert refused.value.status == 403


async def test_an_archived_repository_is_not_ready(host: FakeHost) -> None:
    host.on("GET", ROOT, answer({"slug": "web", "archived": True}), answer({"slug": "web", "archived": False}))
    scm = bitbucket_data_center(host.http())
    with pytest.raises(ProviderRejected, match="unarchive it"):
        await scm.check()
    assert await scm.check() == "acme/web"


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("OPEN", ChangeState.OPEN), ("MERGED", ChangeState.MERGED), ("DECLINED", ChangeState.CLOSED)],
)
async def test_merged_is_distinguished_from_declined(host: FakeHost, state: str, wanted: ChangeState) -> None:
    host.on("GET", f"{ROOT}/pull-requests/7", answer({**MERGED, "state": state}))
    change = await bitbucket_data_center(host.http()).pull_requests.get(7)
    assert (change.state, change.merge_sha) == (wanted, SHA if state == "MERGED" else None)
    assert (change.head_sha, change.branch, change.base_branch, change.author) == (HEAD, "feature/x", "main", "ada")
    assert not change.from_fork


async def test_a_merge_commit_that_the_pull_request_does_not_show_is_found_in_what_happened(host: FakeHost) -> None:
    host.on("GET", f"{ROOT}/pull-requests/7", answer({**MERGED, "properties": {}}))
    host.on("GET", rf"{ROOT}/pull-requests/7/activities\?start=0.*", page({"action": "APPROVED"}, following=1))
    merged = page({"action": "RESCOPED"}, {"action": "MERGED", "commit": {"id": SHA}})
    host.on("GET", rf"{ROOT}/pull-requests/7/activities\?start=1.*", merged)
    assert (await bitbucket_data_center(host.http()).pull_requests.get(7)).merge_sha == SHA


async def test_a_branch_of_another_repository_is_a_fork(host: FakeHost) -> None:
    source = {**PULL["fromRef"], "repository": {"slug": "web", "project": {"key": "~MALLORY"}}}  # type: ignore[dict-item]
    host.on("GET", f"{ROOT}/pull-requests/7", answer({**PULL, "fromRef": source}))
    assert (await bitbucket_data_center(host.http()).pull_requests.get(7)).from_fork


async def test_changed_files_are_read_over_pages_with_both_paths_of_a_move(host: FakeHost) -> None:
    moved = {"type": "MOVE", "path": {"toString": "a/b"}, "srcPath": {"components": ["a", "c"]}}
    host.on("GET", rf"{ROOT}/pull-requests/7/changes\?start=0&limit=1000", page(moved, following=1))
    host.on("GET", rf"{ROOT}/pull-requests/7/changes\?start=1&limit=1000", page({"path": {"toString": "d"}}))
    changed = await bitbucket_data_center(host.http()).pull_requests.changed_files(7)
    assert (set(changed.paths), changed.complete) == ({"a/b", "a/c", "d"}, True)


@pytest.mark.parametrize("limit", [2, 1000])
async def test_a_change_that_fills_a_page_may_have_more_files(host: FakeHost, limit: int) -> None:
    files = [{"path": {"toString": f"f{number}"}} for number in range(limit)]
    host.on("GET", rf"{ROOT}/pull-requests/7/changes.*", page(*files, limit=limit))
    changed = await bitbucket_data_center(host.http()).pull_requests.changed_files(7)
    assert (len(changed.paths), changed.complete) == (limit, False)


async def test_a_next_page_that_goes_back_is_refused(host: FakeHost) -> None:
    host.on("GET", rf"{ROOT}/pull-requests/7/changes.*", page({"path": {"toString": "a"}}, following=0))
    with pytest.raises(ProviderMalformed):
        await bitbucket_data_center(host.http()).pull_requests.changed_files(7)
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("ahead", "behind", "wanted"),
    [
        (1, 0, Ancestry.AHEAD),
        (0, 1, Ancestry.BEHIND),
        (1, 1, Ancestry.DIVERGED),
        (0, 0, Ancestry.IDENTICAL),
    ],
)
async def test_what_each_has_and_the_other_misses_shows_how_two_commits_stand(
    host: FakeHost, ahead: int, behind: int, wanted: Ancestry
) -> None:
    host.on("GET", rf"{ROOT}/compare/commits\?from={HEAD}&to={SHA}&limit=1", page(*[{"id": HEAD}] * ahead))
    host.on("GET", rf"{ROOT}/compare/commits\?from={SHA}&to={HEAD}&limit=1", page(*[{"id": SHA}] * behind))
    assert await bitbucket_data_center(host.http()).revisions.compare(SHA, HEAD) is wanted


async def test_an_unknown_commit_is_distinguished_from_a_repository_that_is_not_seen(host: FakeHost) -> None:
    host.on("GET", rf"{ROOT}/(compare/commits|commits/).*", refusal(404, "commit.NoSuchCommitException"))
    host.on("GET", ROOT, answer({"slug": "web"}), refusal(404, "repository.NoSuchRepositoryException"))
    revisions = bitbucket_data_center(host.http()).revisions
    assert await revisions.compare(SHA, HEAD) is Ancestry.UNKNOWN
    with pytest.raises(ProviderNotFound):
        await revisions.resolve("abc123")


@pytest.mark.parametrize("url", ["", "ftp://x", "https://example.com/" + "x" * 450])
async def test_a_status_without_an_address_that_the_host_takes_links_to_the_commit(host: FakeHost, url: str) -> None:
    host.always(answer(None, 204))
    context = f"pilotage/{'x' * 300}"
    status = CommitStatus(context=context, state=StatusState.ERROR, description="y" * 300, url=url)
    await bitbucket_data_center(host.http()).commit_statuses.set(SHA, status)
    assert host.paths() == [f"POST {ROOT}/commits/{SHA}/builds"]
    body = host.body()
    assert isinstance(body, dict)
    page_of_commit = f"https://bitbucket.example.com/context/projects/acme/repos/web/commits/{SHA}"
    assert (body["url"], body["state"], body["parent"]) == (page_of_commit, "CANCELLED", body["key"])
    assert {len(body[field]) for field in ("key", "name", "description")} == {wire.TEXT_LIMIT}


async def test_statuses_are_listed_next_to_the_repositories(host: FakeHost) -> None:
    ours = {"key": "pilotage/dev", "name": "pilotage/dev", "state": "SUCCESSFUL", "url": "https://x/1"}
    odd = {"key": "build-1", "name": "Build #1", "state": "UNKNOWN", "url": "https://ci.example.com/1"}
    host.on("GET", rf"{REST}/build-status/latest/commits/{SHA}\?start=0&limit=100", page(ours, following=1))
    host.on("GET", rf"{REST}/build-status/latest/commits/{SHA}\?start=1&limit=100", page(odd))
    newest = await bitbucket_data_center(host.http()).commit_statuses.newest(SHA)
    assert {context: status.state for context, status in newest.items()} == {
        "pilotage/dev": StatusState.SUCCESS,
        "build-1": StatusState.ERROR,
    }


def commented(number: int, name: str) -> dict[str, object]:
    comment = {"id": number, "version": 0, "text": f"text {number}", "author": {"name": name}}
    return {"id": number + 100, "action": "COMMENTED", "comment": comment}


async def test_own_comments_are_found_among_what_happened_oldest_first_and_each_once(host: FakeHost) -> None:
    host.on("GET", rf"{REST}/api/latest/projects\?limit=1", answer({"values": []}, X_AUSERNAME="Bot%40example.com"))
    newest = page(commented(9, "bot@example.com"), commented(5, "ada"), following=2)
    host.on("GET", rf"{ROOT}/pull-requests/7/activities\?start=0.*", newest)
    # A comment that came meanwhile moved one to the second page.
    older = page(commented(9, "bot@example.com"), commented(3, "bot@example.com"), {"action": "OPENED"})
    host.on("GET", rf"{ROOT}/pull-requests/7/activities\?start=2.*", older)
    own = await bitbucket_data_center(host.http()).comments.own(7)
    assert own == (Comment(id="7:3", body="text 3"), Comment(id="7:9", body="text 9"))


async def test_where_a_proxy_hides_the_account_it_is_learned_from_what_was_written(host: FakeHost) -> None:
    host.on("GET", rf"{REST}/api/latest/projects\?limit=1", answer({"values": []}))
    host.on("GET", rf"{ROOT}/pull-requests/7/activities.*", page(commented(4, "ada"), commented(3, "bot")))
    host.on("POST", f"{ROOT}/pull-requests/7/comments", answer(commented(5, "bot")["comment"], 201))
    comments = bitbucket_data_center(host.http()).comments
    assert [(one.id, one.account_known) for one in await comments.own(7)] == [("7:3", False), ("7:4", False)]
    await comments.create(7, "x")
    assert [(one.id, one.account_known) for one in await comments.own(7)] == [("7:3", True)]


async def test_a_comment_is_written_over_its_newest_version(host: FakeHost) -> None:
    at = f"{ROOT}/pull-requests/7/comments/5"
    host.on("GET", at, answer({"id": 5, "version": 1, "text": "x"}), answer({"id": 5, "version": 2, "text": "y"}))
    host.on("PUT", at, refusal(409, "comment.CommentOutOfDateException"), answer({}))
    await bitbucket_data_center(host.http()).comments.update(Comment(id="7:5", body=""), "new")
    assert host.body() == {"text": "new", "version": 2}
    assert all(request.headers["x-atlassian-token"] == "no-check" for request in host.requests)


async def test_a_file_is_written_by_no_version(host: FakeHost) -> None:
    assert bitbucket_data_center(host.http()).branches is None


async def test_open_pull_requests_are_asked_for_by_one_side_and_sorted_out_by_the_other(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    elsewhere = {**PULL, "id": 5, "toRef": {**PULL["toRef"], "id": "refs/heads/other"}}  # type: ignore[dict-item]
    fork = {**PULL, "id": 6, "fromRef": {**PULL["fromRef"], "repository": {"slug": "other"}}}  # type: ignore[dict-item]
    query = r"state=OPEN&direction=OUTGOING&at=refs%2Fheads%2Ffeature%2Fx&order=OLDEST&start=0&limit=100"
    host.on("GET", rf"{ROOT}/pull-requests\?{query}", page(PULL, elsewhere, fork, {**PULL, "id": 3}))
    assert [pull.number for pull in await changes.find_open("feature/x", "main")] == [3, 7]


@pytest.mark.parametrize(
    ("refused", "wanted"),
    [
        (refusal(409, "pull.EmptyPullRequestException"), ProviderConflict),
        (refusal(409, "pull.InvalidPullRequestReviewersException"), ProviderRejected),
        (refusal(404, "commit.NoSuchCommitException"), ProviderNotFound),
    ],
)
async def test_why_a_pull_request_is_not_opened_is_known_by_the_error_s_class(
    host: FakeHost, changes: PullRequestChanges, refused: httpx.Response, wanted: type[ProviderError]
) -> None:
    host.on("GET", rf"{ROOT}/pull-requests\?.*", page())
    host.on("POST", f"{ROOT}/pull-requests", refused)
    with pytest.raises(wanted):
        await changes.create(PROPOSED)


async def test_a_pull_request_that_somebody_else_opened_meanwhile_is_taken(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    host.on("GET", rf"{ROOT}/pull-requests\?.*", page(), page(PULL))
    host.on("POST", f"{ROOT}/pull-requests", refusal(409, "pull.DuplicatePullRequestException"))
    assert (await changes.create(PROPOSED)).number == 7


async def test_reviewers_are_kept_and_a_stale_version_is_read_again(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    shown = {**PULL, "description": "as it was", "reviewers": [{"user": {"name": "grace"}, "approved": True}]}
    host.on("GET", f"{ROOT}/pull-requests/7", answer(shown), answer({**shown, "version": 4}))
    host.on("PUT", f"{ROOT}/pull-requests/7", refusal(409, "pull.PullRequestOutOfDateException"), answer(shown))
    await changes.update(7, title="New")
    wanted = {"title": "New", "description": "as it was", "reviewers": [{"user": {"name": "grace"}}]}
    assert [host.body(1), host.body(3)] == [{"version": 3, **wanted}, {"version": 4, **wanted}]


@pytest.mark.parametrize(
    ("method", "strategy"),
    [(MergeMethod.MERGE, "no-ff"), (MergeMethod.SQUASH, "squash"), (MergeMethod.REBASE, "rebase-ff-only")],
)
async def test_a_merge_names_the_version_that_was_looked_at(
    host: FakeHost, changes: PullRequestChanges, method: MergeMethod, strategy: str
) -> None:
    host.on("GET", f"{ROOT}/pull-requests/7", answer(PULL), answer(MERGED))
    host.on("POST", rf"{ROOT}/pull-requests/7/merge\?version=3", answer(MERGED))
    assert await changes.merge(7, Merge(head_sha=HEAD, method=method, title="Promote", message="Why")) == SHA
    assert host.body(1) == {
        "version": 3,
        "strategyId": strategy,
        "message": "Promote\n\nWhy",
        "autoSubject": False,
    }


def _falls_silent(host: FakeHost) -> None:
    host.on("POST", rf"{ROOT}/pull-requests/7/merge.*", httpx.ReadError("gone"))


def _refuses(exception: str) -> Callable[[FakeHost], None]:
    return lambda host: host.on("POST", rf"{ROOT}/pull-requests/7/merge.*", refusal(409, exception))


@pytest.mark.parametrize(
    ("fails", "wanted"),
    [
        (_refuses("pull.PullRequestOutOfDateException"), ProviderBusy),
        (_refuses("pull.PullRequestMergeVetoedException"), ProviderRejected),
        (_falls_silent, ProviderUnavailable),
    ],
    ids=["out of date", "vetoed", "no answer"],
)
async def test_a_merge_without_a_good_answer_is_judged_by_the_pull_request(
    host: FakeHost, changes: PullRequestChanges, fails: Callable[[FakeHost], None], wanted: type[ProviderError]
) -> None:
    fails(host)
    host.on("GET", f"{ROOT}/pull-requests/7", answer(PULL), answer(MERGED))
    assert await changes.merge(7, Merge(head_sha=HEAD)) == SHA
    host.on("GET", f"{ROOT}/pull-requests/7", answer(PULL))
    with pytest.raises(wanted):
        await changes.merge(7, Merge(head_sha=HEAD))
    pushed = {**PULL, "fromRef": {**PULL["fromRef"], "latestCommit": SHA}}  # type: ignore[dict-item]
    host.on("GET", f"{ROOT}/pull-requests/7", answer(PULL), answer(pushed))
    with pytest.raises(ProviderConflict, match="its head is"):
        await changes.merge(7, Merge(head_sha=HEAD))


async def test_closing_names_the_version_and_is_tried_again_where_another_one_came(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    host.on("GET", f"{ROOT}/pull-requests/7", answer(PULL))
    host.on("POST", rf"{ROOT}/pull-requests/7/decline\?version=3", refusal(409, "pull.PullRequestOutOfDateException"))
    with pytest.raises(ProviderUnavailable):
        await changes.close(7)
    host.on("GET", f"{ROOT}/pull-requests/7", answer(MERGED))
    host.requests.clear()
    await changes.close(7)
    assert len(host.requests) == 1
