"""Bitbucket Data Center's REST shapes as pure functions (https://developer.atlassian.com/server/bitbucket/rest/)."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from providers.decoding import ENTRIES_LIMIT
from providers.documents import (
    Document,
    at,
    document,
    documents,
    flag,
    likely_milliseconds,
    number,
    required_number,
    required_text,
    text,
    texts,
)
from providers.errors import ProviderError, ProviderMalformed, ProviderUnauthorized
from providers.messages import Reply, Request, segment
from providers.models import ChangeState, Comment, CommitStatus, HostPullRequest, StatusState
from providers.redaction import shortened
from providers.status_keys import bounded_key, fitting_url

# Without it a write that carries no JSON is taken for one of another site's page.
HEADERS: Mapping[str, str] = {"X-Atlassian-Token": "no-check"}
PAGE_SIZE = 100
# A host that always names a next page must not keep us reading.
PAGE_LIMIT = 100
ACTIVITIES_PAGE = 500
# Of a larger change the rest is left out, and no further page can be asked for (`page.max.changes`).
CHANGES_PAGE = 1000
TEXT_LIMIT = 255
"""Characters of a commit status's key, name and description."""
_URL_LIMIT = 450
COMMENT_LIMIT = 32_767
"""One less than what the server calls too long."""
_COMMENT_BYTES = 4 * COMMENT_LIMIT
API = "/api/latest"
_STATUSES = "/build-status/latest"
_BRANCH = "refs/heads/"
_NOT_PERMITTED = "AuthorisationException"
_ERRORS_READ = 10
MEMBERSHIP = "get-membership"
"""The operation that asks for the members of a group, which every licensed account may."""

_STATES: Mapping[StatusState, str] = {
    StatusState.PENDING: "INPROGRESS",
    StatusState.SUCCESS: "SUCCESSFUL",
    StatusState.FAILURE: "FAILED",
    StatusState.ERROR: "CANCELLED",
}
_VERDICTS: Mapping[str, StatusState] = {state: verdict for verdict, state in _STATES.items()}
_CHANGE_STATES: Mapping[str, ChangeState] = {
    "OPEN": ChangeState.OPEN,
    "MERGED": ChangeState.MERGED,
    "DECLINED": ChangeState.CLOSED,
}


def base_url(domain: str) -> str:
    """Return the address of the REST resources for a ScmProvider's `bitbucketDataCenter.domain`."""
    domain = domain.strip().rstrip("/")
    url = domain if "://" in domain else f"https://{domain}"
    for version in ("/latest", "/1.0"):
        url = url.removesuffix(f"/api{version}")
    return url if url.endswith("/rest") else f"{url}/rest"


def repository_path(project: str, repository: str) -> str:
    return f"{API}/projects/{segment(project)}/repos/{segment(repository)}"


def page_of(request: Request, start: int, limit: int = PAGE_SIZE) -> Request:
    return replace(request, query={**request.query, "start": str(start), "limit": str(limit)})


def next_start(reply: Reply, start: int) -> int | None:
    """Return where the next page begins, None for the last one. Raises ProviderMalformed for one that goes back."""
    value = reply.document()
    if flag(value, "isLastPage") or at(value, "nextPageStart") is None:
        return None
    following = number(value, "nextPageStart")
    if following <= start:
        raise ProviderMalformed("the next page that the host names is none that follows")
    return following


def values(reply: Reply, *, limit: int = ENTRIES_LIMIT) -> tuple[Document, ...]:
    """Return the items of a page. Raises ProviderMalformed for more of them than the limit."""
    return documents(document(reply.value()), "values", limit=limit)


def get_pull(repository: str, number_: int) -> Request:
    return _get(f"{repository}/pull-requests/{number_}", "get")


def read_pull(value: Document) -> HostPullRequest:
    """Read a pull request; the merge commit is not shown by all versions, nor for all ways to merge."""
    state = _CHANGE_STATES.get(required_text(value, "state"))
    if state is None:
        raise ProviderMalformed("the answer's `state` is none that a pull request has")
    links = documents(value, "links", "self")
    return HostPullRequest(
        number=required_number(value, "id"),
        title=text(value, "title"),
        author=text(value, "author", "user", "name"),
        url=text(links[0], "href") if links else "",
        state=state,
        head_sha=required_text(value, "fromRef", "latestCommit"),
        merge_sha=text(value, "properties", "mergeCommit", "id") or None if state is ChangeState.MERGED else None,
        branch=branch_of(value, "fromRef"),
        base_branch=branch_of(value, "toRef"),
        labels=(),
        merged_at=likely_milliseconds(value, "closedDate") if state is ChangeState.MERGED else None,
        from_fork=_repository_of(value, "fromRef") != _repository_of(value, "toRef"),
    )


def branch_of(value: Document, side: str) -> str:
    return text(value, side, "id").removeprefix(_BRANCH)


def ref(branch: str) -> str:
    return f"{_BRANCH}{branch}"


def _repository_of(value: Document, side: str) -> tuple[str, str]:
    key, slug = text(value, side, "repository", "project", "key"), text(value, side, "repository", "slug")
    return key.lower(), slug.lower()


def list_activities(repository: str, number_: int, operation: str) -> Request:
    """Ask for what happened, the newest first: neither comments nor the merge have a list of their own."""
    return _get(f"{repository}/pull-requests/{number_}/activities", operation)


def read_merge_commit(reply: Reply) -> str | None:
    """Return the commit of the merge that a page of activities shows; None where it shows none."""
    merges = (one for one in values(reply) if text(one, "action") == "MERGED")
    return next((sha for one in merges if (sha := text(one, "commit", "id"))), None)


def list_files(repository: str, number_: int) -> Request:
    return _get(f"{repository}/pull-requests/{number_}/changes", "list-files")


def read_files(reply: Reply) -> tuple[str, ...]:
    """Read changed paths; a move counts with both."""
    return tuple(path for change in values(reply) for side in ("path", "srcPath") if (path := _path(at(change, side))))


def _path(value: object) -> str:
    return text(value, "toString") or "/".join(texts(value, "components"))


def is_cut(reply: Reply) -> bool:
    """Return whether a last page is as full as a page can be: the host leaves out what is beyond."""
    value = reply.document()
    return len(values(reply)) >= min(number(value, "limit", default=CHANGES_PAGE), CHANGES_PAGE)


def list_commits_between(repository: str, since: str, until: str) -> Request:
    """Ask for one commit that `until` has and `since` has not."""
    query = {"from": until, "to": since, "limit": "1"}
    return replace(_get(f"{repository}/compare/commits", "compare"), query=query)


def get_commit(repository: str, revision: str) -> Request:
    """Read one commit; an abbreviation that is unknown or ambiguous is refused."""
    path = f"{repository}/commits/{segment(revision)}"
    return replace(_get(path, "get-commit"), accepts=frozenset({400, 404, 409}))


def read_commit(value: Document) -> str:
    return required_text(value, "id")


def list_statuses(sha: str) -> Request:
    """Ask for all statuses of a commit, which have no list among the repository's resources."""
    return replace(_get(f"{_STATUSES}/commits/{segment(sha)}", "list"), api="CommitStatus")


def read_statuses(reply: Reply, standing_in: str) -> tuple[CommitStatus, ...]:
    """Read statuses, one for each key; `standing_in` is the address of those that were set without any."""
    return tuple(_read_status(status, standing_in) for status in values(reply))


def _read_status(status: Document, standing_in: str) -> CommitStatus:
    key, name, url = required_text(status, "key"), text(status, "name"), text(status, "url")
    return CommitStatus(
        # The whole context is in the name, where the key is the one that we make of it.
        context=name if name and bounded_key(name, TEXT_LIMIT) == key else key,
        state=_VERDICTS.get(required_text(status, "state"), StatusState.ERROR),
        description=text(status, "description"),
        url="" if url == standing_in else url,
        posted_at=likely_milliseconds(status, "dateAdded"),
    )


def listed_url(url: str) -> str:
    """Return an address as it is read back; for a longer one the commit's own page stands."""
    return fitting_url(url, _URL_LIMIT)


def standing_in_url(base: str, repository: str, sha: str) -> str:
    """Return the page of a commit: the host wants an address with every status."""
    server = base.strip().rstrip("/").removesuffix("/rest")
    return f"{server}{repository.removeprefix(API)}/commits/{segment(sha)}"


def set_status(repository: str, sha: str, status: CommitStatus, standing_in: str) -> Request:
    """Set one status; the one with the same key is overwritten. Answered with 204."""
    key = bounded_key(status.context, TEXT_LIMIT)
    return Request(
        method="POST",
        path=f"{repository}/commits/{segment(sha)}/builds",
        json={
            "key": key,
            # By which a required build is known.
            "parent": key,
            "state": _STATES[status.state],
            "name": shortened(status.context, TEXT_LIMIT),
            "description": shortened(status.description, TEXT_LIMIT),
            "url": listed_url(status.url) or standing_in,
        },
        api="CommitStatus",
        operation="create",
    )


def read_comments_of(account: str, pull: str, reply: Reply) -> tuple[tuple[int, Comment], ...]:
    """Read the comments of one account on a page of activities, with their numbers; of all where it is empty."""
    shown = (document(one, "comment") for one in values(reply) if text(one, "action") == "COMMENTED")
    return tuple(
        (required_number(comment, "id"), replace(read_comment(pull, comment), account_known=bool(account)))
        for comment in shown
        if not account or read_comment_author(comment).lower() == account
    )


def read_comment_author(comment: Document) -> str:
    return text(comment, "author", "name")


def pull_of(comment_id: str) -> str:
    """Return the pull request that a comment's id begins with: the host shows no comment without it."""
    return comment_id.partition(":")[0]


def get_comment(repository: str, comment_id: str) -> Request:
    return _get(_comment_path(repository, comment_id), "get-comment")


def read_comment(pull: str, value: Document) -> Comment:
    return Comment(id=f"{pull}:{required_number(value, 'id')}", body=text(value, "text", limit_bytes=_COMMENT_BYTES))


def read_version(value: Document) -> int:
    """Return what a write of a pull request, or a comment, must name to be about what was read."""
    return required_number(value, "version")


def create_comment(repository: str, number_: int, body: str) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/pull-requests/{number_}/comments",
        json={"text": shortened(body, COMMENT_LIMIT)},
        api="PullRequest",
        operation="create-comment",
    )


def update_comment(repository: str, comment_id: str, body: str, version: int) -> Request:
    return Request(
        method="PUT",
        path=_comment_path(repository, comment_id),
        json={"text": shortened(body, COMMENT_LIMIT), "version": version},
        api="PullRequest",
        operation="update-comment",
    )


def _comment_path(repository: str, comment_id: str) -> str:
    pull, _, comment = comment_id.partition(":")
    return f"{repository}/pull-requests/{segment(pull)}/comments/{segment(comment)}"


def check_repository(repository: str) -> Request:
    return _get(repository, "check")


def is_archived(repository: Document) -> bool:
    """Return whether the server refuses every change of the repository; older versions know no such state."""
    return flag(repository, "archived")


def check_account() -> Request:
    """Ask for what every account may see; a credential that is not accepted is refused."""
    return replace(_get(f"{API}/projects", "check"), query={"limit": "1"})


def account_of(reply: Reply) -> str:
    """Return the name under which the credential writes, in lower case, which stands in a header of every answer.

    Empty where a proxy took it away.
    """
    return unquote(reply.headers.get("x-ausername", "").strip()[: 3 * TEXT_LIMIT]).lower()[:TEXT_LIMIT]


def exceptions(reply: Reply) -> tuple[str, ...]:
    """Return the classes of the errors that an answer names, without their packages."""
    try:
        found = at(reply.value(), "errors")
    except ProviderMalformed:
        return ()
    listed = found[:_ERRORS_READ] if isinstance(found, list) else []
    names = [one.get("exceptionName") for one in listed if isinstance(one, Mapping)]
    return tuple(name.rpartition(".")[2] for name in names if isinstance(name, str))


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Separate a missing permission from a credential that is not accepted; both are 401."""
    if reply.status != 401 or _NOT_PERMITTED not in exceptions(reply):
        return error
    wanted = f"give it {'read' if request.reads else 'write'} access to the repository"
    if request.operation == MEMBERSHIP:
        wanted = "only an account that is licensed may ask who is in a group"
    text = f"{error}: the credential is accepted, without the permission; {wanted}"
    return ProviderUnauthorized(text, status=403)


def _get(path: str, operation: str) -> Request:
    return Request(method="GET", path=path, api="PullRequest", operation=operation)
