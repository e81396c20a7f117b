"""How much room texts take on a terminal: some characters take two columns, and some none. Pure."""

import unicodedata
from bisect import bisect_right
from itertools import accumulate

# https://www.unicode.org/reports/tr11/ names the widths; marks stand on the character before them.
_WIDE = frozenset("WF")
_WITHOUT_ROOM = frozenset({"Mn", "Me", "Cf"})


def width(text: str) -> int:
    """Return how many columns a text on one line takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def padded(text: str, columns: int) -> str:
    """Return the text with blanks behind it up to so many columns."""
    return text + " " * (columns - width(text))


def fitting(text: str, columns: int) -> str:
    """Return the text in at most so many columns, with an ellipsis where something was cut."""
    if width(text) <= columns:
        return text
    ends = list(accumulate(map(_columns, text)))
    return f"{text[: bisect_right(ends, columns - 1)]}…"


def _columns(character: str) -> int:
    if unicodedata.category(character) in _WITHOUT_ROOM:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
