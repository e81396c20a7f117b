"""Routes of the stand-in for Gitea and Forgejo, which serve one API below paths of their own."""

from functools import partial

from aiohttp import web

from deploy.local.sandbox import gitea_commits as commits
from deploy.local.sandbox import gitea_contents as contents
from deploy.local.sandbox import gitea_issues as issues
from deploy.local.sandbox import gitea_merging as merging
from deploy.local.sandbox import gitea_pulls as pulls
from deploy.local.sandbox import gitea_teams as teams
from deploy.local.sandbox.gitea_http import HOSTS, Action, endpoint

_REPOSITORY = "/repos/{owner}/{repo}"
# With the scope that a token needs: reading it for GET, else writing it.
_ROUTES: tuple[tuple[str, str, str, Action], ...] = (
    ("GET", "/user", "user", issues.read_user),
    ("GET", _REPOSITORY, "repository", pulls.read_repository),
    ("GET", _REPOSITORY + "/pulls", "repository", merging.list_pulls),
    ("POST", _REPOSITORY + "/pulls", "repository", merging.create_pull),
    ("GET", _REPOSITORY + "/pulls/{number}", "repository", pulls.read_pull),
    ("PATCH", _REPOSITORY + "/pulls/{number}", "repository", merging.change_pull),
    ("POST", _REPOSITORY + "/pulls/{number}/merge", "repository", merging.merge_pull),
    ("GET", _REPOSITORY + "/pulls/{number}/files", "repository", pulls.list_files),
    ("GET", _REPOSITORY + "/pulls/{number}/reviews", "repository", pulls.list_reviews),
    ("GET", _REPOSITORY + "/commits", "repository", commits.list_commits),
    ("GET", _REPOSITORY + "/git/commits/{sha}", "repository", commits.read_commit),
    ("GET", _REPOSITORY + "/commits/{ref:.+}/status", "repository", commits.combined_status),
    ("POST", _REPOSITORY + "/statuses/{sha}", "repository", commits.create_status),
    ("GET", _REPOSITORY + "/branches/{branch:.+}", "repository", contents.read_branch),
    ("POST", _REPOSITORY + "/branches", "repository", contents.create_branch),
    ("GET", _REPOSITORY + "/contents/{path:.+}", "repository", contents.read_contents),
    ("POST", _REPOSITORY + "/contents", "repository", contents.change_files),
    ("GET", _REPOSITORY + "/labels", "issue", issues.list_repository_labels),
    ("POST", _REPOSITORY + "/labels", "issue", issues.create_repository_label),
    ("GET", _REPOSITORY + "/issues/{number}/labels", "issue", issues.list_labels),
    ("POST", _REPOSITORY + "/issues/{number}/labels", "issue", issues.add_labels),
    ("PUT", _REPOSITORY + "/issues/{number}/labels", "issue", issues.replace_labels),
    ("DELETE", _REPOSITORY + "/issues/{number}/labels/{label}", "issue", issues.remove_label),
    ("GET", _REPOSITORY + "/issues/{number}/comments", "issue", issues.list_comments),
    ("POST", _REPOSITORY + "/issues/{number}/comments", "issue", issues.create_comment),
    ("GET", _REPOSITORY + "/issues/{number}/timeline", "issue", issues.list_timeline),
    ("GET", _REPOSITORY + "/collaborators/{login}/permission", "repository", issues.read_permission),
    ("GET", "/orgs/{org}/teams", "organization", teams.list_teams),
    ("GET", "/teams/{team}/members/{login}", "organization", teams.read_member),
    ("POST", _REPOSITORY + "/issues/comments/{comment}/reactions", "issue", issues.react),
    ("GET", _REPOSITORY + "/issues/comments/{comment}", "issue", issues.read_comment),
    ("PATCH", _REPOSITORY + "/issues/comments/{comment}", "issue", issues.change_comment),
)


def add_routes(app: web.Application) -> None:
    for host in HOSTS:
        for method, path, scope, action in _ROUTES:
            handler = partial(endpoint, action, host=host, scope=scope)
            app.router.add_route(method, f"/{host}/api/v1{path}", handler)
