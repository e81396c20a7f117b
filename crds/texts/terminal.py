"""Text of others on a terminal, or in a pipe that may end at one: nothing that it obeys, nothing that reorders."""

import json
import re
from typing import Any

from crds.texts.plain import DIRECTIONS, plain

_UNSEEN = re.compile("[\x7f-\x9f\ud800-\udfff\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BLANKS = {ord("\t"): "    ", 0x2028: " ", 0x2029: " "}


def visible(text: str) -> str:
    """Return the text with its lines, without what a terminal would obey."""
    return DIRECTIONS.sub("", plain(text)).translate(_BLANKS)


def visible_json(value: Any) -> str:
    """Write JSON for people and programs: what a terminal would obey is an escape, and so comes back as it was."""
    return escaped(json.dumps(value, indent=2, ensure_ascii=False))


def escaped(document: str) -> str:
    """Write what a terminal would obey as escapes of JSON and YAML; it may stand within double quotes only."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def needs_quotes(text: str) -> bool:
    """Return whether a text can be shown within quotes only, as `escaped` writes it."""
    return _UNSEEN.search(text) is not None
