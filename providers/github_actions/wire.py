"""GitHub Actions' REST shapes as pure functions, version 2022-11-28 (https://docs.github.com/en/rest/actions)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.documents import Document, at, documents, moment, number, required_text, text
from providers.errors import ProviderRejected
from providers.messages import Reply, Request, segment
from providers.models import Run, RunPhase, RunReading
from providers.origins import Facts
from providers.runs import named, shows_key

KEY_INPUT = "promotion_key"
PAGE_SIZE = 100
# The host shows at most 1000 runs of a filtered list.
PAGE_LIMIT = 10
# No test waits longer for its trigger's reply; a narrower list is a cheaper list.
_LOOKED_BACK = timedelta(hours=24)

_QUEUED = frozenset({"queued", "requested", "pending", "waiting"})
_CONCLUSIONS: Mapping[str, RunPhase] = {
    "success": RunPhase.PASSED,
    "failure": RunPhase.FAILED,
    "cancelled": RunPhase.CANCELLED,
    "timed_out": RunPhase.TIMED_OUT,
}
_KNOBS = frozenset({"neutral", "skipped"})
_DETAILS = re.compile(r"return_run_details")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A workflow file, and the branch or tag whose version of it runs; empty = the default branch."""

    file: str
    ref: str = ""


def read_job(job: str) -> Job:
    """Read `e2e.yml`, or `e2e.yml@release` as a runner with a ref asks. Raises ProviderRejected without a file name."""
    file, _, ref = job.partition("@")
    name = file.strip().removeprefix(".github/workflows/")
    if not name:
        raise ProviderRejected(
            "the job has no name; write a workflow file such as `e2e.yml`, and a branch or tag as `githubActions.ref` "
            "of the TestRunner"
        )
    return Job(file=name, ref=ref.strip())


def get_repository(repository: str) -> Request:
    return Request(method="GET", path=repository, operation="get-repository")


def dispatch(repository: str, job: Job, *, ref: str, inputs: Mapping[str, str], details: bool) -> Request:
    """Start a run; with `details` the answer names it, which older Enterprise Servers refuse with 400."""
    body: dict[str, object] = {"ref": ref, "inputs": dict(inputs)}
    if details:
        body["return_run_details"] = True
    return Request(method="POST", path=f"{_workflow(repository, job)}/dispatches", json=body, operation="trigger")


def refuses_details(message: str) -> bool:
    """Return whether a refusal names the field that only newer hosts know."""
    return _DETAILS.search(message) is not None


def read_dispatch(reply: Reply, key: str) -> Run | None:
    """Read which run was started; None for 204, which names none."""
    if reply.status == 204 or not reply.body.strip():
        return None
    value = reply.document()
    return Run(id=required_text(value, "workflow_run_id"), key=key, url=text(value, "html_url"))


def list_runs(repository: str, job: Job, *, page: int, now: datetime) -> Request:
    query = {
        "event": "workflow_dispatch",
        "created": f">={(now - _LOOKED_BACK).strftime('%Y-%m-%dT%H:%M:%SZ')}",
        "per_page": str(PAGE_SIZE),
        "page": str(page),
    }
    return Request(method="GET", path=f"{_workflow(repository, job)}/runs", query=query, operation="list-runs")


def read_runs(value: Document, key: str, now: datetime | None) -> tuple[tuple[Run, Facts], ...]:
    """Read the runs whose title carries the key; titles are rendered from `run-name`. Inputs are not shown."""
    return tuple(
        (Run(id=required_text(run, "id"), key=key, url=text(run, "html_url")), _facts(run, now))
        for run in documents(value, "workflow_runs")
        if shows_key(text(run, "display_title"), key)
    )


def _facts(run: Document, now: datetime | None) -> Facts:
    # `actor` began the first attempt, and stays when others run it again: then `triggering_actor` is theirs.
    return Facts(
        created=moment(run, "created_at"),
        now=now,
        ref=text(run, "head_branch") or None,
        accounts=(login,) if (login := text(run, "actor", "login")) else None,
    )


def get_workflow(repository: str, job: Job) -> Request:
    return Request(method="GET", path=_workflow(repository, job), operation="get-workflow")


def get_file(repository: str, path: str, ref: str) -> Request:
    """Read a workflow file as it is; the raw media type spares the Base64."""
    quoted = "/".join(segment(part) for part in path.split("/"))
    return Request(
        method="GET",
        path=f"{repository}/contents/{quoted}",
        query={"ref": ref},
        operation="get-workflow-file",
        headers={"Accept": "application/vnd.github.raw+json"},
    )


def get_run(repository: str, run: str) -> Request:
    return Request(method="GET", path=f"{repository}/actions/runs/{segment(run)}", operation="get-run")


def read_run(value: Document, *, key: str, results: Mapping[str, RunPhase]) -> RunReading:
    """Read a run; a re-run keeps the id, so that the attempt is shown with the number."""
    run = Run(id=required_text(value, "id"), key=key, url=text(value, "html_url"))
    attempt = number(value, "run_attempt", default=1)
    shown_number = text(value, "run_number") + (f" (attempt {attempt})" if attempt > 1 else "")
    again = (
        f"run again by {text(value, 'triggering_actor', 'login', default='a person who is not known')}"
        if attempt > 1
        else ""
    )
    status = required_text(value, "status")
    if status == "completed":
        conclusion = text(value, "conclusion")
        phase = results[conclusion] if conclusion in _KNOBS else _CONCLUSIONS.get(conclusion, RunPhase.ERROR)
        message = "; ".join(
            filter(None, ("" if conclusion == "success" else f"conclusion {conclusion or 'missing'}", again))
        )
        return RunReading(run=run, phase=phase, number=shown_number, message=message)
    waiting = status == "waiting"
    phase = RunPhase.QUEUED if status in _QUEUED else RunPhase.RUNNING
    message = "waits for an approval at the host" if waiting else status.replace("_", " ")
    return RunReading(run=run, phase=phase, number=shown_number, message=message, waiting_for_approval=waiting)


def list_jobs(repository: str, run: str) -> Request:
    path = f"{repository}/actions/runs/{segment(run)}/jobs"
    return Request(method="GET", path=path, query={"per_page": str(PAGE_SIZE)}, operation="list-jobs")


def read_failed_jobs(value: Document) -> str:
    """Name the jobs that did not succeed; the host has no counts of test cases."""
    failed = named(
        text(job, "name")
        for job in documents(value, "jobs")
        if at(job, "conclusion") not in (None, "success", "skipped", "neutral")
    )
    return f"failed jobs: {failed}" if failed else ""


def cancel(repository: str, run: str) -> Request:
    """Cancel a run; 409 when it is finished already."""
    return Request(
        method="POST",
        path=f"{repository}/actions/runs/{segment(run)}/cancel",
        operation="cancel",
        accepts=frozenset({404, 409}),
    )


def server_version(reply: Reply) -> str:
    """Return an Enterprise Server's version, which each of its answers names; empty for github.com."""
    return reply.headers.get("x-github-enterprise-version", "")


def check(repository: str) -> Request:
    """Ask for one run, which needs the right to read Actions."""
    query = {"per_page": "1"}
    return Request(method="GET", path=f"{repository}/actions/runs", query=query, operation="check")


def _workflow(repository: str, job: Job) -> str:
    return f"{repository}/actions/workflows/{segment(job.file)}"
