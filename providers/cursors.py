"""Cursors of lists that grow at their end: what a caller carries from one look to the next without reading it."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from providers.messages import Reply, items_on
from providers.models import LabelEvent, LabelEvents, Remark, Remarks
from providers.reading import read

LOOK_PAGES = 5
"""Pages of a list that one look reads; the next one goes on behind them."""
REMARK_PAGES = 30
"""Pages of comments that one look reads at most, within its time at a host that is slow. Where the newest come first,
what is behind them is never read."""
LOOK_REMARKS = 100
"""Comments that one look takes, the oldest; the next one goes on behind them."""
REMARK_BYTES = 2000
"""Of a comment: a command stands at its beginning."""
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
"""Before any pull request."""
_AT_ONCE = timedelta(seconds=1)
"""Between the times of one write, as a host keeps them."""
_LARGEST = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class PageCursor:
    """Where a list that is numbered by pages goes on: within a page that was not full."""

    page: int = 1
    newest: int = 0
    """Id of the newest entry that was seen."""

    def __str__(self) -> str:
        return f"{self.page}:{self.newest}"


def page_cursor(text: str) -> PageCursor:
    """Read a cursor; one that is none begins from the start."""
    page, _, newest = text.partition(":")
    return PageCursor(page=max(_number(page), 1), newest=_number(newest))


async def look_at_labels(
    cursor: str,
    *,
    ask: Callable[[int], Awaitable[Reply]],
    reader: Callable[[int, Reply], tuple[tuple[LabelEvent, ...], int]],
    has_more: Callable[[Reply], bool],
) -> LabelEvents:
    """Read the label events behind a cursor, from a list that is numbered by pages.

    `reader` is given the newest id that was seen, and returns the events after it and the newest id that there is.
    """
    at, found, more = page_cursor(cursor), list[LabelEvent](), False
    for _ in range(LOOK_PAGES):
        reply = await ask(at.page)
        if at.page > 1 and not items_on(reply):
            # The page before it is full, or the list got shorter: events go with an account that the host hides.
            if more:
                break
            at = replace(at, page=at.page - 1)
            continue
        events, newest = await read(reply, partial(reader, at.newest, reply))
        found += events
        more = has_more(reply)
        at = PageCursor(page=at.page + more, newest=newest)
        if not more:
            break
    return LabelEvents(events=tuple(found), cursor=str(at))


@dataclass(frozen=True, kw_only=True)
class RemarkCursor:
    """Where comments go on, at hosts that list those since a moment."""

    since: datetime
    newest: int = 0
    """Number of the newest comment that was seen."""

    def __str__(self) -> str:
        return f"{self.newest}:{self.since.isoformat()}"


def remark_cursor(text: str, since: datetime) -> RemarkCursor:
    """Read a cursor; one that is none, or older, begins at the moment."""
    newest, _, moment = text.partition(":")
    try:
        seen = datetime.fromisoformat(moment)
    except ValueError:
        seen = since
    return RemarkCursor(since=max(seen, since) if seen.tzinfo else since, newest=_number(newest))


class RemarkLook:
    """Take the comments of one look page by page, and keep the oldest of those that are news."""

    def __init__(self, begun: datetime, cursor: str, own: str) -> None:
        self.at = remark_cursor(cursor, begun)
        self._begun = begun
        self._own = own
        self._kept: list[Remark] = []

    async def take(self, reply: Reply, reader: Callable[[], Iterable[Remark]]) -> bool:
        """Read a page, and return whether it goes back to what is no news."""
        return await read(reply, partial(self._take, reader))

    @property
    def edited(self) -> tuple[Remark, ...]:
        """What is news but was changed, by its two times."""
        return tuple(one for one in self._kept if one.edited)

    @property
    def full(self) -> bool:
        """Whether it takes no comment that is newer than those it has."""
        return len(self._kept) >= LOOK_REMARKS

    def believe(self, ids: Collection[str]) -> None:
        """Take these as they were written: no one changed their texts."""
        self._kept = [replace(one, edited=False) if one.id in ids else one for one in self._kept]

    def remarks(self) -> Remarks:
        """Return what was written after the look's moment and is newer than what was seen.

        What was edited stands by itself: no one is known to have written it.
        """
        at = self.at
        if self._kept:
            newest = self._kept[-1]
            at = RemarkCursor(since=max(at.since, newest.at), newest=remark_number(newest))
        whole = tuple(one for one in self._kept if not one.edited)
        return Remarks(remarks=whole, edited=self.edited, cursor=str(at), account=self._own)

    def _take(self, reader: Callable[[], Iterable[Remark]]) -> bool:
        listed = list(reader())
        fresh = [one for one in listed if one.at >= self._begun and remark_number(one) > self.at.newest]
        # Something written meanwhile moves the last of a page to the next one, where it comes again.
        found = {one.id: one for one in (*self._kept, *fresh)}
        self._kept = sorted(found.values(), key=remark_number)[:LOOK_REMARKS]
        return len(fresh) < len(listed)


def was_edited(made: datetime, changed: datetime | None) -> bool:
    """Return whether a text was changed after it was written, by the host's two times."""
    return changed is not None and changed - made > _AT_ONCE


def remark_number(remark: Remark) -> int:
    """Return what grows with each comment: the last part of its id, where nothing else is known."""
    return remark.order or _number(remark.id.rpartition(":")[2].rpartition("/")[2])


def _number(text: str) -> int:
    return min(int(text), _LARGEST) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
