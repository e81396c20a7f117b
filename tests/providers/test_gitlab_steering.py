"""Which comments at GitLab count as they were written: a reaction updates a note, and is no edit of it."""

import json
import re
from datetime import UTC, datetime

import httpx
import pytest

from providers.models import Remark, Remarks
from tests.providers.hosts import Answer, FakeHost, answer, gitlab

NOTES = r"/api/v4/projects/acme%2Fweb/merge_requests/1/notes\?.*"
BEGUN = datetime(2026, 11, 30, 9, tzinfo=UTC)
WRITTEN, UPDATED = "2026-11-30T10:00:00Z", "2026-11-30T10:00:30Z"
NOTHING = answer({"errors": [{"message": "Field 'lastEditedAt' doesn't exist on type 'Note'"}]})


def note(number: int, body: str, *, updated: str = UPDATED) -> dict[str, object]:
    author = {"id": 8, "username": "grace"}
    return {"id": number, "body": body, "author": author, "created_at": WRITTEN, "updated_at": updated}


async def look(host: FakeHost, *notes: dict[str, object], edits: Answer) -> Remarks:
    host.on("GET", "/api/v4/user", answer({"id": 7, "username": "pilotage-bot"}))
    host.on("GET", NOTES, answer(list(notes)))
    host.on("POST", "/api/graphql", edits)
    steering = gitlab(host.http()).steering
    assert steering is not None
    return await steering.remarks(1, BEGUN, "")


async def remarks(host: FakeHost, *notes: dict[str, object], edits: httpx.Response) -> tuple[Remark, ...]:
    return (await look(host, *notes, edits=edits)).remarks


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


def as_written(request: httpx.Request) -> httpx.Response:
    """Answer that no one edited the notes that are asked for."""
    return answer(
        {"data": {alias: {"lastEditedAt": None} for alias in re.findall(r"(n\d+):", request.content.decode())}}
    )


async def test_each_question_is_bounded_and_all_commands_of_a_look_are_asked_for(host: FakeHost) -> None:
    found = await look(host, *(note(number, "/pilotage hold") for number in range(1, 60)), edits=as_written)
    assert [query.count("lastEditedAt") for query in asked(host)] == [20, 20, 19]
    assert ([one.id for one in found.remarks], found.edited) == ([f"1:{number}" for number in range(1, 60)], ())


async def test_a_command_that_may_have_been_edited_is_shown_as_such(host: FakeHost) -> None:
    edits = answer({"data": {"n5": {"lastEditedAt": UPDATED}}})
    found = await look(host, note(4, "/pilotage hold", updated=WRITTEN), note(5, "/pilotage promote"), edits=edits)
    assert [(one.id, one.edited) for one in (*found.remarks, *found.edited)] == [("1:4", False), ("1:5", True)]


async def test_a_command_before_any_number_of_notes_is_read(host: FakeHost) -> None:
    """The host lists the newest first, and no look goes back behind what an earlier one has seen."""
    newest = [note(number, "Looks good", updated=WRITTEN) for number in range(700, 5, -1)]
    notes = [*newest, note(5, "/pilotage hold", updated=WRITTEN)]

    def page(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        shown = notes[(number - 1) * 100 : number * 100]
        return answer(shown, x_next_page=str(number + 1) if number * 100 < len(notes) else "")

    host.on("GET", "/api/v4/user", answer({"id": 7, "username": "pilotage-bot"}))
    host.on("GET", NOTES, page)
    steering = gitlab(host.http()).steering
    assert steering is not None
    found = await steering.remarks(1, BEGUN, "")
    assert (found.remarks[0].body, len(found.remarks)) == ("/pilotage hold", 100)
    following = await steering.remarks(1, BEGUN, found.cursor)
    assert [one.id for one in following.remarks[:2]] == ["1:105", "1:106"]
