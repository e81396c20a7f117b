"""The adapter of Gitea and Forgejo against what a real Gitea 1.26.0 answered."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from providers.errors import ProviderError, ProviderNotFound, ProviderUnauthorized
from providers.models import ChangeState, Comment, CommitStatus, StatusState
from providers.ports import ScmHost
from tests.providers.hosts import FakeHost, answer, gitea

RECORDINGS = Path(__file__).parent.parent / "recordings" / "gitea-1.26.0.jsonl"
CASES: Mapping[str, dict[str, object]] = {
    row["case"]: row for row in map(json.loads, RECORDINGS.read_text(encoding="utf-8").splitlines())
}
HEAD = "8cffcbbfa24ae54f85b8c569ebbe49fc4ab58b33"
REPOSITORY = "/api/v1/repos/peer/shop1795222469"
LONG = "x" * 300


def part(case: str, name: str) -> dict[str, object]:
    found = CASES[case][name]
    assert isinstance(found, dict)
    return found


def recorded(case: str) -> httpx.Response:
    """Return one recorded answer."""
    response = part(case, "response")
    headers, body = response["headers"], response["body"]
    assert isinstance(headers, dict)
    text = body if isinstance(body, str) else json.dumps(body)
    return httpx.Response(int(str(response["status"])), headers=headers, text=text)


def opened(host: FakeHost, *cases: str) -> ScmHost:
    """Open the recorded repository at a host that answers what was recorded, in this order."""
    host.always(*map(recorded, cases))
    return gitea(host.http({"allow_http": True}), base="http://gitea.example.com", owner="peer", name="shop1795222469")


def sent(host: FakeHost, number: int = -1) -> dict[str, object]:
    request = host.requests[number]
    return {
        "method": request.method,
        "path": request.url.raw_path.decode(),
        "content_type": request.headers.get("content-type"),
        "body": json.loads(request.content) if request.content else None,
    }


def asked(case: str) -> dict[str, object]:
    request = part(case, "request")
    return {key: request[key] for key in ("method", "path", "content_type", "body")}


async def test_an_open_pull_request_is_asked_for_as_recorded_and_read(host: FakeHost) -> None:
    change = await opened(host, "get pull request just created").pull_requests.get(1)
    assert sent(host) == asked("get pull request just created")
    assert (change.state, change.merge_sha, change.head_sha) == (ChangeState.OPEN, None, HEAD)
    assert (change.number, change.title, change.author) == (1, "Add a", "peer")
    assert (change.branch, change.base_branch, change.labels) == ("feature/a", "main", ())
    assert change.url == "http://gitea.example.com/peer/shop1795222469/pulls/1"
    assert not change.from_fork


async def test_a_merged_pull_request_has_the_commit_of_its_squash(host: FakeHost) -> None:
    change = await opened(host, "get merged pull request").pull_requests.get(1)
    assert change.state is ChangeState.MERGED
    assert change.merge_sha == "da10c5f63e6c11b134a917943ea98f9a86250dd4"


async def test_changed_files_are_read_in_one_page_where_the_total_allows_it(host: FakeHost) -> None:
    files = await opened(host, "changed files").pull_requests.changed_files(1)
    assert (files.paths, files.complete) == (("a/b.txt", "c.txt", "d.txt"), True)
    assert host.paths() == [f"GET {REPOSITORY}/pulls/1/files?page=1&limit=50"]


async def test_the_newest_status_of_each_context_is_read_from_the_combined_one(host: FakeHost) -> None:
    newest = await opened(host, "combined status").commit_statuses.newest(HEAD)
    assert newest == {
        "pilotage/staging": CommitStatus(context="pilotage/staging", state=StatusState.SUCCESS, description="ok"),
        # The host took a state that it does not know; none of ours is like it.
        "c": CommitStatus(context="c", state=StatusState.ERROR, description=""),
    }


async def test_a_status_is_set_as_recorded_and_its_text_kept_whole(host: FakeHost) -> None:
    status = CommitStatus(
        context="pilotage/staging", state=StatusState.PENDING, description=LONG, url="https://example.com/1"
    )
    await opened(host, "set status").commit_statuses.set(HEAD, status)
    assert sent(host) == asked("set status")
    stored = part("set status", "response")["body"]
    assert isinstance(stored, dict)
    assert stored["description"] == LONG


async def test_a_status_of_an_unknown_commit_is_an_error_of_the_server_that_means_not_found(host: FakeHost) -> None:
    scm = opened(host, "set status, unknown sha")
    host.on("GET", ".*/git/commits/.*", answer({"message": "not found"}, 404))
    host.on("GET", REPOSITORY, answer({"full_name": "peer/shop1795222469"}))
    with pytest.raises(ProviderNotFound):
        await scm.commit_statuses.set("f" * 40, CommitStatus(context="c", state=StatusState.SUCCESS, description=""))


async def test_a_label_whose_name_is_unknown_is_created_and_added_by_its_id(host: FakeHost) -> None:
    scm = opened(host, "add labels by unknown name", "create repo label", "add label by id")
    host.on("GET", f"{REPOSITORY}/labels.*", answer([], x_total_count="0"))
    assert await scm.labels.add(1, ["pilotage/testing"]) == ("pilotage/testing",)
    assert sent(host, 0) == asked("add labels by unknown name")
    created, wanted = sent(host, 2), asked("create repo label")
    assert (created["method"], created["path"]) == (wanted["method"], wanted["path"])
    assert sent(host, 3) == asked("add label by id")


async def test_labels_of_one_name_are_one_and_are_removed_together(host: FakeHost) -> None:
    scm = opened(host, "add label by name", "add label by name", "remove label", "remove label that is not on it")
    assert await scm.labels.add(1, ["pilotage/testing"]) == ("pilotage/testing",)
    await scm.labels.remove(1, "pilotage/testing")
    assert host.paths()[2:] == [f"DELETE {REPOSITORY}/issues/1/labels/{label}" for label in (1, 2)]


async def test_a_label_that_was_deleted_meanwhile_is_gone(host: FakeHost) -> None:
    scm = opened(host, "add label by name", "remove unknown label id")
    await scm.labels.remove(1, "pilotage/testing")
    assert len(host.requests) == 3


async def test_comments_are_written_and_edited_as_recorded(host: FakeHost) -> None:
    scm = opened(host, "comment", "edit comment")
    created = await scm.comments.create(1, "hello <!-- m -->")
    assert sent(host) == asked("comment")
    assert created == Comment(id="7", body="hello <!-- m -->")
    await scm.comments.update(created, "bye <!-- m -->")
    assert sent(host) == asked("edit comment")


@pytest.mark.parametrize(
    ("case", "kind", "status"),
    [
        ("bad token", ProviderUnauthorized, 401),
        ("get pull request missing", ProviderNotFound, 404),
    ],
)
async def test_a_refusal_is_the_error_that_it_means(
    host: FakeHost, case: str, kind: type[ProviderError], status: int
) -> None:
    with pytest.raises(kind) as refused:
        await opened(host, case).pull_requests.get(1)
    assert refused.value.status == status
    body = part(case, "response")["body"]
    assert isinstance(body, dict)
    assert str(body["message"]) in str(refused.value)
