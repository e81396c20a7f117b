"""Webhooks of Bitbucket Cloud (https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/)."""

from datetime import datetime

from providers.documents import Document
from providers.webhooks.events import (
    Event,
    Headers,
    InstructionNotice,
    Notice,
    PullRequestNotice,
    RepositoryName,
    header,
    is_command,
    name_of,
    positive,
    repository_notices,
    required_header,
    text_at,
)
from providers.webhooks.signatures import require_hmac

_CHANGES = frozenset({"pullrequest:created", "pullrequest:updated"})
"""Approvals have events of their own, which change nothing that is waited for."""
_ENDED = frozenset({"pullrequest:fulfilled", "pullrequest:rejected"})
_COMMENTED = "pullrequest:comment_created"


def verify(headers: Headers, body: bytes, secret: str, _now: datetime) -> None:
    """Require the signature: SHA-256, under the name that GitHub had for SHA-1.

    https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/#Secure-webhooks
    """
    require_hmac(headers, "X-Hub-Signature", body, secret, prefix="sha256=")


def delivery(headers: Headers) -> str:
    """Return the id, which a further attempt keeps."""
    return header(headers, "x-request-uuid")


def read(headers: Headers, body: Document) -> Event:
    """Read what an event is about. Raises NotAnEvent for a body that no event has."""
    name = required_header(headers, "X-Event-Key")
    about: tuple[Notice, ...] = ()
    if name in _CHANGES or name in _ENDED:
        about = (
            PullRequestNotice(
                repository=RepositoryName(full_name=name_of(body, "repository", "full_name")),
                number=positive(body, "pullrequest", "id"),
                ended=name in _ENDED,
            ),
        )
    elif name == _COMMENTED and is_command(text_at(body, "comment", "content", "raw")):
        about = (
            InstructionNotice(
                repository=RepositoryName(full_name=name_of(body, "repository", "full_name")),
                number=positive(body, "pullrequest", "id"),
                by=text_at(body, "actor", "uuid"),
            ),
        )
    elif name in ("repo:push", "repo:updated"):
        about = repository_notices(body, "repository", "full_name")
    return Event(name=name, about=about)
