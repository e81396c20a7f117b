"""Requests and replies without any HTTP library: what a vendor's wire module makes and reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote, urlencode

from providers.documents import Document, at, document, documents, parsed
from providers.errors import ProviderMalformed, ProviderRejected

LIST_LIMIT_BYTES = 32 * 1024 * 1024
"""Of all pages of one list together: a hundred full pages would be most of a gigabyte."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What errors name; any other text in the header is the host's.
_NAMED_TYPES = frozenset({"text/html", "text/plain", "text/xml", "application/json", "application/xml"})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call. `path` is relative to the base address and already percent-encoded, segment by segment."""

    method: str
    path: str
    operation: str
    """What metrics call it, such as `get` or `add-labels`."""
    api: str = ""
    """What SCM metrics call its family: `PullRequest`, `CommitStatus` or `Deployment`."""
    query: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Several values are sent one by one under the same name."""
    json: object = None
    form: Mapping[str, str] | None = None
    content: bytes | None = None
    """A body that is sent byte by byte, as one that is signed must be; its type stands in the headers."""
    parts: Mapping[str, bytes] | None = None
    """Fields of a `multipart/form-data` body, sent byte by byte; a name holds no quote and no control character."""
    headers: Mapping[str, str] = field(default_factory=dict)
    accepts: frozenset[int] = frozenset()
    """Statuses other than 2xx that the caller reads itself instead of having them raised."""
    timeout: timedelta | None = None
    """Shorter bound for the whole round trip; None = the client's."""

    @property
    def reads(self) -> bool:
        """Whether sending it elsewhere as well can do no harm."""
        return self.method == "GET"

    @property
    def target(self) -> str:
        """Path and query as sent."""
        return f"{self.path}?{urlencode(self.query, doseq=True, quote_via=quote)}" if self.query else self.path


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One complete answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    cookies: tuple[str, ...] = field(default=(), repr=False)
    """`name=value` of each cookie set; nothing keeps them but the caller."""
    decoded: object = field(default=None, repr=False)
    """The JSON of a large body, which is decoded once, else None; see `providers/decoding.py`."""
    room: object = field(default=None, repr=False, compare=False)
    """What the body takes of the memory for answers, given back with the reply; see `providers/answer_room.py`."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        return self.status in _REDIRECTS

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", errors="replace")

    def value(self) -> object:
        """Parse the body as JSON. Raises ProviderMalformed, as for the sign-in page of a proxy."""
        if self.decoded is not None:
            return self.decoded
        try:
            return parsed(self.body)
        except ProviderMalformed:
            given = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            kind = given if given in _NAMED_TYPES else "another content type" if given else "no content type"
            raise ProviderMalformed(
                f"the answer ({kind}, {len(self.body)} bytes) is not the JSON that the API promises", status=self.status
            ) from None

    def document(self) -> Document:
        """Parse the body as one JSON object."""
        return document(self.value())

    def documents(self) -> tuple[Document, ...]:
        """Parse the body as a list of JSON objects."""
        return documents(self.value())


class TooMuch(ProviderMalformed):
    """An answer, or all pages of a list together, hold more than is read."""


class ListBound:
    """Count the bytes of a list's pages. Give each page back before the next one is asked for."""

    def __init__(self) -> None:
        self._left = LIST_LIMIT_BYTES

    def take(self, reply: Reply) -> Reply:
        """Return the page. Raises TooMuch where all pages so far are larger than the limit."""
        self._left -= len(reply.body)
        if self._left < 0:
            raise TooMuch(f"the pages of a list are larger than {LIST_LIMIT_BYTES} bytes", status=reply.status)
        return reply


def segment(name: str) -> str:
    """Quote one path segment whole, slashes included. Raises ProviderRejected for names that would walk the path."""
    if name in ("", ".", ".."):
        raise ProviderRejected(f"`{name}` cannot be a name at the host")
    return quote(name, safe="")


def has_next_page(reply: Reply) -> bool:
    """Return whether the Link header names a next page (RFC 8288)."""
    return any('rel="next"' in part or "rel=next" in part for part in reply.headers.get("link", "").split(","))


def items_on(reply: Reply, *path: str) -> int:
    """Count a page's items; `path` leads to their list."""
    found = at(reply.value(), *path)
    return len(found) if isinstance(found, list) else 0
