"""Pull requests, branches and files of Gitea and Forgejo for delivery by Git, as recorded and as their sources show."""

from dataclasses import replace

import pytest

from crds.reasons.vocabulary import MergeMethod
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.models import ChangeState, FileEdit, Merge, NewCommit, NewPullRequest
from providers.ports import Branches, PullRequestChanges, ScmHost
from tests.providers.hosts import FakeHost, answer, gitea
from tests.providers.test_gitea_recordings import HEAD, REPOSITORY, asked, opened, recorded, sent

SQUASHED = "da10c5f63e6c11b134a917943ea98f9a86250dd4"
OTHER = "b" * 40
PULL = {
    "number": 1,
    "title": "Promote",
    "state": "open",
    "head": {"sha": HEAD, "ref": "feature/a", "repo_id": 2},
    "base": {"sha": OTHER, "ref": "main", "repo_id": 2},
}
SQUASH = Merge(head_sha=HEAD, method=MergeMethod.SQUASH, title="t", message="m")
WANTED = NewPullRequest(head="feature/a", base="main", title="Add a", body="text")
PREVIOUS = "8f47180ef7dfd22d453ad36bbbc5278287792200"
TWO_FILES = NewCommit(
    branch="feature/a",
    expected_head=PREVIOUS,
    message="two files",
    edits=(FileEdit(path="c.txt", content=b"c"), FileEdit(path="d.txt", content=b"d")),
)


def changes(scm: ScmHost) -> PullRequestChanges:
    assert scm.changes is not None
    return scm.changes


def branches(scm: ScmHost) -> Branches:
    assert scm.branches is not None
    return scm.branches


def at_branches(host: FakeHost, **heads: str) -> None:
    """Let branches be where a test puts them."""
    for branch, sha in heads.items():
        name = branch.replace("_", "/")
        host.on("GET", f"{REPOSITORY}/branches/{name}", answer({"name": name, "commit": {"id": sha}}))


async def test_a_pull_request_is_opened_as_recorded(host: FakeHost) -> None:
    scm = opened(host, "create pull request")
    host.on("GET", rf"{REPOSITORY}/pulls\?.*", answer([]))
    host.on("GET", f"{REPOSITORY}/commits.*", answer([{"sha": HEAD}]))
    at_branches(host, feature_a=HEAD, main=OTHER)
    made = await changes(scm).create(WANTED)
    assert sent(host) == asked("create pull request")
    assert (made.number, made.state, made.head_sha) == (1, ChangeState.OPEN, HEAD)


async def test_a_pull_request_that_another_process_opened_meanwhile_is_adopted(host: FakeHost) -> None:
    scm = opened(host, "create pull request, duplicate")
    host.on("GET", rf"{REPOSITORY}/pulls\?.*", answer([]), recorded("list open"))
    host.on("GET", f"{REPOSITORY}/commits.*", answer([{"sha": HEAD}]))
    at_branches(host, feature_a=HEAD, main=OTHER)
    assert (await changes(scm).create(WANTED)).number == 1


async def test_open_pull_requests_of_forks_and_of_other_branches_are_left_out(host: FakeHost) -> None:
    fork = {**PULL, "number": 2, "head": {"sha": HEAD, "ref": "feature/a", "repo_id": 9}}
    other = {**PULL, "number": 3, "base": {"sha": OTHER, "ref": "next", "repo_id": 2}}
    host.always(answer([other, {**PULL, "number": 5}, None, fork, PULL], x_total_count="5"))
    found = await changes(gitea(host.http())).find_open("feature/a", "main")
    assert [one.number for one in found] == [1, 5]


async def test_a_pull_request_without_a_difference_is_not_opened_though_the_host_would(host: FakeHost) -> None:
    scm = opened(host, "create pull request")
    host.on("GET", rf"{REPOSITORY}/pulls\?.*", answer([]))
    host.on("GET", f"{REPOSITORY}/commits.*", answer([]))
    at_branches(host, feature_a=HEAD, main=OTHER)
    with pytest.raises(ProviderConflict):
        await changes(scm).create(WANTED)
    assert all(one.method == "GET" for one in host.requests)


async def test_a_text_is_changed_as_recorded_and_only_where_it_differs(host: FakeHost) -> None:
    scm = opened(host, "get pull request just created", "update pull request")
    host.on("GET", f"{REPOSITORY}/pulls/1", recorded("get pull request just created"))
    await changes(scm).update(1, title="Add a")
    assert len(host.requests) == 1
    await changes(scm).update(1, title="Add a, better")
    assert sent(host) == asked("update pull request")


async def test_a_merge_pins_the_head_and_its_commit_is_read_from_the_pull_request(host: FakeHost) -> None:
    scm = opened(host, "get merged pull request")
    host.on("POST", ".*/merge", recorded("merge"))
    assert await changes(scm).merge(1, SQUASH) == SQUASHED
    assert sent(host, 0) == asked("merge")


async def test_one_that_is_merged_already_returns_its_own_commit(host: FakeHost) -> None:
    scm = opened(host, "get merged pull request")
    host.on("POST", ".*/merge", recorded("merge again"))
    # Its head moved on with its branch.
    assert await changes(scm).merge(1, Merge(head_sha=OTHER)) == SQUASHED


@pytest.mark.parametrize(
    ("case", "merge", "wanted"),
    [
        ("merge, wrong expected head", Merge(head_sha="0" * 40), ProviderConflict),
        ("merge, wrong expected head", SQUASH, ProviderBusy),
        ("merge, unknown style", SQUASH, ProviderRejected),
    ],
)
async def test_a_recorded_refusal_to_merge_is_known_by_the_pull_request(
    host: FakeHost, case: str, merge: Merge, wanted: type[ProviderError]
) -> None:
    scm = opened(host, "get pull request just created")
    host.on("POST", ".*/merge", recorded(case))
    with pytest.raises(wanted):
        await changes(scm).merge(1, merge)


@pytest.mark.parametrize(
    ("status", "message", "pull", "wanted"),
    [
        (405, "Please try again later", {}, ProviderBusy),
        (409, "merge push out of date", {}, ProviderBusy),
        (405, "User not allowed to merge PR", {}, ProviderRejected),
        (405, "Work in progress PRs cannot be merged", {}, ProviderRejected),
        (409, "PushRejected with remote message: protected", {}, ProviderRejected),
        (404, "not found", {"state": "closed"}, ProviderRejected),
        (200, "", {}, ProviderUnavailable),
        (200, "", {"state": "closed", "merged": True}, ProviderUnavailable),
    ],
)
async def test_a_merge_that_is_not_shown_is_known_by_its_reason(
    host: FakeHost, status: int, message: str, pull: dict[str, object], wanted: type[ProviderError]
) -> None:
    host.on("POST", ".*/merge", answer({"message": message}, status))
    host.on("GET", ".*/pulls/1", answer({**PULL, **pull}))
    with pytest.raises(wanted):
        await changes(gitea(host.http())).merge(1, SQUASH)


async def test_conflicts_of_the_branches_are_a_refusal_whatever_the_answer_holds(host: FakeHost) -> None:
    host.on("POST", ".*/merge", answer({"Style": "merge", "StdOut": "CONFLICT (content)", "StdErr": ""}, 409))
    host.on("GET", ".*/pulls/1", answer(PULL))
    with pytest.raises(ProviderRejected, match="CONFLICT"):
        await changes(gitea(host.http())).merge(1, SQUASH)


async def test_a_merged_one_counts_as_closed_and_one_that_depends_on_others_does_not(host: FakeHost) -> None:
    scm = opened(host, "get merged pull request")
    host.on("PATCH", ".*/pulls/1", recorded("close a merged pull request"))
    await changes(scm).close(1)
    assert sent(host, 0) == asked("close a merged pull request")
    host.on("GET", ".*/pulls/1", answer(PULL))
    host.on("PATCH", ".*/pulls/1", answer({"message": "it still has open dependencies"}, 412))
    with pytest.raises(ProviderRejected, match="dependencies"):
        await changes(scm).close(1)


@pytest.mark.parametrize("case", ["branch head, slash raw", "branch head, slash encoded"])
async def test_a_branch_with_a_slash_is_asked_for_raw(host: FakeHost, case: str) -> None:
    assert await branches(opened(host, case)).head("feature/a") == "7cf6bda90d7ed4c93f53bf60ef835743ca60766f"
    assert sent(host) == asked("branch head, slash raw")


async def test_a_missing_branch_is_none_where_the_repository_is_seen(host: FakeHost) -> None:
    scm = opened(host, "branch missing")
    with pytest.raises(ProviderNotFound):
        await branches(scm).head("none")
    host.on("GET", REPOSITORY, answer({"full_name": "peer/shop"}))
    assert await branches(scm).head("none") is None


async def test_a_file_is_read_as_recorded(host: FakeHost) -> None:
    assert await branches(opened(host, "get file")).read("a/b.txt", "feature/a") == b"two"
    wanted = asked("get file")
    assert sent(host) == {**wanted, "path": str(wanted["path"]).replace("feature/a", "feature%2Fa")}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ([{"type": "file"}], ProviderRejected),
        ({"type": "symlink", "target": "x"}, ProviderRejected),
        ({"type": "file", "encoding": None, "content": None, "size": 20_000_000}, ProviderMalformed),
        ({"type": "file", "encoding": "base64", "content": "?", "size": 1}, ProviderMalformed),
    ],
)
async def test_what_is_no_file_or_too_large_is_reported(
    host: FakeHost, body: object, wanted: type[ProviderError]
) -> None:
    host.always(answer(body))
    with pytest.raises(wanted):
        await branches(gitea(host.http())).read("a", OTHER)


async def test_a_file_of_an_unknown_commit_is_not_merely_missing(host: FakeHost) -> None:
    host.on("GET", ".*/contents/.*", answer({"message": "not found"}, 404))
    host.on("GET", ".*/repos/acme/web", answer({"full_name": "acme/web"}))
    with pytest.raises(ProviderNotFound):
        await branches(gitea(host.http())).read("a", OTHER)
    host.on("GET", ".*/git/commits/.*", answer({"sha": OTHER}))
    assert await branches(gitea(host.http())).read("a", OTHER) is None


def without_files(host: FakeHost) -> None:
    host.on("GET", f"{REPOSITORY}/contents/.*", answer({"message": "not found"}, 404))
    host.on("GET", f"{REPOSITORY}/git/commits/.*", answer({"sha": PREVIOUS}))


async def test_several_files_are_written_as_recorded(host: FakeHost) -> None:
    scm = opened(host, "several files in one commit")
    without_files(host)
    at_branches(host, feature_a=PREVIOUS)
    assert await branches(scm).commit(TWO_FILES) == HEAD
    assert sent(host) == asked("several files in one commit")


async def test_a_file_that_exists_is_replaced_by_the_content_that_it_had(host: FakeHost) -> None:
    scm = opened(host, "several files in one commit")
    host.on("GET", f"{REPOSITORY}/contents/.*", recorded("get file"))
    at_branches(host, feature_a=PREVIOUS)
    await branches(scm).commit(TWO_FILES)
    assert [file["sha"] for file in host.body()["files"]] == ["64c5e5885a4b06010b3a0c20edb7900dd0311025"] * 2  # type: ignore[index]


async def test_a_branch_that_is_elsewhere_is_not_written(host: FakeHost) -> None:
    scm = opened(host, "several files in one commit")
    at_branches(host, feature_a=OTHER)
    with pytest.raises(ProviderConflict):
        await branches(scm).commit(TWO_FILES)
    assert all(one.method == "GET" for one in host.requests)


async def test_a_branch_begins_as_recorded_and_one_that_exists_is_not_written(host: FakeHost) -> None:
    scm = opened(host, "several files in one commit")
    without_files(host)
    host.on("POST", f"{REPOSITORY}/branches", recorded("create branch"), recorded("create branch, exists"))
    begun = replace(TWO_FILES, begins=True)
    assert await branches(scm).commit(begun) == HEAD
    assert sent(host, 0) == {
        **asked("create branch"),
        "body": {"new_branch_name": "feature/a", "old_ref_name": PREVIOUS},
    }
    written = len(host.requests)
    with pytest.raises(ProviderConflict):
        await branches(scm).commit(begun)
    assert len(host.requests) == written + 1


@pytest.mark.parametrize(
    ("refusal", "moved", "wanted"),
    [
        (recorded("update file, stale sha"), True, ProviderConflict),
        (recorded("create file, exists"), True, ProviderConflict),
        (answer({"message": ""}, 500), True, ProviderConflict),
        (answer({"message": ""}, 500), False, ProviderUnavailable),
        (answer({"message": "path is invalid [path: .git/x]"}, 422), False, ProviderRejected),
    ],
)
async def test_a_refused_commit_is_known_by_where_the_branch_is_then(
    host: FakeHost, refusal: object, moved: bool, wanted: type[ProviderError]
) -> None:
    scm = opened(host, "several files in one commit")
    without_files(host)
    heads = [answer({"commit": {"id": sha}}) for sha in (PREVIOUS, OTHER if moved else PREVIOUS)]
    host.on("GET", f"{REPOSITORY}/branches/feature/a", *heads)
    host.on("POST", f"{REPOSITORY}/contents", refusal)  # type: ignore[arg-type]
    with pytest.raises(wanted):
        await branches(scm).commit(TWO_FILES)


async def test_a_log_is_read_over_pages_as_far_as_is_wanted(host: FakeHost) -> None:
    page = [{"sha": f"{number:040x}", "commit": {"message": "x\n\nPilotage-Key: 1\n"}} for number in range(50)]
    host.on("GET", ".*/branches/main", answer({"commit": {"id": OTHER}}))
    host.on("GET", rf".*/commits\?sha={OTHER}.*", answer(page, x_total_count="1000"))
    log = await branches(gitea(host.http())).log("main", 70)
    assert len(log) == 70
    assert log[0].message == "x\n\nPilotage-Key: 1\n"
    assert len(host.requests) == 3
