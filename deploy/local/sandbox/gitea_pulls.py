"""Pull requests, and the repository that they are of."""

from collections.abc import Mapping

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.gitea_http import Call, show_user
from deploy.local.sandbox.gitea_issues import show_labels
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.replies import Json, Reply


def show_pull(call: Call, repository: Repository, pull: Pull) -> Json:
    """Render a pull request; the merge commit is null until it is merged."""
    merged = pull.merged_at is not None
    return {
        "id": repository.identifier * 100_000 + pull.number,
        "number": pull.number,
        "url": f"{call.web_url}/{repository.full_name}/pulls/{pull.number}",
        "html_url": f"{call.web_url}/{repository.full_name}/pulls/{pull.number}",
        "title": pull.title,
        "body": pull.body or "",
        "state": pull.state,
        "draft": pull.draft,
        "is_locked": False,
        "user": show_user(call, pull.author),
        "labels": show_labels(call, call.labels.on(repository, pull)),
        "comments": len(pull.comments),
        "merged": merged,
        "mergeable": True,
        "merged_at": _time(pull.merged_at),
        "merge_commit_sha": pull.merge_sha if merged else None,
        "merge_base": pull.base_sha,
        "head": _side(repository, pull.head_ref, _head(repository, pull), pull),
        "base": _side(repository, pull.base_ref, repository.graph.branches.get(pull.base_ref, pull.base_sha), None),
        "created_at": timestamp(pull.created_at),
        "updated_at": timestamp(pull.updated_at),
        "closed_at": _time(pull.closed_at),
    }


def read_pull(call: Call) -> Reply:
    repository = call.repository()
    return Reply(body=show_pull(call, repository, call.pull(repository)))


def list_files(call: Call) -> Reply:
    repository = call.repository()
    pull = call.pull(repository)
    page, headers = call.paged(pull.files)
    before, after = (_tree(repository, sha) for sha in (pull.base_sha, pull.head_sha))
    files = [{"filename": path, "status": _status(path, before, after), "changes": 1} for path in page]
    return Reply(body=files, headers=headers)


def list_reviews(call: Call) -> Reply:
    """List none: no one reviews here."""
    call.pull(call.repository())
    return Reply(body=[], headers={"X-Total-Count": "0"})


def read_repository(call: Call) -> Reply:
    repository = call.repository()
    return Reply(
        body={
            "id": repository.identifier,
            "owner": show_user(call, repository.owner),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": True,
            "archived": False,
            "default_branch": repository.default_branch,
            "html_url": f"{call.web_url}/{repository.full_name}",
            "permissions": {"admin": False, "push": True, "pull": True},
        }
    )


def _side(repository: Repository, ref: str, sha: str, pull: Pull | None) -> Json:
    """Show one side; once a branch is gone its `ref` is that of the pull request."""
    gone = pull is not None and ref not in repository.graph.branches
    shown = f"refs/pull/{pull.number}/head" if pull is not None and gone else ref
    return {"label": ref, "ref": shown, "sha": sha, "repo_id": repository.identifier}


def _tree(repository: Repository, sha: str) -> Mapping[str, str]:
    commit = repository.graph.commits.get(sha)
    return commit.tree if commit is not None else {}


def _status(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if path not in after:
        return "deleted"
    return "changed" if path in before else "added"


def _head(repository: Repository, pull: Pull) -> str:
    return repository.graph.branches.get(pull.head_ref, pull.head_sha)


def _time(moment: float | None) -> str | None:
    return timestamp(moment) if moment is not None else None
