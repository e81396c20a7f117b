"""Service hooks of Azure DevOps (https://learn.microsoft.com/en-us/azure/devops/service-hooks/events)."""

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
    is_command,
    name_of,
    positive,
    text_at,
)
from providers.webhooks.signatures import require_authorization

_PULL_REQUEST = "git.pullrequest."
_COMMENTED = "ms.vss-code.git-pullrequest-comment-event"
_REPOSITORY = ("git.push", "git.repo.")
_ENDED = frozenset({"completed", "abandoned"})


def verify(headers: Headers, _body: bytes, secret: str, _now: datetime) -> None:
    """Require the secret as the password of Basic authentication: service hooks are not signed.

    https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks
    """
    require_authorization(headers, secret)


def delivery(_headers: Headers) -> str:
    """Return what stands for the id, which is in the body: no two events have one body."""
    return "in the body"


def read(_headers: Headers, body: Document) -> Event:
    """Read what an event is about; `merged` there is a try to merge. Raises NotAnEvent for a body that no event has."""
    name = name_of(body, "eventType")
    about: tuple[Notice, ...] = ()
    if name.startswith(_PULL_REQUEST):
        about = (
            PullRequestNotice(
                repository=_named(body, "resource", "repository"),
                number=positive(body, "resource", "pullRequestId"),
                ended=text_at(body, "resource", "status") in _ENDED,
            ),
        )
    elif name == _COMMENTED and is_command(text_at(body, "resource", "comment", "content")):
        about = (
            InstructionNotice(
                repository=_named(body, "resource", "pullRequest", "repository"),
                number=positive(body, "resource", "pullRequest", "pullRequestId"),
                by=text_at(body, "resource", "comment", "author", "id"),
            ),
        )
    elif name.startswith(_REPOSITORY):
        about = (RepositoryNotice(repository=_named(body, "resource", "repository")),)
    return Event(name=name, about=about)


def _named(body: Document, *where: str) -> RepositoryName:
    return RepositoryName(full_name=f"{name_of(body, *where, 'project', 'name')}/{name_of(body, *where, 'name')}")
