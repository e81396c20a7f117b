"""GitHub's pull requests and branches for delivery by Git, request by request."""

import base64
import json

import pytest

from crds.reasons.vocabulary import MergeMethod
from providers.errors import (
    ProviderBusy,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.models import FileEdit, Merge, NewCommit, NewPullRequest
from providers.ports import Branches, PullRequestChanges
from tests.providers.hosts import TOKEN, FakeHost, answer, github

REPOSITORY = "/repos/acme/web"
HEAD = "h" * 40
OWN = {"full_name": "acme/web"}
PULL = {
    "number": 7,
    "title": "Promote",
    "state": "open",
    "mergeable": True,
    "head": {"sha": HEAD, "ref": "proposed/prod", "repo": OWN},
    "base": {"ref": "env/prod", "repo": OWN},
}
MERGED = {**PULL, "state": "closed", "merged": True, "merge_commit_sha": "m" * 40}
WANTED = NewPullRequest(head="proposed/prod", base="env/prod", title="Promote")
COMMIT = NewCommit(
    branch="main",
    expected_head=HEAD,
    message="Deploy\n\nPilotage-Key: 1",
    edits=(FileEdit(path="a.yaml", content=b"\xc3\xa4: 1\n"),),
)


def changes(host: FakeHost) -> PullRequestChanges:
    found = github(host.http()).changes
    assert found is not None
    return found


def branches(host: FakeHost) -> Branches:
    found = github(host.http()).branches
    assert found is not None
    return found


async def test_open_pull_requests_are_filtered_again_whatever_the_host_filtered(host: FakeHost) -> None:
    fork = {**PULL, "number": 8, "head": {**PULL["head"], "repo": {"full_name": "mona/web"}}}  # type: ignore[dict-item]
    gone = {**PULL, "number": 9, "head": {**PULL["head"], "repo": None}}  # type: ignore[dict-item]
    other = {**PULL, "number": 10, "base": {"ref": "main", "repo": OWN}}
    host.always(answer([fork, gone, other, PULL]))
    found = await changes(host).find_open("proposed/prod", "env/prod")
    assert [one.number for one in found] == [7]
    query = host.requests[0].url.params
    assert (query["head"], query["base"], query["state"]) == ("acme:proposed/prod", "env/prod", "open")


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ({"code": "custom", "message": "No commits between env/prod and proposed/prod"}, ProviderConflict),
        ({"field": "head", "code": "invalid"}, ProviderNotFound),
        ({"field": "base", "code": "invalid"}, ProviderNotFound),
        ({"field": "title", "code": "missing_field"}, ProviderRejected),
        ({"code": "custom", "message": "A pull request already exists for acme:proposed/prod."}, ProviderUnavailable),
    ],
)
async def test_a_refused_pull_request_is_known_by_its_reason(
    host: FakeHost, error: dict[str, str], wanted: type[ProviderError]
) -> None:
    host.on("GET", rf"{REPOSITORY}/pulls\?.*", answer([]))
    host.on("POST", f"{REPOSITORY}/pulls", answer({"message": "Validation Failed", "errors": [error]}, 422))
    with pytest.raises(wanted):
        await changes(host).create(WANTED)


async def test_a_pull_request_that_another_process_opened_meanwhile_is_adopted(host: FakeHost) -> None:
    host.on("GET", rf"{REPOSITORY}/pulls\?.*", answer([PULL]))
    message = "A pull request already exists for acme:proposed/prod."
    host.on("POST", f"{REPOSITORY}/pulls", answer({"errors": [{"message": message}]}, 422))
    assert (await changes(host).create(WANTED)).number == 7


async def test_a_merge_pins_the_head_and_names_the_method(host: FakeHost) -> None:
    host.on("PUT", f"{REPOSITORY}/pulls/7/merge", answer({"sha": "m" * 40, "merged": True}))
    merge = Merge(head_sha=HEAD, method=MergeMethod.SQUASH, title="Promote", message="x")
    assert await changes(host).merge(7, merge) == "m" * 40
    assert json.loads(host.requests[0].content) == {
        "sha": HEAD,
        "merge_method": "squash",
        "commit_title": "Promote",
        "commit_message": "x",
    }


@pytest.mark.parametrize(
    ("status", "message", "pull", "wanted"),
    [
        (
            409,
            "Head branch was modified. Review and try the merge again.",
            {"head": {"sha": "n" * 40}},
            ProviderConflict,
        ),
        (409, "Head branch was modified.", {}, ProviderBusy),
        (405, "Pull Request is not mergeable", {"mergeable": None}, ProviderBusy),
        (405, "Base branch was modified. Review and try the merge again.", {}, ProviderBusy),
        (405, "Pull Request is not mergeable", {"mergeable": False}, ProviderRejected),
        (405, "Pull Request is still a draft", {"mergeable": None, "draft": True}, ProviderRejected),
        (405, "Squash merges are not allowed on this repository.", {}, ProviderRejected),
        (405, "Pull Request is not mergeable", {"state": "closed"}, ProviderRejected),
        (405, "Pull Request is not mergeable", {"state": "closed", "merged": True}, ProviderUnavailable),
    ],
)
async def test_a_refused_merge_is_judged_by_the_pull_request(
    host: FakeHost, status: int, message: str, pull: dict[str, object], wanted: type[ProviderError]
) -> None:
    host.on("PUT", f"{REPOSITORY}/pulls/7/merge", answer({"message": message}, status))
    host.on("GET", f"{REPOSITORY}/pulls/7", answer({**PULL, **pull}))
    with pytest.raises(wanted):
        await changes(host).merge(7, Merge(head_sha=HEAD))


async def test_a_merge_whose_answer_was_lost_is_found_again(host: FakeHost) -> None:
    host.on("PUT", f"{REPOSITORY}/pulls/7/merge", answer({"message": "Pull Request is not mergeable"}, 405))
    host.on("GET", f"{REPOSITORY}/pulls/7", answer(MERGED))
    assert await changes(host).merge(7, Merge(head_sha=HEAD)) == "m" * 40


async def test_a_merge_of_another_head_is_not_taken_for_ours(host: FakeHost) -> None:
    host.on("PUT", f"{REPOSITORY}/pulls/7/merge", answer({"message": "Pull Request is not mergeable"}, 405))
    host.on("GET", f"{REPOSITORY}/pulls/7", answer(MERGED))
    with pytest.raises(ProviderConflict):
        await changes(host).merge(7, Merge(head_sha="n" * 40))


async def test_long_texts_are_cut_to_what_the_host_takes_and_compared_as_cut(host: FakeHost) -> None:
    cut = "t" * 255 + "…"
    host.on("GET", f"{REPOSITORY}/pulls/7", answer({**PULL, "title": cut, "body": "a\r\nb"}))
    await changes(host).update(7, title="t" * 300, body="a\nb")
    assert [request.method for request in host.requests] == ["GET"]


async def test_a_branch_of_an_empty_repository_has_no_head_and_no_commits(host: FakeHost) -> None:
    host.always(answer({"message": "Git Repository is empty."}, 409))
    assert await branches(host).head("main") is None
    assert await branches(host).log("main", 5) == ()


async def test_a_hidden_repository_is_not_taken_for_a_missing_branch_or_file(host: FakeHost) -> None:
    host.always(answer({"message": "Not Found"}, 404))
    with pytest.raises(ProviderNotFound):
        await branches(host).head("main")
    with pytest.raises(ProviderNotFound):
        await branches(host).read("a.yaml", HEAD)


async def test_an_unknown_commit_is_not_taken_for_a_missing_file(host: FakeHost) -> None:
    host.on(
        "GET", rf"{REPOSITORY}/contents/a.yaml\?.*", answer({"message": f"No commit found for the ref {HEAD}"}, 404)
    )
    host.on("GET", REPOSITORY, answer(OWN))
    with pytest.raises(ProviderNotFound):
        await branches(host).read("a.yaml", HEAD)


async def test_slashes_of_names_stay_and_all_else_is_quoted(host: FakeHost) -> None:
    host.always(answer({"object": {"sha": HEAD}}))
    await branches(host).head("env/prod 1#x")
    assert host.requests[0].url.raw_path.decode().endswith("/git/ref/heads/env/prod%201%23x")


@pytest.mark.parametrize("path", ["../../../user", "a/../b", "a//b", ""])
async def test_a_path_that_walks_is_not_sent(host: FakeHost, path: str) -> None:
    with pytest.raises(ProviderRejected):
        await branches(host).read(path, HEAD)
    assert host.requests == []


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ([{"name": "a"}], ProviderRejected),
        ({"type": "symlink", "target": "x"}, ProviderRejected),
        ({"type": "file", "encoding": "none", "content": "", "size": 2_000_000}, ProviderMalformed),
        ({"type": "file", "encoding": "base64", "content": "%%%", "size": 3}, ProviderMalformed),
    ],
)
async def test_what_is_no_readable_file_is_refused(host: FakeHost, body: object, wanted: type[ProviderError]) -> None:
    host.always(answer(body))
    with pytest.raises(wanted):
        await branches(host).read("a.yaml", HEAD)


async def test_a_commit_of_files_expects_the_head(host: FakeHost) -> None:
    host.always(answer({"data": {"createCommitOnBranch": {"commit": {"oid": "c" * 40}}}}))
    assert await branches(host).commit(COMMIT) == "c" * 40
    request = host.requests[0]
    assert request.url.path == "/graphql"
    given = json.loads(request.content)["variables"]["input"]
    assert given["branch"] == {"repositoryNameWithOwner": "acme/web", "branchName": "main"}
    assert given["expectedHeadOid"] == HEAD
    assert given["message"] == {"headline": "Deploy", "body": "Pilotage-Key: 1"}
    contents = base64.b64encode(COMMIT.edits[0].content).decode()
    assert given["fileChanges"] == {"additions": [{"path": "a.yaml", "contents": contents}]}


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        ({"type": "STALE_DATA", "message": "Expected branch to point to"}, ProviderConflict),
        ({"type": "NOT_FOUND", "message": "Could not resolve to a Repository"}, ProviderNotFound),
        ({"type": "FORBIDDEN", "message": "Resource not accessible by integration"}, ProviderUnauthorized),
        ({"type": "RATE_LIMITED", "message": "API rate limit exceeded"}, ProviderRateLimited),
        ({"message": "Something went wrong while executing your query."}, ProviderUnavailable),
        ({"type": "UNPROCESSABLE", "message": f"Protected branch {TOKEN}"}, ProviderRejected),
    ],
)
async def test_a_refused_commit_is_known_by_the_type_of_the_error(
    host: FakeHost, error: dict[str, str], wanted: type[ProviderError]
) -> None:
    host.always(answer({"data": {"createCommitOnBranch": None}, "errors": [error]}))
    with pytest.raises(wanted) as refused:
        await branches(host).commit(COMMIT)
    assert TOKEN not in str(refused.value)
