"""Routes of the Azure DevOps stand-in: an organization's address, and Entra's token endpoint."""

from collections.abc import Mapping

from aiohttp import web

from deploy.local.sandbox import azure_devops_commits as commits
from deploy.local.sandbox import azure_devops_files as files
from deploy.local.sandbox import azure_devops_people as people
from deploy.local.sandbox import azure_devops_pulls as pulls
from deploy.local.sandbox import azure_devops_threads as threads
from deploy.local.sandbox.azure_devops_http import SYSTEM, Action, endpoint
from deploy.local.sandbox.replies import Reply
from deploy.local.sandbox.state import STATE

ENTRA_PATH = f"/{SYSTEM}/_entra"
_LIFE_SECONDS = 3599
_REPOSITORY = f"/{SYSTEM}/{{organization}}/{{project}}/_apis/git/repositories/{{repository}}"
_PULL = "/pullrequests/{number}"
_COMMIT = "/commits/{sha}"

_ROUTES: tuple[tuple[str, str, Action], ...] = (
    ("GET", "", pulls.read_repository),
    ("GET", "/pullrequests", pulls.list_pulls),
    ("POST", "/pullrequests", pulls.create_pull),
    ("GET", _PULL, pulls.read_pull),
    ("PATCH", _PULL, pulls.change_pull),
    ("GET", f"{_PULL}/labels", pulls.list_labels),
    ("POST", f"{_PULL}/labels", pulls.add_label),
    ("DELETE", f"{_PULL}/labels/{{label}}", pulls.remove_label),
    ("GET", f"{_PULL}/iterations", pulls.list_iterations),
    ("GET", f"{_PULL}/iterations/{{iteration}}/changes", pulls.list_changes),
    ("GET", f"{_PULL}/threads", threads.list_threads),
    ("POST", f"{_PULL}/threads", threads.create_thread),
    ("GET", f"{_PULL}/threads/{{thread}}/comments/{{comment}}", threads.read_comment),
    ("PATCH", f"{_PULL}/threads/{{thread}}/comments/{{comment}}", threads.change_comment),
    ("POST", f"{_PULL}/threads/{{thread}}/comments/{{comment}}/likes", threads.like_comment),
    ("GET", "/refs", files.list_refs),
    ("POST", "/refs", files.update_refs),
    ("GET", "/items", files.read_item),
    ("POST", "/pushes", files.push),
    ("GET", "/commits", commits.list_commits),
    ("GET", _COMMIT, commits.read_commit),
    ("GET", f"{_COMMIT}/mergebases", commits.list_merge_bases),
    ("GET", f"{_COMMIT}/statuses", commits.list_statuses),
    ("POST", f"{_COMMIT}/statuses", commits.create_status),
)

_OF_ORGANIZATION: Mapping[str, Action] = {
    "connectionData": pulls.read_connection,
    "permissions/{space}/{bit}": pulls.ask_permission,
    "identities": people.read_identities,
    "accesscontrollists/{space}": people.list_permissions,
    "projects/{project}/teams/{team}/members": people.list_members,
}


def add_routes(app: web.Application) -> None:
    app.router.add_route("POST", f"{ENTRA_PATH}/{{tenant}}/oauth2/v2.0/token", _give_token)
    for path, action in _OF_ORGANIZATION.items():
        app.router.add_route("GET", f"/{SYSTEM}/{{organization}}/_apis/{path}", endpoint(action))
    for method, path, action in _ROUTES:
        handler = endpoint(action)
        # The host's names of resources are the same in any case.
        for written in dict.fromkeys((path, path.replace("/pullrequests", "/pullRequests"))):
            app.router.add_route(method, _REPOSITORY + written, handler)


async def _give_token(request: web.Request) -> web.StreamResponse:
    """Give an application a token: its id is the login of an account, its secret that account's token."""
    sandbox, form = request.app[STATE], await request.post()
    account = sandbox.accounts[SYSTEM].tokens.get(str(form.get("client_secret", "")))
    if account is None or account.login != form.get("client_id"):
        message = "AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2 Timestamp: 3"
        return Reply(status=401, body={"error": "invalid_client", "error_description": message}).response()
    token = sandbox.azure_devops.mint(account.login)
    return Reply(body={"token_type": "Bearer", "expires_in": _LIFE_SECONDS, "access_token": token}).response()
