"""Bitbucket Cloud: pull requests that are opened and merged, and files that are written."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from crds.reasons.vocabulary import MergeMethod
from providers.bitbucket_cloud import changes as cloud_changes
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.models import FileEdit, Merge, NewCommit, NewPullRequest
from providers.ports import Branches, PullRequestChanges
from tests.providers.hosts import FakeHost, answer, bitbucket_cloud
from tests.providers.test_bitbucket_cloud import HEAD, PULL, ROOT, SHA, SIDE, WEB, knows, page

PROPOSED = NewPullRequest(head="feature/x", base="main", title="Promote", body="By Pilotage")
REFUSED = answer({"type": "error", "error": {"message": "Bad request"}}, 400)
TASK = f"{WEB}{ROOT}/pullrequests/7/merge/task-status/1234"
MERGED = {**PULL, "state": "MERGED", "merge_commit": {"hash": SHA[:12]}}
WRITTEN = NewCommit(
    branch="main", expected_head=SHA, message="Write\n\nPilotage-Key: 0a1b", edits=(FileEdit(path="a", content=b"1"),)
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at merges in the background at once."""
    monkeypatch.setattr(cloud_changes, "PAUSES_SECONDS", (0.0, 0.0, 0.0))


@pytest.fixture
def changes(host: FakeHost) -> PullRequestChanges:
    knows(host, HEAD, SHA)
    found = bitbucket_cloud(host.http()).changes
    assert found is not None
    return found


@pytest.fixture
def branches(host: FakeHost) -> Branches:
    found = bitbucket_cloud(host.http()).branches
    assert found is not None
    return found


def branch(sha: str) -> httpx.Response:
    return answer({"type": "branch", "target": {"hash": sha}})


async def test_open_pull_requests_are_asked_for_by_quoted_names_and_those_of_forks_left_out(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    name = 'a"b\\c'
    source = {**PULL["source"], "branch": {"name": name}}  # type: ignore[dict-item]
    fork = {**source, "repository": {"full_name": "mallory/web"}}
    older = {**PULL, "id": 3, "source": source}
    found = [
        {**PULL, "source": source},
        {**PULL, "id": 4, "source": fork},
        older,
        {**older, "id": 2, "state": "MERGED"},
    ]
    host.on("GET", rf"{ROOT}/pullrequests\?.*", page(*found))
    assert [pull.number for pull in await changes.find_open(name, "main")] == [3, 7]
    asked = parse_qs(urlsplit(host.paths()[0].split(" ")[1]).query)
    assert asked["q"] == [
        'source.branch.name="a\\"b\\\\c" AND destination.branch.name="main" AND state="OPEN"',
    ]


async def test_a_pull_request_that_somebody_else_opened_meanwhile_is_taken(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    host.on("GET", rf"{ROOT}/pullrequests\?.*", page(), page(PULL))
    host.on("POST", f"{ROOT}/pullrequests", REFUSED)
    assert (await changes.create(PROPOSED)).number == 7


@pytest.mark.parametrize(
    ("head", "shared", "wanted"),
    [(None, SHA, ProviderNotFound), (HEAD, HEAD, ProviderConflict), (HEAD, SHA, ProviderRejected)],
)
async def test_why_a_pull_request_is_not_opened_is_known_by_the_branches_not_by_a_text(
    host: FakeHost, changes: PullRequestChanges, head: str | None, shared: str, wanted: type[ProviderError]
) -> None:
    host.on("GET", rf"{ROOT}/pullrequests\?.*", page())
    host.on("POST", f"{ROOT}/pullrequests", REFUSED)
    host.on("GET", f"{ROOT}/refs/branches/main", branch(SHA))
    host.on("GET", f"{ROOT}/refs/branches/feature%2Fx", branch(head) if head else answer({}, 404))
    host.on("GET", rf"{ROOT}/merge-base/{SHA}\.\.{HEAD}", answer({"hash": shared}))
    with pytest.raises(wanted):
        await changes.create(PROPOSED)


async def test_reviewers_are_kept_when_the_text_changes(host: FakeHost, changes: PullRequestChanges) -> None:
    reviewers = [{"uuid": "{1}", "nickname": "grace"}, {"uuid": "{2}", "nickname": "alan"}]
    shown = {**PULL, "description": "as it was", "reviewers": reviewers, "close_source_branch": True}
    host.on("GET", f"{ROOT}/pullrequests/7", answer(shown))
    host.on("PUT", f"{ROOT}/pullrequests/7", answer(shown))
    await changes.update(7, title="Sell umbrellas", body="as it was")
    assert len(host.requests) == 1
    await changes.update(7, body="new")
    assert host.body() == {
        "title": "Sell umbrellas",
        "description": "new",
        "reviewers": [{"uuid": "{1}"}, {"uuid": "{2}"}],
        "close_source_branch": True,
    }


@pytest.mark.parametrize(
    ("method", "strategy"),
    [
        (MergeMethod.MERGE, "merge_commit"),
        (MergeMethod.SQUASH, "squash"),
        (MergeMethod.REBASE, "rebase_fast_forward"),
    ],
)
async def test_a_merge_names_its_strategy_and_message_and_returns_the_whole_hash(
    host: FakeHost, changes: PullRequestChanges, method: MergeMethod, strategy: str
) -> None:
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer(MERGED))
    made = await changes.merge(7, Merge(head_sha=HEAD, method=method, title="Promote", message="Pilotage-Key: 0a1b"))
    sent = next(number for number, request in enumerate(host.requests) if request.method == "POST")
    body = host.body(sent)
    assert isinstance(body, dict)
    assert (made, body["merge_strategy"], body["message"]) == (SHA, strategy, "Promote\n\nPilotage-Key: 0a1b")


async def test_a_merge_in_the_background_is_awaited(host: FakeHost, changes: PullRequestChanges) -> None:
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer(None, 202, location=TASK))
    pending, done = {"task_status": "PENDING"}, {"task_status": "SUCCESS", "merge_result": MERGED}
    host.on("GET", f"{ROOT}/pullrequests/7/merge/task-status/1234", answer(pending), answer(done))
    assert await changes.merge(7, Merge(head_sha=HEAD)) == SHA


async def test_a_merge_that_goes_on_for_longer_is_no_verdict(host: FakeHost, changes: PullRequestChanges) -> None:
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer(None, 202, location=TASK))
    host.on("GET", f"{ROOT}/pullrequests/7/merge/task-status/1234", answer({"task_status": "PENDING"}))
    for _ in range(2):
        with pytest.raises(ProviderBusy):
            await changes.merge(7, Merge(head_sha=HEAD))
    # The next attempt asks for the same merge, and begins no second one.
    assert [request.method for request in host.requests].count("POST") == 1
    done = {"task_status": "SUCCESS", "merge_result": MERGED}
    host.on("GET", f"{ROOT}/pullrequests/7/merge/task-status/1234", answer(done))
    assert await changes.merge(7, Merge(head_sha=HEAD)) == SHA


async def test_a_merge_whose_task_is_gone_is_begun_again(host: FakeHost, changes: PullRequestChanges) -> None:
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer(None, 202, location=TASK), answer(MERGED))
    host.on("GET", f"{ROOT}/pullrequests/7/merge/task-status/1234", answer({"error": {"message": "Not found"}}, 404))
    with pytest.raises(ProviderNotFound):
        await changes.merge(7, Merge(head_sha=HEAD))
    assert await changes.merge(7, Merge(head_sha=HEAD)) == SHA


async def test_a_task_elsewhere_is_not_asked_for(host: FakeHost, changes: PullRequestChanges) -> None:
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    away = "https://evil.example/2.0/repositories/acme/web/pullrequests/7/merge/task-status/1"
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer(None, 202, location=away))
    with pytest.raises(ProviderMalformed):
        await changes.merge(7, Merge(head_sha=HEAD))
    assert {request.url.host for request in host.requests} == {"bitbucket.example.com"}


def _answers(status: int) -> Callable[[FakeHost], None]:
    return lambda host: host.on("POST", f"{ROOT}/pullrequests/7/merge", answer({"error": {"message": "no"}}, status))


def _falls_silent(host: FakeHost) -> None:
    host.on("POST", f"{ROOT}/pullrequests/7/merge", httpx.ReadError("gone"))


def _task_fails(host: FakeHost) -> None:
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer(None, 202, location=TASK))
    host.on("GET", f"{ROOT}/pullrequests/7/merge/task-status/1234", answer({"error": {"message": "conflicts"}}, 400))


@pytest.mark.parametrize(
    ("fails", "wanted"),
    [
        (_answers(555), ProviderUnavailable),
        (_falls_silent, ProviderUnavailable),
        (_answers(400), ProviderRejected),
        (_answers(409), ProviderBusy),
        (_task_fails, ProviderRejected),
    ],
    ids=["555", "no answer", "400", "409", "failed task"],
)
async def test_a_merge_without_a_good_answer_is_judged_by_the_pull_request(
    host: FakeHost, changes: PullRequestChanges, fails: Callable[[FakeHost], None], wanted: type[ProviderError]
) -> None:
    fails(host)
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL), answer(MERGED))
    assert await changes.merge(7, Merge(head_sha=HEAD)) == SHA
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    with pytest.raises(wanted):
        await changes.merge(7, Merge(head_sha=HEAD))


async def test_another_head_is_never_merged_and_one_that_was_merged_all_the_same_is_reported(
    host: FakeHost, changes: PullRequestChanges
) -> None:
    other = {**SIDE, "branch": {"name": "feature/x"}, "commit": {"hash": SHA[:12]}}
    host.on("GET", f"{ROOT}/pullrequests/7", answer({**PULL, "source": other}))
    with pytest.raises(ProviderConflict, match="its head is"):
        await changes.merge(7, Merge(head_sha=HEAD))
    assert not [request for request in host.requests if request.method == "POST"]
    # Pushed between our look and the merge, which the host cannot be asked to refuse.
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL))
    host.on("POST", f"{ROOT}/pullrequests/7/merge", answer({**MERGED, "source": other}))
    with pytest.raises(ProviderConflict, match="it was merged at"):
        await changes.merge(7, Merge(head_sha=HEAD))


async def test_closing_one_that_is_open_and_stays_so_is_an_error(host: FakeHost, changes: PullRequestChanges) -> None:
    host.on("POST", f"{ROOT}/pullrequests/7/decline", REFUSED)
    host.on("GET", f"{ROOT}/pullrequests/7", answer(PULL), answer({**PULL, "state": "SUPERSEDED"}))
    with pytest.raises(ProviderRejected):
        await changes.close(7)
    await changes.close(7)


async def test_a_commit_sends_files_byte_by_byte_with_the_head_that_it_expects(
    host: FakeHost, branches: Branches
) -> None:
    host.on("POST", f"{ROOT}/src", answer(None, 201, location=f"{WEB}{ROOT}/commit/{HEAD}"))
    edits = (FileEdit(path="message", content=b"\xff\r\n"), FileEdit(path="a/b.yaml", content="ä".encode()))
    made = await branches.commit(NewCommit(branch="main", expected_head=SHA, message="Write", edits=edits))
    assert made == HEAD
    sent = host.requests[-1].content
    for name, content in (
        (b"branch", b"main"),
        (b"message", b"Write"),
        (b"parents", SHA.encode()),
        # A file is never taken for a field of the form.
        (b"/message", b"\xff\r\n"),
        (b"/a/b.yaml", "ä".encode()),
    ):
        part = next(part for part in sent.split(b"--" + sent.split(b"\r\n")[0][2:]) if b'name="' + name + b'"' in part)
        assert part.partition(b"\r\n\r\n")[2] == content + b"\r\n"


@pytest.mark.parametrize("status", [400, 409])
async def test_a_refused_commit_is_a_conflict_where_the_branch_is_elsewhere(
    host: FakeHost, branches: Branches, status: int
) -> None:
    host.on("POST", f"{ROOT}/src", answer({"error": {"message": "no"}}, status))
    host.on("GET", f"{ROOT}/refs/branches/main", branch(HEAD))
    with pytest.raises(ProviderConflict, match=HEAD):
        await branches.commit(WRITTEN)
    host.on("GET", f"{ROOT}/refs/branches/main", branch(SHA))
    with pytest.raises((ProviderRejected, ProviderConflict), match="answered"):
        await branches.commit(WRITTEN)


async def test_the_log_is_that_of_the_branch_and_not_of_a_tag_of_its_name(host: FakeHost, branches: Branches) -> None:
    host.on("GET", f"{ROOT}/refs/branches/prod", branch(SHA))
    host.on("GET", rf"{ROOT}/commits\?include={SHA}&.*", page({"hash": SHA, "message": "Write"}))
    assert [one.sha for one in await branches.log("prod", 5)] == [SHA]


async def test_a_branch_that_may_not_begin_is_no_conflict(host: FakeHost, branches: Branches) -> None:
    host.on("GET", ROOT, answer({"full_name": "acme/web"}))
    host.on("POST", f"{ROOT}/src", answer({"error": {"message": "branch restrictions deny pilotage/*"}}, 400))
    wanted = replace(WRITTEN, branch="pilotage/staging/0a1b", begins=True)
    with pytest.raises(ProviderRejected, match="branch restrictions deny"):
        await branches.commit(wanted)
    # Somebody began it between the look and the commit.
    host.on("GET", f"{ROOT}/refs/branches/pilotage%2Fstaging%2F0a1b", answer(status=404), branch(SHA))
    with pytest.raises(ProviderConflict, match=f"is at {SHA}"):
        await branches.commit(wanted)


@pytest.mark.parametrize("location", ["", f"{WEB}{ROOT}/commit/abc", "https://evil.example/"])
async def test_a_commit_that_the_host_does_not_name_is_looked_for_again(
    host: FakeHost, branches: Branches, location: str
) -> None:
    host.on("POST", f"{ROOT}/src", answer(None, 201, **({"location": location} if location else {})))
    with pytest.raises(ProviderUnavailable):
        await branches.commit(WRITTEN)


@pytest.mark.parametrize("path", ['a"b', "a\nb", "a\\b"])
async def test_a_path_that_would_be_changed_on_its_way_is_refused(
    host: FakeHost, branches: Branches, path: str
) -> None:
    wanted = NewCommit(branch="main", expected_head=SHA, message="x", edits=(FileEdit(path=path, content=b""),))
    with pytest.raises(ProviderRejected):
        await branches.commit(wanted)
    assert host.requests == []


async def test_a_folder_is_no_file_and_a_file_of_json_is_one(host: FakeHost, branches: Branches) -> None:
    listed = {"pagelen": 10, "values": [{"type": "commit_file", "path": "deploy/a.json"}]}
    host.on("GET", f"{ROOT}/src/{SHA}/deploy", answer(listed))
    host.on("GET", f"{ROOT}/src/{SHA}/deploy/a.json", answer({"values": [1], "pagelen": 1}))
    with pytest.raises(ProviderRejected, match="folder"):
        await branches.read("deploy", SHA)
    assert await branches.read("deploy/a.json", SHA) == answer({"values": [1], "pagelen": 1}).content
    assert {request.headers["accept"] for request in host.requests} == {"*/*"}


async def test_a_file_beyond_what_is_read_and_an_unknown_commit_are_no_missing_file(
    host: FakeHost, branches: Branches
) -> None:
    host.on("GET", f"{ROOT}/src/{SHA}/large", httpx.Response(200, content=b"x" * (1024 * 1024 + 1)))
    with pytest.raises(ProviderMalformed, match="larger"):
        await branches.read("large", SHA)
    host.on("GET", f"{ROOT}/src/{SHA}/none", answer({"error": {"message": "No such file"}}, 404))
    knows(host, SHA)
    assert await branches.read("none", SHA) is None
    knows(host)
    with pytest.raises(ProviderNotFound):
        await branches.read("none", SHA)
