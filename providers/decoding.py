"""Decode JSON in steps that are short, whatever it holds.

The standard library's scanner keeps the interpreter to itself until it is done, for 0.1 to 0.5 µs a value: 8 MiB of
empty lists stop the event loop for more than half a second. So it is given at most `STRUCTURE_LIMIT` values at a time.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from typing import NoReturn, TypeVar

T = TypeVar("T")

STRUCTURE_LIMIT = 150_000
"""Marks that begin or part values, `{[,:`, decoded in one go; within texts they are counted as well.

The largest answer that is one value is an Argo CD application, which etcd bounds to 1.5 MiB: a mark in 10 bytes.
"""
ENTRIES_LIMIT = 20_000
"""Of one list: an answer has room for a hundred times as many empty ones, whose reading takes minutes."""
CONTAINERS_LIMIT = 200_000
"""Objects and lists in one answer: the garbage collector looks at all of them in one go."""
_STRUCTURE = b"{[,:"
_CONTAINERS = "{["
_TEXT = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LONGEST_NUMBER = 400
"""Digits; the time that one takes grows with their square."""
_AT_A_TIME_SECONDS = 0.01
_FIRST_WINDOW = 4096
_NUMBER_REST = 3
"""Characters of a number that may stand behind what is one already, such as `1` of `1e-5`."""
_BLANKS = re.compile(r"[ \t\n\r]*+")


def is_crowded(body: bytes) -> bool:
    """Return whether a body may hold more values than are decoded in one go; 1 ms for 1 MiB."""
    return len(body) > STRUCTURE_LIMIT and len(body) - len(body.translate(None, _STRUCTURE)) > STRUCTURE_LIMIT


def decoded(body: bytes) -> object:
    """Decode a body in one go. Raises ValueError for what is no JSON, or crowded, and RecursionError."""
    if is_crowded(body):
        raise ValueError(f"more than {STRUCTURE_LIMIT} values")
    return _DECODER.decode(_text(body))


async def giving_way(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items; let others run whenever working on them has lasted for long enough."""
    begun = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - begun >= _AT_A_TIME_SECONDS:
            await asyncio.sleep(0)
            begun = time.monotonic()


async def decoded_in_steps(body: bytes) -> object:
    """Decode a list, or an object of lists, entry by entry, and let others run in between.

    Raises ValueError for what is no JSON, for a crowded entry and for too many of them, and RecursionError.
    """
    return await _Steps(_text(body)).all()


class _Steps:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._window = _FIRST_WINDOW
        self._left = ENTRIES_LIMIT
        self._containers_left = CONTAINERS_LIMIT
        # Texts may hold any number of such marks, so that more of them are looked at more closely.
        self._counts = _marks(text) > CONTAINERS_LIMIT
        self._begun = time.monotonic()

    async def all(self) -> object:
        found = await (self._object() if self._next() == "{" else self._value())
        if self._next():
            raise ValueError("something stands behind the JSON")
        return found

    async def _object(self) -> dict[str, object]:
        found: dict[str, object] = {}
        self._at += 1
        if self._taken("}"):
            return found
        while True:
            key = await self._entry()
            if not isinstance(key, str) or not self._taken(":"):
                raise ValueError("an object holds something else than keys and values")
            found[key] = await self._value()
            if self._taken("}"):
                return found
            self._take_comma()

    async def _value(self) -> object:
        if self._next() != "[":
            return await self._entry()
        found: list[object] = []
        self._at += 1
        if self._taken("]"):
            return found
        while True:
            found.append(await self._entry())
            if self._taken("]"):
                return found
            self._take_comma()

    async def _entry(self) -> object:
        """Decode one value in one go. How long it is shows only when it is decoded, so that a window grows over it."""
        self._next()
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"more than {ENTRIES_LIMIT} entries")
        while True:
            if time.monotonic() - self._begun >= _AT_A_TIME_SECONDS:
                await asyncio.sleep(0)
                self._begun = time.monotonic()
            piece = self._text[self._at : self._at + self._window]
            is_whole = self._at + len(piece) >= len(self._text)
            fitting = _fitting(piece)
            try:
                found, end = _DECODER.raw_decode(fitting)
            except ValueError:
                if is_whole or len(fitting) < len(piece):
                    raise
            else:
                if is_whole or end + _NUMBER_REST < len(fitting):
                    self._count(fitting[:end])
                    self._at += end
                    # Of so many bytes none is crowded.
                    self._window = min(max(_FIRST_WINDOW, 2 * end), STRUCTURE_LIMIT // 4)
                    return found
            self._window *= 2

    def _count(self, entry: str) -> None:
        if self._counts and (marks := _marks(entry)):
            self._containers_left -= marks if marks < 10 else _marks(_TEXT.sub("", entry))
            if self._containers_left < 0:
                raise ValueError(f"more than {CONTAINERS_LIMIT} objects and lists")

    def _next(self) -> str:
        """Go behind blanks, and return what stands there; empty at the end."""
        blanks = _BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at
        return self._text[self._at : self._at + 1]

    def _taken(self, mark: str) -> bool:
        """Go behind a mark, if it is the next."""
        if self._next() != mark:
            return False
        self._at += 1
        return True

    def _take_comma(self) -> None:
        if not self._taken(","):
            raise ValueError("entries are parted by something else than a comma")


def _fitting(piece: str) -> str:
    """Return as much of a text as is not crowded, or a little less."""
    low, high = 0, len(piece)
    if not _holds_much(piece):
        return piece
    while high - low > _FIRST_WINDOW:
        middle = (low + high) // 2
        low, high = (low, middle) if _holds_much(piece[:middle]) else (middle, high)
    return piece[:low]


def _marks(text: str) -> int:
    return sum(text.count(mark) for mark in _CONTAINERS)


def _holds_much(piece: str) -> bool:
    return is_crowded(piece.encode(errors="surrogatepass"))


def _text(body: bytes) -> str:
    return body.decode(json.detect_encoding(body), "surrogatepass")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number is longer than any")
    return int(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer)
