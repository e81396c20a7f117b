"""Jenkins' `tree` query: keep only the named fields, and a range of list elements.

Source: Jenkins "Remote access API" page, "Controlling the amount of data you fetch".
"""

import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\s*(?:([A-Za-z_*][\w*]*)|(\[)|(\])|(,)|\{(\d*)(,?)(\d*)\})")


class TreeSyntaxError(ValueError):
    """The tree text cannot be read; Jenkins answers 400."""


@dataclass(kw_only=True)
class Tree:
    """The children wanted of a value; without children the whole default view is wanted."""

    children: dict[str, "Tree"] = field(default_factory=dict)
    start: int | None = None
    stop: int | None = None


def parse_tree(text: str) -> Tree:
    """Read `a,b[c,d[e]{0,5}]`. Raises TreeSyntaxError."""
    root = Tree()
    stack, last, position = [root], root, 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise TreeSyntaxError(text[position:])
        position = match.end()
        name, opened, closed, comma = match[1], match[2], match[3], match[4]
        if name:
            last = stack[-1].children.setdefault(name, Tree())
        elif opened:
            stack.append(last)
        elif closed:
            if len(stack) == 1:
                raise TreeSyntaxError(text)
            last = stack.pop()
        elif not comma:
            last.start = int(match[5] or 0)
            last.stop = int(match[7]) if match[7] else None if match[6] else last.start + 1
    if len(stack) != 1:
        raise TreeSyntaxError(text)
    return root


def prune(value: Any, tree: Tree) -> Any:
    """Apply a tree to a value; `_class` is always kept, as Jenkins does."""
    if isinstance(value, list):
        kept = value if tree.start is None else value[tree.start : tree.stop]
        return [prune(item, Tree(children=tree.children)) for item in kept]
    if not isinstance(value, dict) or not tree.children:
        return value
    everything = tree.children.get("*")
    return {
        name: prune(item, tree.children.get(name) or everything or Tree())
        for name, item in value.items()
        if name == "_class" or name in tree.children or everything is not None
    }
