"""Paths into YAML: `spec.images[0].tag`, `env[name=TAG].value`, `labels["app.kubernetes.io/version"]`. Pure."""

import re
from dataclasses import dataclass

_KEY = r"[^\s.\[\]\"=]+(?: [^\s.\[\]\"=]+)*"
_TOKEN = re.compile(
    rf'(?P<key>{_KEY})|\[(?P<index>[0-9]{{1,6}})\]|\["(?P<quoted>[^"]+)"\]|\[(?P<field>{_KEY})=(?P<value>[^\[\]"]+)\]'
)
_DEPTH = 50


@dataclass(frozen=True, kw_only=True)
class ByKey:
    """One key of a mapping."""

    name: str


@dataclass(frozen=True, kw_only=True)
class ByIndex:
    """One entry of a list, counted from 0."""

    position: int


@dataclass(frozen=True, kw_only=True)
class ByField:
    """The one entry of a list whose field has a value."""

    field: str
    value: str


Step = ByKey | ByIndex | ByField
YamlPath = tuple[Step, ...]


class YamlPathError(ValueError):
    """A text that is no path."""


def parse_path(text: str) -> YamlPath:
    """Read a path. Raises YamlPathError naming the character where it ends to be one."""
    steps: list[Step] = []
    position = 0
    while position < len(text):
        dotted = text[position] == "."
        if dotted and not steps:
            raise YamlPathError("begins with a dot")
        match = _TOKEN.match(text, position + dotted)
        bracket = match is not None and match["key"] is None
        # Keys are separated by dots, and nothing else is.
        if match is None or (dotted == bracket and bool(steps)):
            raise YamlPathError(f"is no path from character {position + 1} on: write for example `spec.images[0].tag`")
        steps.append(_step(match))
        position = match.end()
    if not steps:
        raise YamlPathError("is empty")
    if len(steps) > _DEPTH:
        raise YamlPathError(f"has more than {_DEPTH} steps")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return ByIndex(position=int(match["index"]))
    if match["field"] is not None:
        return ByField(field=match["field"], value=match["value"])
    return ByKey(name=match["key"] or match["quoted"])
