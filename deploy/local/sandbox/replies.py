"""What an action of any stand-in answers, before it becomes an HTTP response."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Json = dict[str, Any]


class Answer(web.Response):
    """A response that knows whether its action changed anything; None leaves that to the status."""

    took_effect: bool | None = None


@dataclass(kw_only=True)
class Reply:
    """A status, a body and headers. `took_effect=False` marks a success that changed nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    took_effect: bool | None = None

    def response(self) -> Answer:
        """Encode: None becomes an empty body, text and bytes go as they are, all else as JSON."""
        headers = dict(self.headers)
        raw = self.body if isinstance(self.body, bytes) else None
        if raw is None and self.body is not None:
            raw = (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()
        if raw is not None:
            headers.setdefault("Content-Type", self.content_type)
        answer = Answer(status=self.status, body=raw, headers=headers)
        answer.took_effect = self.took_effect
        return answer


class RefusedError(Exception):
    """An action that the stood-in system refuses; carries the refusal's reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with {reply.status}")
        self.reply = reply


def merged(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396) and return the result; inputs stay as they are."""
    if not isinstance(patch, Mapping):
        return patch
    result: Json = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
