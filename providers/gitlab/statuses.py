"""Commit statuses in GitLab's REST shapes (https://docs.gitlab.com/api/commits/#set-the-pipeline-status-of-a-commit).

A status is a job of a pipeline, and its state a machine: what is pending becomes running, either ends once, and a state
that ended is followed by a new job. The text of a job changes with its state only.

The pipeline is one of our own. Without a ref GitLab adds the job to the commit's newest pipeline, which then runs as
long as the promotion does: that of a test would wait for its own verdict.
"""

import re
from collections.abc import Mapping

from providers.documents import Document, likely_moment, required_number, required_text, text
from providers.gitlab.wire import STATUS_API, message_in, page
from providers.messages import Reply, Request, segment
from providers.models import CommitStatus, StatusState
from providers.redaction import shortened
from providers.status_keys import bounded_key, fitting_url

REF = "pilotage"
"""Under which the host keeps the pipeline of our statuses; it need not be a branch."""
TEXT_LIMIT = 255
"""Characters of name, description and address."""
_PENDING = "pending"
_STATES: Mapping[StatusState, str] = {
    StatusState.PENDING: _PENDING,
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    # A promotion that was aborted: a failure would be reported to people as one.
    StatusState.ERROR: "canceled",
}
_MEANINGS: Mapping[str, StatusState] = {
    "success": StatusState.SUCCESS,
    "failed": StatusState.FAILURE,
    "canceled": StatusState.ERROR,
    "canceling": StatusState.ERROR,
    "skipped": StatusState.ERROR,
}
_DETOURS: Mapping[str, tuple[str, ...]] = {_PENDING: ("running",), "running": ("canceled", _PENDING)}
_HELD = re.compile(r"Cannot transition status via :\w{1,40} from :(\w{1,40})")


def list_statuses(project: str, sha: str, number: int) -> Request:
    path = f"{project}/repository/commits/{segment(sha)}/statuses"
    return page(path, number, api=STATUS_API, operation="list")


def read_newest(found: dict[str, tuple[int, CommitStatus]], status: Document) -> None:
    """Keep a status where it is the newest of its name, which has the highest id: several pipelines have one each."""
    age, name = required_number(status, "id"), required_text(status, "name")
    if name not in found or found[name][0] < age:
        found[name] = (age, read_status(status))


def read_status(value: Document) -> CommitStatus:
    return CommitStatus(
        context=required_text(value, "name"),
        state=_MEANINGS.get(required_text(value, "status"), StatusState.PENDING),
        description=text(value, "description"),
        url=text(value, "target_url"),
        posted_at=likely_moment(value, "finished_at") or likely_moment(value, "created_at"),
    )


def create_status(project: str, sha: str, status: CommitStatus, *, state: str = "") -> Request:
    """Set a status, or make it go through `state` on its way; 400 may mean that it is in the wrong state for that."""
    body = {
        "state": state or _STATES[status.state],
        "name": listed_context(status.context),
        "ref": REF,
        "description": shortened(status.description, TEXT_LIMIT),
    }
    if url := listed_url(status.url):
        body["target_url"] = url
    return Request(
        method="POST",
        path=f"{project}/statuses/{segment(sha)}",
        json=body,
        api=STATUS_API,
        operation="create",
        accepts=frozenset() if state else frozenset({400}),
    )


def listed_context(context: str) -> str:
    """Return a context as the host lists it."""
    return bounded_key(context, TEXT_LIMIT)


def listed_url(url: str) -> str:
    """Return an address as the host lists it: a longer one would be refused."""
    return fitting_url(url, TEXT_LIMIT)


def detour(status: CommitStatus, refused: Reply) -> tuple[str, ...]:
    """Return through which states a status gets its new text, as the refusal names them; empty for none."""
    held = _HELD.search(message_in(refused))
    return _DETOURS.get(held[1], ()) if held and status.state is StatusState.PENDING else ()
