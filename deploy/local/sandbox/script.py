"""Faults on demand: rules that delay, refuse, drop, hang or edit chosen requests."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deploy.local.sandbox.replies import Json

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_RULE_FIELDS = frozenset(
    {
        "system",
        "match",
        "action",
        "times",
        "seconds",
        "status",
        "body",
        "headers",
        "probability",
        "random_seed",
    }
)


class Action(StrEnum):
    """What a rule does to a request that it matches."""

    DELAY = "delay"
    """Wait `seconds`, then act as usual."""
    STATUS = "status"
    """Answer `status`, `headers` and `body` without acting."""
    ACCEPT_THEN_DROP = "accept_then_drop"
    """Act, then close the connection without a reply."""
    HANG = "hang"
    """Neither act nor answer; close after `seconds` (default an hour)."""
    EDIT = "edit"
    """Act, then change the reply: `status`, `headers` (null removes), `body` (merged into an object, else replaced)."""


@dataclass(kw_only=True)
class Rule:
    """One line of the script."""

    number: int
    action: Action
    system: str | None
    method: str | None
    path: re.Pattern[str]
    request_body: re.Pattern[str] | None
    times: int | None
    seconds: float
    status: int | None
    body: Any
    headers: Mapping[str, str | None]
    probability: float
    used: int = 0
    chance: random.Random = field(default_factory=random.Random, repr=False)

    def applies(self, *, system: str, method: str, path: str, body: bytes) -> bool:
        """Return whether the rule takes this request; a rule with a probability throws its dice here."""
        return (
            (self.times is None or self.used < self.times)
            and self.system in (None, system)
            and self.method in (None, method)
            and self.path.search(path) is not None
            and (self.request_body is None or self.request_body.search(body.decode(errors="replace")) is not None)
            and (self.probability >= 1 or self.chance.random() < self.probability)
        )

    def describe(self) -> Json:
        return {
            "id": self.number,
            "system": self.system,
            "action": self.action.value,
            "times": self.times,
            "match": {
                "method": self.method,
                "path": self.path.pattern,
                "body": self.request_body.pattern if self.request_body else None,
            },
            "used": self.used,
        }


class Script:
    """An ordered list of rules; the first that applies wins."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._count = 0

    def add(self, wanted: Mapping[str, Any]) -> Rule:
        """Append a rule. Raises ValueError for an unknown field or action, or a bad regular expression."""
        if unknown := sorted(set(wanted) - _RULE_FIELDS):
            raise ValueError(f"unknown fields {', '.join(unknown)}; known: {', '.join(sorted(_RULE_FIELDS))}")
        try:
            action = Action(wanted.get("action", ""))
        except ValueError:
            raise ValueError(f"action must be one of {', '.join(Action)}") from None
        match = _match(wanted.get("match"))
        self._count += 1
        try:
            rule = Rule(
                number=self._count,
                action=action,
                system=wanted.get("system"),
                method=match.get("method"),
                path=re.compile(match.get("path") or ""),
                request_body=re.compile(match["body"]) if match.get("body") else None,
                times=wanted.get("times"),
                seconds=float(wanted.get("seconds") or 0),
                status=wanted.get("status"),
                body=wanted.get("body"),
                headers=wanted.get("headers") or {},
                probability=float(wanted.get("probability", 1)),
            )
        except re.error as error:
            raise ValueError(f"match: {error}") from None
        if action is Action.STATUS and rule.status is None:
            raise ValueError("action status wants a status")
        if "random_seed" in wanted:
            rule.chance.seed(wanted["random_seed"])
        self._rules.append(rule)
        return rule

    def take(self, *, system: str, method: str, path: str, body: bytes) -> Rule | None:
        """Return the first rule that applies and count its use."""
        for rule in self._rules:
            if rule.applies(system=system, method=method, path=path, body=body):
                rule.used += 1
                return rule
        return None

    def describe(self) -> list[Json]:
        return [rule.describe() for rule in self._rules]

    def remove(self, number: int) -> None:
        self._rules = [rule for rule in self._rules if rule.number != number]

    def clear(self) -> None:
        self._rules.clear()


def _match(wanted: Any) -> Json:
    """Read `{method, path, body}` or the short form `"POST /jenkins/.*"`; absent matches everything."""
    if isinstance(wanted, Mapping):
        if unknown := sorted(set(wanted) - {"method", "path", "body"}):
            raise ValueError(f"match knows method, path and body, not {', '.join(unknown)}")
        method = wanted.get("method")
        return {**wanted, "method": method.upper() if method else None}
    first, _, rest = str(wanted or "").partition(" ")
    if first.upper() in _METHODS:
        return {"method": first.upper(), "path": rest}
    return {"method": None, "path": str(wanted or "")}
