"""Commits of the Azure DevOps stand-in: ancestry, lists and statuses."""

from urllib.parse import urlsplit

from deploy.local.sandbox.azure_devops_http import Call, invalid, listed, refused
from deploy.local.sandbox.azure_devops_pulls import show_person
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_state import Repository
from deploy.local.sandbox.replies import Json, Reply

_KEY_LIMIT = 128
_DESCRIPTION_LIMIT = 2048
# The repository keeps GitHub's names of states, which Argo CD and other hosts of the sandbox read as well.
_STATES = {
    "pending": "pending",
    "succeeded": "success",
    "failed": "failure",
    "error": "error",
    "notApplicable": "success",
}
_NAMES = {"pending": "pending", "success": "succeeded", "failure": "failed", "error": "error"}


def known(repository: Repository, sha: str) -> str:
    """Return a commit that the repository has; the host completes no abbreviation."""
    if len(sha) != 40:
        raise invalid(f"The commit id {sha} is not valid.", "ArgumentException")
    if sha not in repository.graph.commits:
        raise refused(404, f"TF401035: The object '{sha}' does not exist.", "GitCommitDoesNotExistException")
    return sha


def list_merge_bases(call: Call) -> Reply:
    repository = call.repository()
    one = known(repository, call.request.match_info["sha"])
    other = known(repository, call.request.query.get("otherCommitId", ""))
    comparison = repository.graph.compare(one, other)
    return listed([{"commitId": comparison.merge_base}] if comparison else [])


def show_commit(repository: Repository, sha: str, *, whole: bool = True) -> Json:
    """Render a commit; lists cut its message after the first line."""
    commit = repository.graph.commits[sha]
    first, separator, _ = commit.message.partition("\n")
    shown: Json = {
        "commitId": sha,
        "author": {"name": commit.author},
        "comment": commit.message if whole else first,
        "parents": list(commit.parents),
    }
    if separator and not whole:
        shown["commentTruncated"] = True
    return shown


def read_commit(call: Call) -> Reply:
    repository = call.repository()
    return Reply(body=show_commit(repository, known(repository, call.request.match_info["sha"])))


def list_commits(call: Call) -> Reply:
    """List the commits of a branch, or of the default one, newest first."""
    repository, query = call.repository(), call.request.query
    branch = query.get("searchCriteria.itemVersion.version") or repository.default_branch
    tip = repository.graph.branches.get(branch)
    if tip is None:
        message = f"TF401175: The version descriptor <Branch: {branch}> could not be resolved to a version"
        raise refused(404, message, "GitUnresolvableToCommitException")
    contained = repository.graph.contained_in(tip)
    # Parents are recorded before their children.
    shas = [sha for sha in reversed(repository.graph.commits) if sha in contained]
    page = call.paged(shas, top="searchCriteria.$top", skip="searchCriteria.$skip")
    return listed([show_commit(repository, sha, whole=False) for sha in page])


def list_statuses(call: Call) -> Reply:
    """List all that were ever set, in no order that shows which is the newest."""
    repository = call.repository()
    sha = known(repository, call.request.match_info["sha"])
    return listed(call.paged([_show_status(row) for row in repository.statuses.get(sha, [])], top="top", skip="skip"))


def create_status(call: Call) -> Reply:
    call.want("GenericContribute")
    repository = call.repository()
    sha = known(repository, call.request.match_info["sha"])
    genre, name = call.text("context", "genre"), call.text("context", "name")
    description, target = call.text("description"), call.body.get("targetUrl")
    for field, text, limit in (
        ("Context.Name", name, _KEY_LIMIT),
        ("Context.Genre", genre, _KEY_LIMIT),
        ("Description", description, _DESCRIPTION_LIMIT),
    ):
        if len(text) > limit:
            raise invalid(f"{field} must be at most {limit} characters long.", "ArgumentException")
    if not name.strip() or not genre.strip():
        raise invalid("Context.Name and Context.Genre must not be empty.", "ArgumentException")
    if target is not None and not urlsplit(str(target)).scheme:
        raise invalid("TargetUrl must be an absolute address.", "ArgumentException")
    if call.text("state") not in _STATES:
        raise invalid("State must be set.", "ArgumentException")
    now = timestamp(call.sandbox.clock.now())
    row: Json = {
        "id": call.sandbox.github.next_number(),
        "state": _STATES[call.text("state")],
        "description": description,
        "target_url": target,
        "context": name if genre == "status" else f"{genre}/{name}",
        "created_at": now,
        "updated_at": now,
        "creator": {"login": call.actor},
    }
    repository.statuses.setdefault(sha, []).append(row)
    return Reply(status=201, body=_show_status(row))


def _show_status(row: Json) -> Json:
    genre, slash, name = row["context"].partition("/")
    return {
        "id": row["id"],
        "state": _NAMES[row["state"]],
        "description": row["description"],
        "context": {"genre": genre, "name": name} if slash else {"genre": "status", "name": genre},
        "creationDate": row["created_at"],
        "createdBy": show_person(row["creator"]["login"]),
        "targetUrl": row["target_url"],
    }
