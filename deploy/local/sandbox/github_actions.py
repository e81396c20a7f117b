"""GitHub Actions of the GitHub stand-in: dispatching workflows, finding, reading and cancelling runs."""

import json

from deploy.local.sandbox.clock import parse_timestamp, timestamp
from deploy.local.sandbox.github_http import NEWEST_VERSION, Call, not_found, refused
from deploy.local.sandbox.github_pulls import show_user
from deploy.local.sandbox.github_runs import Workflow, WorkflowRun
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.outcomes import choose_outcome
from deploy.local.sandbox.replies import Json, Reply

_SEARCH_LIMIT = 1000
_INPUTS_LIMIT_CHARACTERS = 65_535


def read_workflow(call: Call) -> Reply:
    call.want("actions")
    workflow = _workflow(call, call.repository())
    return Reply(
        body={
            "id": workflow.identifier,
            "name": workflow.name or workflow.file_name,
            "state": workflow.state,
            "path": f".github/workflows/{workflow.file_name}",
        }
    )


def dispatch(call: Call) -> Reply:
    """Start a run: 204, or 200 with the run's id where asked for (always so in the newest API version)."""
    call.want("actions", "write")
    repository, body, options = call.repository(), call.body, call.sandbox.options
    workflow = _workflow(call, repository)
    if "return_run_details" in body and (not options.github_run_details or call.version == NEWEST_VERSION):
        raise refused(400, 'Invalid request.\n\n"return_run_details" is not a permitted key.')
    if not workflow.dispatch:
        raise refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    if workflow.state != "active":
        raise refused(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    ref = str(body.get("ref") or "").removeprefix("refs/heads/")
    if not ref:
        raise refused(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
    if ref not in repository.graph.branches:
        raise refused(422, f"No ref found for: {ref}")
    run = _start(call, repository, workflow, ref, _inputs(call, workflow))
    if not body.get("return_run_details") and call.version != NEWEST_VERSION:
        return Reply(status=204)
    shown = _show_run(call, repository, run)
    return Reply(body={"workflow_run_id": run.identifier, "run_url": shown["url"], "html_url": shown["html_url"]})


def list_runs(call: Call) -> Reply:
    """List runs, newest first; new ones appear only after the lag. A search ends at 1000 results."""
    call.want("actions")
    repository, query = call.repository(), call.request.query
    wanted = _workflow(call, repository) if "workflow" in call.request.match_info else None
    now = call.state.clock.now()
    horizon = now - call.sandbox.options.list_lag_seconds
    found = [
        run
        for run in reversed(repository.runs.values())
        if run.created_at <= horizon
        and wanted in (None, run.workflow)
        and query.get("event") in (None, "", run.event)
        and query.get("branch") in (None, "", run.branch)
        and query.get("actor") in (None, "", run.actor)
        and query.get("head_sha") in (None, "", run.head_sha)
        and query.get("status") in (None, "", run.status(now), run.conclusion(now))
        and _created_within(query.get("created"), run.created_at)
    ]
    page, headers = call.paged(found[:_SEARCH_LIMIT])
    runs = [_show_run(call, repository, run) for run in page]
    return Reply(body={"total_count": len(found), "workflow_runs": runs}, headers=headers)


def read_run(call: Call) -> Reply:
    call.want("actions")
    repository = call.repository()
    return Reply(body=_show_run(call, repository, _run(call, repository)))


def cancel_run(call: Call) -> Reply:
    call.want("actions", "write")
    run, now = _run(call, call.repository()), call.state.clock.now()
    if run.status(now) == "completed":
        raise refused(409, "Cannot cancel a workflow run that is completed.")
    run.cancelled_at = now
    return Reply(status=202, body={})


def rerun(call: Call) -> Reply:
    """Run again under the same id, with a higher `run_attempt`."""
    call.want("actions", "write")
    run, now = _run(call, call.repository()), call.state.clock.now()
    if run.status(now) != "completed":
        raise refused(403, "This workflow is already running")
    lasted = (run.starts_at - run.created_at, run.ends_at - run.starts_at)
    run.run_attempt, run.cancelled_at = run.run_attempt + 1, None
    run.rerun_by = call.actor
    run.starts_at = now + lasted[0]
    run.ends_at = run.starts_at + lasted[1]
    run.wanted_conclusion = choose_outcome(run.workflow.conclusion, run.inputs, "success")
    return Reply(status=201, body={})


def list_jobs(call: Call) -> Reply:
    call.want("actions")
    repository = call.repository()
    run, now = _run(call, repository), call.state.clock.now()
    number = run.identifier * 10 + run.run_attempt
    job: Json = {
        "id": number,
        "run_id": run.identifier,
        "run_attempt": run.run_attempt,
        "name": run.workflow.name or "test",
        "status": run.status(now),
        "conclusion": run.conclusion(now),
        "head_sha": run.head_sha,
        "html_url": f"{call.web_url}/{repository.full_name}/actions/runs/{run.identifier}/job/{number}",
        "steps": [],
    }
    return Reply(body={"total_count": 1, "jobs": [job]})


def _workflow(call: Call, repository: Repository) -> Workflow:
    wanted = call.request.match_info["workflow"]
    for workflow in repository.workflows.values():
        if wanted in (workflow.file_name, str(workflow.identifier)):
            return workflow
    raise not_found()


def _run(call: Call, repository: Repository) -> WorkflowRun:
    run = repository.runs.get(call.number("run"))
    if run is None:
        raise not_found()
    return run


def _inputs(call: Call, workflow: Workflow) -> dict[str, str]:
    """Check the inputs against the workflow's declaration and fill in its defaults."""
    given = call.body.get("inputs") or {}
    limit = call.sandbox.options.github_dispatch_inputs_limit
    if len(given) > limit:
        raise refused(
            422, f"Invalid request.\n\nNo more than {limit} properties are allowed; {len(given)} were supplied."
        )
    if len(json.dumps(given)) > _INPUTS_LIMIT_CHARACTERS:
        raise refused(422, "inputs are too large.")
    if unknown := [name for name in given if name not in workflow.inputs]:
        raise refused(422, f"Unexpected inputs provided: {json.dumps(unknown)}")
    filled = {}
    for name, declared in workflow.inputs.items():
        value = given.get(name)
        if value in (None, "") and (declared or {}).get("required") and "default" not in declared:
            raise refused(422, f"Required input '{name}' not provided")
        filled[name] = str((declared or {}).get("default", "") if value is None else value)
    return filled


def _start(call: Call, repository: Repository, workflow: Workflow, branch: str, inputs: dict[str, str]) -> WorkflowRun:
    options, now = call.sandbox.options, call.state.clock.now()
    starts = now + (options.queued_seconds if workflow.queued_seconds is None else workflow.queued_seconds)
    run = WorkflowRun(
        identifier=call.state.next_number(),
        workflow=workflow,
        run_number=sum(run.workflow is workflow for run in repository.runs.values()) + 1,
        display_title=workflow.display_title(inputs),
        event="workflow_dispatch",
        branch=branch,
        head_sha=repository.graph.branches[branch],
        actor=call.actor,
        inputs=inputs,
        created_at=now,
        starts_at=starts,
        ends_at=starts + (options.run_seconds if workflow.duration_seconds is None else workflow.duration_seconds),
        wanted_conclusion=choose_outcome(workflow.conclusion, inputs, "success"),
        awaits_approval=workflow.approval,
    )
    repository.runs[run.identifier] = run
    return run


def _show_run(call: Call, repository: Repository, run: WorkflowRun) -> Json:
    now = call.state.clock.now()
    api = f"{call.api_url}/repos/{repository.full_name}/actions/runs/{run.identifier}"
    return {
        "id": run.identifier,
        "name": run.workflow.name or run.workflow.file_name,
        "display_title": run.display_title,
        "path": f".github/workflows/{run.workflow.file_name}",
        "workflow_id": run.workflow.identifier,
        "run_number": run.run_number,
        "run_attempt": run.run_attempt,
        "event": run.event,
        "status": run.status(now),
        "conclusion": run.conclusion(now),
        "head_branch": run.branch,
        "head_sha": run.head_sha,
        "actor": show_user(call, run.actor),
        "triggering_actor": show_user(call, run.rerun_by or run.actor),
        "created_at": timestamp(run.created_at),
        "run_started_at": timestamp(run.starts_at),
        "updated_at": timestamp(run.updated_at(now)),
        "url": api,
        "jobs_url": f"{api}/jobs",
        "cancel_url": f"{api}/cancel",
        "html_url": f"{call.web_url}/{repository.full_name}/actions/runs/{run.identifier}",
    }


def _created_within(wanted: str | None, created_at: float) -> bool:
    """Apply a search range `>=T`, `>T`, `<=T`, `<T`, `T..T`, where `*` is open and a date stands for its start."""
    if not wanted:
        return True
    moment = int(created_at)
    try:
        if ".." in wanted:
            low, _, high = wanted.partition("..")
            return (low == "*" or moment >= parse_timestamp(low)) and (high == "*" or moment <= parse_timestamp(high))
        for sign, holds in ((">=", moment.__ge__), ("<=", moment.__le__), (">", moment.__gt__), ("<", moment.__lt__)):
            if wanted.startswith(sign):
                return bool(holds(int(parse_timestamp(wanted.removeprefix(sign)))))
        return timestamp(created_at).startswith(wanted)
    except ValueError:
        raise refused(
            422, "Validation Failed", errors=[{"resource": "WorkflowRun", "field": "created", "code": "invalid"}]
        ) from None
