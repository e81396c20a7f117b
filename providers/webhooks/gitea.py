"""Webhooks of Gitea (https://docs.gitea.com/usage/repository/webhooks), and of Forgejo, whose headers differ in name.

Both send GitHub's headers as well: what they mean there is not looked at.
"""

from datetime import datetime

from providers.documents import Document, flag
from providers.webhooks.events import (
    Event,
    Headers,
    InstructionNotice,
    NotAnEvent,
    Notice,
    PullRequestNotice,
    RepositoryName,
    header,
    is_command,
    name_of,
    positive,
    repository_notices,
    text_at,
)
from providers.webhooks.signatures import require_hmac

_LABELLED = "pull_request_label"
_COMMENTED = frozenset({"issue_comment", "pull_request_comment"})


def verify(headers: Headers, body: bytes, secret: str, _now: datetime) -> None:
    """Require the signature, which both send under Gitea's name too."""
    own = "X-Forgejo-Signature" if header(headers, "x-forgejo-signature") else "X-Gitea-Signature"
    require_hmac(headers, own, body, secret)


def delivery(headers: Headers) -> str:
    """Return the id, which a repeated delivery keeps."""
    return header(headers, "x-gitea-delivery") or header(headers, "x-forgejo-delivery")


def read(headers: Headers, body: Document) -> Event:
    """Read what an event is about. Raises NotAnEvent for a body that no event has."""
    name = header(headers, "x-gitea-event") or header(headers, "x-forgejo-event")
    if not name:
        raise NotAnEvent("the header X-Gitea-Event is missing")
    about: tuple[Notice, ...] = ()
    # Labels and pushes are types of this event, in another header.
    if name == "pull_request":
        about = (
            PullRequestNotice(
                repository=RepositoryName(full_name=name_of(body, "repository", "full_name")),
                number=positive(body, "pull_request", "number"),
                ended=text_at(body, "action") == "closed",
            ),
        )
        if header(headers, "x-gitea-event-type") == _LABELLED or header(headers, "x-forgejo-event-type") == _LABELLED:
            about = (*about, _instruction(body, positive(body, "pull_request", "number")))
    elif name in _COMMENTED and text_at(body, "action") == "created" and is_command(text_at(body, "comment", "body")):
        about = (_instruction(body, positive(body, "issue", "number")),) if flag(body, "is_pull") else ()
    elif name in ("push", "repository"):
        about = repository_notices(body, "repository", "full_name")
    return Event(name=name, about=about)


def _instruction(body: Document, number: int) -> InstructionNotice:
    return InstructionNotice(
        repository=RepositoryName(full_name=name_of(body, "repository", "full_name")),
        number=number,
        by=text_at(body, "sender", "login"),
    )
