"""The search for credentials finds one wherever it may stand, and nothing where none does."""

import base64
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from deploy.local.sandbox.journal import Journal
from tests.chaos.leaks import find_leaks

SECRET, OTHER = "planted-token-7", "another-token-8"
PAGE_BYTES = 4096


def search(directory: Path, journal: Journal | None = None, texts: Mapping[str, str] | None = None) -> list[str]:
    entries = list(journal.entries()) if journal else []
    return find_leaks(directory, journal=entries, texts=texts or {}, secrets=[OTHER, SECRET])


def recorded(*, query: Mapping[str, str] | None = None, header: str = "Authorization", body: str = "") -> Journal:
    """A journal of one call that carried the secret in a header."""
    journal = Journal()
    journal.hide([SECRET])
    headers = CIMultiDictProxy(CIMultiDict({header: f"Bearer {SECRET}"}))
    fields = MultiDict(query or {})
    journal.open(system="argocd", time=1.0, method="GET", path="/a", query=fields, headers=headers, body=body.encode())
    return journal


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run's directory with a log and a database that hold no secret."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "worker-1.log").write_text("started\n")
    store(tmp_path, b"a history")
    return tmp_path


def store(directory: Path, value: bytes | str) -> None:
    """Store a value in the database that histories are kept in."""
    with closing(sqlite3.connect(directory / "temporal.sqlite")) as connection, connection:
        connection.execute(f"pragma page_size = {PAGE_BYTES}")
        connection.execute("create table if not exists history_node (data blob)")
        connection.execute("insert into history_node values (?)", (value,))


def test_nothing_is_found_where_nothing_was_planted(directory: Path) -> None:
    assert search(directory, recorded(), {"resources": '{"items": []}'}) == []


@pytest.mark.parametrize("form", [SECRET, base64.b64encode(SECRET.encode()).decode()], ids=["plain", "encoded"])
def test_a_secret_in_a_log_is_found(directory: Path, form: str) -> None:
    with (directory / "logs" / "worker-1.log").open("a") as log:
        log.write(f"sending token={form}\n")
    assert search(directory) == ["worker-1.log"]


def test_a_secret_between_two_pieces_of_a_large_log_is_found(directory: Path) -> None:
    piece = 4 * 1024 * 1024
    for shift in (0, len(SECRET) // 2, len(SECRET)):
        (directory / "logs" / "worker-1.log").write_text("." * (piece - shift) + SECRET + "." * 100)
        assert search(directory) == ["worker-1.log"]


@pytest.mark.parametrize("value", [f"x{SECRET}y", f"x{SECRET}y".encode()], ids=["text", "bytes"])
def test_a_secret_in_the_database_is_found(directory: Path, value: bytes | str) -> None:
    store(directory, value)
    assert search(directory) == ["temporal.sqlite", "temporal.sqlite, table history_node"]


def test_a_secret_that_lies_across_two_pages_of_the_database_is_found(directory: Path) -> None:
    # Longer than a page, so that it is certain to lie in pieces.
    long = "".join(f"{number:05d}" for number in range(PAGE_BYTES // 4))
    store(directory, f"x{long}y")
    assert long.encode() not in (directory / "temporal.sqlite").read_bytes()
    assert find_leaks(directory, journal=[], texts={}, secrets=[long]) == ["temporal.sqlite, table history_node"]


def test_a_secret_that_only_the_database_s_log_holds_is_found(directory: Path) -> None:
    (directory / "temporal.sqlite-wal").write_bytes(b"\0\1" + SECRET.encode())
    assert search(directory) == ["temporal.sqlite-wal"]


def test_a_secret_in_resources_or_events_is_found(directory: Path) -> None:
    texts = {"trackers": "[]", "resources and events": f'{{"message": "401 for {SECRET}"}}'}
    assert search(directory, texts=texts) == ["resources and events"]


@pytest.mark.parametrize(
    "journal",
    [
        recorded(query={"q": SECRET}),
        recorded(query={"access_token": "unknown to the sandbox"}),
        recorded(header="X-Debug"),
        recorded(body=f'{{"message": "{SECRET}"}}'),
    ],
    ids=["query", "name", "header", "body"],
)
def test_a_secret_sent_where_none_belongs_is_found_though_the_journal_hides_it(
    directory: Path, journal: Journal
) -> None:
    assert SECRET not in journal.lines()
    assert search(directory, journal) == ["journal"]
