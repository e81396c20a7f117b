"""Conditional lists of a repository's pull requests: the same call at every host, whose wire module defines the rest.

A list is asked for without a condition on time, so that its address stays the same and a host that knows entity tags
answers 304 while nothing has changed. Where to stop is decided by what a page shows.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from providers.documents import Document, is_sendable, moment, number
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request
from providers.models import HostPullRequest
from providers.reading import read

WHOLE_PAGE = 100
"""Pull requests of a page when all are read: as many as most hosts give."""
NEWS_PAGE = 30
"""The same when only what changed lately is read: few have, and each takes up to 20 kB."""
_ETAG_BYTES = 256
_PAGES_LIMIT = 10_000
OPEN, ALL = "open", "all"
"""Parts of the list of a host that knows no order by update: what is open comes first, then the newest of all."""


@dataclass(frozen=True, kw_only=True)
class ListedPullRequest:
    """A pull request as a list shows it."""

    change: HostPullRequest
    updated_at: datetime
    """When it changed last, as far as the host states: it is not sooner than that."""
    merged_at: datetime | None = None
    whole: bool = True
    """False where the list leaves out a hash, or shortens it: reading the pull request by itself shows it."""
    labels_listed: bool = True


@dataclass(frozen=True, kw_only=True)
class PullRequestPage:
    """One page of a list."""

    pull_requests: tuple[ListedPullRequest, ...] = ()
    following: str = ""
    """What to ask the next page with; empty where none is needed."""
    etag: str = ""
    """Of the first page, at hosts that have it."""
    unreadable: str = ""
    """How many entries of the page cannot be read, and why; empty where all can."""
    unchanged: bool = False
    """Whether the host answers that the first page is as it was: at most of them such an answer costs no quota."""


@dataclass(frozen=True, kw_only=True)
class PageWanted:
    """Which page is wanted."""

    following: str
    """Empty for the first one."""
    since: datetime | None
    """None for all there are."""

    @property
    def size(self) -> int:
        return WHOLE_PAGE if self.since is None else NEWS_PAGE

    @property
    def part(self) -> str:
        """Which part of a list without an order by update is wanted."""
        return ALL if self.following.startswith(f"{ALL}:") else OPEN

    @property
    def start(self) -> int:
        """How many pull requests of the part come before the page."""
        return count(self.following.partition(":")[2], default=0)

    def after_part(self, following: int | None) -> str:
        """Name the page that follows in a list of two parts: what is open is read whole, and all only where asked."""
        if self.part == OPEN:
            return f"{ALL}:" if following is None else f"{OPEN}:{following}"
        return "" if following is None or self.since is not None else f"{ALL}:{following}"

    @property
    def number(self) -> int:
        """The page's number, from one. Raises ProviderMalformed for what no page was followed by."""
        return count(self.following, default=1)


PageReader = Callable[[Reply, PageWanted], PullRequestPage]
"""Reads a page, and returns whether another one is needed."""


class ConditionalLists:
    """Implement providers.ports.PullRequestLists over a vendor's requests and answers."""

    def __init__(
        self,
        call: Callable[[Request], Awaitable[Reply]],
        *,
        request: Callable[[PageWanted], Request],
        reader: PageReader,
        by_update: bool = True,
    ) -> None:
        self._call = call
        self._request = request
        self._reader = reader
        self.by_update = by_update

    async def page(self, *, since: datetime | None = None, following: str = "", etag: str = "") -> PullRequestPage:
        asked = PageWanted(following=following, since=since)
        request = self._request(asked)
        if etag and not following:
            request = replace(
                request,
                headers={**request.headers, "If-None-Match": etag},
                accepts=request.accepts | frozenset({304}),
            )
        reply = await self._call(request)
        if reply.status == 304:
            return PullRequestPage(unchanged=True, etag=etag)
        page = await read(reply, partial(self._reader, reply, asked))
        tag = reply.headers.get("etag", "")
        usable = not following and is_sendable(tag) and len(tag) <= _ETAG_BYTES
        return replace(page, etag=tag if usable else "")


def read_each(
    rows: Sequence[Document], reader: Callable[[Document], ListedPullRequest]
) -> tuple[tuple[ListedPullRequest, ...], str]:
    """Read the entries of a page; return also how many of them cannot be read, and why.

    An odd one, such as of a repository that is gone, hides no other. Raises ProviderMalformed where none can be read:
    then it is the answer that is another one.
    """
    found: list[ListedPullRequest] = []
    odd: list[ProviderMalformed] = []
    for row in rows:
        try:
            found.append(reader(row))
        except ProviderMalformed as error:
            odd.append(error)
    if odd and not found:
        raise odd[0]
    return tuple(found), f"{len(odd)} of {len(rows)} entries cannot be read: {odd[0]}" if odd else ""


def reaches(listed: tuple[ListedPullRequest, ...], since: datetime | None) -> bool:
    """Return whether a page that is ordered by update goes back to a time, so that no other one is needed."""
    return since is not None and any(one.updated_at < since for one in listed)


def at_milliseconds(value: object, *path: str) -> datetime | None:
    """Read a time in milliseconds since the epoch; None for what is missing."""
    found = number(value, *path)
    if not found:
        return None
    try:
        return datetime.fromtimestamp(found / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise ProviderMalformed(f"the answer's `{'.'.join(path)}` is no time") from None


def dated(value: Document, reader: Callable[[Document], HostPullRequest]) -> ListedPullRequest:
    """Read a pull request with its times, which GitHub, GitLab, Gitea and Forgejo call alike."""
    change, updated = reader(value), moment(value, "updated_at")
    if updated is None:
        raise ProviderMalformed("the answer's `updated_at` is missing")
    return ListedPullRequest(change=change, updated_at=updated, merged_at=moment(value, "merged_at"))


def count(text: str, *, default: int) -> int:
    """Read a number of ours that a page was followed by."""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _PAGES_LIMIT * WHOLE_PAGE:
        raise ProviderMalformed("the page to be read is none that a list has")
    return int(text[:9])
