"""What others wrote of Bitbucket: answers of the real Cloud, edited, and the operations that both kinds document."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from providers.documents import Document
from tests.conformance.material import bitbucket_answers, package

_PATH = re.compile(r'^    readonly "(/[^"]+)": \{\n(.*?)^    \};', re.MULTILINE | re.DOTALL)
_METHOD = re.compile(
    r'^        readonly (get|put|post|delete): (?:operations\["(\w+)"\];|\{\n(.*?)^        \};)',
    re.MULTILINE | re.DOTALL,
)
_NAMED = re.compile(r"^    readonly (\w+): \{\n(.*?)^    \};", re.MULTILINE | re.DOTALL)
_QUERY = re.compile(r"^( *)readonly query\??: \{\n(.*?)^\1\};", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation as its vendor documents it."""

    method: str
    path: re.Pattern[str]
    query: frozenset[str]


def operations(kind: str) -> tuple[Operation, ...]:
    """Read the operations of `cloud` or `server` from types that were made of the vendor's OpenAPI document."""
    types = (package("@coderabbitai/bitbucket") / f"dist/{kind}/openapi/openapi-typescript.d.ts").read_text()
    named = dict(_NAMED.findall(types.partition("export interface operations")[2]))
    return tuple(
        Operation(method=method.upper(), path=_pattern(path), query=frozenset(_names(named.get(name, operation))))
        for path, block in _PATH.findall(types)
        for method, name, operation in _METHOD.findall(block)
    )


def answers(path: str, method: str) -> tuple[Document, ...]:
    """Return what the real Cloud answered to a request of its repository; a file holds literals of Python."""
    name = bitbucket_answers() / "repositories/TestWorkspace1/testrepository1" / path / method
    parsed = _Literals().visit(ast.parse(name.read_text()))
    found = [one.value for one in ast.walk(parsed) if isinstance(one, ast.Assign)]
    return tuple(value for one in found if isinstance(value := ast.literal_eval(one), dict))


class _Literals(ast.NodeTransformer):
    """Read the names that JSON has for three of Python's literals."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace such a name."""
        known = {"true": True, "false": False, "null": None}
        return ast.Constant(known[node.id]) if node.id in known else node


def _names(operation: str) -> Iterator[str]:
    for margin, query in _QUERY.findall(operation):
        yield from re.findall(rf'^{margin}    readonly "?([\w-]+)"?\??:', query, re.MULTILINE)


def _pattern(path: str) -> re.Pattern[str]:
    """Make a template an expression; a file's path is the one that holds slashes."""
    quoted = re.escape(path).replace(r"\{path\}", ".+")
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", quoted))
