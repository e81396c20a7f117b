"""Templates of `-o jsonpath=`, as kubectl writes them: paths, `range`, filters and literal text.

https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Select = Callable[[Any], Iterator[Any]]

_BLOCK = re.compile(r"""\{((?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}""")
_KEY = re.compile(r"\.{1,2}((?:[^.\[\]\\{}()=<>! ]|\\.)+)")
_QUOTED = re.compile(r"""\[(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\]""")
_SLICE = re.compile(r"\[(-?\d*)(:)?(-?\d*)\]")
_FILTER = re.compile(r"""\[\?\(@([^=<>!]*?)\s*(?:(==|!=|<=|>=|<|>)\s*("[^"]*"|'[^']*'|[^)\s"']+))?\s*\)\]""")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


class InvalidTemplate(ValueError):
    """The template cannot be read; the message names the part."""


@dataclass(kw_only=True)
class _Block:
    """A part of the template: literal text, a path, or the body of a `range` over a path."""

    text: str = ""
    path: tuple[Select, ...] = ()
    body: "list[_Block] | None" = None


@dataclass(frozen=True, kw_only=True)
class Template:
    """A template that has been read."""

    blocks: "list[_Block]" = field(repr=False)

    def render(self, value: Any) -> str:
        """Return the text for a document; what is absent renders as nothing."""
        return "".join(_render(self.blocks, value))


def read_template(text: str) -> Template:
    """Read a template; a lone path needs no braces. Raises InvalidTemplate."""
    template = text if "{" in text else f"{{{text if text.startswith(('.', '[', '@', '$')) else f'.{text}'}}}"
    root: list[_Block] = []
    open_ranges = [root]
    end = 0
    for match in _BLOCK.finditer(template):
        _literal(open_ranges[-1], template[end : match.start()])
        end = match.end()
        inner = match[1].strip()
        if inner.startswith("range "):
            block = _Block(path=_path(inner.removeprefix("range ").strip()), body=[])
            open_ranges[-1].append(block)
            open_ranges.append(block.body if block.body is not None else [])
        elif inner == "end":
            if len(open_ranges) == 1:
                raise InvalidTemplate("`{end}` without `{range}`")
            open_ranges.pop()
        elif inner[:1] in ("'", '"'):
            open_ranges[-1].append(_Block(text=_unquoted(inner)))
        else:
            open_ranges[-1].append(_Block(path=_path(inner)))
    _literal(open_ranges[-1], template[end:])
    if len(open_ranges) > 1:
        raise InvalidTemplate("`{range}` without `{end}`")
    return Template(blocks=root)


def _literal(blocks: list[_Block], text: str) -> None:
    if "{" in text or "}" in text:
        raise InvalidTemplate(f"unbalanced braces near `{text[:40]}`")
    if text:
        blocks.append(_Block(text=text))


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text[1:-1]}"'))
    except ValueError:
        raise InvalidTemplate(f"`{text[:40]}` is not a quoted text") from None


def _path(text: str) -> tuple[Select, ...]:
    selects: list[Select] = []
    rest = text.removeprefix("$") if text.startswith("$") else text.removeprefix("@")
    if rest == ".":
        return ()
    while rest:
        select, length = _step(rest)
        selects.append(select)
        rest = rest[length:]
    return tuple(selects)


def _step(text: str) -> tuple[Select, int]:
    if text.startswith("[*]"):
        return _children, 3
    if found := _KEY.match(text):
        name = re.sub(r"\\(.)", r"\1", found[1])
        if text.startswith(".."):
            return (lambda value: (one for inner in _descendants(value) for one in _member(inner, name))), found.end()
        return (_children if name == "*" else lambda value: _member(value, name)), found.end()
    if found := _QUOTED.match(text):
        quoted = found[1] if found[1] is not None else found[2]
        return (lambda value: _member(value, quoted)), found.end()
    if found := _FILTER.match(text):
        return _filter(found[1].strip(), found[2], found[3]), found.end()
    if (found := _SLICE.match(text)) and (found[1] or found[2]):
        first, ranged, last = found.groups()
        return (lambda value: _elements(value, first, bool(ranged), last)), found.end()
    raise InvalidTemplate(f"cannot read `{text[:40]}`")


def _filter(path: str, comparison: str | None, literal: str | None) -> Select:
    inner = _path(path)
    wanted = _value(literal) if literal is not None else None

    def select(value: Any) -> Iterator[Any]:
        for element in _children(value):
            found = next(_walk(inner, element), None)
            try:
                fits = found is not None if comparison is None else _COMPARISONS[comparison](found, wanted)
            except TypeError:
                fits = False
            if fits:
                yield element

    return select


def _value(literal: str) -> Any:
    if literal[:1] in ("'", '"'):
        return literal[1:-1]
    try:
        return json.loads(literal)
    except ValueError:
        return literal


def _member(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, dict) and name in value:
        yield value[name]


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descendants(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descendants(child)


def _elements(value: Any, first: str, ranged: bool, last: str) -> Iterator[Any]:
    if not isinstance(value, list):
        return
    if ranged:
        yield from value[int(first) if first else None : int(last) if last else None]
    elif -len(value) <= int(first) < len(value):
        yield value[int(first)]


def _walk(path: Sequence[Select], value: Any) -> Iterator[Any]:
    if not path:
        yield value
        return
    for one in path[0](value):
        yield from _walk(path[1:], one)


def _render(blocks: Sequence[_Block], value: Any) -> Iterator[str]:
    for block in blocks:
        if block.body is not None:
            for one in _walk(block.path, value):
                yield from _render(block.body, one)
        elif block.text:
            yield block.text
        else:
            yield " ".join(_text(one) for one in _walk(block.path, value))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
