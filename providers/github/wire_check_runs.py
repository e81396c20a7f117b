"""GitHub's REST shapes for check runs, as pure functions (https://docs.github.com/en/rest/checks/runs)."""

from collections.abc import Mapping
from dataclasses import dataclass

from providers.documents import Document, documents, number, required_text, text
from providers.github import wire
from providers.messages import Reply, Request, segment
from providers.models import CommitStatus, StatusState
from providers.redaction import shortened
from providers.status_keys import fitting_url

TITLE_LIMIT = 255
_ENDED = "completed"
_CONCLUSIONS: Mapping[StatusState, str] = {
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failure",
    StatusState.ERROR: "cancelled",
}
_STATES: Mapping[str, StatusState] = {conclusion: state for state, conclusion in _CONCLUSIONS.items()}


@dataclass(frozen=True, kw_only=True)
class CheckRun:
    """One check run of our App."""

    id: int
    name: str
    ended: bool
    status: CommitStatus | None
    """What it shows; None for what we never set, such as the `stale` of one that the host gave up."""


def app_of(login: str) -> str:
    """Return the slug of the App that writes under this name; empty where the host does not show it."""
    return login.removesuffix(wire.APP_SUFFIX).lower()


def list_runs(repository: str, sha: str, name: str, page: int) -> Request:
    """Ask for the newest check runs of each name, or of one name, of all Apps."""
    query = {"filter": "latest", "per_page": str(wire.PAGE_SIZE), "page": str(page)}
    return Request(
        method="GET",
        path=f"{repository}/commits/{segment(sha)}/check-runs",
        query={"check_name": name, **query} if name else query,
        api="CommitStatus",
        operation="list-check-runs",
    )


def read_runs(app: str, reply: Reply) -> tuple[CheckRun, ...]:
    """Read the check runs of one App; of all where it is not known."""
    return tuple(
        _read(run)
        for run in documents(reply.document(), "check_runs")
        if not app or text(run, "app", "slug").lower() == app
    )


def create(repository: str, sha: str, status: CommitStatus) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/check-runs",
        json={"name": status.context, "head_sha": sha, **_shown(status)},
        api="CommitStatus",
        operation="create-check-run",
    )


def update(repository: str, run: int, status: CommitStatus) -> Request:
    return Request(
        method="PATCH",
        path=f"{repository}/check-runs/{run}",
        json=_shown(status),
        api="CommitStatus",
        operation="update-check-run",
    )


def _shown(status: CommitStatus) -> dict[str, object]:
    """Return what a check run shows. The host wants both texts of the output, neither empty, and no empty link."""
    title = shortened(status.description, TITLE_LIMIT) or status.context
    shown: dict[str, object] = {"output": {"title": title, "summary": status.description or title}}
    if status.state in _CONCLUSIONS:
        shown |= {"status": _ENDED, "conclusion": _CONCLUSIONS[status.state]}
    else:
        shown["status"] = "in_progress"
    if url := fitting_url(status.url):
        shown["details_url"] = url
    return shown


def _read(run: Document) -> CheckRun:
    name, ended = required_text(run, "name"), required_text(run, "status") == _ENDED
    state = _STATES.get(text(run, "conclusion")) if ended else StatusState.PENDING
    title, url = text(run, "output", "title"), text(run, "details_url")
    status = CommitStatus(
        context=name,
        state=state or StatusState.ERROR,
        description="" if title == name else title,
        # A run without a link leads to the App's own page.
        url="" if url == text(run, "app", "external_url") else url,
    )
    return CheckRun(id=number(run, "id"), name=name, ended=ended, status=status if state else None)
