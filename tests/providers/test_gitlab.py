"""GitLab as an SCM host, request by request."""

import json
import re

import httpx
import pytest
from prometheus_client import REGISTRY

from providers.errors import (
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.gitlab.notes import without_commands
from providers.gitlab.wire import base_url
from providers.models import Ancestry, ChangeState, Comment, CommitStatus, StatusState
from tests.providers.hosts import TOKEN, FakeHost, answer, gitlab

PROJECT = "/api/v4/projects/acme%2Fweb"
MERGE_REQUEST = {
    "iid": 412,
    "title": "Sell umbrellas",
    "state": "merged",
    "sha": "h" * 40,
    "merge_commit_sha": "m" * 40,
    "squash_commit_sha": "s" * 40,
    "web_url": "https://gitlab.example.com/acme/web/-/merge_requests/412",
    "author": {"username": "ada"},
    "source_branch": "umbrellas",
    "target_branch": "main",
    "source_project_id": 7,
    "target_project_id": 7,
    "labels": ["feature"],
    "changes_count": "2",
}
STATUS = CommitStatus(
    context="pilotage/dev", state=StatusState.PENDING, description="waits", url="https://pilotage.example.com/1"
)


@pytest.mark.parametrize(
    ("domain", "wanted"),
    [
        ("", "https://gitlab.com/api/v4"),
        ("git.example.com", "https://git.example.com/api/v4"),
        ("git.example.com:8443", "https://git.example.com:8443/api/v4"),
        ("git.example.com:8443/gitlab/", "https://git.example.com:8443/gitlab/api/v4"),
        ("https://git.example.com/gitlab", "https://git.example.com/gitlab/api/v4"),
        ("https://git.example.com/sub/api/v4/", "https://git.example.com/sub/api/v4"),
    ],
)
def test_a_domain_names_the_address_of_its_api(domain: str, wanted: str) -> None:
    assert base_url(domain) == wanted


@pytest.mark.parametrize(("project", "path"), [("acme/shop/web", "acme%2Fshop%2Fweb"), ("4711", "4711")])
async def test_a_project_is_one_segment_or_a_number_that_survives_renames(
    host: FakeHost, project: str, path: str
) -> None:
    host.always(answer(MERGE_REQUEST))
    await gitlab(host.http(), project=project).pull_requests.get(412)
    assert host.paths() == [f"GET /api/v4/projects/{path}/merge_requests/412"]
    assert host.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("shown", "state", "merged_as"),
    [
        ({}, ChangeState.MERGED, "m" * 40),
        ({"merge_commit_sha": None}, ChangeState.MERGED, "s" * 40),
        ({"merge_commit_sha": None, "squash_commit_sha": None}, ChangeState.MERGED, "h" * 40),
        ({"state": "opened"}, ChangeState.OPEN, None),
        ({"state": "locked"}, ChangeState.OPEN, None),
        ({"state": "closed"}, ChangeState.CLOSED, None),
    ],
)
async def test_merged_closed_and_merging_are_distinguished_with_what_the_target_branch_got(
    host: FakeHost, shown: dict[str, object], state: ChangeState, merged_as: str | None
) -> None:
    host.always(answer(MERGE_REQUEST | shown))
    change = await gitlab(host.http()).pull_requests.get(412)
    assert (change.state, change.merge_sha, change.head_sha) == (state, merged_as, "h" * 40)
    assert (change.branch, change.base_branch, change.author, change.labels) == (
        "umbrellas",
        "main",
        "ada",
        ("feature",),
    )


@pytest.mark.parametrize(("source", "is_fork"), [(7, False), (8, True), (None, True)])
async def test_a_merge_request_of_a_fork_is_known_as_one_also_where_the_fork_is_gone(
    host: FakeHost, source: int | None, is_fork: bool
) -> None:
    host.always(answer(MERGE_REQUEST | {"source_project_id": source}))
    assert (await gitlab(host.http()).pull_requests.get(412)).from_fork is is_fork


async def test_a_merge_request_whose_head_is_not_known_yet_is_read_again_later(host: FakeHost) -> None:
    host.always(answer(MERGE_REQUEST | {"sha": None, "state": "opened"}))
    with pytest.raises(ProviderUnavailable, match="preparing"):
        await gitlab(host.http()).pull_requests.get(412)
    host.always(answer(MERGE_REQUEST | {"sha": None, "diff_refs": {"head_sha": "d" * 40}}))
    assert (await gitlab(host.http()).pull_requests.get(412)).head_sha == "d" * 40


@pytest.mark.parametrize(
    ("count", "complete"), [("3", True), ("2", True), ("4", False), ("1000+", False), (None, False), ("", False)]
)
async def test_files_are_all_only_where_the_host_counts_no_more_of_them(
    host: FakeHost, count: str | None, complete: bool
) -> None:
    diffs = f"{PROJECT}/merge_requests/412/diffs"
    host.on("GET", f"{PROJECT}/merge_requests/412", answer(MERGE_REQUEST | {"changes_count": count}))
    first = [{"new_path": "a.py", "old_path": "a.py"}, {"new_path": "c.py", "old_path": "b.py", "renamed_file": True}]
    host.on("GET", rf"{diffs}\?per_page=20&page=1", answer(first, x_next_page="2"))
    host.on("GET", rf"{diffs}\?per_page=20&page=2", answer([{"new_path": "d.py", "old_path": "d.py"}], x_next_page=""))
    found = await gitlab(host.http()).pull_requests.changed_files(412)
    assert (set(found.paths), found.complete) == ({"a.py", "b.py", "c.py", "d.py"}, complete)


async def test_of_more_files_than_are_read_it_is_known_that_there_are_others(host: FakeHost) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        first = 20 * int(request.url.params["page"])
        rows = [{"new_path": f"{number}.py", "old_path": f"{number}.py"} for number in range(first, first + 20)]
        return answer(rows, x_next_page=str(int(request.url.params["page"]) + 1))

    host.on("GET", f"{PROJECT}/merge_requests/412", answer(MERGE_REQUEST | {"changes_count": "2100"}))
    host.on("GET", rf"{PROJECT}/merge_requests/412/diffs\?.*", page)
    found = await gitlab(host.http()).pull_requests.changed_files(412)
    assert (len(found.paths), found.complete) == (2000, False)


async def test_a_list_without_end_is_refused(host: FakeHost) -> None:
    host.always(answer([], link='<https://gitlab.example.com/x>; rel="next"'))
    with pytest.raises(ProviderMalformed, match="pages"):
        await gitlab(host.http()).commit_statuses.newest("a" * 40)


BASE, HEAD = "b" * 40, "c" * 40
NO_BASE = answer({"message": "404 Merge Base Not Found"}, 404)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (answer({"id": BASE}), Ancestry.AHEAD),
        (answer({"id": HEAD}), Ancestry.BEHIND),
        (answer({"id": "d" * 40}), Ancestry.DIVERGED),
        (NO_BASE, Ancestry.DIVERGED),
        (answer({"message": "Could not find refs: x"}, 400), Ancestry.UNKNOWN),
    ],
)
async def test_ancestry_follows_from_the_common_ancestor_in_one_small_answer(
    host: FakeHost, found: httpx.Response, wanted: Ancestry
) -> None:
    host.always(found)
    assert await gitlab(host.http()).revisions.compare(BASE, HEAD) is wanted
    assert host.paths() == [f"GET {PROJECT}/repository/merge_base?refs%5B%5D={BASE}&refs%5B%5D={HEAD}"]


async def test_a_project_that_is_not_seen_is_no_unknown_commit(host: FakeHost) -> None:
    host.always(answer({"message": "404 Project Not Found"}, 404))
    scm = gitlab(host.http())
    with pytest.raises(ProviderNotFound):
        await scm.revisions.compare(BASE, HEAD)
    with pytest.raises(ProviderNotFound):
        await scm.revisions.resolve("abcdef1")


async def test_an_abbreviation_is_resolved_by_its_commit_and_not_by_a_branch_of_that_name(host: FakeHost) -> None:
    commit = rf"{PROJECT}/repository/commits/abcdef1\?stats=false"
    host.on("GET", commit, answer({"id": "abcdef1" + "0" * 33}), answer({"id": "9" * 40}), answer({}, 404))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web"}))
    revisions = gitlab(host.http()).revisions
    assert await revisions.resolve("abcdef1") == "abcdef1" + "0" * 33
    assert await revisions.resolve("abcdef1") is None
    assert await revisions.resolve("abcdef1") is None


def held_in(state: str) -> httpx.Response:
    reason = '(Reason(s): Status cannot transition via "enqueue")'
    return answer({"message": f"Cannot transition status via :enqueue from :{state} {reason}"}, 400)


def states_sent(host: FakeHost) -> list[str]:
    return [json.loads(request.content)["state"] for request in host.requests]


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        ([answer({}, 201)], ["pending"]),
        ([held_in("pending"), answer({}, 201)], ["pending", "running"]),
        ([held_in("running"), answer({}, 201), answer({}, 201)], ["pending", "canceled", "pending"]),
    ],
)
async def test_a_pending_status_gets_its_new_text_by_the_state_that_may_follow(
    host: FakeHost, answers: list[httpx.Response], sent: list[str]
) -> None:
    host.on("POST", f"{PROJECT}/statuses/{BASE}", *answers)
    await gitlab(host.http()).commit_statuses.set(BASE, STATUS)
    assert states_sent(host) == sent
    assert host.body() == {
        "state": sent[-1],
        "name": "pilotage/dev",
        "ref": "pilotage",
        "description": "waits",
        "target_url": "https://pilotage.example.com/1",
    }


@pytest.mark.parametrize(
    ("state", "sent"),
    [(StatusState.SUCCESS, "success"), (StatusState.FAILURE, "failed"), (StatusState.ERROR, "canceled")],
)
async def test_each_verdict_has_a_state_of_its_own_and_comes_back_as_it_was_set(
    host: FakeHost, state: StatusState, sent: str
) -> None:
    host.on("POST", ".*", answer({}, 201))
    host.on("GET", ".*", answer([{"id": 1, "name": "x", "status": sent}]))
    scm = gitlab(host.http())
    await scm.commit_statuses.set(BASE, CommitStatus(context="x", state=state, description=""))
    assert states_sent(host) == [sent]
    assert (await scm.commit_statuses.newest(BASE))["x"].state is state


@pytest.mark.parametrize(
    "refused", [held_in("success"), answer({"message": {"name": ["has already been taken"]}}, 400)]
)
async def test_a_status_that_is_refused_for_another_reason_reports_it(host: FakeHost, refused: httpx.Response) -> None:
    host.always(refused)
    with pytest.raises(ProviderRejected):
        await gitlab(host.http()).commit_statuses.set(BASE, STATUS)
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("status", "message", "kind", "meaning"),
    [
        (409, "Another update to this commit status is in progress", ProviderUnavailable, "Another update"),
        (403, "403 Forbidden", ProviderUnauthorized, "Developer"),
        (404, "404 Commit Not Found", ProviderNotFound, "Commit"),
    ],
)
async def test_a_refused_status_reports_what_its_code_means(
    host: FakeHost, status: int, message: str, kind: type[ProviderError], meaning: str
) -> None:
    host.always(answer({"message": message}, status))
    with pytest.raises(kind, match=meaning):
        await gitlab(host.http()).commit_statuses.set(BASE, STATUS)


async def test_the_newest_status_of_a_name_is_the_one_with_the_highest_id_over_all_pages(host: FakeHost) -> None:
    host.on("GET", ".*page=1", answer([{"id": 9, "name": "x", "status": "success"}], x_next_page="2"))
    host.on(
        "GET",
        ".*page=2",
        answer([{"id": 8, "name": "x", "status": "failed"}, {"id": 7, "name": "y", "status": "manual"}]),
    )
    newest = await gitlab(host.http()).commit_statuses.newest(BASE)
    assert {name: status.state for name, status in newest.items()} == {
        "x": StatusState.SUCCESS,
        "y": StatusState.PENDING,
    }


async def test_texts_of_a_status_are_cut_to_what_the_host_takes_and_long_names_stay_apart(host: FakeHost) -> None:
    host.always(answer({}, 201))
    statuses = gitlab(host.http()).commit_statuses
    names = []
    for end in ("one", "two"):
        long = CommitStatus(
            context="c" * 300 + end, state=StatusState.SUCCESS, description="d" * 300, url="https://x/" + "u" * 300
        )
        await statuses.set(BASE, long)
        body = json.loads(host.requests[-1].content)
        names.append(body["name"])
        assert (len(body["name"]), len(body["description"]), body["description"][-1]) == (255, 255, "…")
        assert "target_url" not in body
    assert names[0] != names[1]


async def test_a_label_is_created_once_with_its_colour_and_added_by_difference(host: FakeHost) -> None:
    host.on("POST", f"{PROJECT}/labels", answer({"message": "Label already exists"}, 409))
    host.on("PUT", f"{PROJECT}/merge_requests/412", answer(MERGE_REQUEST | {"labels": ["feature", "pilotage/testing"]}))
    http = host.http()
    for _ in range(2):
        assert await gitlab(http).labels.add(412, ["pilotage/testing"]) == ("feature", "pilotage/testing")
    assert [request.method for request in host.requests] == ["POST", "PUT", "PUT"]
    assert host.body() == {"add_labels": "pilotage/testing"}


async def test_a_label_that_the_host_left_out_is_not_taken_for_added(host: FakeHost) -> None:
    host.on("POST", f"{PROJECT}/labels", answer({"message": "403 Forbidden"}, 403))
    host.on("PUT", f"{PROJECT}/merge_requests/412", answer(MERGE_REQUEST))
    with pytest.raises(ProviderUnauthorized, match="pilotage/testing"):
        await gitlab(host.http()).labels.add(412, ["pilotage/testing"])


async def test_a_name_with_a_comma_is_no_label(host: FakeHost) -> None:
    with pytest.raises(ProviderRejected, match="comma"):
        await gitlab(host.http()).labels.add(412, ["a,b"])
    assert host.requests == []


async def test_own_notes_are_those_of_the_token_s_user_without_what_the_host_wrote(host: FakeHost) -> None:
    note = {"id": 1, "body": "ours", "author": {"id": 7, "username": "as it was called before"}, "system": False}
    others = [{**note, "id": 2, "system": True}, {**note, "id": 3, "author": {"id": 8, "username": "pilotage"}}]
    host.on("GET", ".*/notes.*", answer([note, *others]))
    host.on("GET", "/api/v4/user", answer({"id": 7, "username": "pilotage"}))
    assert await gitlab(host.http()).comments.own(412) == (Comment(id="412:1", body="ours"),)


async def test_where_the_host_does_not_show_whose_the_token_is_no_note_counts_without_its_proof(host: FakeHost) -> None:
    note = {"id": 1, "body": "whose", "author": {"username": "mallory"}}
    host.on("GET", ".*/notes.*", answer([note]))
    host.on("GET", "/api/v4/user", answer({"message": "403 Forbidden"}, 403))
    [found] = await gitlab(host.http()).comments.own(412)
    assert not found.account_known


async def test_a_note_is_read_and_edited_below_its_merge_request(host: FakeHost) -> None:
    host.always(answer({"id": 9, "body": "x"}))
    comments = gitlab(host.http()).comments
    assert (await comments.get("412:9")).id == "412:9"
    await comments.update(Comment(id="412:9", body=""), "y")
    path = f"{PROJECT}/merge_requests/412/notes/9"
    assert host.paths() == [f"GET {path}", f"PUT {path}"]
    with pytest.raises(ProviderNotFound):
        await comments.get("of another host")


@pytest.mark.parametrize("body", ["/merge", "see\n  /close now\n/label ~x", "\\/merge", "a /merge", "```\n/merge\n```"])
async def test_no_line_of_a_note_is_a_command_and_the_note_is_read_as_it_was_written(host: FakeHost, body: str) -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return answer({"id": 1, "body": json.loads(request.content)["body"]}, 201)

    host.on("POST", ".*/notes", echo)
    assert (await gitlab(host.http()).comments.create(412, body)).body == body
    assert re.search(r"^\s*/", without_commands(body), re.MULTILINE) is None


async def test_a_rename_is_named_where_a_write_is_refused_for_it(host: FakeHost) -> None:
    host.always(answer(status=301, location="https://gitlab.example.com/api/v4/projects/acme%2Fnew/labels"))
    with pytest.raises(ProviderRejected, match="projectId"):
        await gitlab(host.http()).labels.remove(412, "x")


async def test_the_budget_that_gitlab_names_in_its_own_headers_is_shown(host: FakeHost) -> None:
    host.always(answer(MERGE_REQUEST, ratelimit_limit="2000", ratelimit_remaining="1987", ratelimit_reset="4102444800"))
    await gitlab(host.http()).pull_requests.get(412)
    labels = {"scm_provider": "github", "scm_provider_namespace": "shop", "scm_provider_kind": "ScmProvider"}
    assert REGISTRY.get_sample_value("scm_calls_rate_limit_remaining", labels) == 1987
