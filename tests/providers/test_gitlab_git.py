"""GitLab's merge requests and branches for delivery by Git, request by request."""

import base64
import json
from dataclasses import replace

import httpx
import pytest

from crds.reasons.vocabulary import MergeMethod
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnauthorized,
)
from providers.gitlab import changes as merging
from providers.models import FileEdit, Merge, NewCommit, NewPullRequest
from providers.ports import Branches, PullRequestChanges
from tests.providers.hosts import FakeHost, answer, gitlab

PROJECT = "/api/v4/projects/acme%2Fweb"
HEAD, BASE = "a" * 40, "b" * 40
OPEN = {
    "iid": 7,
    "title": "Promote",
    "description": "By Pilotage",
    "state": "opened",
    "sha": HEAD,
    "source_branch": "proposed/prod",
    "target_branch": "env/prod",
    "source_project_id": 1,
    "target_project_id": 1,
    "detailed_merge_status": "mergeable",
}
MERGED = {**OPEN, "state": "merged", "merge_commit_sha": "c" * 40}
WANTED = NewPullRequest(head="proposed/prod", base="env/prod", title="Promote", body="By Pilotage\n/merge")
MERGE = Merge(head_sha=HEAD)
COMMIT = NewCommit(
    branch="main",
    expected_head=HEAD,
    message="Deploy\n\nPilotage-Key: 1",
    edits=(FileEdit(path="deploy/a.yaml", content=b"a: 2\n"), FileEdit(path="b.yaml", content=b"b: 1\n")),
)


def changes(host: FakeHost) -> PullRequestChanges:
    found = gitlab(host.http()).changes
    assert found is not None
    return found


def branches(host: FakeHost) -> Branches:
    found = gitlab(host.http()).branches
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MERGE_PAUSE_SECONDS", 0.0)


def branched(host: FakeHost, **tips: str) -> FakeHost:
    """Let the host know branches; a name's `_` stands for the slash."""
    host.on("GET", f"{PROJECT}/repository/branches/.*", answer({"message": "404 Branch Not Found"}, 404))
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web", "merge_method": "merge"}))
    for name, tip in tips.items():
        path = f"{PROJECT}/repository/branches/{name.replace('_', '%2F')}"
        host.on("GET", path, answer({"name": name, "commit": {"id": tip}}))
    return host


async def test_open_merge_requests_are_filtered_again_and_forks_are_left_out(host: FakeHost) -> None:
    fork, gone = {**OPEN, "iid": 8, "source_project_id": 2}, {**OPEN, "iid": 9, "source_project_id": None}
    other, closed = {**OPEN, "iid": 10, "target_branch": "main"}, {**OPEN, "iid": 11, "state": "closed"}
    host.always(answer([fork, gone, other, closed, OPEN]))
    assert [one.number for one in await changes(host).find_open("proposed/prod", "env/prod")] == [7]
    [asked] = host.paths()
    assert "state=opened&source_branch=proposed%2Fprod&target_branch=env%2Fprod" in asked


async def test_a_merge_request_is_opened_whose_text_commands_nothing_and_whose_head_is_not_shown_yet(
    host: FakeHost,
) -> None:
    branched(host, proposed_prod=HEAD, env_prod=BASE)
    host.on("GET", rf"{PROJECT}/merge_requests\?.*", answer([]))
    host.on("GET", f"{PROJECT}/repository/merge_base.*", answer({"id": BASE}))
    host.on("POST", f"{PROJECT}/merge_requests", answer({**OPEN, "sha": None}, 201))
    opened = await changes(host).create(WANTED)
    assert (opened.number, opened.head_sha) == (7, HEAD)
    assert host.body() == {
        "source_branch": "proposed/prod",
        "target_branch": "env/prod",
        "title": "Promote",
        "description": "By Pilotage\n\\/merge",
        "remove_source_branch": False,
    }


async def test_one_that_was_opened_meanwhile_is_adopted_and_a_stranger_s_is_a_conflict(host: FakeHost) -> None:
    branched(host, proposed_prod=HEAD, env_prod=BASE)
    host.on("GET", f"{PROJECT}/repository/merge_base.*", answer({"id": BASE}))
    duplicate = answer({"message": ["Another open merge request already exists for this source branch: !7"]}, 409)
    host.on("POST", f"{PROJECT}/merge_requests", duplicate)
    host.on("GET", rf"{PROJECT}/merge_requests\?.*", answer([]), answer([OPEN]), answer([]))
    assert (await changes(host).create(WANTED)).number == 7
    with pytest.raises(ProviderConflict, match="!7"):
        await changes(host).create(WANTED)


@pytest.mark.parametrize(
    ("tips", "shared", "kind"),
    [
        ({"proposed_prod": HEAD, "env_prod": BASE}, HEAD, ProviderConflict),
        ({"proposed_prod": HEAD, "env_prod": HEAD}, HEAD, ProviderConflict),
        ({"env_prod": BASE}, HEAD, ProviderNotFound),
        ({"proposed_prod": HEAD}, HEAD, ProviderNotFound),
    ],
)
async def test_what_would_merge_nothing_and_a_missing_branch_open_nothing(
    host: FakeHost, tips: dict[str, str], shared: str, kind: type[ProviderError]
) -> None:
    branched(host, **tips)
    host.on("GET", rf"{PROJECT}/merge_requests\?.*", answer([]))
    host.on("GET", f"{PROJECT}/repository/merge_base.*", answer({"id": shared}))
    with pytest.raises(kind):
        await changes(host).create(WANTED)
    assert {request.method for request in host.requests} == {"GET"}


async def test_a_text_that_is_so_already_is_not_sent(host: FakeHost) -> None:
    host.always(answer({**OPEN, "description": "By Pilotage\n\\/merge"}))
    await changes(host).update(7, title="Promote", body="By Pilotage\n/merge")
    assert len(host.requests) == 1
    await changes(host).update(7, body="Other")
    assert host.body() == {"description": "Other"}


def mergeable(host: FakeHost, *merged: httpx.Response, **project: object) -> FakeHost:
    host.on("GET", PROJECT, answer({"path_with_namespace": "acme/web", "merge_method": "merge", **project}))
    host.on("GET", f"{PROJECT}/merge_requests/7", answer(OPEN))
    host.on("PUT", f"{PROJECT}/merge_requests/7/merge", *merged)
    return host


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({}, {"squash": False}),
        ({"title": "T", "message": "M"}, {"squash": False, "merge_commit_message": "T\n\nM"}),
        (
            {"message": "M"},
            {"squash": False, "merge_commit_message": "Merge branch 'proposed/prod' into 'env/prod'\n\nM"},
        ),
        ({"method": MergeMethod.SQUASH, "message": "M"}, {"squash": True, "squash_commit_message": "Promote\n\nM"}),
    ],
)
async def test_exactly_the_tested_head_is_merged_with_the_message_that_is_wanted(
    host: FakeHost, wanted: dict[str, object], sent: dict[str, object]
) -> None:
    mergeable(host, answer(MERGED))
    assert await changes(host).merge(7, Merge(head_sha=HEAD, **wanted)) == "c" * 40  # type: ignore[arg-type]
    assert host.body() == {"sha": HEAD, **sent}


@pytest.mark.parametrize(
    ("project", "method", "refusal"),
    [
        ({"merge_method": "ff"}, MergeMethod.MERGE, "`ff`"),
        ({"merge_method": "merge"}, MergeMethod.REBASE, "`merge`"),
        ({"squash_option": "never"}, MergeMethod.SQUASH, "squash"),
        ({"squash_option": "always"}, MergeMethod.MERGE, "squash every merge"),
    ],
)
async def test_a_method_that_the_project_does_not_merge_by_is_refused_before_anything_is_merged(
    host: FakeHost, project: dict[str, object], method: MergeMethod, refusal: str
) -> None:
    mergeable(host, answer(MERGED), **project)
    with pytest.raises(ProviderRejected, match=refusal):
        await changes(host).merge(7, Merge(head_sha=HEAD, method=method))
    assert {request.method for request in host.requests} == {"GET"}


async def test_a_fast_forward_project_merges_by_rebase_and_its_head_is_the_merge(host: FakeHost) -> None:
    mergeable(host, answer({**OPEN, "state": "merged"}), merge_method="ff")
    assert await changes(host).merge(7, Merge(head_sha=HEAD, method=MergeMethod.REBASE)) == HEAD


@pytest.mark.parametrize(
    ("status", "then", "kind", "code"),
    [
        (401, OPEN, ProviderUnauthorized, 403),
        (405, OPEN, ProviderRejected, 405),
        (405, {**OPEN, "detailed_merge_status": "checking"}, ProviderBusy, None),
        (405, {**OPEN, "state": "closed"}, ProviderRejected, None),
        (409, OPEN, ProviderBusy, 409),
        (409, {**OPEN, "sha": BASE}, ProviderConflict, 409),
        (406, OPEN, ProviderRejected, 406),
        (422, {**OPEN, "detailed_merge_status": "need_rebase"}, ProviderRejected, 422),
    ],
)
async def test_a_refused_merge_is_judged_by_what_the_merge_request_shows_then(
    host: FakeHost, status: int, then: dict[str, object], kind: type[ProviderError], code: int | None
) -> None:
    mergeable(host, answer({"message": f"{status} refused"}, status))
    host.on("GET", f"{PROJECT}/merge_requests/7", answer(OPEN), answer(then))
    with pytest.raises(kind) as caught:
        await changes(host).merge(7, MERGE)
    assert (type(caught.value), caught.value.status) == (kind, code)


async def test_a_merge_that_was_done_although_its_answer_was_a_refusal_counts(host: FakeHost) -> None:
    mergeable(host, answer({"message": "405 Method Not Allowed"}, 405))
    host.on("GET", f"{PROJECT}/merge_requests/7", answer(OPEN), answer(MERGED))
    assert await changes(host).merge(7, MERGE) == "c" * 40


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        ({**OPEN, "sha": BASE}, ProviderConflict),
        ({**OPEN, "state": "closed"}, ProviderRejected),
        ({**OPEN, "detailed_merge_status": "unchecked"}, ProviderBusy),
    ],
)
async def test_what_cannot_be_merged_is_not_tried(
    host: FakeHost, shown: dict[str, object], kind: type[ProviderError]
) -> None:
    mergeable(host, answer(MERGED))
    host.on("GET", f"{PROJECT}/merge_requests/7", answer(shown))
    with pytest.raises(kind):
        await changes(host).merge(7, MERGE)
    assert [request.method for request in host.requests] == ["GET"]


async def test_a_merge_under_way_is_awaited_and_one_without_end_is_asked_about_later(host: FakeHost) -> None:
    locked = {**OPEN, "state": "locked"}
    mergeable(host, answer(locked))
    host.on("GET", f"{PROJECT}/merge_requests/7", answer(OPEN), answer(locked), answer(MERGED))
    assert await changes(host).merge(7, MERGE) == "c" * 40
    host.on("GET", f"{PROJECT}/merge_requests/7", answer(locked))
    before = len(host.requests)
    with pytest.raises(ProviderBusy, match="under way"):
        await changes(host).merge(7, MERGE)
    assert {request.method for request in host.requests[before:]} == {"GET"}
    assert len(host.requests) - before == 1 + merging.MERGE_LOOKS


async def test_one_that_is_merged_already_is_neither_merged_nor_closed(host: FakeHost) -> None:
    host.always(answer(MERGED))
    assert await changes(host).merge(7, MERGE) == "c" * 40
    await changes(host).close(7)
    assert [request.method for request in host.requests] == ["GET", "GET"]


def held(content: bytes, last_commit: str = BASE) -> httpx.Response:
    encoded = base64.b64encode(content).decode()
    return answer({"encoding": "base64", "content": encoded, "last_commit_id": last_commit})


def written(host: FakeHost, *answers: httpx.Response) -> FakeHost:
    branched(host, main=HEAD)
    host.on("GET", rf"{PROJECT}/repository/files/b.yaml\?ref={HEAD}", answer({"message": "404 File Not Found"}, 404))
    host.on("GET", rf"{PROJECT}/repository/files/deploy%2Fa.yaml\?ref={HEAD}", held(b"a: 1\n"))
    host.on("POST", f"{PROJECT}/repository/commits", *answers)
    return host


async def test_files_are_written_in_one_commit_each_compared_with_its_last_one(host: FakeHost) -> None:
    written(host, answer({"id": "d" * 40}, 201))
    assert await branches(host).commit(COMMIT) == "d" * 40
    sent = json.loads(host.requests[-1].content)
    assert (sent["branch"], sent["commit_message"]) == ("main", COMMIT.message)
    update, create = sent["actions"]
    assert (update["action"], update["file_path"], update["last_commit_id"]) == ("update", "deploy/a.yaml", BASE)
    assert (create["action"], create["file_path"], "last_commit_id" in create) == ("create", "b.yaml", False)
    assert base64.b64decode(update["content"]) == b"a: 2\n"


async def test_a_branch_begins_with_its_first_commit_and_one_that_exists_is_not_written(host: FakeHost) -> None:
    written(host, answer({"id": "d" * 40}, 201))
    begun = replace(COMMIT, branch="pilotage/1", begins=True)
    assert await branches(host).commit(begun) == "d" * 40
    sent = json.loads(host.requests[-1].content)
    assert (sent["branch"], sent["start_sha"]) == ("pilotage/1", HEAD)
    sent_before = len(host.requests)
    with pytest.raises(ProviderConflict):
        await branches(host).commit(replace(COMMIT, begins=True))
    assert {request.method for request in host.requests[sent_before:]} == {"GET"}


async def test_what_is_written_already_makes_no_commit(host: FakeHost) -> None:
    written(host, answer({"id": "d" * 40}, 201))
    host.on("GET", rf"{PROJECT}/repository/files/.*", held(b"a: 2\n"))
    same = NewCommit(branch="main", expected_head=HEAD, message="x", edits=COMMIT.edits[:1])
    assert await branches(host).commit(same) == HEAD
    assert {request.method for request in host.requests} == {"GET"}


@pytest.mark.parametrize(
    ("refusal", "later", "kind"),
    [
        ("You are attempting to update a file that has changed since you started editing it.", HEAD, ProviderConflict),
        ("A file with this name already exists", HEAD, ProviderConflict),
        ("Something failed", BASE, ProviderConflict),
        ("Something failed", HEAD, ProviderRejected),
    ],
)
async def test_a_refused_commit_is_a_conflict_where_a_file_or_the_branch_moved(
    host: FakeHost, refusal: str, later: str, kind: type[ProviderError]
) -> None:
    written(host, answer({"message": refusal}, 400))
    tips = [answer({"name": "main", "commit": {"id": tip}}) for tip in (HEAD, later)]
    host.on("GET", f"{PROJECT}/repository/branches/main", *tips)
    with pytest.raises(kind):
        await branches(host).commit(COMMIT)


async def test_a_branch_that_is_elsewhere_or_not_there_is_not_written(host: FakeHost) -> None:
    with pytest.raises(ProviderConflict):
        await branches(branched(host, main=BASE)).commit(COMMIT)
    with pytest.raises(ProviderNotFound):
        await branches(branched(host)).commit(COMMIT)
    assert {request.method for request in host.requests} == {"GET"}


@pytest.mark.parametrize(
    ("refusal", "wanted"), [("404 File Not Found", None), ("404 Commit Not Found", ProviderNotFound)]
)
async def test_a_missing_file_is_none_and_a_missing_commit_is_not_found(
    host: FakeHost, refusal: str, wanted: type[ProviderError] | None
) -> None:
    host.always(answer({"message": refusal}, 404))
    if wanted is None:
        assert await branches(host).read("a b/c.yaml", HEAD) is None
        assert host.paths() == [f"GET {PROJECT}/repository/files/a%20b%2Fc.yaml/raw?ref={HEAD}"]
    else:
        with pytest.raises(wanted):
            await branches(host).read("a.yaml", HEAD)


async def test_a_file_of_more_than_a_mebibyte_is_refused(host: FakeHost) -> None:
    host.always(httpx.Response(200, content=b"x" * (1024 * 1024 + 1)))
    with pytest.raises(ProviderMalformed, match="larger"):
        await branches(host).read("a.yaml", HEAD)


async def test_the_log_is_that_of_the_branch_and_not_of_a_tag_of_its_name(host: FakeHost) -> None:
    query = "ref_name=refs%2Fheads%2Fprod"
    host.on("GET", rf"{PROJECT}/repository/commits\?.*{query}.*", answer([{"id": HEAD, "message": "Write"}]))
    assert [one.sha for one in await branches(host).log("prod", 5)] == [HEAD]


async def test_a_log_of_nothing_shows_a_missing_branch(host: FakeHost) -> None:
    host.on("GET", rf"{PROJECT}/repository/commits\?.*", answer([]))
    with pytest.raises(ProviderNotFound, match="no branch"):
        await branches(branched(host)).log("gone", 5)
