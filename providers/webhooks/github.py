"""Webhooks of GitHub (https://docs.github.com/en/webhooks/webhook-events-and-payloads)."""

from datetime import datetime

from providers.documents import Document, at
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
    run_notice,
    text_at,
)
from providers.webhooks.signatures import require_hmac

_LABELLED = frozenset({"labeled", "unlabeled"})


def verify(headers: Headers, body: bytes, secret: str, _now: datetime) -> None:
    """Require the signature by which GitHub proves a delivery; its older one, of SHA-1, is none.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    require_hmac(headers, "X-Hub-Signature-256", body, secret, prefix="sha256=")


def delivery(headers: Headers) -> str:
    """Return the id, which a repeated delivery keeps."""
    return header(headers, "x-github-delivery")


def read(headers: Headers, body: Document) -> Event:
    """Read what an event is about. Raises NotAnEvent for a body that no event has."""
    name = required_header(headers, "X-GitHub-Event")
    about: tuple[Notice, ...] = ()
    if name == "pull_request":
        about = (
            PullRequestNotice(
                repository=RepositoryName(full_name=name_of(body, "repository", "full_name")),
                number=positive(body, "pull_request", "number"),
                ended=text_at(body, "action") == "closed",
            ),
        )
        if text_at(body, "action") in _LABELLED:
            about = (*about, _instruction(body, positive(body, "pull_request", "number")))
    elif name == "issue_comment" and _is_command_on_pull_request(body):
        about = (_instruction(body, positive(body, "issue", "number")),)
    elif name == "workflow_run" and text_at(body, "action") == "completed":
        titles = (text_at(body, "workflow_run", "display_title"), text_at(body, "workflow_run", "name"))
        about = (run_notice(name_of(body, "workflow_run", "html_url"), titles),)
    elif name in ("push", "repository"):
        about = repository_notices(body, "repository", "full_name")
    return Event(name=name, about=about)


def _is_command_on_pull_request(body: Document) -> bool:
    written = text_at(body, "action") == "created" and is_command(text_at(body, "comment", "body"))
    return written and at(body, "issue", "pull_request") is not None


def _instruction(body: Document, number: int) -> InstructionNotice:
    return InstructionNotice(
        repository=RepositoryName(full_name=name_of(body, "repository", "full_name")),
        number=number,
        by=text_at(body, "sender", "login"),
    )
