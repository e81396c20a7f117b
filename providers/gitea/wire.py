"""REST shapes of Gitea and Forgejo as pure functions (https://docs.gitea.com/api, https://codeberg.org/api/swagger).

What both answer was recorded at a Gitea 1.26, or read in their sources where a line states it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from providers.documents import (
    Document,
    at,
    documents,
    flag,
    likely_moment,
    moment,
    number,
    required_number,
    required_text,
    text,
)
from providers.errors import ProviderError, ProviderUnauthorized
from providers.issue_comments import read_author, read_comment
from providers.label_looks import default_look
from providers.messages import Reply, Request, segment
from providers.models import ChangeState, Comment, CommitStatus, HostPullRequest, LabelLook, StatusState
from providers.status_keys import fitting_url

# The largest page that a host gives unless its administrator allows more; smaller ones are possible as well.
# https://docs.gitea.com/administration/config-cheat-sheet#api-api
PAGE_SIZE = 50
# A host that always claims a next page must not keep us reading.
PAGE_LIMIT = 100
FILES_READ = 3000
"""Of a pull request that changes more the rest is not asked for; as many as GitHub lists."""
LABEL_LIMIT = 255
"""Characters of a label's name, as the column in the host's database has them."""
_API = "/api/v1"
SCOPES = ("write:repository", "write:issue", "read:user")
"""Of a token."""
MEMBERSHIP = "get-membership"
"""The operation that asks for a team's members, which needs one more scope."""
_MEMBERSHIP_SCOPE = "read:organization"
# A commit alone: what is left out has the host run `git` for each commit.
BARE = {"stat": "false", "verification": "false", "files": "false"}


def base_url(domain: str) -> str:
    """Return the API's address for a provider's `domain`: a host name or a URL, with or without `/api/v1`."""
    domain = domain.strip().rstrip("/")
    address = domain if "://" in domain else f"https://{domain}"
    return address if address.endswith(_API) else f"{address}{_API}"


def repository_path(owner: str, repository: str) -> str:
    return f"/repos/{segment(owner)}/{segment(repository)}"


def get_pull(repository: str, number_: int) -> Request:
    return Request(method="GET", path=f"{repository}/pulls/{number_}", api="PullRequest", operation="get")


def read_pull(value: Document) -> HostPullRequest:
    """Read a pull request; its merge commit is null until it is merged."""
    merged = flag(value, "merged") or moment(value, "merged_at") is not None
    state = ChangeState.MERGED if merged else ChangeState.CLOSED
    if not merged and required_text(value, "state") == "open":
        state = ChangeState.OPEN
    return HostPullRequest(
        number=number(value, "number"),
        title=text(value, "title"),
        author=text(value, "user", "login"),
        url=text(value, "html_url"),
        state=state,
        head_sha=required_text(value, "head", "sha"),
        merge_sha=text(value, "merge_commit_sha") or None if merged else None,
        branch=_branch(value, "head"),
        base_branch=_branch(value, "base"),
        labels=label_names(documents(value, "labels")),
        merged_at=likely_moment(value, "merged_at") if state is ChangeState.MERGED else None,
        from_fork=_is_from_fork(value),
    )


def _branch(value: Document, side: str) -> str:
    """Return the branch's name, which stands in `label` once the branch is gone: `ref` is `refs/pull/…` then."""
    ref = text(value, side, "ref")
    return text(value, side, "label") or ref if ref.startswith("refs/") else ref


def _is_from_fork(value: Document) -> bool:
    """Compare the repositories of both sides; that of a fork which is gone is -1."""
    head, base = number(value, "head", "repo_id"), number(value, "base", "repo_id")
    return bool(head and base) and head != base


def list_files(repository: str, number_: int, page: int) -> Request:
    return _page(f"{repository}/pulls/{number_}/files", page, operation="list-files")


def commits_beyond(repository: str, sha: str, base: str) -> Request:
    """Ask for one commit that `sha` contains and `base` does not; the host has `not` since Gitea 1.20.

    Its `compare` shows all commits at once, and some versions those of both sides.
    """
    query = {"sha": sha, "not": base, "limit": "1", **BARE}
    return Request(method="GET", path=f"{repository}/commits", query=query, api="PullRequest", operation="compare")


def get_commit(repository: str, revision: str) -> Request:
    """Read one commit; a name that is unknown, ambiguous or no revision is answered with 404 or 422."""
    return Request(
        method="GET",
        path=f"{repository}/git/commits/{segment(revision)}",
        query=BARE,
        api="PullRequest",
        operation="get-commit",
        accepts=frozenset({404, 422}),
    )


def read_commit(value: Document, revision: str) -> str | None:
    """Return the commit's full hash; None for another one, such as that of a branch which is called like a hash."""
    found = required_text(value, "sha")
    return found if found.startswith(revision.lower()) else None


def list_statuses(repository: str, sha: str, page: int) -> Request:
    """Ask for the combined status, which holds the newest status of each context; the plain list has no order."""
    return _page(f"{repository}/commits/{segment(sha)}/status", page, api="CommitStatus", operation="list")


@dataclass(frozen=True, kw_only=True)
class NumberedStatus:
    """A status with the number that grows with each one."""

    number: int
    status: CommitStatus


def read_statuses(reply: Reply) -> tuple[NumberedStatus, ...]:
    """Read a page of statuses. The state of one is in `status`, that of all in `state`."""
    return tuple(
        NumberedStatus(
            number=required_number(row, "id"),
            status=CommitStatus(
                context=text(row, "context", default="default"),
                state=_verdict(text(row, "status")),
                description=text(row, "description"),
                url=text(row, "target_url"),
                posted_at=likely_moment(row, "updated_at"),
            ),
        )
        for row in documents(reply.document(), "statuses")
    )


def create_status(repository: str, sha: str, status: CommitStatus) -> Request:
    """Add a status; texts of any length are kept whole. Any state is accepted, so that only known ones are sent."""
    body = {"state": status.state.value, "context": status.context, "description": status.description}
    if url := fitting_url(status.url):
        body["target_url"] = url
    path = f"{repository}/statuses/{segment(sha)}"
    return Request(method="POST", path=path, json=body, api="CommitStatus", operation="create")


@dataclass(frozen=True, kw_only=True)
class Label:
    """A label; several of one name may exist."""

    id: int
    name: str


def list_labels(repository: str, number_: int) -> Request:
    """Ask for all labels of a pull request, which have no pages."""
    return Request(
        method="GET", path=f"{repository}/issues/{number_}/labels", api="PullRequest", operation="list-labels"
    )


def read_labels(reply: Reply) -> tuple[Label, ...]:
    return tuple(read_label(row) for row in reply.documents())


def read_label(value: Document) -> Label:
    return Label(id=required_number(value, "id"), name=required_text(value, "name"))


def label_names(rows: Sequence[Document]) -> tuple[str, ...]:
    """Return each name once."""
    return tuple(dict.fromkeys(required_text(row, "name") for row in rows))


def list_repository_labels(repository: str, page: int) -> Request:
    return _page(f"{repository}/labels", page, operation="list-repository-labels")


def create_label(repository: str, name: str, look: LabelLook | None = None) -> Request:
    """Create a repository label; the host makes a second one where the name is taken."""
    look = look or default_look(name)
    body = {"name": name, "color": f"#{look.colour}", "description": look.description}
    return Request(method="POST", path=f"{repository}/labels", json=body, api="PullRequest", operation="create-label")


def add_labels(repository: str, number_: int, labels: Sequence[int] | Sequence[str]) -> Request:
    """Add by ids or by names, never mixed; the answer lists all labels. Names that do not exist are passed over."""
    return Request(
        method="POST",
        path=f"{repository}/issues/{number_}/labels",
        json={"labels": list(labels)},
        api="PullRequest",
        operation="add-labels",
    )


def remove_label(repository: str, number_: int, label: int) -> Request:
    """Remove by id; 404 and 422 are answered for a label that was deleted meanwhile."""
    return Request(
        method="DELETE",
        path=f"{repository}/issues/{number_}/labels/{label}",
        api="PullRequest",
        operation="remove-labels",
        accepts=frozenset({404, 422}),
    )


def list_comments(repository: str, number_: int) -> Request:
    """Ask for all comments, oldest first, which have no pages."""
    return Request(
        method="GET", path=f"{repository}/issues/{number_}/comments", api="PullRequest", operation="list-comments"
    )


def read_comments_of(login: str, reply: Reply) -> tuple[Comment, ...]:
    """Read the comments of one account, whose name is given in lower case; where it is empty, those of all."""
    return tuple(
        replace(read_comment(row), account_known=bool(login))
        for row in reply.documents()
        if not login or read_author(row).lower() == login
    )


def check_repository(repository: str) -> Request:
    return Request(method="GET", path=repository, api="PullRequest", operation="check")


def check_account() -> Request:
    return Request(method="GET", path="/user", api="PullRequest", operation="check")


def read_login(account: Document) -> str:
    return required_text(account, "login")


def read_full_name(repository: Document) -> str:
    return required_text(repository, "full_name")


def check_issues(repository: str) -> Request:
    """Ask for what needs the other scope of tokens: labels and comments count as issues.

    https://docs.gitea.com/development/oauth2-provider#scopes
    """
    query = {"page": "1", "limit": "1"}
    return Request(method="GET", path=f"{repository}/labels", query=query, api="PullRequest", operation="check")


def is_archived(repository: Document) -> bool:
    return flag(repository, "archived")


def may_write(repository: Document) -> bool:
    """Return whether the account may write to the repository, or the host does not show it."""
    return at(repository, "permissions", "push") is not False


def misses_scope(message: str) -> bool:
    """Return whether a 403 is about what a token may do: the host knows the token then."""
    return "required scope" in message


def refine(request: Request, _reply: Reply, error: ProviderError) -> ProviderError:
    """Name all scopes that Pilotage needs where the host names one that a token misses."""
    if not isinstance(error, ProviderUnauthorized) or not misses_scope(str(error)):
        return error
    scopes = (*SCOPES, _MEMBERSHIP_SCOPE) if request.operation == MEMBERSHIP else SCOPES
    text = f"{error}; Pilotage needs a token with {' and '.join(f'`{scope}`' for scope in scopes)}"
    return ProviderUnauthorized(text, status=error.status)


def has_more(reply: Reply, seen: int, found: int) -> bool:
    """Return whether a list goes on: by the number of all its items, else where the page is as full as was asked for.

    A host may give smaller pages than it is asked for, so that a page's size alone proves nothing.
    """
    total = reply.headers.get("x-total-count", "")
    return bool(found) and (seen < int(total) if total.isascii() and total.isdigit() else found >= PAGE_SIZE)


def _page(path: str, page: int, *, operation: str, api: str = "PullRequest") -> Request:
    query = {"page": str(page), "limit": str(PAGE_SIZE)}
    return Request(method="GET", path=path, query=query, api=api, operation=operation)


_VERDICTS: Mapping[str, StatusState] = {state.value: state for state in StatusState}


def _verdict(state: str) -> StatusState:
    """Read a state; others than ours, such as `warning`, `skipped` or what the host let somebody write, are errors."""
    return _VERDICTS.get(state, StatusState.ERROR)
