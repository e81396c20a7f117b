"""Typed reads of vendor JSON; a field of the wrong type is ProviderMalformed, never a KeyError deep in an adapter."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from crds.texts.plain import plain
from providers.errors import ProviderMalformed

Document: TypeAlias = Mapping[str, object]


def at(value: object, *path: str) -> object:
    """Follow keys into nested objects; None where one is missing, null or no object."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: object, *path: str, default: str = "") -> str:
    """Read a text, or a number as text; `default` for what is missing or null.

    What no payload, status or page may hold, such as a lone surrogate, is replaced here, where it enters.
    """
    found = at(value, *path)
    if found is None:
        return default
    if isinstance(found, str):
        return plain(found)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    raise ProviderMalformed(f"the answer's `{_name(path)}` is no text")


def required_text(value: object, *path: str) -> str:
    """Read a text that the API promises. Raises ProviderMalformed when it is missing or empty."""
    found = text(value, *path)
    if not found:
        raise ProviderMalformed(f"the answer lacks `{_name(path)}`")
    return found


def number(value: object, *path: str, default: int = 0) -> int:
    """Read a whole number; `default` for what is missing or null."""
    found = at(value, *path)
    if found is None:
        return default
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise ProviderMalformed(f"the answer's `{_name(path)}` is no number")


def required_number(value: object, *path: str) -> int:
    """Read a whole number that the API promises. Raises ProviderMalformed when it is missing."""
    if at(value, *path) is None:
        raise ProviderMalformed(f"the answer lacks `{_name(path)}`")
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


def documents(value: object, *path: str) -> tuple[Document, ...]:
    """Read a list of objects; null and missing are empty, as Argo CD and Jenkins send them."""
    found = at(value, *path)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no list of objects")
    return tuple(found)


def texts(value: object, *path: str) -> tuple[str, ...]:
    """Read a list of texts; null and missing are empty."""
    found = at(value, *path)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no list of texts")
    return tuple(plain(item) for item in found)


def moment(value: object, *path: str) -> datetime | None:
    """Read an RFC 3339 time as UTC; None for what is missing or empty."""
    found = text(value, *path)
    if not found:
        return None
    try:
        parsed = datetime.fromisoformat(found.replace("Z", "+00:00"))
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        # The first or the last day of all may be another year in UTC.
        raise ProviderMalformed(f"the answer's `{_name(path)}` is no time") from None


def _name(path: tuple[str, ...]) -> str:
    return ".".join(path) or "body"
