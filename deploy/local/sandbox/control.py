"""The sandbox's own endpoints, for people and tests: journal, script, seed, reset, and pushes to the stood-in world."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.argocd_seed import OWN_FIELDS
from deploy.local.sandbox.argocd_state import Application
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.replies import Json
from deploy.local.sandbox.state import STATE, SandboxState

Action = Callable[[SandboxState, Json], Any]


def add_routes(app: web.Application) -> None:
    router = app.router
    router.add_get("/healthz", _health)
    router.add_get("/_state", _show_state)
    router.add_get("/_journal", _show_journal)
    router.add_delete("/_journal", _clear_journal)
    router.add_get("/_script", _show_script)
    router.add_post("/_script", _extend_script)
    router.add_delete("/_script", _clear_script)
    router.add_get("/_webhooks", _show_webhooks)
    for path, action in _ACTIONS.items():
        router.add_post(path, _posted(action))


async def _health(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok\n")


async def _show_state(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.app[STATE].summary())


async def _show_journal(request: web.Request) -> web.StreamResponse:
    after = request.query.get("after", "0")
    lines = request.app[STATE].journal.lines(
        system=request.query.get("system"),
        path=request.query.get("path", ""),
        after=int(after) if after.isdigit() else 0,
    )
    return web.Response(text=lines, content_type="application/x-ndjson")


async def _clear_journal(request: web.Request) -> web.StreamResponse:
    request.app[STATE].journal.clear()
    return web.Response(status=204)


async def _show_script(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.app[STATE].script.describe())


async def _extend_script(request: web.Request) -> web.StreamResponse:
    """Append one rule, or several given as a list."""
    wanted = await _json(request)
    try:
        rules = [request.app[STATE].script.add(rule) for rule in (wanted if isinstance(wanted, list) else [wanted])]
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"id": rules[-1].number, "ids": [rule.number for rule in rules]}, status=201)


async def _show_webhooks(request: web.Request) -> web.StreamResponse:
    return web.json_response(list(request.app[STATE].webhooks.deliveries))


async def _clear_script(request: web.Request) -> web.StreamResponse:
    number = request.query.get("id", "")
    if number.isdigit():
        request.app[STATE].script.remove(int(number))
    else:
        request.app[STATE].script.clear()
    return web.Response(status=204)


def _posted(action: Action) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await _json(request) if request.can_read_body else {}
        try:
            result = action(request.app[STATE], body)
            if isinstance(result, Awaitable):
                result = await result
        except (ValueError, KeyError, TypeError) as error:
            text = f"missing field {error}" if isinstance(error, KeyError) else str(error)
            return web.json_response({"error": text}, status=400)
        return web.json_response(result if result is not None else {})

    return handle


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except json.JSONDecodeError as error:
        raise web.HTTPBadRequest(text=json.dumps({"error": str(error)}), content_type="application/json") from None


def _seed(state: SandboxState, body: Json) -> None:
    state.load(body)


def _reset(state: SandboxState, body: Json) -> None:
    """Forget everything; `{"seed": true}` loads the default seed again."""
    from deploy.local.sandbox.seed import default_seed

    state.reset()
    if body.get("seed"):
        state.load(default_seed())


def _advance(state: SandboxState, body: Json) -> Json:
    state.clock.advance(float(body["advance_seconds"]))
    return {"now": state.clock.now()}


def _add_commit(state: SandboxState, body: Json) -> Json:
    """Add a commit: {repo, sha?, parents?, branch?, message?, author?, files?}; a branch named moves to it."""
    repository, branch = _repository(state, body), body.get("branch")
    parents = body.get("parents")
    if parents is None:
        tip = repository.graph.branches.get(branch or repository.default_branch)
        parents = [tip] if tip else []
    commit = repository.graph.add(
        sha=body.get("sha"),
        parents=parents,
        message=body.get("message", ""),
        author=body.get("author", "ada"),
        files=body.get("files"),
    )
    if branch:
        state.push(repository, branch, commit.sha)
    return {"sha": commit.sha}


def _open_pull(state: SandboxState, body: Json) -> Json:
    """Add a pull request: {repo, number, head: {ref, sha}, title?, author?, base?, labels?, files?, merged?}."""
    repository = _repository(state, body)
    pull = state.github.add_pull(repository, {name: value for name, value in body.items() if name != "repo"})
    return {"number": pull.number}


def _merge(state: SandboxState, body: Json) -> Json:
    """Merge a pull request: {repo, number, sha?}; an unknown sha becomes the merge commit's."""
    repository = _repository(state, body)
    pull = _pull(repository, body)
    sha = state.github.merge(repository, pull, sha=body.get("sha"))
    state.push(repository, pull.base_ref, sha)
    return {"sha": sha}


def _push(state: SandboxState, body: Json) -> None:
    """Move an open pull request's head: {repo, number, sha}."""
    repository = _repository(state, body)
    pull, sha = _pull(repository, body), body["sha"]
    if sha not in repository.graph.commits:
        raise ValueError(f"unknown commit {sha!r}")
    pull.head_sha, pull.updated_at = sha, state.clock.now()
    repository.graph.branches[pull.head_ref] = sha


def _close(state: SandboxState, body: Json) -> None:
    """Close a pull request without merging: {repo, number}."""
    pull = _pull(_repository(state, body), body)
    pull.state, pull.closed_at = "closed", state.clock.now()
    state.github.record_event(pull, "closed", actor="ada")


def _label(state: SandboxState, body: Json) -> Json:
    """Edit labels as a person would: {repo, number, actor?, add?: [], remove?: []}."""
    repository = _repository(state, body)
    pull, actor = _pull(repository, body), body.get("actor", "ada")
    for name in body.get("add") or []:
        state.github.add_label(repository, pull, name, actor=actor)
    for name in body.get("remove") or []:
        state.github.remove_label(repository, pull, name, actor=actor)
    return {"labels": pull.labels}


def add_comment(state: SandboxState, body: Json) -> Json:
    """Comment as a person would: {repo, number, actor?, body}."""
    pull, now = _pull(_repository(state, body), body), timestamp(state.clock.now())
    comment = {
        "id": state.github.next_number(),
        "body": str(body["body"]),
        "user": {"login": body.get("actor", "ada"), "type": "User"},
        "created_at": now,
        "updated_at": now,
    }
    pull.comments.append(comment)
    return {"id": comment["id"]}


def _deploy(state: SandboxState, body: Json) -> Json:
    """Run a revision as if a pipeline had deployed it: {app, revision or revisions, images?}.

    A target revision that is a full sha is moved along; one that is a branch stays and moves with its repository.
    """
    application = _application(state, body)
    revisions = body.get("revisions") or [body["revision"]]
    if len(revisions) != len(application.sources):
        raise ValueError(f"{application.name} has {len(application.sources)} sources; give as many revisions")
    for source, revision in zip(application.sources, revisions, strict=True):
        if state.argocd.resolve(source, revision) is None:
            raise ValueError(f"unknown revision {revision!r}")
        repository = state.argocd.repository_of(source)
        target = source.get("targetRevision") or "HEAD"
        branch = repository.default_branch if repository is not None and target == "HEAD" else target
        if repository is not None and branch in repository.graph.branches:
            repository.graph.branches[branch] = revision
        else:
            source["targetRevision"] = revision
    state.controller.deploy(application, revisions, body.get("images"))
    return {"sync": application.status["sync"]["status"], "health": application.status["health"]["status"]}


def _set_application(state: SandboxState, body: Json) -> None:
    """Change what is special about an application: {app, health?, out_of_sync?, sync_seconds?, …}."""
    application = _application(state, body)
    for name, value in body.items():
        if name not in ("app", *OWN_FIELDS):
            raise ValueError(f"unknown field {name!r}; known: {', '.join(OWN_FIELDS)}")
        if name != "app":
            setattr(application, name, value)
    state.controller.compare(application)


def _delete_application(state: SandboxState, body: Json) -> None:
    """Let an application vanish: {app}."""
    application = _application(state, body)
    state.argocd.changed(application, "DELETED")
    del state.argocd.applications[application.key]


def _compare_application(state: SandboxState, body: Json) -> None:
    """Let the controller compare an application now: {app}."""
    state.controller.compare(_application(state, body))


def _add_webhook(state: SandboxState, body: Json) -> None:
    """Send webhooks from now on: {system, url, secret, of: repository, folder of jobs, or start of applications}."""
    state.webhooks.add(body)


def _set_result(state: SandboxState, body: Json) -> None:
    """Choose how the next builds of a job go: {job, result?, duration_seconds?, queue_seconds?, disabled?, number?}.

    With `number` a build that runs ends now, with that result.
    """
    job = state.jenkins.jobs.get(body["job"])
    if job is None:
        raise ValueError(f"unknown job {body['job']!r}")
    if "number" in body:
        state.jenkins.settle()
        build = job.builds[body["number"]]
        build.ends_at, build.wanted_result = state.clock.now(), body["result"]
        return
    state.jenkins.load({"jobs": {job.path: {name: value for name, value in body.items() if name != "job"}}})


def _set_workflow(state: SandboxState, body: Json) -> None:
    """Choose how a workflow's runs go: {repo, workflow, conclusion?, duration_seconds?, queued_seconds?, approval?}.

    With `approval` new runs wait for a person. {repo, run, conclusion?} lets a run begin that waits for one, and
    ends any other now.
    """
    repository, now = _repository(state, body), state.clock.now()
    if "run" in body:
        run = repository.runs[int(body["run"])]
        if run.awaits_approval:
            run.approve(now)
        else:
            run.ends_at, run.wanted_conclusion = now, body["conclusion"]
        return
    workflow = repository.workflows.get(body["workflow"])
    if workflow is None:
        raise ValueError(f"unknown workflow {body['workflow']!r}")
    _change(workflow, body, ("conclusion", "duration_seconds", "queued_seconds", "approval", "run_name"))


def _set_project(state: SandboxState, body: Json) -> None:
    """Choose how a project's pipelines go: {project, status?, duration_seconds?, queued_seconds?, pipeline?, …}.

    With `pipeline` that one ends now, with that status.
    """
    project = state.gitlab.project(str(body["project"]))
    if project is None:
        raise ValueError(f"unknown project {body['project']!r}")
    if "pipeline" in body:
        pipeline = project.pipelines[int(body["pipeline"])]
        pipeline.starts_at = pipeline.ends_at = state.clock.now()
        pipeline.wanted_status = body["status"]
        return
    _change(project, body, ("status", "failure_reason", "duration_seconds", "queued_seconds", "accepts_variables"))


def _change(what: object, body: Json, known: tuple[str, ...]) -> None:
    names = [name for name in body if name not in ("repo", "workflow", "project")]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"unknown field {unknown[0]!r}; known: {', '.join(known)}")
    for name in names:
        setattr(what, name, body[name])


def _repository(state: SandboxState, body: Json) -> Repository:
    repository = state.github.repository(body["repo"])
    if repository is None:
        raise ValueError(f"unknown repository {body['repo']!r}")
    return repository


def _pull(repository: Repository, body: Json) -> Pull:
    pull = repository.pulls.get(int(body["number"]))
    if pull is None:
        raise ValueError(f"unknown pull request {body['number']!r}")
    return pull


def _application(state: SandboxState, body: Json) -> Application:
    application = state.argocd.applications.get(body["app"])
    if application is None:
        raise ValueError(f"unknown application {body['app']!r}")
    return application


_ACTIONS: dict[str, Action] = {
    "/_seed": _seed,
    "/_reset": _reset,
    "/_clock": _advance,
    "/_github/commit": _add_commit,
    "/_github/pull": _open_pull,
    "/_github/merge": _merge,
    "/_github/push": _push,
    "/_github/close": _close,
    "/_github/label": _label,
    "/_github/comment": add_comment,
    "/_argocd/deploy": _deploy,
    "/_argocd/set": _set_application,
    "/_argocd/compare": _compare_application,
    "/_argocd/delete": _delete_application,
    "/_webhooks": _add_webhook,
    "/_jenkins/result": _set_result,
    "/_github/result": _set_workflow,
    "/_gitlab/result": _set_project,
}
