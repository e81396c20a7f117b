"""Commit statuses as pure functions.

https://learn.microsoft.com/en-us/rest/api/azure/devops/git/statuses/create
"""

from collections.abc import Iterable, Mapping

from providers.azure_devops.wire import PAGE_SIZE, items_of, request
from providers.documents import Document, likely_moment, required_number, required_text, text
from providers.messages import Reply, Request, segment
from providers.models import CommitStatus, StatusState
from providers.redaction import shortened
from providers.status_keys import bounded_key, fitting_url

# Of name and genre each; longer ones are refused with 400, as are longer descriptions and addresses.
KEY_LIMIT = 128
DESCRIPTION_LIMIT = 2048
_URL_LIMIT = 2048
# Both parts of a status's key must be there. This one stands before what has no genre of its own.
_NO_GENRE = "status"

_STATES: Mapping[str, StatusState] = {
    "notSet": StatusState.PENDING,
    "pending": StatusState.PENDING,
    "succeeded": StatusState.SUCCESS,
    "partiallySucceeded": StatusState.SUCCESS,
    "notApplicable": StatusState.SUCCESS,
    "failed": StatusState.FAILURE,
}
_NAMES: Mapping[StatusState, str] = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "succeeded",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "error",
}


def list_statuses(repository: str, sha: str, skip: int) -> Request:
    """Ask for all statuses ever set: of those that link to one address `latestOnly` returns but the newest."""
    path = f"{repository}/commits/{segment(sha)}/statuses"
    query = {"top": str(PAGE_SIZE), "skip": str(skip)}
    return request("GET", path, "list", api="CommitStatus", query=query)


def read_statuses(reply: Reply) -> tuple[tuple[int, CommitStatus], ...]:
    """Read statuses with their ids, which grow."""
    return tuple(
        (
            required_number(row, "id"),
            CommitStatus(
                context=_read_context(row),
                state=_STATES.get(required_text(row, "state"), StatusState.ERROR),
                description=text(row, "description"),
                url=text(row, "targetUrl"),
                posted_at=likely_moment(row, "updatedDate"),
            ),
        )
        for row in items_of(reply)
    )


def newest_of(rows: Iterable[tuple[int, CommitStatus]]) -> Mapping[str, CommitStatus]:
    """Return the newest status of each context."""
    return {status.context: status for _, status in sorted(rows, key=lambda row: row[0])}


def create_status(repository: str, sha: str, status: CommitStatus) -> Request:
    """Append a status; earlier ones of the same context stay."""
    body: dict[str, object] = {
        "state": _NAMES[status.state],
        "description": shortened(status.description, DESCRIPTION_LIMIT),
        "context": context_parts(status.context),
    }
    if url := listed_url(status.url):
        body["targetUrl"] = url
    return request("POST", f"{repository}/commits/{segment(sha)}/statuses", "create", api="CommitStatus", json=body)


def context_parts(context: str) -> Mapping[str, str]:
    """Return genre and name of a context such as `pilotage/dev`, each within the host's limit."""
    genre, slash, name = context.partition("/")
    if not slash or not genre.strip() or not name.strip() or genre == _NO_GENRE:
        genre, name = _NO_GENRE, context
    return {"genre": bounded_key(genre, KEY_LIMIT), "name": bounded_key(name, KEY_LIMIT)}


def listed_context(context: str) -> str:
    """Return a context as it is read back: each of its parts is cut where it is too long."""
    return _context_of(**context_parts(context))


def listed_url(url: str) -> str:
    """Return an address as it is read back: any other text is refused with 400."""
    return fitting_url(url, _URL_LIMIT)


def _read_context(row: Document) -> str:
    return _context_of(genre=text(row, "context", "genre"), name=required_text(row, "context", "name"))


def _context_of(*, genre: str, name: str) -> str:
    return name if genre in ("", _NO_GENRE) else f"{genre}/{name}"
