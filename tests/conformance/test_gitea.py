"""Requests to Gitea and Forgejo, and the answers that tests give for theirs, as others have both documents."""

import json
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.conformance.gitea import Documented, documented
from tests.providers.fuzzing.answers import answer_of
from tests.providers.fuzzing.hosts import OddHost, SharedClients
from tests.providers.fuzzing.operations import OPERATIONS, kind_of

_OURS = [name for name in OPERATIONS if kind_of(name) == "gitea"]


class Watched(OddHost):
    """Answer well, and keep what was asked."""

    def __init__(self) -> None:
        super().__init__(kind="gitea")
        self.asked: list[httpx.Request] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return super().handle(request)


@pytest.fixture(scope="module", params=["gitea-js", "forgejo-js"])
def document(request: pytest.FixtureRequest) -> Documented:
    found = documented(str(request.param))
    assert len(found.operations) > 300
    assert len(found.types) > 150
    return found


@pytest.mark.parametrize("name", _OURS)
async def test_each_request_and_the_answer_to_it_are_documented(document: Documented, name: str) -> None:
    asked = await _asked(name)
    assert asked
    for request in asked:
        url = urlsplit(str(request.url))
        path = url.path.partition("/api/v1")[2]
        found = [one for one in document.operations if one.method == request.method and one.path.fullmatch(path)]
        assert found, f"{request.method} {path}"
        ours = {key for key, _ in parse_qsl(url.query)}
        assert any(ours <= one.query for one in found), f"{request.method} {path}: {ours}"
        body = json.loads(request.content) if request.content else None
        taken = [one for one in found if body is None or one.body]
        assert any(not list(document.unknown(body, one.body)) for one in taken), f"{request.method} {path}: {body}"
        answer = answer_of("gitea", request.method, request.url.raw_path.decode())
        assert answer is not None
        if answer.status < 300:
            assert any(not list(document.unknown(answer.body, one.answer)) for one in found), f"{path}: {answer.body}"


def test_a_field_that_is_not_documented_is_found_wherever_it_stands(document: Documented) -> None:
    assert list(document.unknown({"id": 1, "nme": "x"}, "Label")) == ["Label.nme"]
    assert list(document.unknown([{"head": {"hash": "x"}}], "PullRequest[]")) == ["PRBranchInfo.hash"]


async def _asked(name: str) -> list[httpx.Request]:
    http, watched = SharedClients(), Watched()
    http.host = watched
    await OPERATIONS[name](http)
    await http.aclose()
    return watched.asked
