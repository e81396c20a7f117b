"""The mirror survives whatever an API server may do, and never hammers it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from crds.api import kubernetes as kubernetes_module
from crds.api.backoff import Backoff
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import Document
from crds.api.reflector import Key, ObjectChange, Reflector
from tests.watcher.api_server import WIDGETS, Act, OddServer, answer, bookmark, gone, line, serving, stream, widget
from tests.watcher.fakes import until

QUICK = Backoff(initial=timedelta(milliseconds=20), maximum=timedelta(milliseconds=200), draw=lambda: 1.0)


class Mirror:
    """A reflector under test, with everything it reported."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        resync: timedelta | None = None,
        backoff: Backoff = QUICK,
        watch_timeout: timedelta = timedelta(seconds=1),
    ) -> None:
        self.changes: list[ObjectChange[str]] = []
        self.restarts: list[str] = []
        self.reflector = Reflector(
            kubernetes=api,
            resource=WIDGETS,
            namespace=None,
            project=_value,
            on_change=self.changes.append,
            on_restart=self.restarts.append,
            backoff=backoff,
            resync=resync,
            watch_timeout=watch_timeout,
        )

    @property
    def values(self) -> dict[str, str]:
        return {key.name: value for key, value in self.reflector.objects.items()}


def _value(document: Document) -> str:
    value = document["spec"]["value"]
    if value == "unreadable":
        raise ValueError("no")
    return str(value)


@asynccontextmanager
async def running(mirror: Mirror) -> AsyncIterator[None]:
    task = asyncio.create_task(mirror.reflector.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def server() -> OddServer:
    odd = OddServer()
    odd.items = [widget("a", 1, "one")]
    return odd


async def test_a_long_list_is_read_page_by_page(server: OddServer) -> None:
    server.items = [widget(f"w{number}", number, "x") for number in range(7)]
    server.page_size = 3
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: mirror.reflector.has_synced)
    assert len(mirror.values) == 7
    assert server.list_count == 3


async def test_a_continue_token_that_expires_begins_the_list_again(server: OddServer) -> None:
    async def first_page(_request: web.Request) -> web.StreamResponse:
        metadata = {"resourceVersion": "1", "continue": "2"}
        return web.json_response({"metadata": metadata, "items": [widget("old", 1, "x")]})

    server.lists.extend([first_page, answer(410, reason="Expired")])
    async with serving(server) as api:
        listed = await api.list_all(WIDGETS)
    assert [item["metadata"]["name"] for item in listed.items] == ["a"]


async def test_changes_are_reported_once_with_what_was_before(server: OddServer) -> None:
    server.watches.append(
        stream(
            line("ADDED", widget("b", 2, "two")),
            line("MODIFIED", widget("a", 3, "other")),
            line("MODIFIED", widget("a", 4, "other")),
            line("DELETED", widget("b", 5, "two")),
        )
    )
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: len(mirror.changes) >= 4)
    reported = [(change.key.name, change.old, change.new) for change in mirror.changes]
    assert reported == [("a", None, "one"), ("b", None, "two"), ("a", "one", "other"), ("b", "two", None)]


async def test_the_end_of_a_watch_resumes_where_the_last_bookmark_was(server: OddServer) -> None:
    server.watches.append(stream(line("ADDED", widget("b", 7, "two")), bookmark(40), wait_seconds=1.1))
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: len(server.watched_from) == 2)
    assert server.watched_from == ["1", "40"]
    assert server.list_count == 1
    assert mirror.restarts == []


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (stream(gone()), "ApiGone"),
        (answer(410, reason="Expired"), "ApiGone"),
        (answer(500), "ApiUnavailable"),
        (answer(403), "ApiForbidden"),
        (answer(502, "<html>Bad Gateway</html>"), "ApiUnavailable"),
        (answer(200, "<html>log in first</html>\n"), "ApiUnavailable"),
        (stream(b"not json\n"), "ApiUnavailable"),
        (stream(b'["a list"]\n'), "ApiUnavailable"),
        (stream(b'{"type":"ADDED"}\n'), "ApiUnavailable"),
        (stream(b'{"type":"ADDED","object":{"spec":{}}}\n'), "ApiUnavailable"),
        (stream(line("ERROR", {"code": 500, "message": "etcd"})), "ApiUnavailable"),
        (stream(line("ADDED", widget("b", 2, "two"))[:-20]), "ApiUnavailable"),
        (stream(line("ADDED", widget("b", 2, "two")), drop=True), "ApiUnavailable"),
    ],
    ids=[
        "expired in the stream",
        "expired at once",
        "500",
        "403",
        "html error",
        "html page",
        "garbage",
        "no object",
        "no subject",
        "no metadata",
        "error event",
        "half a line",
        "dropped",
    ],
)
async def test_an_odd_watch_is_answered_with_a_new_list(server: OddServer, act: Act, reason: str) -> None:
    server.watches.append(act)
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: len(server.watched_from) == 1)
            # What happened meanwhile is found by the list.
            server.items, server.version = [widget("c", 9, "three")], 9
            await until(lambda: mirror.values == {"c": "three"})
            await until(lambda: len(server.watched_from) == 2)
    assert mirror.restarts[0] == reason
    assert server.watched_from[1] == "9"


async def test_a_half_open_connection_is_given_up(server: OddServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_module, "WATCH_GRACE", timedelta(seconds=0.2))
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: len(server.watched_from) >= 2)
    assert mirror.restarts[0] == "ApiUnavailable"


async def test_a_silent_watch_begins_again_where_it_was_long_before_its_time_is_over(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_module, "WATCH_SILENCE", timedelta(seconds=0.2))
    server.watches.extend([stream(bookmark(4), wait_seconds=20), stream(line("ADDED", widget("b", 5, "two")))])
    async with serving(server) as api:
        mirror = Mirror(api, watch_timeout=timedelta(seconds=30))
        async with running(mirror):
            await until(lambda: mirror.values == {"a": "one", "b": "two"}, seconds=5)
    # The list is not repeated: a server without bookmarks is silent in good order.
    assert (server.watched_from[:2], server.list_count) == (["1", "4"], 1)


async def test_a_list_that_fails_is_tried_again_until_it_is_complete(server: OddServer) -> None:
    server.lists.extend([answer(500), answer(404), answer(200, "hello"), answer(200, "[]"), answer(200, "{}")])
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: mirror.reflector.has_synced)
    assert mirror.values == {"a": "one"}
    assert mirror.restarts == ["ApiUnavailable", "ApiNotFound", *["ApiUnavailable"] * 3]


@pytest.mark.parametrize("act", [answer(500), stream(gone()), stream(b"<html>\n"), stream()])
async def test_a_storm_is_bounded_in_rate(server: OddServer, act: Act) -> None:
    server.watches.extend([act] * 1000)
    async with serving(server) as api:
        mirror = Mirror(api, backoff=Backoff(initial=timedelta(seconds=0.1), draw=lambda: 1.0))
        async with running(mirror):
            await asyncio.sleep(1.0)
    # 0.1 s, 0.2 s, 0.4 s …: four tries in the first second.
    assert 2 <= len(server.watched_from) <= 5


async def test_an_object_that_cannot_be_read_hides_no_other(server: OddServer) -> None:
    server.items = [widget("bad", 1, "unreadable"), widget("good", 1, "fine"), {"metadata": None}, {"spec": {}}]
    async with serving(server) as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: mirror.reflector.has_synced)
    assert mirror.values == {"good": "fine"}


async def test_a_resync_reports_every_object_again(server: OddServer) -> None:
    async with serving(server) as api:
        mirror = Mirror(api, resync=timedelta(milliseconds=50))
        async with running(mirror):
            await until(lambda: len(mirror.changes) >= 3)
    assert mirror.changes[1].old is mirror.changes[1].new
    assert mirror.changes[1].key == Key("shop", "a")


async def test_a_server_that_is_not_there_is_waited_for() -> None:
    async with KubernetesApi.at("http://127.0.0.1:1") as api:
        mirror = Mirror(api)
        async with running(mirror):
            await until(lambda: len(mirror.restarts) >= 2)
    assert set(mirror.restarts) == {"ApiUnavailable"}
    assert not mirror.reflector.has_synced


@pytest.mark.parametrize("failures", [1, 5, 10, 10_000])
def test_pauses_grow_up_to_thirty_seconds(failures: int) -> None:
    longest = Backoff(draw=lambda: 1.0).pause(failures)
    assert longest == min(timedelta(seconds=30), timedelta(milliseconds=500) * 2 ** min(failures - 1, 10))
    assert Backoff(draw=lambda: 0.0).pause(failures) == timedelta(0)
