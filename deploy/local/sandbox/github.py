"""Routes of the GitHub stand-in, at the address of github.com's API and under the prefix that an own server uses."""

from aiohttp import web

from deploy.local.sandbox import github_actions as actions
from deploy.local.sandbox import github_app as identity
from deploy.local.sandbox import github_checks as checks
from deploy.local.sandbox import github_commits as commits
from deploy.local.sandbox import github_deployments as deployments
from deploy.local.sandbox import github_graphql as graphql
from deploy.local.sandbox import github_issues as issues
from deploy.local.sandbox import github_pulls as pulls
from deploy.local.sandbox.github_http import Action, endpoint

# The prefix with api/v3 comes first, so that it is never read as an owner's name.
_PREFIXES = ("/github/api/v3", "/github", "/api/v3")

_ROUTES: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/user", identity.read_user),
    ("GET", "/rate_limit", identity.read_rate_limit),
    ("GET", "/installation/repositories", identity.list_installation_repositories),
    ("GET", "/repos/{owner}/{repo}", identity.read_repository),
    ("GET", "/repos/{owner}/{repo}/pulls", pulls.list_pulls),
    ("POST", "/repos/{owner}/{repo}/pulls", pulls.create_pull),
    ("GET", "/repos/{owner}/{repo}/pulls/{number}", pulls.read_pull),
    ("PATCH", "/repos/{owner}/{repo}/pulls/{number}", pulls.change_pull),
    ("GET", "/repos/{owner}/{repo}/pulls/{number}/files", pulls.list_files),
    ("GET", "/repos/{owner}/{repo}/pulls/{number}/merge", pulls.is_merged),
    ("PUT", "/repos/{owner}/{repo}/pulls/{number}/merge", pulls.merge_pull),
    ("GET", "/repos/{owner}/{repo}/compare/{spec:.+}", commits.compare),
    ("POST", "/repos/{owner}/{repo}/statuses/{sha}", commits.create_status),
    ("GET", "/repos/{owner}/{repo}/commits", commits.list_commits),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/status", commits.combined_status),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/statuses", commits.list_statuses),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}/check-runs", checks.list_check_runs),
    ("POST", "/repos/{owner}/{repo}/check-runs", checks.create_check_run),
    ("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run}", checks.change_check_run),
    ("GET", "/repos/{owner}/{repo}/commits/{ref:.+}", commits.read_commit),
    ("GET", "/repos/{owner}/{repo}/git/ref/heads/{branch:.+}", commits.read_branch_head),
    ("GET", "/repos/{owner}/{repo}/branches/{branch:.+}", commits.read_branch),
    ("POST", "/repos/{owner}/{repo}/git/refs", commits.create_ref),
    ("GET", "/repos/{owner}/{repo}/contents/{path:.*}", commits.read_contents),
    ("PUT", "/repos/{owner}/{repo}/contents/{path:.+}", commits.write_contents),
    ("GET", "/repos/{owner}/{repo}/deployments", deployments.list_deployments),
    ("POST", "/repos/{owner}/{repo}/deployments", deployments.create_deployment),
    ("GET", "/repos/{owner}/{repo}/deployments/{deployment}/statuses", deployments.list_statuses),
    ("POST", "/repos/{owner}/{repo}/deployments/{deployment}/statuses", deployments.create_status),
    ("GET", "/repos/{owner}/{repo}/labels", issues.list_repository_labels),
    ("POST", "/repos/{owner}/{repo}/labels", issues.create_repository_label),
    ("GET", "/repos/{owner}/{repo}/labels/{name}", issues.read_repository_label),
    ("GET", "/repos/{owner}/{repo}/issues/{number}/labels", issues.list_labels),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/labels", issues.add_labels),
    ("PUT", "/repos/{owner}/{repo}/issues/{number}/labels", issues.replace_labels),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/labels", issues.clear_labels),
    ("DELETE", "/repos/{owner}/{repo}/issues/{number}/labels/{name}", issues.remove_label),
    ("GET", "/repos/{owner}/{repo}/issues/{number}/comments", issues.list_comments),
    ("POST", "/repos/{owner}/{repo}/issues/{number}/comments", issues.create_comment),
    ("GET", "/repos/{owner}/{repo}/issues/comments/{comment}", issues.read_comment),
    ("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment}", issues.change_comment),
    ("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment}", issues.delete_comment),
    ("GET", "/repos/{owner}/{repo}/issues/{number}/events", issues.list_events),
    ("GET", "/repos/{owner}/{repo}/collaborators/{login}/permission", issues.read_permission),
    ("POST", "/repos/{owner}/{repo}/issues/comments/{comment}/reactions", issues.react),
    ("GET", "/orgs/{org}/teams/{team}/memberships/{login}", issues.read_membership),
    ("GET", "/repos/{owner}/{repo}/actions/workflows/{workflow}", actions.read_workflow),
    ("POST", "/repos/{owner}/{repo}/actions/workflows/{workflow}/dispatches", actions.dispatch),
    ("GET", "/repos/{owner}/{repo}/actions/workflows/{workflow}/runs", actions.list_runs),
    ("GET", "/repos/{owner}/{repo}/actions/runs", actions.list_runs),
    ("GET", "/repos/{owner}/{repo}/actions/runs/{run}", actions.read_run),
    ("POST", "/repos/{owner}/{repo}/actions/runs/{run}/cancel", actions.cancel_run),
    ("POST", "/repos/{owner}/{repo}/actions/runs/{run}/force-cancel", actions.cancel_run),
    ("POST", "/repos/{owner}/{repo}/actions/runs/{run}/rerun", actions.rerun),
    ("GET", "/repos/{owner}/{repo}/actions/runs/{run}/jobs", actions.list_jobs),
)

_APP_ROUTES: tuple[tuple[str, str, Action], ...] = (
    ("GET", "/app", identity.read_app),
    ("POST", "/app/installations/{installation}/access_tokens", identity.create_installation_token),
    ("GET", "/repos/{owner}/{repo}/installation", identity.read_installation),
)


_GRAPHQL_PATHS = ("/github/api/graphql", "/github/graphql")


def add_routes(app: web.Application) -> None:
    for path in _GRAPHQL_PATHS:
        app.router.add_route("POST", path, endpoint(graphql.answer_query))
    for prefix in _PREFIXES:
        for method, path, action in _APP_ROUTES:
            app.router.add_route(method, prefix + path, endpoint(action, app_only=True))
        for method, path, action in _ROUTES:
            app.router.add_route(method, prefix + path, endpoint(action))
