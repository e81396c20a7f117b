"""Change single values of a YAML file and keep all else as it is, byte by byte. Pure.

A library finds where a value stands; the text there is replaced. So comments, order, quotes and line ends stay, which
no dump of a document promises.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import Scanner

from crds.rules.yaml_paths import ByField, ByIndex, ByKey, Step, YamlPath, parse_path
from crds.texts.json_document import to_json

FILE_LIMIT_BYTES = 256 * 1024
"""What is read in two to six seconds; a file of configuration is far smaller."""
BRACKETS_LIMIT = 32
"""Of nested `[` and `{`: at each token the scanner looks at all that are open."""
_INTEGER = "tag:yaml.org,2002:int"
# Read as this very text by YAML 1.1 and 1.2 alike, wherever it stands.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./+@-]*(?::[A-Za-z0-9_./+@-]+)*")
_RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_DIGITS = re.compile(r"0|-?[1-9][0-9]*")
_LINE_END = re.compile("\r\n|\r|\n")
_COLON = re.compile(r"[ \t]*:")


class YamlEditError(Exception):
    """What cannot be edited, and why; the caller names the file."""


class _Scanner(Scanner):
    def fetch_flow_collection_start(self, *arguments: Any, **named: Any) -> None:
        if len(self.flow_context) >= BRACKETS_LIMIT:
            raise YamlEditError(f"nests more than {BRACKETS_LIMIT} brackets")
        super().fetch_flow_collection_start(*arguments, **named)


class YamlFile:
    """One file, parsed once. Values are set one by one; `text` is the file with all of them."""

    def __init__(self, content: bytes) -> None:
        """Parse it. Raises YamlEditError for what is no YAML, or too large or too deep to be read."""
        if len(content) > FILE_LIMIT_BYTES:
            raise YamlEditError(f"has {len(content)} bytes, and at most {FILE_LIMIT_BYTES} are read")
        try:
            self._text = content.decode("utf-8")
            # The scanner that keeps comments fails at some that are right; here only places count.
            yaml = YAML(typ="safe", pure=True)
            yaml.Scanner = _Scanner
            # Each would be a warning on standard error, with lines of the file.
            yaml.composer.warn_double_anchors = False
            self._documents: Sequence[Node] = [node for node in yaml.compose_all(self._text) if node is not None]
        except UnicodeDecodeError:
            raise YamlEditError("is not encoded in UTF-8") from None
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark is not None else ""
            raise YamlEditError(f"is no YAML that can be read{where}") from None
        except (RecursionError, ValueError):
            raise YamlEditError("is no YAML that can be read") from None
        self._changes: dict[tuple[int, int], str] = {}

    @property
    def text(self) -> str:
        """Return the file with all that was set."""
        found = self._text
        for (start, end), new in sorted(self._changes.items(), reverse=True):
            found = found[:start] + new + found[end:]
        return found

    def set(self, path: str, value: str) -> str:
        """Set the value at a path and return what stands there. Raises YamlEditError where there is no such value."""
        found = self._only(path, parse_path(path))
        if not isinstance(found.node, ScalarNode):
            raise YamlEditError(f"`{path}` is no single value")
        self._replace(path, found.key, found.node, value)
        return str(found.node.value)

    def set_image_tag(self, image: str, tag: str) -> str:
        """Set `newTag` of a kustomization's image and return what stands there, empty where it had none yet."""
        path = f"images[name={image}]"
        entry = self._only(path, (ByKey(name="images"), ByField(field="name", value=image))).node
        if not isinstance(entry, MappingNode):
            raise YamlEditError(f"`{path}` is no mapping")
        if _values(entry, "digest"):
            raise YamlEditError(f"`{path}` has a `digest`, which wins over the tag: remove it")
        if _values(entry, "newTag"):
            return self.set(f"{path}.newTag", tag)
        self._insert(entry, _scalar(tag, None))
        return ""

    def _only(self, path: str, steps: YamlPath) -> "_Found":
        """Return the one value at a path, in whichever document it is."""
        found = [node for document in self._documents for node in _follow(document, steps, path)]
        if not found:
            raise YamlEditError(f"has no `{path}`")
        if len(found) > 1:
            raise YamlEditError(f"has `{path}` {len(found)} times")
        return found[0]

    def _replace(self, path: str, key: Node | None, node: ScalarNode, value: str) -> None:
        if node.style in ("|", ">"):
            raise YamlEditError(f"`{path}` is a block of lines, which is not edited")
        if node.start_mark.index == node.end_mark.index:
            # Where nothing is written the library's marks stand anywhere up to what comes next.
            colon = _COLON.match(self._text, key.end_mark.index) if key is not None else None
            if colon is None:
                raise YamlEditError(f'`{path}` has no value, and no place for one: write `""` there')
            self._change(path, (colon.end(), colon.end()), f" {_scalar(value, None)}")
            return
        start, end = node.start_mark.index, node.end_mark.index
        self._change(path, (start, end), self._text[start:end] if node.value == value else _scalar(value, node))

    def _insert(self, entry: MappingNode, tag: str) -> None:
        """Add `newTag` behind the name, as the kustomize command does."""
        name, value = next(pair for pair in entry.value if pair[0].value == "name")
        end = value.end_mark.index
        if entry.flow_style:
            self._change("newTag", (end, end), f", newTag: {tag}")
            return
        if _COLON.match(self._text, name.end_mark.index) is None:
            raise YamlEditError("has a `name` whose colon stands on another line, behind which no `newTag` is added")
        line = _LINE_END.search(self._text, end)
        at, ending = (line.start(), line[0]) if line is not None else (len(self._text), "\n")
        self._change("newTag", (at, at), f"{ending}{' ' * name.start_mark.column}newTag: {tag}")

    def _change(self, path: str, where: tuple[int, int], new: str) -> None:
        if self._changes.setdefault(where, new) != new:
            raise YamlEditError(f"`{path}` is to have two values at once")


@dataclass(frozen=True, slots=True)
class _Found:
    node: Node
    key: Node | None = None
    """The key that it is the value of; None in a list."""


def _follow(node: Node, steps: YamlPath, path: str) -> list[_Found]:
    """Return what a path leads to within one document. Raises YamlEditError for anchors on the way."""
    found = [_Found(node)]
    for step in steps:
        found = [inner for one in found for inner in _below(one.node, step)]
        if any(one.node.anchor for one in found):
            # Whatever is written there would change each place that refers to it.
            raise YamlEditError(f"has an anchor or an alias on the way to `{path}`, so that others would change too")
    return found


def _below(node: Node, step: Step) -> list[_Found]:
    match node, step:
        case MappingNode(), ByKey(name=name):
            return _values(node, name)
        case SequenceNode(), ByIndex(position=position):
            return [_Found(one) for one in node.value[position : position + 1]]
        case SequenceNode(), ByField(field=field, value=value):
            return [_Found(one) for one in node.value if any(has.node.value == value for has in _values(one, field))]
        case _:
            return []


def _values(node: Node, key: str) -> list[_Found]:
    if not isinstance(node, MappingNode):
        return []
    return [_Found(value, name) for name, value in node.value if isinstance(name, ScalarNode) and name.value == key]


def _scalar(value: str, old: ScalarNode | None) -> str:
    """Write a text as YAML, in the old value's manner where that means the same text."""
    if old is not None and old.style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if old is None or old.style is None:
        number = old is not None and str(old.tag) == _INTEGER and _DIGITS.fullmatch(value)
        if number or (_PLAIN.fullmatch(value) and value.lower() not in _RESERVED):
            return value
    return to_json(value).decode()
