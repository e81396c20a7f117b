"""Typed reads of vendor JSON; a field of the wrong type is ProviderMalformed, never a KeyError deep in an adapter.

Everything is bounded here, where it enters: who reads a text, a number or a list need not ask how large it is.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from crds.texts.plain import plain
from providers.decoding import ENTRIES_LIMIT, decoded
from providers.errors import ProviderMalformed

Document: TypeAlias = Mapping[str, object]

TEXT_LIMIT_BYTES = 4096
"""The longest path of a file on Linux; hosts allow less for titles, branches, labels and names."""
_LARGEST = 2**63 - 1
_HTTP_DATE_CHARACTERS = 64
"""More than twice what RFC 9110, section 5.6.7, writes."""
_ELLIPSIS = "…"


def parsed(body: bytes) -> object:
    """Parse JSON. Raises ProviderMalformed for what is none, NaN and Infinity included, and for too much of it."""
    try:
        return decoded(body)
    except (ValueError, RecursionError):
        raise ProviderMalformed("the answer is not the JSON that the API promises") from None


def at(value: object, *path: str) -> object:
    """Follow keys into nested objects; None where one is missing, null or no object."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: object, *path: str, default: str = "", limit_bytes: int = TEXT_LIMIT_BYTES) -> str:
    """Read a text, or a number as text; `default` for what is missing or null.

    A longer one than `limit_bytes` is cut, with an ellipsis at its end. What no payload, status or page may hold, such
    as a lone surrogate, is replaced here, where it enters.
    """
    found = at(value, *path)
    if found is None:
        return default
    if isinstance(found, str):
        return _within(found, limit_bytes)[0]
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= _LARGEST:
        return str(found)
    if isinstance(found, float) and math.isfinite(found):
        return str(found)
    raise ProviderMalformed(f"the answer's `{_name(path)}` is no text")


def required_text(value: object, *path: str) -> str:
    """Read a text that the API promises. Raises ProviderMalformed when it is missing, empty or too long to be whole."""
    found = text(value, *path)
    if not found:
        raise ProviderMalformed(f"the answer has no `{_name(path)}`")
    whole = at(value, *path)
    if isinstance(whole, str) and not _within(whole, TEXT_LIMIT_BYTES)[1]:
        raise ProviderMalformed(f"the answer's `{_name(path)}` is longer than {TEXT_LIMIT_BYTES} bytes")
    return found


def sendable_text(value: object, *path: str) -> str:
    """Read a text that is sent back in a header. Raises ProviderMalformed for one that cannot be."""
    found = required_text(value, *path)
    if not is_sendable(found):
        raise ProviderMalformed(f"the answer's `{_name(path)}` cannot be sent in a header")
    return found


def is_sendable(value: str) -> bool:
    """Return whether a text of a host can be sent back to it in a header."""
    return value.isascii() and value.isprintable() and len(value) <= TEXT_LIMIT_BYTES


def number(value: object, *path: str, default: int = 0) -> int:
    """Read a whole number; `default` for what is missing or null."""
    found = at(value, *path)
    if found is None:
        return default
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) <= _LARGEST:
        return found
    raise ProviderMalformed(f"the answer's `{_name(path)}` is no number")


def required_number(value: object, *path: str) -> int:
    """Read a whole number that the API promises. Raises ProviderMalformed when it is missing."""
    if at(value, *path) is None:
        raise ProviderMalformed(f"the answer has no `{_name(path)}`")
    return number(value, *path)


def flag(value: object, *path: str) -> bool:
    """Read a boolean; False for anything but true."""
    return at(value, *path) is True


def document(value: object, *path: str) -> Document:
    """Read an object. Raises ProviderMalformed for anything else."""
    found = at(value, *path)
    if not isinstance(found, Mapping):
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no object")
    return found


def documents(value: object, *path: str, limit: int = ENTRIES_LIMIT) -> tuple[Document, ...]:
    """Read a list of objects; null and missing are empty, as Argo CD and Jenkins send them."""
    return _objects(_entries(value, path, limit), path)


def documents_or_nulls(value: object, *path: str, limit: int = ENTRIES_LIMIT) -> tuple[Document, ...]:
    """Read a list of objects in which a host puts null for what it cannot show: that is an object without fields."""
    return _objects([{} if item is None else item for item in _entries(value, path, limit)], path)


def texts(value: object, *path: str, limit: int = ENTRIES_LIMIT) -> tuple[str, ...]:
    """Read a list of texts; null and missing are empty."""
    found = _entries(value, path, limit)
    if not all(isinstance(item, str) for item in found):
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no list of texts")
    return tuple(_within(item, TEXT_LIMIT_BYTES)[0] for item in found)


def moment(value: object, *path: str) -> datetime | None:
    """Read an RFC 3339 time as UTC; None for what is missing or empty."""
    found = text(value, *path)
    if not found:
        return None
    try:
        read = datetime.fromisoformat(found.replace("Z", "+00:00"))
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        # The latter for a first or last day that is another year in UTC.
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no time") from None


def required_moment(value: object, *path: str) -> datetime:
    """Read a time that the API promises. Raises ProviderMalformed when it is missing."""
    found = moment(value, *path)
    if found is None:
        raise ProviderMalformed(f"the answer has no `{_name(path)}`")
    return found


def likely_moment(value: object, *path: str) -> datetime | None:
    """Read a time that nothing stands or falls with; None for what is none."""
    try:
        return moment(value, *path)
    except ProviderMalformed:
        return None


def likely_milliseconds(value: object, *path: str) -> datetime | None:
    """Read a time in milliseconds since 1970 that nothing stands or falls with; None for what is none."""
    try:
        found = number(value, *path)
        return datetime.fromtimestamp(found / 1000, UTC) if found else None
    except (ProviderMalformed, OverflowError, OSError, ValueError):
        return None


def http_date(given: str) -> datetime | None:
    """Read the date of a header as UTC; None for what is none."""
    if len(given) > _HTTP_DATE_CHARACTERS:
        return None
    try:
        read = parsedate_to_datetime(given)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        # The standard library promises the first alone, and raises each of them for some text.
        return None


def is_same(one: object, other: object) -> bool:
    """Compare two values; what is nested too deep to be compared is not the same."""
    try:
        return one == other
    except RecursionError:
        return False


def _entries(value: object, path: tuple[str, ...], limit: int) -> list[Any]:
    found = at(value, *path)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no list")
    if len(found) > limit:
        raise ProviderMalformed(f"the answer's `{_name(path)}` has more than {limit} entries")
    return found


def _objects(found: list[Any], path: tuple[str, ...]) -> tuple[Document, ...]:
    if not all(isinstance(item, dict) for item in found):
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no list of objects")
    return tuple(found)


def _within(found: str, limit_bytes: int) -> tuple[str, bool]:
    """Return the text in at most `limit_bytes` of UTF-8, and whether that is all; not more characters are looked at."""
    fit = plain(found[: limit_bytes + 1])
    encoded = fit.encode()
    if len(encoded) <= limit_bytes:
        return fit, True
    return encoded[: limit_bytes - len(_ELLIPSIS.encode())].decode(errors="ignore") + _ELLIPSIS, False


def _name(path: tuple[str, ...]) -> str:
    return ".".join(path) or "body"
