"""Webhooks of Bitbucket Data Center (https://confluence.atlassian.com/bitbucketserver/event-payload-938025882.html)."""

from datetime import datetime

from providers.documents import Document
from providers.webhooks.events import (
    Event,
    Headers,
    Notice,
    PullRequestNotice,
    RepositoryName,
    header,
    name_of,
    positive,
    required_header,
)
from providers.webhooks.signatures import require_hmac

_CHANGES = frozenset({"pr:opened", "pr:modified", "pr:from_ref_updated"})
_ENDED = frozenset({"pr:merged", "pr:declined", "pr:deleted"})


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
        where = ("pullRequest", "toRef", "repository")
        project, slug = name_of(body, *where, "project", "key"), name_of(body, *where, "slug")
        about = (
            PullRequestNotice(
                repository=RepositoryName(full_name=f"{project}/{slug}"),
                number=positive(body, "pullRequest", "id"),
                ended=name in _ENDED,
            ),
        )
    return Event(name=name, about=about)
