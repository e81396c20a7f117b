"""Globs of components: which files they match, and whether two of them can match the same file.

`*` and `?` match within one folder or file name, `**` any number of folders; a glob also matches everything below a
folder that it matches.

Globs are written by tenants and matched in a process that serves all of them, so no glob may cost more than its length:
files are matched by RE2, which is linear in the text, and `Overlaps` counts its steps and gives up at a bound.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import re2

STEPS_ALLOWED = 150_000
"""Elementary comparisons for one repository, about 50 ms: a folder in front of each glob needs a hundredth of it."""

_ANY_DEPTH = "**"
_WILDCARDS = frozenset("*?")
_PROGRAM_BYTES = 64 << 20


class TooCostly(Exception):
    """The globs of a repository begin too much alike to be compared within the bound."""


def path_error(glob: str) -> str | None:
    """Return why a glob can match no file of a repository; None if it can."""
    parts = _parts(glob)
    if glob.startswith("/") or "\\" in glob:
        return f"`{glob}` matches nothing: write it relative to the root of the repository, with `/`"
    if any(part in ("", ".", "..") for part in parts):
        return f"`{glob}` matches nothing: it has an empty part, `.` or `..`"
    if any(_ANY_DEPTH in part and part != _ANY_DEPTH for part in parts):
        return f"`{glob}` is not a glob: `**` must stand alone between two `/`"
    return None


class Globs:
    """Globs to be compared with many files. To be let go soon: what RE2 remembers of its way grows to 20 MB each."""

    def __init__(self, globs: Sequence[str], *, below: bool = True) -> None:
        """Take also what is `below` a folder that a glob matches, or nothing but what it matches."""
        self._matcher = _matcher([_pattern(glob, below=below) for glob in globs]) if globs else None

    def match(self, path: str) -> bool:
        """Return whether one of the globs matches a file. Linear in the length of the path, times that of the globs."""
        return self._matcher is not None and self._matcher.fullmatch(path) is not None


def matches_name(pattern: str, name: str) -> bool:
    """Return whether a pattern matches this very name, such as the full one of a repository."""
    return Globs([pattern], below=False).match(name)


def overlap(left: str, right: str) -> bool:
    """Return whether two globs can match the same file. Raises TooCostly beyond STEPS_ALLOWED."""
    return Overlaps().between(left, right)


class Overlaps:
    """Find globs that can match the same file; all comparisons together take at most `steps`."""

    def __init__(self, steps: int = STEPS_ALLOWED) -> None:
        self._steps = steps

    def between(self, left: str, right: str) -> bool:
        """Return whether two globs can match the same file. Raises TooCostly."""
        return self._parts_meet((*_parts(left), _ANY_DEPTH), (*_parts(right), _ANY_DEPTH))

    def among(self, groups: Sequence[Sequence[str]]) -> Iterator[tuple[int, int, int, int]]:
        """Yield (group, position, other group, position) of globs of different groups that overlap; raises TooCostly.

        Only globs of which one's folders lead to the other's are compared: folders that differ before any wildcard
        have no file in common.
        """
        known: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        deeper: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        for group, globs in enumerate(groups):
            for position, glob in enumerate(globs):
                folders = _folders(glob)
                self._take(len(folders) + 1)
                above = [folders[:depth] for depth in range(len(folders) + 1)]
                for other, place in chain(*(known[prefix] for prefix in above), deeper[folders]):
                    self._take(1)
                    if other != group and self.between(groups[other][place], glob):
                        yield group, position, other, place
                known[folders].append((group, position))
                for prefix in above[:-1]:
                    deeper[prefix].append((group, position))

    def _take(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise TooCostly

    def _parts_meet(self, left: tuple[str, ...], right: tuple[str, ...]) -> bool:
        """Go through both globs from their ends: row `i` holds where `right` may begin to meet `left[i:]`."""
        below: list[bool] = []
        for i in range(len(left), -1, -1):
            row = [False] * (len(right) + 1)
            for j in range(len(right), -1, -1):
                self._take(1)
                if i == len(left):
                    row[j] = j == len(right) or (right[j] == _ANY_DEPTH and row[j + 1])
                elif j == len(right):
                    row[j] = left[i] == _ANY_DEPTH and below[j]
                elif left[i] == _ANY_DEPTH:
                    row[j] = below[j] or row[j + 1]
                elif right[j] == _ANY_DEPTH:
                    row[j] = row[j + 1] or below[j]
                else:
                    row[j] = below[j + 1] and self._names_meet(left[i], right[j])
            below = row
        return below[0]

    def _names_meet(self, left: str, right: str) -> bool:
        """Do the same for one folder or file name, letter by letter."""
        if not _WILDCARDS & {*left, *right}:
            return left == right
        for one, other in ((left[:1], right[:1]), (left[-1:], right[-1:])):
            if one != other and not _WILDCARDS & {one, other} and one and other:
                return False
        below: list[bool] = []
        for i in range(len(left), -1, -1):
            self._take(len(right) + 1)
            row = [False] * (len(right) + 1)
            for j in range(len(right), -1, -1):
                if i == len(left):
                    row[j] = j == len(right) or (right[j] == "*" and row[j + 1])
                elif j == len(right):
                    row[j] = left[i] == "*" and below[j]
                elif left[i] == "*" or right[j] == "*":
                    row[j] = below[j] or row[j + 1]
                else:
                    row[j] = below[j + 1] and (left[i] == right[j] or "?" in (left[i], right[j]))
            below = row
        return below[0]


def _parts(glob: str) -> tuple[str, ...]:
    return tuple(glob.removesuffix("/").split("/"))


def _folders(glob: str) -> tuple[str, ...]:
    """Return the parts in front of the first wildcard."""
    parts = _parts(glob)
    return parts[: next((index for index, part in enumerate(parts) if _WILDCARDS & {*part}), len(parts))]


def _matcher(patterns: Iterable[str]) -> Any:
    options = re2.Options()
    options.max_mem = _PROGRAM_BYTES
    options.dot_nl = True
    options.log_errors = False
    compiled = re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options)
    # The library would keep the last 128 of them.
    re2.purge()
    return compiled


def _pattern(glob: str, *, below: bool) -> str:
    pattern = ""
    for part in _parts(glob):
        if part == _ANY_DEPTH:
            pattern += r"(?:[^/]+/)*"
        else:
            pattern += re2.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "/"
    # A glob that ends in `**` matches files below; any other also the file that it names.
    ending = r"[^/]+" if pattern.endswith(")*") else ""
    return pattern.removesuffix("/") + ending + (r"(?:/.*)?" if below else "")
