"""Which comments at GitLab count as they were written: a reaction updates a note, and is no edit of it."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from providers.models import Remark
from tests.providers.hosts import FakeHost, answer, gitlab

NOTES = r"/api/v4/projects/acme%2Fweb/merge_requests/1/notes\?.*"
BEGUN = datetime(2026, 11, 30, 9, tzinfo=UTC)
WRITTEN, UPDATED = "2026-11-30T10:00:00Z", "2026-11-30T10:00:30Z"
NOTHING = answer({"errors": [{"message": "Field 'lastEditedAt' doesn't exist on type 'Note'"}]})


def note(number: int, body: str, *, updated: str = UPDATED) -> dict[str, object]:
    author = {"id": 8, "username": "grace"}
    return {"id": number, "body": body, "author": author, "created_at": WRITTEN, "updated_at": updated}


async def remarks(host: FakeHost, *notes: dict[str, object], edits: httpx.Response) -> tuple[Remark, ...]:
    host.on("GET", "/api/v4/user", answer({"username": "pilotage-bot"}))
    host.on("GET", NOTES, answer(list(notes)))
    host.on("POST", "/api/graphql", edits)
    steering = gitlab(host.http()).steering
    assert steering is not None
    return (await steering.remarks(1, BEGUN, "")).remarks


def asked(host: FakeHost) -> list[str]:
    """Return the queries that were asked."""
    return [json.loads(one.content)["query"] for one in host.requests if one.url.path.endswith("/graphql")]


async def test_commands_that_were_updated_count_where_no_one_edited_them(host: FakeHost) -> None:
    edits = answer({"data": {"n5": {"lastEditedAt": None}, "n7": {"lastEditedAt": UPDATED}, "n8": None}})
    notes = [note(number, "/pilotage hold") for number in (5, 7, 8)]
    found = await remarks(host, note(9, "Looks good"), *notes, edits=edits)
    assert [one.id for one in found] == ["1:5"]
    [query] = asked(host)
    assert query.count("lastEditedAt") == 3


@pytest.mark.parametrize(
    "edits",
    [
        NOTHING,
        answer({"data": None}),
        answer({"data": {"n5": {}}}),
        answer({"message": "403 Forbidden"}, 403),
        httpx.Response(404, text="<html>", headers={"content-type": "text/html"}),
        httpx.Response(200, text="<html>", headers={"content-type": "text/html"}),
        httpx.Response(301, headers={"location": "https://elsewhere.example.com/"}),
    ],
)
async def test_an_answer_that_proves_nothing_lets_no_command_count(host: FakeHost, edits: httpx.Response) -> None:
    assert await remarks(host, note(5, "/pilotage promote"), edits=edits) == ()


async def test_nothing_is_asked_of_what_is_no_command_or_was_not_updated(host: FakeHost) -> None:
    found = await remarks(host, note(5, "Looks good"), note(6, "/pilotage hold", updated=WRITTEN), edits=NOTHING)
    assert ([one.id for one in found], asked(host)) == (["1:6"], [])


async def test_one_question_is_bounded(host: FakeHost) -> None:
    await remarks(host, *(note(number, "/pilotage hold") for number in range(1, 60)), edits=NOTHING)
    assert [query.count("lastEditedAt") for query in asked(host)] == [20]
