"""Webhooks of GitLab (https://docs.gitlab.com/user/project/integrations/webhook_events/)."""

from datetime import datetime

from providers.documents import Document, at, documents
from providers.errors import ProviderMalformed
from providers.webhooks.events import (
    Event,
    Headers,
    InstructionNotice,
    NotAnEvent,
    Notice,
    PullRequestNotice,
    RepositoryName,
    RunNotice,
    header,
    is_command,
    name_of,
    positive,
    repository_notices,
    required_header,
    run_notice,
    text_at,
)
from providers.webhooks.signatures import is_signing_token, require_signed_id, require_token

_KEY_VARIABLE = "PROMOTION_KEY"
_FINAL = frozenset({"success", "failed", "canceled", "skipped", "manual"})
"""Of a pipeline; `manual` is one that waits for a person, which a test may count as its end."""
_ENDED = frozenset({"merge", "close"})


def verify(headers: Headers, body: bytes, secret: str, now: datetime) -> None:
    """Require the secret token, or the signature where the secret is a signing token.

    https://docs.gitlab.com/user/project/integrations/webhooks/#validate-payloads-by-using-a-secret-token
    """
    if is_signing_token(secret):
        require_signed_id(headers, body, secret, now)
    else:
        require_token(headers, "X-Gitlab-Token", secret)


def delivery(headers: Headers) -> str:
    """Return the id, which a retry keeps; older versions send none that does."""
    return header(headers, "idempotency-key") or header(headers, "webhook-id")


def read(headers: Headers, body: Document) -> Event:
    """Read what an event is about. Raises NotAnEvent for a body that no event has."""
    required_header(headers, "X-Gitlab-Event")
    # Hooks of a whole instance name all events alike in the header.
    name = name_of(body, "object_kind") if "object_kind" in body else name_of(body, "event_name")
    about: tuple[Notice, ...] = ()
    if name == "merge_request":
        about = (
            PullRequestNotice(
                repository=RepositoryName(
                    full_name=name_of(body, "project", "path_with_namespace"),
                    project_id=_project_id(body),
                ),
                number=positive(body, "object_attributes", "iid"),
                ended=text_at(body, "object_attributes", "action") in _ENDED,
            ),
        )
        if at(body, "changes", "labels") is not None:
            about = (*about, _instruction(body, positive(body, "object_attributes", "iid")))
    elif name == "note" and is_command(text_at(body, "object_attributes", "note")):
        # Notes on issues and commits come without a merge request.
        merge_request = at(body, "merge_request", "iid")
        about = (_instruction(body, positive(body, "merge_request", "iid")),) if merge_request is not None else ()
    elif name == "push":
        about = repository_notices(body, "project", "path_with_namespace", project_id=_project_id(body))
    elif name == "pipeline" and text_at(body, "object_attributes", "status") in _FINAL:
        about = (_pipeline(body),)
    return Event(name=name, about=about)


def _project_id(body: Document) -> int:
    """Return the project's number; 0 where an instance's own hooks send none."""
    return positive(body, "project", "id") if at(body, "project", "id") is not None else 0


def _instruction(body: Document, number: int) -> InstructionNotice:
    return InstructionNotice(
        repository=RepositoryName(
            full_name=name_of(body, "project", "path_with_namespace"),
            project_id=_project_id(body),
        ),
        number=number,
        by=text_at(body, "user", "username"),
    )


def _pipeline(body: Document) -> RunNotice:
    """Name a pipeline; older versions send no address of it."""
    try:
        variables = documents(body, "object_attributes", "variables")
    except ProviderMalformed:
        raise NotAnEvent("`object_attributes.variables` is no list of objects") from None
    keys = [text_at(one, "value") for one in variables if text_at(one, "key").upper() == _KEY_VARIABLE]
    number = positive(body, "object_attributes", "id")
    url = text_at(body, "object_attributes", "url") or f"{name_of(body, 'project', 'web_url')}/-/pipelines/{number}"
    return run_notice(url, (text_at(body, "object_attributes", "name"), *keys))
