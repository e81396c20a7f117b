"""Bitbucket Cloud's REST shapes as pure functions, version 2.0 (https://developer.atlassian.com/cloud/bitbucket/rest/)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from providers.decoding import ENTRIES_LIMIT
from providers.documents import (
    Document,
    at,
    document,
    documents,
    flag,
    is_sendable,
    likely_moment,
    number,
    required_text,
    text,
    texts,
)
from providers.errors import ProviderError, ProviderMalformed
from providers.messages import Reply, Request, segment
from providers.models import ChangeState, Comment, CommitStatus, HostPullRequest, StatusState
from providers.redaction import shortened
from providers.status_keys import bounded_key, fitting_url

PAGE_SIZE = 100
# A host that always names a next page must not keep us reading.
PAGE_LIMIT = 100
KEY_LIMIT = 40
"""Characters of a commit status's key; a longer one is answered with 400."""
TEXT_LIMIT = 255
"""Characters of a commit status's name and description."""
# A longer address cannot be cut, so that the commit's own page stands for it.
_URL_LIMIT = 450
COMMENT_LIMIT = 32_768
_COMMENT_BYTES = 4 * COMMENT_LIMIT
SHORTEST_HASH = 7
_VERSION = "/2.0"
# There are about thirty.
_SCOPES_LIMIT = 200
_SCOPES_NAMED = 5

_STATES: Mapping[StatusState, str] = {
    StatusState.PENDING: "INPROGRESS",
    StatusState.SUCCESS: "SUCCESSFUL",
    StatusState.FAILURE: "FAILED",
    StatusState.ERROR: "STOPPED",
}
_VERDICTS: Mapping[str, StatusState] = {state: verdict for verdict, state in _STATES.items()}
_CHANGE_STATES: Mapping[str, ChangeState] = {
    "OPEN": ChangeState.OPEN,
    "MERGED": ChangeState.MERGED,
    "DECLINED": ChangeState.CLOSED,
    "SUPERSEDED": ChangeState.CLOSED,
}


def base_url(domain: str) -> str:
    """Return the API's address for a ScmProvider's `bitbucketCloud.domain`: empty, a bare domain, or a whole URL."""
    domain = domain.strip().rstrip("/")
    if domain in ("", "bitbucket.org", "api.bitbucket.org"):
        domain = "api.bitbucket.org"
    url = domain if "://" in domain else f"https://{domain}"
    return url if url.endswith(_VERSION) else f"{url}{_VERSION}"


def repository_path(workspace: str, repository: str) -> str:
    return f"/repositories/{segment(workspace)}/{segment(repository)}"


def next_page(reply: Reply, base: str, first: Request) -> Request | None:
    """Return the request for the page that an answer names as its next, None for the last page.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#pagination
    """
    if not has_more(reply):
        return None
    return followed(first, required_text(reply.document(), "next"), base)


def has_more(reply: Reply) -> bool:
    """Return whether a list goes on behind this page, however small the page is."""
    return at(reply.value(), "next") is not None


def followed(request: Request, named: str, base: str) -> Request:
    """Return a request for an address that the host named, which is followed as it is.

    Only among the repositories at the address that was asked: the credential goes nowhere else. Raises
    ProviderMalformed for any other.
    """
    asked = urlsplit(base.strip().rstrip("/"))
    try:
        found = urlsplit(named)
        is_there = (asked.scheme, asked.hostname, asked.port) == (found.scheme, found.hostname, found.port)
    except ValueError:
        raise ProviderMalformed("what the host names as the next address is no URL") from None
    if not is_there or not found.path.startswith(f"{asked.path}/repositories/") or not _stays(named, found.path):
        raise ProviderMalformed("the next address that the host names is not where it was asked")
    query = f"?{found.query}" if found.query else ""
    return replace(request, path=f"{found.path.removeprefix(asked.path)}{query}", query={})


def _stays(url: str, path: str) -> bool:
    """Return whether a URL can be sent as it is, and whether its path stays below where it begins."""
    plain = is_sendable(url) and not {" ", "#", "\\"} & set(url)
    return plain and not {".", ".."} & set(path.lower().replace("%2e", ".").split("/"))


def get_pull(repository: str, number_: int) -> Request:
    return _get(f"{repository}/pullrequests/{number_}", "get")


def read_pull(value: Document) -> HostPullRequest:
    """Read a pull request; its hashes are abbreviated to twelve digits."""
    state = _CHANGE_STATES.get(required_text(value, "state"))
    if state is None:
        raise ProviderMalformed("the answer's `state` is none that a pull request has")
    own = text(value, "destination", "repository", "full_name")
    merged = state is ChangeState.MERGED
    return HostPullRequest(
        number=number(value, "id"),
        title=text(value, "title"),
        author=text(value, "author", "nickname") or text(value, "author", "display_name"),
        url=text(value, "links", "html", "href"),
        state=state,
        head_sha=required_text(value, "source", "commit", "hash"),
        merge_sha=text(value, "merge_commit", "hash") or None if merged else None,
        branch=text(value, "source", "branch", "name"),
        base_branch=text(value, "destination", "branch", "name"),
        labels=(),
        # The repository of a fork that was deleted is null.
        from_fork=text(value, "source", "repository", "full_name").lower() != own.lower(),
    )


def list_files(repository: str, number_: int) -> Request:
    """Ask for the changed files; the host redirects to the comparison of the commits that the pull request is of."""
    return _get(f"{repository}/pullrequests/{number_}/diffstat", "list-files")


def read_files(reply: Reply) -> tuple[str, ...]:
    """Read changed paths; a rename counts with both, and one of them is null for a new and for a deleted file."""
    return tuple(
        path for file in values(reply) for path in (text(file, "new", "path"), text(file, "old", "path")) if path
    )


def merge_base(repository: str, base: str, head: str) -> Request:
    """Ask for the best common ancestor: where one contains the other it is the one contained."""
    return _get(f"{repository}/merge-base/{segment(f'{base}..{head}')}", "compare")


def get_commit(repository: str, revision: str) -> Request:
    """Read one commit; an abbreviation that is unknown or ambiguous is answered with 404 or 400."""
    return replace(_get(f"{repository}/commit/{segment(revision)}", "get-commit"), accepts=frozenset({400, 404}))


def read_commit(value: Document) -> str:
    return required_text(value, "hash")


def is_same_commit(one: str, other: str) -> bool:
    """Compare two hashes of which one may be abbreviated."""
    short, long = sorted((one.lower(), other.lower()), key=len)
    return len(short) >= SHORTEST_HASH and long.startswith(short)


def list_statuses(repository: str, sha: str) -> Request:
    path = f"{repository}/commit/{segment(sha)}/statuses"
    return replace(_get(path, "list"), query={"pagelen": str(PAGE_SIZE)}, api="CommitStatus")


def read_statuses(reply: Reply, standing_in: str) -> tuple[CommitStatus, ...]:
    """Read statuses, one for each key; `standing_in` is the address of those that were set without any."""
    return tuple(_read_status(status, standing_in) for status in values(reply))


def _read_status(status: Document, standing_in: str) -> CommitStatus:
    key, name, url = required_text(status, "key"), text(status, "name"), text(status, "url")
    return CommitStatus(
        # The whole context is in the name, where the key is the one that we make of it.
        context=name if name and bounded_key(name, KEY_LIMIT) == key else key,
        state=_VERDICTS.get(required_text(status, "state"), StatusState.ERROR),
        description=text(status, "description"),
        url="" if url == standing_in else url,
        posted_at=likely_moment(status, "updated_on"),
    )


def listed_url(url: str) -> str:
    """Return an address as it is read back; for a longer one the commit's own page stands."""
    return fitting_url(url, _URL_LIMIT)


def standing_in_url(repository: str, sha: str) -> str:
    """Return the page of a commit: the host wants an address with every status."""
    return f"https://bitbucket.org{repository.removeprefix('/repositories')}/commits/{segment(sha)}"


def set_status(repository: str, sha: str, status: CommitStatus) -> Request:
    """Set one status; the one with the same key is overwritten.

    https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/
    """
    return Request(
        method="POST",
        path=f"{repository}/commit/{segment(sha)}/statuses/build",
        json={
            "key": bounded_key(status.context, KEY_LIMIT),
            "state": _STATES[status.state],
            "name": shortened(status.context, TEXT_LIMIT),
            "description": shortened(status.description, TEXT_LIMIT),
            "url": listed_url(status.url) or standing_in_url(repository, sha),
        },
        api="CommitStatus",
        operation="create",
    )


def list_comments(repository: str, number_: int) -> Request:
    path = f"{repository}/pullrequests/{number_}/comments"
    return replace(_get(path, "list-comments"), query={"pagelen": str(PAGE_SIZE)})


def read_comments_of(account: str, pull: str, reply: Reply) -> tuple[tuple[int, Comment], ...]:
    """Read the comments of one account with their numbers; of all accounts where it is empty."""
    return tuple(
        (number(comment, "id"), replace(read_comment(pull, comment), account_known=bool(account)))
        for comment in values(reply)
        if not flag(comment, "deleted") and (not account or read_comment_author(comment) == account)
    )


def read_comment_author(comment: Document) -> str:
    return text(comment, "user", "uuid")


def pull_of(comment_id: str) -> str:
    """Return the pull request that a comment's id begins with: the host shows no comment without it."""
    return comment_id.partition(":")[0]


def get_comment(repository: str, comment_id: str) -> Request:
    return _get(_comment_path(repository, comment_id), "get-comment")


def read_comment(pull: str, value: Document) -> Comment:
    body = text(value, "content", "raw", limit_bytes=_COMMENT_BYTES)
    return Comment(id=f"{pull}:{required_text(value, 'id')}", body=body)


def create_comment(repository: str, number_: int, body: str) -> Request:
    return Request(
        method="POST",
        path=f"{repository}/pullrequests/{number_}/comments",
        json=_content(body),
        api="PullRequest",
        operation="create-comment",
    )


def update_comment(repository: str, comment_id: str, body: str) -> Request:
    return Request(
        method="PUT",
        path=_comment_path(repository, comment_id),
        json=_content(body),
        api="PullRequest",
        operation="update-comment",
    )


def _comment_path(repository: str, comment_id: str) -> str:
    pull, _, comment = comment_id.partition(":")
    return f"{repository}/pullrequests/{segment(pull)}/comments/{segment(comment)}"


def _content(body: str) -> Document:
    return {"content": {"raw": shortened(body, COMMENT_LIMIT)}}


def check_repository(repository: str) -> Request:
    return _get(repository, "check")


def read_full_name(repository: Document, called: str) -> str:
    """Return a repository's full name, which is `called` where the host does not show it."""
    return text(repository, "full_name", default=called)


def is_id(full_name: str) -> bool:
    """Return whether workspace or repository is named by an id in braces, which survives renames."""
    return "{" in full_name


def check_pull_requests(repository: str) -> Request:
    """Ask for one pull request at most: reading a repository proves nothing about the right to read those."""
    return replace(_get(f"{repository}/pullrequests", "check"), query={"pagelen": "1", "fields": "size"})


def check_account() -> Request:
    """Ask who the credential belongs to; access tokens of repositories, projects and workspaces get 403."""
    return _get("/user", "check")


def read_account(value: Document) -> str:
    return required_text(value, "uuid")


def read_account_name(value: Document) -> str:
    return text(value, "nickname") or text(value, "display_name") or required_text(value, "uuid")


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name the scopes that a credential misses; the host lists them in its answer.

    https://developer.atlassian.com/cloud/bitbucket/rest/intro/#authentication
    """
    if reply.status != 403:
        return error
    try:
        missing = _scopes(reply.value())
    except ProviderMalformed:
        return error
    if not missing:
        return error
    named = ", ".join(f"`{scope}`" for scope in missing)
    return type(error)(f"{error}: give the credential the scope {named}", status=error.status)


def _scopes(value: object) -> Iterable[str]:
    detail = at(value, "error", "detail")
    if not isinstance(detail, Mapping):
        return ()
    granted = texts(detail, "granted", limit=_SCOPES_LIMIT)
    return [scope for scope in texts(detail, "required", limit=_SCOPES_LIMIT) if scope not in granted][:_SCOPES_NAMED]


def values(reply: Reply, *, limit: int = ENTRIES_LIMIT) -> tuple[Document, ...]:
    """Return the items of a page. Raises ProviderMalformed for more of them than the limit."""
    return documents(document(reply.value()), "values", limit=limit)


def _get(path: str, operation: str) -> Request:
    return Request(method="GET", path=path, api="PullRequest", operation=operation)
