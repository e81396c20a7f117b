"""HTTP face of the GitLab CI stand-in: creating, finding, reading and cancelling pipelines.

Source: GitLab's REST documentation, pages "Pipelines API" and "Pipeline trigger tokens API".
"""

from collections.abc import Mapping

from aiohttp import web

from deploy.local.sandbox.clock import parse_timestamp, timestamp
from deploy.local.sandbox.gitlab_http import Call, endpoint
from deploy.local.sandbox.gitlab_inputs import WrongInputsError, check_inputs
from deploy.local.sandbox.gitlab_merge_requests import show_user
from deploy.local.sandbox.gitlab_rights import refused, require_role, require_variables_of, scopes
from deploy.local.sandbox.gitlab_state import FINAL_STATUSES, Pipeline, Project
from deploy.local.sandbox.replies import Json, Reply

CONFIG_FILE = ".gitlab-ci.yml"
_NO_JOBS = (
    "Pipeline will not run for the selected trigger. "
    "The rules configuration prevented any jobs from being added to the pipeline."
)


def add_routes(app: web.Application) -> None:
    router, one = app.router, "/gitlab/api/v4/projects/{project}"
    router.add_get("/api/v4/projects/{project}", endpoint(read_project))
    router.add_get("/gitlab/api/v4/version", endpoint(read_version))
    router.add_get("/gitlab/api/v4/user", endpoint(read_user))
    router.add_get("/gitlab/api/v4/personal_access_tokens/self", endpoint(read_token))
    router.add_get(one, endpoint(read_project))
    router.add_post(f"{one}/pipeline", endpoint(create_pipeline))
    router.add_post(f"{one}/trigger/pipeline", endpoint(trigger_pipeline, anonymous=True))
    router.add_get(f"{one}/pipelines", endpoint(list_pipelines))
    router.add_get(f"{one}/pipelines/{{pipeline}}", endpoint(read_pipeline))
    router.add_get(f"{one}/pipelines/{{pipeline}}/variables", endpoint(list_variables))
    router.add_post(f"{one}/pipelines/{{pipeline}}/cancel", endpoint(cancel_pipeline))
    router.add_post(f"{one}/pipelines/{{pipeline}}/retry", endpoint(retry_pipeline))
    router.add_get(f"{one}/pipelines/{{pipeline}}/test_report_summary", endpoint(read_report_summary))
    router.add_get(f"{one}/pipelines/{{pipeline}}/test_report", endpoint(read_report))
    router.add_get(f"{one}/pipelines/{{pipeline}}/jobs", endpoint(list_jobs))
    router.add_get(f"{one}/pipelines/{{pipeline}}/bridges", endpoint(list_bridges))


def read_version(call: Call) -> Reply:
    return Reply(body={"version": "18.6.0-ee", "revision": "0000000"})


def read_user(call: Call) -> Reply:
    return Reply(body=show_user(call.actor))


def read_token(call: Call) -> Reply:
    user = call.user or {}
    return Reply(body={"id": 1, "name": user.get("username"), "active": True, "scopes": scopes(user)})


def read_project(call: Call) -> Reply:
    project = call.project()
    return Reply(
        body={
            "id": project.identifier,
            "path_with_namespace": project.path,
            "ci_config_path": project.ci_config_path,
            "default_branch": next(iter(project.branches), "main"),
            "web_url": f"{call.web_url}/{project.path}",
            "archived": False,
            "merge_method": project.merge_method,
            "squash_option": "default_off",
        }
    )


def read_config(call: Call) -> Reply:
    """Read the CI file, the only one of a project that only has pipelines."""
    project = call.project()
    require_role(call.user, "reporter")
    known = call.request.match_info["path"] == (project.ci_config_path or CONFIG_FILE)
    if not known or _ref_name(call.request.query.get("ref", "")) not in project.branches:
        raise refused(404, "404 File Not Found")
    return Reply(body=project.config, content_type="text/plain")


def create_pipeline(call: Call) -> Reply:
    project, body = call.project(), call.body
    require_role(call.user, "developer")
    if not body.get("ref"):
        raise refused(400, "ref is missing", key="error")
    listed = body.get("variables") or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) and "key" in entry for entry in listed):
        raise refused(400, "variables is invalid", key="error")
    return _create(
        call, project, source="api", variables={str(entry["key"]): str(entry.get("value", "")) for entry in listed}
    )


def trigger_pipeline(call: Call) -> Reply:
    """Create a pipeline by the trigger token in body or query; a wrong one looks like a missing project."""
    project, body = call.state.project(call.request.match_info["project"]), call.body
    if project is None or body.get("token") not in project.trigger_tokens:
        raise refused(404, "404 Not Found")
    variables = body.get("variables") or {}
    if not isinstance(variables, Mapping) or not all(isinstance(value, str) for value in variables.values()):
        raise refused(400, "variables needs to be a map of key-valued strings")
    return _create(call, project, source="trigger", variables=dict(variables))


def list_pipelines(call: Call) -> Reply:
    """List newest first; new ones appear only after the lag."""
    project, query, now = call.project(), call.request.query, call.state.clock.now()
    require_role(call.user, "reporter")
    horizon = now - call.sandbox.options.list_lag_seconds
    try:
        after = parse_timestamp(query["updated_after"]) if query.get("updated_after") else None
    except ValueError:
        raise refused(400, "updated_after is invalid", key="error") from None
    found = [
        pipeline
        for pipeline in reversed(project.pipelines.values())
        if pipeline.created_at <= horizon
        and query.get("name") in (None, pipeline.name)
        and query.get("ref") in (None, pipeline.ref)
        and query.get("sha") in (None, pipeline.sha)
        and query.get("source") in (None, pipeline.source)
        and query.get("status") in (None, pipeline.status(now))
        and (after is None or pipeline.updated_at(now) >= after)
    ]
    page, headers = call.paged(found)
    return Reply(body=[_show(call, project, pipeline) for pipeline in page], headers=headers)


def read_pipeline(call: Call) -> Reply:
    project, pipeline = _pipeline(call)
    now = call.state.clock.now()
    final = pipeline.status(now) in FINAL_STATUSES
    return Reply(
        body=_show(call, project, pipeline)
        | {
            "user": {"username": pipeline.user or project.trigger_owner, "state": "active"},
            "started_at": timestamp(pipeline.starts_at) if now >= pipeline.starts_at else None,
            "finished_at": timestamp(pipeline.updated_at(now)) if final else None,
            "duration": int(pipeline.ends_at - pipeline.starts_at) if final else None,
            "yaml_errors": None,
            "detailed_status": {"text": pipeline.status(now), "group": pipeline.status(now)},
        }
    )


def list_variables(call: Call) -> Reply:
    _, pipeline = _pipeline(call)
    require_variables_of(call.user, pipeline)
    listed = [{"key": key, "value": value, "variable_type": "env_var"} for key, value in pipeline.variables.items()]
    if pipeline.source == "trigger":
        listed.append({"key": "TRIGGER_PAYLOAD", "value": "{}", "variable_type": "file"})
    page, headers = call.paged(listed)
    return Reply(body=page, headers=headers)


def cancel_pipeline(call: Call) -> Reply:
    """Cancel; 200 in any state, without effect once final."""
    project, pipeline = _pipeline(call)
    running = pipeline.status(call.state.clock.now()) not in FINAL_STATUSES
    if running:
        pipeline.canceled_at = call.state.clock.now()
    return Reply(body=_show(call, project, pipeline), took_effect=running)


def retry_pipeline(call: Call) -> Reply:
    project, pipeline = _pipeline(call)
    now = call.state.clock.now()
    if pipeline.status(now) in ("failed", "canceled"):
        lasted = pipeline.ends_at - pipeline.starts_at
        pipeline.canceled_at, pipeline.starts_at, pipeline.ends_at = None, now, now + lasted
        pipeline.wanted_status = "success"
    return Reply(status=201, body=_show(call, project, pipeline))


def read_report_summary(call: Call) -> Reply:
    report = _pipeline(call)[0].test_report or {}
    return Reply(
        body={
            "total": {
                "time": 1.0,
                "count": report.get("total_count", 0),
                "success": report.get("success_count", 0),
                "failed": report.get("failed_count", 0),
                "skipped": 0,
                "error": 0,
                "suite_error": None,
            },
            "test_suites": [],
        }
    )


def read_report(call: Call) -> Reply:
    report = _pipeline(call)[0].test_report
    return Reply(body=report or {"total_count": 0, "success_count": 0, "failed_count": 0, "test_suites": []})


def list_bridges(call: Call) -> Reply:
    """List what triggers child pipelines: nothing in this sandbox does."""
    _pipeline(call)
    return Reply(body=[])


def list_jobs(call: Call) -> Reply:
    project, pipeline = _pipeline(call)
    status = pipeline.status(call.state.clock.now())
    page, headers = call.paged(
        [
            {
                "id": pipeline.identifier * 10 + index,
                "name": name,
                "stage": "test",
                "status": status,
                "ref": pipeline.ref,
                "web_url": f"{call.web_url}/{project.path}/-/jobs/{pipeline.identifier * 10 + index}",
                "pipeline": {"id": pipeline.identifier},
                "allow_failure": False,
                **({"failure_reason": pipeline.failure_reason} if status == "failed" else {}),
            }
            for index, name in enumerate(project.jobs)
        ]
    )
    return Reply(body=list(page), headers=headers)


def _pipeline(call: Call) -> tuple[Project, Pipeline]:
    project, number = call.project(), call.request.match_info["pipeline"]
    pipeline = project.pipelines.get(int(number)) if number.isdigit() else None
    if pipeline is None:
        raise refused(404, "404 Not found")
    return project, pipeline


def _ref_name(ref: str) -> str:
    """Return a branch as pipelines show it."""
    return ref.removeprefix("refs/heads/")


def _create(call: Call, project: Project, *, source: str, variables: dict[str, str]) -> Reply:
    ref = _ref_name(str(call.body.get("ref") or ""))
    if ref not in project.branches:
        raise refused(400, {"base": ["Reference not found"]})
    if variables and not project.accepts_variables:
        raise refused(400, {"base": ["Insufficient permissions to set pipeline variables"]})
    try:
        inputs = check_inputs(project.inputs, call.body.get("inputs") or {})
    except WrongInputsError as error:
        raise refused(400, {"base": [str(error)]}) from None
    if not project.jobs:
        raise refused(400, {"base": [_NO_JOBS]})
    user = str((call.user or {}).get("username", ""))
    pipeline = call.state.create(project, ref=ref, source=source, user=user, variables=variables, inputs=inputs)
    return Reply(status=201, body=_show(call, project, pipeline))


def _show(call: Call, project: Project, pipeline: Pipeline) -> Json:
    now = call.state.clock.now()
    return {
        "id": pipeline.identifier,
        "iid": pipeline.iid,
        "project_id": project.identifier,
        "name": pipeline.name,
        "status": pipeline.status(now),
        "source": pipeline.source,
        "ref": pipeline.ref,
        "sha": pipeline.sha,
        "created_at": timestamp(pipeline.created_at),
        "updated_at": timestamp(pipeline.updated_at(now)),
        "web_url": f"{call.web_url}/{project.path}/-/pipelines/{pipeline.identifier}",
    }
