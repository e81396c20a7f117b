"""Bounds in bytes that wire types keep by themselves: a text is cut wherever a value is made, also by its decoding."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from activities.models import budgets
from crds.texts.plain import plain

ELLIPSIS = "…"


def cut(text: str, limit: int) -> str:
    """Return the text in at most `limit` bytes of UTF-8, ending in an ellipsis where something was cut.

    No character is split, and what no payload or status may hold is replaced as `plain` does.
    """
    fit = plain(text)
    encoded = fit.encode()
    if len(encoded) <= limit:
        return fit
    room = max(limit - len(ELLIPSIS.encode()), 0)
    return encoded[:room].decode(errors="ignore") + (ELLIPSIS if limit >= len(ELLIPSIS.encode()) else "")


def together(lines: Iterable[str], limit: int = budgets.TEXT_BYTES) -> str:
    """Join lines in at most `limit` bytes; the number of those left out stands at the end."""
    found = [plain(line) for line in lines]
    text = "; ".join(found)
    if len(text.encode()) <= limit:
        return text
    kept: list[str] = []
    room = limit - len(f"; and {len(found)} more")
    for line in found:
        room -= len(line.encode()) + len("; ")
        if room < 0:
            break
        kept.append(line)
    return cut("; ".join([*(kept or [cut(found[0], limit // 2)]), f"and {len(found) - max(len(kept), 1)} more"]), limit)


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """Mark a text's longest size in bytes of UTF-8; a longer one is cut, or left out where a part is of no use."""

    limit: int
    whole: bool = False

    def keep(self, text: str) -> str:
        """Return the text within its bound."""
        kept = cut(text, self.limit)
        return "" if self.whole and kept.endswith(ELLIPSIS) and kept != text else kept


@dataclass(frozen=True)
class First:
    """Mark how many entries a tuple keeps, from its beginning."""

    limit: int

    def keep(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the entries within the bound."""
        return tuple(values)[: self.limit]


@dataclass(frozen=True)
class Last:
    """Mark how many entries a tuple keeps, up to its end."""

    limit: int

    def keep(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the entries within the bound."""
        return tuple(values)[-self.limit :]


Short = Annotated[str, Bytes(limit=budgets.SHORT_BYTES)]
"""A short text of others."""

Line = Annotated[str, Bytes(limit=budgets.LINE_BYTES)]
"""A text of which a value holds many."""

Text = Annotated[str, Bytes(limit=budgets.TEXT_BYTES)]
"""A text of which a value holds a few."""

Link = Annotated[str, Bytes(limit=budgets.LINK_BYTES, whole=True)]
"""An address that people open."""


class Bounded:
    """Base of a wire type whose marked texts and tuples are cut as soon as a value is made."""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, keep in _bounds(kind):
            value = getattr(self, name)
            kept = keep(value)
            if kept != value:
                object.__setattr__(self, name, kept)


@cache
def _bounds(kind: type) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple((name, keep) for name, hint in hints.items() if (keep := _keeper(hint)) is not None)


def _keeper(hint: Any) -> Callable[[Any], Any] | None:
    """Return what bounds a field of this type; None where nothing does."""
    marks = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Bytes | First | Last)]
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    inner = _keeper(get_args(plain)[0]) if get_origin(plain) is tuple and get_args(plain) else None
    if not marks and inner is None:
        return None

    def keep(value: Any) -> Any:
        for mark in marks:
            value = mark.keep(value)
        return value if inner is None else tuple(inner(one) for one in value)

    return keep
