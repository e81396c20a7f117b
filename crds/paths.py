"""Globs of components: which files they match, and whether two of them can match the same file.

`*` and `?` match within one folder or file name, `**` any number of folders; a glob also matches everything below a
folder that it matches.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from crds.v1alpha1.git_repository import Component

_ANY_DEPTH = "**"


def path_error(glob: str) -> str | None:
    """Say why a glob can match no file of a repository; None if it can."""
    parts = _parts(glob)
    if glob.startswith("/") or "\\" in glob:
        return f"`{glob}` matches nothing: write it relative to the root of the repository, with `/`"
    if any(part in ("", ".", "..") for part in parts):
        return f"`{glob}` matches nothing: it has an empty part, `.` or `..`"
    if any(_ANY_DEPTH in part and part != _ANY_DEPTH for part in parts):
        return f"`{glob}` is not a glob: `**` must stand alone between two `/`"
    return None


def matches(glob: str, path: str) -> bool:
    """Tell whether a glob matches a file."""
    return _matcher(glob).fullmatch(path) is not None


def touched_components(components: Iterable[Component], files: Iterable[str]) -> tuple[str, ...]:
    """List the components that have a file among those changed, in their order."""
    order = tuple(components)
    waiting = list(order)
    touched: set[str] = set()
    for file in files:
        hit = [component for component in waiting if any(matches(glob, file) for glob in component.paths)]
        touched.update(component.name for component in hit)
        waiting = [component for component in waiting if component not in hit]
        if not waiting:
            break
    return tuple(component.name for component in order if component.name in touched)


def overlap(left: str, right: str) -> bool:
    """Tell whether two globs can match the same file."""
    return _parts_overlap((*_parts(left), _ANY_DEPTH), (*_parts(right), _ANY_DEPTH))


def _parts(glob: str) -> tuple[str, ...]:
    return tuple(glob.removesuffix("/").split("/"))


@lru_cache(maxsize=1024)
def _matcher(glob: str) -> re.Pattern[str]:
    pattern = ""
    for part in _parts(glob):
        if part == _ANY_DEPTH:
            pattern += r"(?:[^/]+/)*"
        else:
            text = re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
            pattern += text + "/"
    # A glob that ends in `**` matches files below; any other also the file that it names.
    ending = r"[^/]+(?:/.*)?" if pattern.endswith(")*") else r"(?:/.*)?"
    return re.compile(pattern.removesuffix("/") + ending, re.DOTALL)


@lru_cache(maxsize=4096)
def _parts_overlap(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    if not left or not right:
        return all(part == _ANY_DEPTH for part in left or right)
    if left[0] == _ANY_DEPTH:
        return _parts_overlap(left[1:], right) or _parts_overlap(left, right[1:])
    if right[0] == _ANY_DEPTH:
        return _parts_overlap(left, right[1:]) or _parts_overlap(left[1:], right)
    return _names_overlap(left[0], right[0]) and _parts_overlap(left[1:], right[1:])


@lru_cache(maxsize=4096)
def _names_overlap(left: str, right: str) -> bool:
    if not left or not right:
        return not (left or right).strip("*")
    if left[0] == "*":
        return _names_overlap(left[1:], right) or _names_overlap(left, right[1:])
    if right[0] == "*":
        return _names_overlap(left, right[1:]) or _names_overlap(left[1:], right)
    return (left[0] == right[0] or "?" in (left[0], right[0])) and _names_overlap(left[1:], right[1:])
