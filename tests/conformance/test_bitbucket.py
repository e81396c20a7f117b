"""Bitbucket as others wrote of it: which operations there are, and what the real Cloud answered."""

import json
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from providers.bitbucket_cloud import wire, wire_changes, wire_steering
from providers.http import HttpClients
from providers.messages import Reply
from providers.models import ChangeState, StatusState
from tests.conformance.bitbucket import Operation, answers, operations
from tests.providers.fuzzing.hosts import OddHost, SharedClients
from tests.providers.fuzzing.operations import OPERATIONS, kind_of

KINDS = {"bitbucketCloud": ("cloud", "/2.0"), "bitbucketDataCenter": ("server", "/rest")}
# Of each list, as https://developer.atlassian.com/cloud/bitbucket/rest/intro/ has them: pages, filters, parts.
_EVERYWHERE = {"page", "pagelen", "q", "sort", "fields"}
# Described with the operation, in its text alone.
_DESCRIBED = {
    "/repositories/acme/web/commits": {"include"},
    "/api/latest/users": {"permission.projectKey", "permission.repositorySlug", "start", "limit"},
}
_OURS = [name for name in OPERATIONS if kind_of(name) in KINDS]


class Watched(OddHost):
    """Answer well, and keep what was asked."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind=kind)
        self.asked: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return super().handle(request)


@pytest.fixture(scope="module")
def documented() -> dict[str, tuple[Operation, ...]]:
    found = {kind: operations(name) for kind, (name, _) in KINDS.items()}
    assert all(len(one) > 150 for one in found.values())
    return found


@pytest.mark.parametrize("name", _OURS)
async def test_each_request_is_an_operation_that_the_vendor_documents(
    documented: dict[str, tuple[Operation, ...]], name: str
) -> None:
    kind = kind_of(name)
    asked = await _asked(name, kind)
    assert asked
    for request in asked:
        url = urlsplit(str(request.url))
        path = url.path.partition(KINDS[kind][1])[2]
        found = [one for one in documented[kind] if one.method == request.method and one.path.fullmatch(path)]
        assert found, f"{request.method} {path}"
        known = {name for one in found for name in one.query} | _DESCRIBED.get(path, set())
        known |= _EVERYWHERE if kind == "bitbucketCloud" else set()
        # What follows a redirect or names a next page is the host's own.
        ours = {name for name, _ in parse_qsl(url.query)} if "/diffstat/" not in path else set()
        assert ours <= known, f"{request.method} {path}: {ours - known}"


@pytest.mark.parametrize(
    ("path", "method", "state"),
    [
        ("pullrequests/1", "GET", ChangeState.OPEN),
        ("pullrequests/25", "GET", ChangeState.OPEN),
        ("pullrequests", "POST", ChangeState.OPEN),
        ("pullrequests/1/merge", "POST", ChangeState.MERGED),
        ("pullrequests/1/decline", "POST", ChangeState.CLOSED),
    ],
)
def test_a_pull_request_of_the_real_cloud_is_read(path: str, method: str, state: ChangeState) -> None:
    for answer in answers(path, method):
        pull = wire.read_pull(answer)
        assert (pull.state, bool(pull.merge_sha)) == (state, state is ChangeState.MERGED)
        assert pull.branch
        assert pull.base_branch
        assert len(pull.head_sha) >= 7
        assert not pull.from_fork
        assert "reviewers" in (wire_changes.differences(answer, "another", None) or {})


def test_lists_of_the_real_cloud_are_read() -> None:
    [pulls] = answers("pullrequests", "GET")
    reply = _reply(pulls)
    assert len(wire.values(reply)) == pulls["size"]
    first = wire.read_pull(wire.values(reply)[0])
    assert first in wire_changes.read_open(reply, first.branch, first.base_branch)
    [comments] = answers("pullrequests/1/comments", "GET")
    read = wire.read_comments_of("", "1", _reply(comments))
    assert read
    assert all(comment.body and comment.id.startswith("1:") for _, comment in read)
    remarks = wire_steering.read_remarks("1", "", _reply(comments))
    assert [one.id for one in remarks] == [comment.id for _, comment in read]
    assert all(one.by.id and one.by.name and not one.edited for one in remarks)
    [statuses] = answers("pullrequests/1/statuses", "GET")
    assert {status.state for status in wire.read_statuses(_reply(statuses), "")} <= set(StatusState)


def test_a_comment_that_was_made_at_the_real_cloud_names_its_author() -> None:
    [created] = answers("pullrequests/1/comments", "POST")
    assert wire.read_comment("1", created).body == "hello world"
    assert wire.read_comment_author(created)


async def _asked(name: str, kind: str) -> list[httpx.Request]:
    http = SharedClients()
    watched = Watched(kind)
    http.host = watched
    clients: HttpClients = http
    await OPERATIONS[name](clients)
    await http.aclose()
    return watched.asked


def _reply(answer: object) -> Reply:
    return Reply(status=200, body=json.dumps(answer).encode())
