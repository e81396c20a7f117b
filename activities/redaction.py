"""Keep credentials out of texts that leave the process: logs, failures, statuses.

Two nets: values of Secrets that this process has read are known and cut out wherever they appear, and shapes of
credentials are cut out even when they are not known.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable

PLACEHOLDER = "[redacted]"
_LEAST_LENGTH = 8
"""Shorter values would cut out parts of ordinary words."""
_REMEMBERED = 2000

_SHAPES = re.compile(
    r"""
    (?P<url>(?<=://)[^\s/@:]+:[^\s/@]+(?=@))                              # user:password@ in a URL
    | (?P<scheme>\b(?:bearer|basic|token)\s+)[A-Za-z0-9._~+/=-]{8,}       # an Authorization header's value
    | \bgh[pousr]_[A-Za-z0-9]{16,}\b | \bgithub_pat_[A-Za-z0-9_]{16,}\b   # GitHub
    | \bgl[a-z]{1,5}-[A-Za-z0-9_-]{16,}                                   # GitLab
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*           # JSON web tokens
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?P<query>[?&](?:access_token|private_token|token|api_key|password|secret)=)[^&\s]+
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


class SecretValues:
    """Remember the values of Secrets that were read, the newest some thousand."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, None] = OrderedDict()

    def remember(self, values: Iterable[str]) -> None:
        """Cut these values out of all later texts; short ones are ignored, each line of a long one counts."""
        for value in values:
            for part in {value, value.strip(), *value.split("\n")}:
                if len(part) >= _LEAST_LENGTH:
                    self._values[part] = None
                    self._values.move_to_end(part)
        while len(self._values) > _REMEMBERED:
            self._values.popitem(last=False)

    def cut(self, text: str) -> str:
        """Replace each remembered value in a text."""
        for value in self._values:
            if value in text:
                text = text.replace(value, PLACEHOLDER)
        return text


SECRET_VALUES = SecretValues()
"""Of this process. Credentials come and go with Secrets, so that nobody could pass a complete set around."""


def _replace(match: re.Match[str]) -> str:
    return (match["scheme"] or match["query"] or "") + PLACEHOLDER


def redact(text: str) -> str:
    """Return the text without known credentials and without anything shaped like one."""
    return _SHAPES.sub(_replace, SECRET_VALUES.cut(text))
