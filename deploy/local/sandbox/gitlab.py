"""Routes of the GitLab stand-in as an SCM host: merge requests, notes, branches, files, commits and deployments."""

from aiohttp import web

from deploy.local.sandbox import gitlab_branches as branches
from deploy.local.sandbox import gitlab_commits as commits
from deploy.local.sandbox import gitlab_deployments as deployments
from deploy.local.sandbox import gitlab_merge_requests as merge_requests
from deploy.local.sandbox import gitlab_merging as merging
from deploy.local.sandbox import gitlab_notes as notes
from deploy.local.sandbox import gitlab_people as people
from deploy.local.sandbox.gitlab_graphql import answer_query
from deploy.local.sandbox.gitlab_http import Action, endpoint

_PROJECT = "/gitlab/api/v4/projects/{project}"
_PROJECT_AT_ROOT = "/api/v4/projects/{project}"
_ONE = "/merge_requests/{iid}"
_ROUTES: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/merge_requests", merging.list_all),
    ("POST", "/merge_requests", merging.create),
    ("PUT", f"{_ONE}/merge", merging.merge),
    ("GET", _ONE, merge_requests.read_one),
    ("PUT", _ONE, merge_requests.change),
    ("GET", f"{_ONE}/diffs", merge_requests.list_diffs),
    ("GET", f"{_ONE}/notes", notes.list_notes),
    ("POST", f"{_ONE}/notes", notes.create),
    ("GET", f"{_ONE}/notes/{{note}}", notes.read_one),
    ("PUT", f"{_ONE}/notes/{{note}}", notes.change),
    ("POST", f"{_ONE}/notes/{{note}}/award_emoji", people.award),
    ("GET", f"{_ONE}/resource_label_events", people.list_label_events),
    ("GET", "/members/all/{user}", people.read_member),
    ("POST", "/labels", merge_requests.create_label),
    ("POST", "/statuses/{sha}", commits.create_status),
    ("GET", "/deployments", deployments.list_deployments),
    ("POST", "/deployments", deployments.create),
    ("PUT", "/deployments/{deployment}", deployments.change),
    ("PUT", "/environments/{environment}", deployments.change_environment),
    ("GET", "/repository/branches/{branch}", branches.read_branch),
    ("GET", "/repository/files/{path}", branches.read_file),
    ("GET", "/repository/files/{path}/raw", branches.read_raw),
    ("GET", "/repository/commits", branches.list_commits),
    ("POST", "/repository/commits", branches.create_commit),
    ("GET", "/repository/merge_base", commits.read_merge_base),
    ("GET", "/repository/commits/{sha}", commits.read_one),
    ("GET", "/repository/commits/{sha}/statuses", commits.list_statuses),
)


def add_routes(app: web.Application) -> None:
    app.router.add_post("/gitlab/api/graphql", endpoint(answer_query))
    app.router.add_get("/gitlab/api/v4/groups/{group}/members/all/{user}", endpoint(people.read_group_member))
    for method, path, action in _ROUTES:
        for project in (_PROJECT, _PROJECT_AT_ROOT):
            app.router.add_route(method, project + path, endpoint(action))
