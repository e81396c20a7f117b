"""Exchanges with the real GitHub that others recorded: PyGithub's, and those of `@octokit/fixtures`."""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from providers.messages import Reply
from tests.conformance.material import package, recordings

_API = "api.github.com"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and what the host answered."""

    where: str
    """Name of the recording, for failures."""
    method: str
    path: str
    """Path and query."""
    reply: Reply

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]


@cache
def recorded() -> tuple[Exchange, ...]:
    """Return every recorded exchange whose answer is JSON, or empty."""
    return (*_pygithub(recordings()), *_fixtures(package("@octokit/fixtures") / "scenarios" / _API))


def _pygithub(folder: Path) -> Iterator[Exchange]:
    """Read blocks of scheme, method, host, port, path, headers, body, status, headers, body, and an empty line."""
    for file in sorted(folder.glob("*.txt")):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for at in range(0, len(lines) - 9, 11):
            _, method, host, _, path, _, _, status, headers, body = lines[at : at + 10]
            if host != _API or not status.isdigit():
                continue
            sent = {str(name).lower(): str(value) for name, value in ast.literal_eval(headers)}
            yield Exchange(where=file.name, method=method, path=path, reply=_reply(int(status), sent, body.encode()))


def _fixtures(folder: Path) -> Iterator[Exchange]:
    for file in sorted(folder.glob("*/normalized-fixture.json")):
        rows: list[dict[str, Any]] = json.loads(file.read_text())
        for row in rows:
            body = row["response"] if isinstance(row["response"], str) else json.dumps(row["response"])
            sent = {str(name).lower(): str(value) for name, value in (row.get("responseHeaders") or {}).items()}
            yield Exchange(
                where=file.parent.name,
                method=row["method"].upper(),
                path=row["path"],
                reply=_reply(row["status"], sent, body.encode()),
            )


def _reply(status: int, headers: dict[str, str], body: bytes) -> Reply:
    return Reply(status=status, headers=headers, body=body)
