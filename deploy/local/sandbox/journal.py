"""What was asked of the stand-ins, in order of arrival, without credentials."""

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from multidict import CIMultiDictProxy, MultiMapping

from deploy.local.sandbox.replies import Json

# Enough for the longest benchmark; older entries are dropped so that memory stays bounded.
_ENTRIES_LIMIT = 200_000
_BODY_LIMIT_BYTES = 65_536
_REDACTED = "***"
_CREDENTIAL_HEADERS = frozenset(
    {
        "authorization",
        "private-token",
        "job-token",
        "cookie",
        "jenkins-crumb",
        "proxy-authorization",
        "x-gitlab-token",
    }
)
_CREDENTIAL_NAMES = re.compile(r"token|password|passwd|secret|private_?key|credential|authorization", re.IGNORECASE)


class Journal:
    """Keep one entry per request; an entry is complete once the request was answered."""

    def __init__(self) -> None:
        self._entries: deque[Json] = deque(maxlen=_ENTRIES_LIMIT)
        self._secrets: set[str] = set()
        self._count = 0

    def hide(self, secrets: Iterable[str]) -> None:
        """Never show these texts, wherever they stand in a request."""
        self._secrets.update(secret for secret in secrets if len(secret) >= 6)

    def open(
        self,
        *,
        system: str,
        time: float,
        method: str,
        path: str,
        query: MultiMapping[str],
        headers: CIMultiDictProxy[str],
        body: bytes,
    ) -> Json:
        """Append an entry for a request that just arrived and return it, to be completed with status and accepted."""
        self._count += 1
        entry: Json = {
            "number": self._count,
            "system": system,
            "time": time,
            "method": method,
            "path": self._without_secrets(path),
            "query": self._redact(dict(query)),
            "headers": {
                name.lower(): self._without_secrets(value)
                for name, value in headers.items()
                if name.lower() not in _CREDENTIAL_HEADERS
            },
            "auth_sha256": auth_sha256(headers),
            "body": self._redact(_decode(headers.get("Content-Type", ""), body)),
            "status": None,
            "accepted": False,
        }
        self._entries.append(entry)
        return entry

    def entries(self, *, system: str | None = None, path: str = "", after: int = 0) -> Iterator[Json]:
        """Yield entries in order of arrival: of one system, with a part of their path, with a number above `after`.

        A path ends with a slash here, so that a part with one means a whole name.
        """
        for entry in list(self._entries):
            if entry["number"] > after and system in (None, "", entry["system"]) and path in f"{entry['path']}/":
                yield entry

    def lines(self, *, system: str | None = None, path: str = "", after: int = 0) -> str:
        return "".join(json.dumps(entry) + "\n" for entry in self.entries(system=system, path=path, after=after))

    def clear(self) -> None:
        self._entries.clear()

    def _redact(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                name: _REDACTED if _CREDENTIAL_NAMES.search(str(name)) and isinstance(item, str) else self._redact(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._redact(item) for item in value]
        return self._without_secrets(value) if isinstance(value, str) else value

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _REDACTED)
        return text


def auth_sha256(headers: CIMultiDictProxy[str]) -> str | None:
    """Fingerprint the credential header as sent (`Authorization`, else `PRIVATE-TOKEN`); None when there is none."""
    credential = headers.get("Authorization") or headers.get("PRIVATE-TOKEN")
    return hashlib.sha256(credential.encode()).hexdigest() if credential else None


def _decode(content_type: str, body: bytes) -> Any:
    if not body:
        return None
    text = body[:_BODY_LIMIT_BYTES].decode(errors="replace")
    if "x-www-form-urlencoded" in content_type:
        return dict(parse_qsl(text, keep_blank_values=True))
    try:
        return json.loads(text)
    except ValueError:
        return text
