"""The search for credentials in everything that a chaos run leaves behind."""

import base64
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

# The journal keeps no credential that it knows; what it shows instead reveals that one was sent where none belongs.
_JOURNAL_MASK = "***"
_CHUNK_BYTES = 4 * 1024 * 1024
_LOCK_SECONDS = 20.0


def find_leaks(
    directory: Path, *, journal: Sequence[Mapping[str, Any]], texts: Mapping[str, str], secrets: Iterable[str]
) -> list[str]:
    """Name the places where a secret stands: journal, given texts, logs, and the database with all histories.

    Where the database is read while its server runs, the server waits for the reader.
    """
    needles = _needles_of(secrets)
    found = ["journal"] if _holds([json.dumps(journal).encode()], [*needles, _JOURNAL_MASK.encode()]) else []
    found += [name for name, text in texts.items() if _holds([text.encode()], needles)]
    files = sorted((directory / "logs").glob("*.log")) + sorted(directory.glob("temporal.sqlite*"))
    found += [path.name for path in files if _holds(_chunks(path, max(map(len, needles))), needles)]
    # A value longer than a page lies in pieces in the file, and a secret may lie across them.
    database = directory / "temporal.sqlite"
    if database.exists():
        found += [f"{database.name}, table {table}" for table in _tables_with(database, needles)]
    return found


def _needles_of(secrets: Iterable[str]) -> list[bytes]:
    """Return the forms in which a secret may stand: as it is, as a Secret's data shows it, and in a database's dump."""
    plain = [secret.encode() for secret in secrets]
    # The last character of a remainder depends on what follows.
    encoded = [base64.b64encode(one[: len(one) // 3 * 3]) for one in plain]
    return sorted({*plain, *encoded, *(one.hex().encode() for one in plain)})


def _holds(contents: Iterable[bytes], needles: list[bytes]) -> bool:
    return any(needle in content for content in contents for needle in needles)


def _chunks(path: Path, longest: int) -> Iterator[bytes]:
    """Yield a file in pieces that overlap by the longest needle."""
    kept = b""
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield kept + piece
            kept = piece[-longest:]


def _tables_with(database: Path, needles: list[bytes]) -> list[str]:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=_LOCK_SECONDS)) as connection:
                names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
                return [name for name in names if _holds(_values(connection, name), needles)]
        except sqlite3.OperationalError:
            # Its server was just writing in a way that a reader cannot wait for.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _values(connection: sqlite3.Connection, table: str) -> Iterator[bytes]:
    name = table.replace('"', '""')
    for row in connection.execute(f'select * from "{name}"'):
        for value in row:
            if isinstance(value, bytes):
                yield value
            elif isinstance(value, str):
                yield value.encode()
