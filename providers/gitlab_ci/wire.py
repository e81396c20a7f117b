"""GitLab CI's REST shapes as pure functions (https://docs.gitlab.com/api/pipelines)."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from providers.documents import Document, at, document, moment, number, required_text, text
from providers.gitlab_ci.starting import KEY_VARIABLE
from providers.messages import Reply, Request, segment
from providers.models import Run, RunPhase, RunReading
from providers.origins import Facts
from providers.runs import named, shows_key, test_counts

PAGE_SIZE = 100
PAGE_LIMIT = 10
_LOOKED_BACK = timedelta(hours=24)
# Pipelines that pushes, schedules and merge requests start are never ours.
_OUR_SOURCES = ("api", "trigger")
# GitLab gives it to what a trigger token starts: https://docs.gitlab.com/ci/triggers/#access-webhook-payload
_PAYLOAD_VARIABLE = "TRIGGER_PAYLOAD"

_PHASES: Mapping[str, RunPhase] = {
    "created": RunPhase.QUEUED,
    "waiting_for_resource": RunPhase.QUEUED,
    "preparing": RunPhase.QUEUED,
    "waiting_for_callback": RunPhase.QUEUED,
    "pending": RunPhase.QUEUED,
    "scheduled": RunPhase.QUEUED,
    "running": RunPhase.RUNNING,
    "canceling": RunPhase.RUNNING,
    "success": RunPhase.PASSED,
    "failed": RunPhase.FAILED,
    "canceled": RunPhase.CANCELLED,
}
_KNOBS = frozenset({"manual", "skipped"})
_TIMEOUTS = frozenset({"job_execution_timeout", "stuck_or_timeout_failure"})
# The test itself decided nothing: the runner, the platform or the project's set-up failed.
_SYSTEM_FAILURES = frozenset({
    "runner_system_failure", "runner_unsupported", "runner_provisioning_timeout", "stale_schedule", "scheduler_failure",
    "data_integrity_failure", "api_failure", "missing_dependency_failure", "ci_quota_exceeded", "no_matching_runner",
    "unmet_prerequisites", "archived_failure", "user_blocked", "deployment_rejected", "server_error",
    # No child pipeline began.
    "upstream_bridge_project_not_found", "insufficient_upstream_permissions", "downstream_bridge_project_not_found",
    "insufficient_bridge_permissions", "invalid_bridge_trigger", "bridge_pipeline_is_child_pipeline",
    "downstream_pipeline_creation_failed", "reached_max_descendant_pipelines_depth",
    "reached_max_pipeline_hierarchy_size",
})  # fmt: skip


def read_created(value: Document, key: str) -> Run:
    return Run(id=required_text(value, "id"), key=key, url=text(value, "web_url"))


def list_pipelines(project: str, *, ref: str = "", page: int, now: datetime, name: str = "") -> Request:
    """List pipelines, newest first: a ref's, or those of exactly this name on hosts that can (16.9 on)."""
    query = {
        **({"name": name} if name else {}),
        **({"ref": ref} if ref else {}),
        "updated_after": (now - _LOOKED_BACK).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "order_by": "id",
        "sort": "desc",
        "per_page": str(PAGE_SIZE),
        "page": str(page),
    }
    return Request(method="GET", path=f"{project}/pipelines", query=query, operation="list-pipelines")


def candidates(reply: Reply) -> tuple[Document, ...]:
    """Read the pipelines that an API call or a trigger token started."""
    return tuple(pipeline for pipeline in reply.documents() if text(pipeline, "source", default="api") in _OUR_SOURCES)


def is_named(pipeline: Document, key: str) -> bool:
    """Return whether the pipeline's name (`workflow:name`) shows the key."""
    return shows_key(text(pipeline, "name"), key)


def shows_names(pipelines: Iterable[Document]) -> bool:
    """Return whether the host shows pipelines' names at all (16.3 on); null stands for a pipeline without one."""
    return all("name" in pipeline for pipeline in pipelines)


def get_variables(project: str, pipeline: str) -> Request:
    """Read a pipeline's variables: for maintainers, and for the developer who started it. Others get 403."""
    path = f"{project}/pipelines/{segment(pipeline)}/variables"
    return Request(method="GET", path=path, query={"per_page": str(PAGE_SIZE)}, operation="get-variables")


def key_of(reply: Reply) -> str:
    return next((text(each, "value") for each in reply.documents() if at(each, "key") == KEY_VARIABLE), "")


def read_facts(value: Document, now: datetime | None) -> Facts:
    """Read what one pipeline shows of its beginning; lists do not show who it was."""
    return Facts(
        created=moment(value, "created_at"),
        now=now,
        ref=text(value, "ref") or None,
        accounts=(name,) if (name := text(value, "user", "username")) else None,
        means=text(value, "source") or None,
    )


def read_variables(reply: Reply) -> dict[str, object]:
    """Read a pipeline's variables, the key's and GitLab's own left out; one that is a file is none of ours.

    Values are whole, since they are compared.
    """
    return {
        text(each, "key"): at(each, "value") if text(each, "variable_type") != "file" else None
        for each in reply.documents()
        if text(each, "key") not in (KEY_VARIABLE, _PAYLOAD_VARIABLE)
    }


def get_pipeline(project: str, pipeline: str) -> Request:
    return Request(method="GET", path=f"{project}/pipelines/{segment(pipeline)}", operation="get-pipeline")


def read_pipeline(value: Document, *, key: str, results: Mapping[str, RunPhase]) -> RunReading:
    """Read a pipeline; a trigger token makes a failed one, without a job, where the CI file is wrong."""
    run = Run(id=required_text(value, "id"), key=key, url=text(value, "web_url"))
    status = required_text(value, "status")
    phase = results[status] if status in _KNOBS else _PHASES.get(status, RunPhase.RUNNING)
    waiting = status == "manual" and phase in (RunPhase.QUEUED, RunPhase.RUNNING)
    message = text(value, "detailed_status", "text", default=status)
    if status == "failed" and (wrong := text(value, "yaml_errors")):
        phase, message = RunPhase.ERROR, f"nothing ran, since the CI file is wrong: {wrong}"
    if status == "success":
        message = message if "warning" in message.lower() else ""
    return RunReading(
        run=run,
        phase=phase,
        number=text(value, "iid"),
        message="waits for a person to start a job" if waiting else message,
        waiting_for_approval=waiting,
    )


def list_failed_jobs(project: str, pipeline: str) -> Request:
    path = f"{project}/pipelines/{segment(pipeline)}/jobs"
    query = {"scope[]": "failed", "per_page": str(PAGE_SIZE)}
    return Request(method="GET", path=path, query=query, operation="list-jobs", accepts=frozenset({403, 404}))


def list_failed_bridges(project: str, pipeline: str) -> Request:
    """List the failed jobs that trigger a child or another project's pipeline, which the list of jobs leaves out.

    https://docs.gitlab.com/api/jobs/#list-all-trigger-jobs-for-a-pipeline
    """
    path = f"{project}/pipelines/{segment(pipeline)}/bridges"
    query = {"scope[]": "failed", "per_page": str(PAGE_SIZE)}
    return Request(method="GET", path=path, query=query, operation="list-bridges", accepts=frozenset({403, 404}))


def read_failure(jobs: Reply, bridges: Reply) -> tuple[RunPhase, str]:
    """Separate failed tests from timeouts and from failures of GitLab itself, and name jobs and child pipelines.

    A child pipeline that failed is a failure of the test, whatever failed in it: it may be another project's.
    """
    children = [job for job in _required(bridges) if at(job, "downstream_pipeline") is not None]
    failed = [job for job in (*_required(jobs), *_required(bridges)) if at(job, "downstream_pipeline") is None]
    reasons = {text(job, "failure_reason") for job in failed}
    phase = RunPhase.FAILED
    if not children and reasons and reasons <= _TIMEOUTS | _SYSTEM_FAILURES:
        phase = RunPhase.TIMED_OUT if reasons & _TIMEOUTS else RunPhase.ERROR
    if children and not reasons and all(at(job, "downstream_pipeline", "status") == "canceled" for job in children):
        phase = RunPhase.CANCELLED
    jobs_named = named(f"{text(job, 'name')} ({text(job, 'failure_reason', default='failed')})" for job in failed)
    message = f"failed jobs: {jobs_named}" if jobs_named else ""
    return phase, "; ".join(filter(None, (message, named(map(_child, children)))))


def _required(reply: Reply) -> tuple[Document, ...]:
    return tuple(job for job in reply.documents() if at(job, "allow_failure") is not True) if reply.ok else ()


def _child(bridge: Document) -> str:
    child = document(bridge, "downstream_pipeline")
    where = f" ({url})" if (url := text(child, "web_url")) else ""
    status = text(child, "status", default="failed")
    return f"child pipeline {text(child, 'id')} of {text(bridge, 'name')}: {status}{where}"


def get_report(project: str, pipeline: str) -> Request:
    """Read test counts; they are zero where no job publishes JUnit reports."""
    path = f"{project}/pipelines/{segment(pipeline)}/test_report_summary"
    return Request(method="GET", path=path, operation="get-test-report", accepts=frozenset({403, 404}))


def read_report(value: Document) -> str:
    total = at(value, "total")
    return test_counts(
        passed=number(total, "success"),
        failed=number(total, "failed") + number(total, "error"),
        skipped=number(total, "skipped"),
    )


def cancel(project: str, pipeline: str) -> Request:
    return Request(
        method="POST",
        path=f"{project}/pipelines/{segment(pipeline)}/cancel",
        operation="cancel",
        accepts=frozenset({404}),
    )


def check_pipelines(project: str) -> Request:
    return Request(method="GET", path=f"{project}/pipelines", query={"per_page": "1"}, operation="check-project")
