"""Webhooks of Bitbucket Data Center (https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html)."""

from datetime import datetime

from providers.documents import Document
from providers.webhooks.events import (
    Event,
    Headers,
    InstructionNotice,
    Notice,
    PullRequestNotice,
    RepositoryName,
    RepositoryNotice,
    header,
    is_command,
    name_of,
    positive,
    required_header,
    text_at,
)
from providers.webhooks.signatures import require_hmac

_CHANGES = frozenset({"pr:opened", "pr:modified", "pr:from_ref_updated"})
_ENDED = frozenset({"pr:merged", "pr:declined", "pr:deleted"})
_COMMENTED = "pr:comment:added"
_REPOSITORY = {"repo:refs_changed": "repository", "repo:modified": "new"}
"""Events of a repository, and where it stands in them."""


def verify(headers: Headers, body: bytes, secret: str, _now: datetime) -> None:
    """Require the signature; a test of the connection (`diagnostics:ping`) has one as well where a secret is set."""
    require_hmac(headers, "X-Hub-Signature", body, secret, prefix="sha256=")


def delivery(headers: Headers) -> str:
    """Return the id of the request that caused the event, with the event: one request may cause several."""
    request = header(headers, "x-request-id")
    return f"{request} {header(headers, 'x-event-key')}" if request else ""


def read(headers: Headers, body: Document) -> Event:
    """Read what an event is about. Raises NotAnEvent for a body that no event has."""
    name = required_header(headers, "X-Event-Key")
    about: tuple[Notice, ...] = ()
    if name in _CHANGES or name in _ENDED:
        about = (
            PullRequestNotice(
                repository=_named(body, "pullRequest", "toRef", "repository"),
                number=positive(body, "pullRequest", "id"),
                ended=name in _ENDED,
            ),
        )
    elif name == _COMMENTED and is_command(text_at(body, "comment", "text")):
        about = (
            InstructionNotice(
                repository=_named(body, "pullRequest", "toRef", "repository"),
                number=positive(body, "pullRequest", "id"),
                by=text_at(body, "actor", "name"),
            ),
        )
    elif name in _REPOSITORY:
        about = (RepositoryNotice(repository=_named(body, _REPOSITORY[name])),)
    return Event(name=name, about=about)


def _named(body: Document, *where: str) -> RepositoryName:
    return RepositoryName(full_name=f"{name_of(body, *where, 'project', 'key')}/{name_of(body, *where, 'slug')}")
