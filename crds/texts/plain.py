"""Any text, made fit to be stored and sent: valid Unicode without control characters."""

import re
from collections.abc import Mapping
from typing import Any

REVISION_LENGTH = 12
"""Digits of a commit's hash that name it to people."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_LINE_ENDS = re.compile("\r\n?")
# Lone surrogates, which UTF-8 cannot hold, and the control characters but tab and line feed: a reader of YAML refuses
# most of them, a terminal obeys them, and no host has a use for them.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# With these a text can be shown in another order than it has: a name that reads like another one.
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Return the text with a replacement character for each that cannot be stored; line ends become line feeds."""
    # Most texts are ASCII without control characters, which these checks find without a copy.
    if text.isascii() and text.isprintable():
        return text
    return _UNFIT.sub(REPLACEMENT, _LINE_ENDS.sub("\n", text))


def plain_values(value: Any) -> Any:
    """Return JSON-ready data with every text and key in it made plain."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain_values(key): plain_values(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(inner) for inner in value]
    return value


def one_line(text: str) -> str:
    """Return the text on one line: single blanks for white space, and nothing that changes the direction of writing."""
    return " ".join(DIRECTIONS.sub("", plain(text)).split())


def short_revision(revision: str) -> str:
    """Return a commit as people read and repeat it: cut the same everywhere, so that one text is found by another."""
    return revision[:REVISION_LENGTH]


def counted(number: int, noun: str) -> str:
    """Return a number with what it counts, such as `1 event` and `2 events`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
