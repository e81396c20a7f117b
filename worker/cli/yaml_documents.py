"""Read documents of YAML as kubectl does, each with its nodes, which know their lines.

Files of others are checked before they are merged: what is small as text, and endless as data, is refused.
"""

import json
import re
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MantissaNoDotYAML1_1Warning, MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node
from ruamel.yaml.reader import Reader, ReaderError
from ruamel.yaml.scanner import Scanner

BRACKETS_LIMIT = 100
"""Of nested `[` and `{`: at each token the scanner looks at all that are open."""
REPEATED_LIMIT = 200_000
"""Values that the aliases of a file repeat: the largest object of Kubernetes has about as many."""
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_DOCUMENT = re.compile(r"^(?:%[^\n]*\n){0,4}---(?=\s|\Z)", re.MULTILINE)
"""Where a document begins, with its directives: such a line ends any text within the one before."""
_BEFORE = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?\n)*")
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""Line breaks as the scanner of YAML 1.1 counts them."""


class UnreadableYaml(Exception):
    """What is no YAML that can be read, and in which line."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


class _Scanner(Scanner):
    def fetch_flow_collection_start(self, *arguments: Any, **named: Any) -> None:
        if len(self.flow_context) >= BRACKETS_LIMIT:
            raise UnreadableYaml(f"nests more than {BRACKETS_LIMIT} brackets", self.reader.line + 1)
        super().fetch_flow_collection_start(*arguments, **named)


class _Constructor(SafeConstructor):
    """Make what kubectl makes: a date is a text."""


_Constructor.add_constructor(_TIMESTAMP, SafeConstructor.construct_yaml_str)


def documents(text: str) -> Iterator[tuple[Node, Any] | UnreadableYaml]:
    """Yield each document with its node, or why it cannot be read; the items of a List are documents of their own."""
    as_json = _json_of(text)
    repeated = _Repeated()
    yaml = _parser()
    for first, piece in _pieces(text):
        try:
            nodes = _composed(yaml, piece, first)
        except UnreadableYaml as error:
            yield error
            # What it had read by then, such as anchors, is not of the next document.
            yaml = _parser()
            continue
        for node in nodes:
            try:
                repeated.add(node)
                document = _constructed(yaml, node) if as_json is None else as_json
            except UnreadableYaml as error:
                yield error
                yaml = _parser()
            else:
                yield from _each(node, document)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the parts of a text that hold a document each, with the number of lines before: a fault ends with its part.

    Comments before the first document are of none.
    """
    marks = [found.start() for found in _DOCUMENT.finditer(text)]
    if not (marks and _BEFORE.fullmatch(text, 0, marks[0])):
        marks = [0, *marks]
    first = sum(1 for _ in _BREAK.finditer(text, 0, marks[0]))
    for start, end in pairwise([*marks, len(text)]):
        yield first, text[start:end]
        first += sum(1 for _ in _BREAK.finditer(text, start, end))


def _parser() -> YAML:
    # The pure parser is the one that knows the lines, and refuses a key that is given twice.
    yaml = YAML(typ="safe", pure=True)
    # As kubectl reads it: an unquoted `yes` or `on` is a boolean, which a text field then refuses.
    yaml.version = (1, 1)
    yaml.Reader, yaml.Scanner, yaml.Constructor = Reader, _Scanner, _Constructor
    return yaml


def _composed(yaml: YAML, piece: str, first: int) -> list[Node]:
    """Return the nodes of a part of a text; they know their lines in the whole of it. Raises UnreadableYaml."""
    yaml.reader.line = first
    try:
        return [node for node in yaml.compose_all(piece) if node is not None]
    except ReaderError as error:
        line = first + sum(1 for _ in _BREAK.finditer(piece, 0, error.position)) + 1
        raise UnreadableYaml(str(error).splitlines()[0], line) from None
    except YAMLError as error:
        raise _unreadable(error) from None
    except RecursionError:
        raise UnreadableYaml("is nested too deep", first + 1) from None


def _each(node: Node, document: Any) -> Iterator[tuple[Node, Any]]:
    items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else None
    if isinstance(items, list):
        listed = next(value for key, value in node.value if key.value == "items")
        yield from zip(listed.value, items, strict=True)
    else:
        yield node, document


def _json_of(text: str) -> dict[str, Any] | None:
    """Return the object of a file that is JSON; None for others, and for one whose fault the parser of YAML names.

    For YAML a pair of escaped surrogates is two characters.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=unique) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _constructed(yaml: YAML, node: Node) -> Any:
    line = node.start_mark.line + 1
    try:
        with warnings.catch_warnings():
            # `1e3` is a number to kubectl as well.
            warnings.simplefilter("ignore", MantissaNoDotYAML1_1Warning)
            return yaml.constructor.construct_document(node)
    except YAMLError as error:
        raise _unreadable(error) from None
    except RecursionError:
        raise UnreadableYaml("is nested too deep", line) from None
    except ValueError as error:
        # Such as a number of thousands of digits.
        raise UnreadableYaml(f"holds a value that cannot be read: {str(error).partition(';')[0]}", line) from None


def _unreadable(error: YAMLError) -> UnreadableYaml:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or str(error).splitlines()[0]
    return UnreadableYaml(problem, mark.line + 1 if mark is not None else 1)


class _Repeated:
    """Count the values that aliases repeat, over all documents of a file: what is judged has each of them."""

    def __init__(self) -> None:
        self._left = REPEATED_LIMIT

    def add(self, node: Node) -> None:
        """Raise UnreadableYaml where aliases stand for what they are part of, or repeat too much."""
        # Anchors are those of one document.
        sizes: dict[int, int] = {}
        repeated = _measured(node, sizes) - len(sizes)
        if repeated > self._left:
            raise UnreadableYaml(f"its aliases repeat more than {REPEATED_LIMIT} values", node.start_mark.line + 1)
        self._left -= repeated


def _measured(root: Node, sizes: dict[int, int]) -> int:
    """Return how many values a node stands for, all aliases written out, and note that of each node below it."""
    entered: set[int] = set()
    left = [root]
    while left:
        node = left[-1]
        below = _below(node)
        missing = [one for one in below if id(one) not in sizes]
        if id(node) in sizes or not missing:
            sizes[id(node)] = 1 + sum(sizes[id(one)] for one in below)
            entered.discard(id(node))
            left.pop()
        elif id(node) in entered:
            raise UnreadableYaml("an alias stands for what it is part of", node.start_mark.line + 1)
        else:
            entered.add(id(node))
            left += missing
    return sizes[id(root)]


def _below(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node.value, list) else []
