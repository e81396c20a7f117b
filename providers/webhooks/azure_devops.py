"""Service hooks of Azure DevOps (https://learn.microsoft.com/en-us/azure/devops/service-hooks/events)."""

from datetime import datetime

from providers.documents import Document
from providers.webhooks.events import (
    Event,
    Headers,
    Notice,
    PullRequestNotice,
    RepositoryName,
    name_of,
    positive,
    text_at,
)
from providers.webhooks.signatures import require_authorization

_PULL_REQUEST = "git.pullrequest."
_ENDED = frozenset({"completed", "abandoned"})


def verify(headers: Headers, _body: bytes, secret: str, _now: datetime) -> None:
    """Require the secret as the password of Basic authentication: service hooks are not signed.

    https://learn.microsoft.com/en-us/azure/devops/service-hooks/services/webhooks
    """
    require_authorization(headers, secret)


def delivery(_headers: Headers) -> str:
    """Return nothing: the id stands in the body."""
    return ""


def read(_headers: Headers, body: Document) -> Event:
    """Read what an event is about; `merged` there is a try to merge. Raises NotAnEvent for a body that no event has."""
    name = name_of(body, "eventType")
    about: tuple[Notice, ...] = ()
    # Comments on pull requests have other types, and the pull request at another place.
    if name.startswith(_PULL_REQUEST):
        where = ("resource", "repository")
        about = (
            PullRequestNotice(
                repository=RepositoryName(
                    full_name=f"{name_of(body, *where, 'project', 'name')}/{name_of(body, *where, 'name')}"
                ),
                number=positive(body, "resource", "pullRequestId"),
                ended=text_at(body, "resource", "status") in _ENDED,
            ),
        )
    return Event(name=name, about=about)
