"""What others made of the OpenAPI documents of Gitea and Forgejo: operations, and the fields of bodies."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.conformance.material import package

_OPERATION = re.compile(
    r"@request (GET|PUT|POST|PATCH|DELETE):(/\S+)\n(?:\s+\*[^\n]*\n)*?\s+\*/\n"
    r"\s+\w+: \((.*?)params\?: RequestParams\) => Promise<HttpResponse<([^\n]*?), [\w |]+>>;",
    re.DOTALL,
)
_TYPE = re.compile(r"^interface (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^    '?\"?([\w-]+)'?\"?\??: ([^\n]+);$", re.MULTILINE)
_QUERY = re.compile(r"query\??: \{\n(.*?)\n        \}", re.DOTALL)
# A body whose schema is one of a path's own is named after that.
_BODY = re.compile(r"\b(?:body|content): ([A-Z]\w+)")

Types = Mapping[str, Mapping[str, str]]
"""By name, the type of each field."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation as it is documented."""

    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    body: str
    """Name of the type; empty where nothing is sent."""
    answer: str
    """Name of the type, with `[]` behind it for a list."""


@dataclass(frozen=True, kw_only=True)
class Documented:
    """All operations and types of one program."""

    operations: tuple[Operation, ...]
    types: Types

    def unknown(self, value: object, kind: str) -> Iterator[str]:
        """Yield the fields of a value that its type does not have, nested ones included."""
        if kind.endswith("[]") and isinstance(value, list):
            for one in value:
                yield from self.unknown(one, kind.removesuffix("[]"))
        elif kind in self.types and isinstance(value, dict):
            for name, held in value.items():
                if name not in self.types[kind]:
                    yield f"{kind}.{name}"
                else:
                    yield from self.unknown(held, self.types[kind][name])


def documented(name: str) -> Documented:
    """Read the types of a client that was made of the document: `gitea-js` or `forgejo-js`."""
    text = (package(name) / "dist/index.d.ts").read_text()
    return Documented(
        operations=tuple(_operations(text)), types={one: _fields(body) for one, body in _TYPE.findall(text)}
    )


def _operations(text: str) -> Iterator[Operation]:
    for method, path, given, answer in _OPERATION.findall(text):
        query = _QUERY.search(given)
        body = _BODY.search(given)
        yield Operation(
            method=method,
            path=_pattern(path),
            query=frozenset(re.findall(r"^            (\w+)\??:", query[1], re.MULTILINE) if query else ()),
            body=body[1] if body else "",
            answer=answer,
        )


def _fields(body: str) -> Mapping[str, str]:
    return dict(_FIELD.findall(body))


def _pattern(path: str) -> re.Pattern[str]:
    """Make a template an expression; names of files and branches hold slashes."""
    quoted = re.sub(r"\\\{(?:filepath|branch)\\\}", ".+", re.escape(path))
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", quoted))
