"""GitHub's REST shapes as pure functions, version 2022-11-28 (https://docs.github.com/en/rest)."""

from collections.abc import Mapping
from dataclasses import replace

from providers.documents import (
    Document,
    document,
    documents,
    flag,
    likely_moment,
    moment,
    number,
    required_text,
    text,
)
from providers.errors import ProviderError, ProviderRejected, ProviderUnauthorized
from providers.github.rights import wanted_permissions
from providers.issue_comments import read_author, read_comment
from providers.label_looks import default_look
from providers.messages import Reply, Request, has_next_page, items_on, segment
from providers.models import Ancestry, ChangeState, Comment, CommitStatus, HostPullRequest, LabelLook, StatusState
from providers.redaction import shortened
from providers.status_keys import fitting_url

# Newer versions miss `merge_commit_sha`; the old one is served until at least 24 months after its successor.
HEADERS: Mapping[str, str] = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
PAGE_SIZE = 100
# A host that always claims a next page must not keep us reading.
PAGE_LIMIT = 100
# Of a pull request that changes more files the rest is left out without notice:
# https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files
FILES_LISTED = 3000
DESCRIPTION_LIMIT = 140
_LABEL_DESCRIPTION_LIMIT = 100
APP_SUFFIX = "[bot]"

_ANCESTRIES: Mapping[str, Ancestry] = {
    "identical": Ancestry.IDENTICAL,
    "ahead": Ancestry.AHEAD,
    "behind": Ancestry.BEHIND,
    "diverged": Ancestry.DIVERGED,
}


def base_url(domain: str) -> str:
    """Return the API's address for a ScmProvider's `github.domain`: empty, a bare domain, or a whole URL."""
    domain = domain.strip().rstrip("/")
    if domain in ("", "github.com", "api.github.com"):
        return "https://api.github.com"
    if "://" in domain:
        return domain
    # Enterprise Cloud with data residency answers at a sub-domain, Enterprise Server below a path.
    return f"https://api.{domain}" if domain.endswith(".ghe.com") else f"https://{domain}/api/v3"


def graphql_url(base_url: str) -> str:
    """Return the address below which GraphQL answers: Enterprise Server has it next to the version of its REST API.

    https://docs.github.com/en/enterprise-server/graphql/guides/managing-enterprise-accounts
    """
    return base_url.removesuffix("/v3") if base_url.endswith("/api/v3") else base_url


def repository_path(owner: str, repository: str) -> str:
    return f"/repos/{segment(owner)}/{segment(repository)}"


def get_pull(repository: str, number_: int, *, etag: str = "") -> Request:
    """Ask for a pull request; 304 answers cost no quota."""
    return Request(
        method="GET",
        path=f"{repository}/pulls/{number_}",
        api="PullRequest",
        operation="get",
        headers={"If-None-Match": etag} if etag else {},
        accepts=frozenset({304}) if etag else frozenset(),
    )


def read_pull(value: Document) -> HostPullRequest:
    """Read a pull request; while it is open `merge_commit_sha` is only a test merge and therefore left out."""
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
        branch=text(value, "head", "ref"),
        base_branch=text(value, "base", "ref"),
        labels=tuple(required_text(label, "name") for label in documents(value, "labels")),
        merged_at=likely_moment(value, "merged_at") if state is ChangeState.MERGED else None,
        # Of a fork that was deleted the host shows no repository.
        from_fork=text(value, "head", "repo", "full_name").lower() != text(value, "base", "repo", "full_name").lower(),
    )


def list_files(repository: str, number_: int, page: int) -> Request:
    return _page(f"{repository}/pulls/{number_}/files", page, api="PullRequest", operation="list-files")


def compare(repository: str, base: str, head: str) -> Request:
    """Ask for ancestry alone: from the second page on the answer carries no files, which can be many megabytes."""
    return Request(
        method="GET",
        path=f"{repository}/compare/{segment(base)}...{segment(head)}",
        query={"per_page": "1", "page": "2"},
        api="PullRequest",
        operation="compare",
    )


def read_comparison(value: Document) -> Ancestry:
    return _ANCESTRIES.get(required_text(value, "status"), Ancestry.UNKNOWN)


def get_commit(repository: str, revision: str) -> Request:
    """Read one commit; an abbreviation that is unknown or ambiguous is answered with 404 or 422."""
    return Request(
        method="GET",
        path=f"{repository}/commits/{segment(revision)}",
        api="PullRequest",
        operation="get-commit",
        accepts=frozenset({404, 422}),
    )


def read_commit(value: Document) -> str:
    return required_text(value, "sha")


def list_statuses(repository: str, sha: str, page: int) -> Request:
    """Ask for the combined status, which holds the newest status of each context."""
    return _page(f"{repository}/commits/{segment(sha)}/status", page, api="CommitStatus", operation="list")


def read_statuses(reply: Reply) -> tuple[CommitStatus, ...]:
    return tuple(
        CommitStatus(
            context=text(status, "context", default="default"),
            state=_verdict(required_text(status, "state")),
            description=text(status, "description"),
            url=text(status, "target_url"),
            posted_at=likely_moment(status, "updated_at"),
        )
        for status in documents(reply.document(), "statuses")
    )


def create_status(repository: str, sha: str, status: CommitStatus) -> Request:
    body = {
        "state": status.state.value,
        "context": status.context,
        "description": shortened(status.description, DESCRIPTION_LIMIT),
    }
    # The host answers 422 for any other scheme and for an empty text.
    if url := fitting_url(status.url):
        body["target_url"] = url
    return Request(
        method="POST",
        path=f"{repository}/statuses/{segment(sha)}",
        json=body,
        api="CommitStatus",
        operation="create",
    )


def list_labels(repository: str, number_: int, page: int) -> Request:
    return _page(f"{repository}/issues/{number_}/labels", page, api="PullRequest", operation="list-labels")


def read_labels(reply: Reply) -> tuple[str, ...]:
    return tuple(required_text(label, "name") for label in reply.documents())


def create_label(repository: str, name: str, look: LabelLook | None = None) -> Request:
    """Create a repository label; 422 (exists already) and 403 (no right to) are left to adding it."""
    look = look or default_look(name)
    return Request(
        method="POST",
        path=f"{repository}/labels",
        json={
            "name": name,
            "color": look.colour,
            "description": shortened(look.description, _LABEL_DESCRIPTION_LIMIT),
        },
        api="PullRequest",
        operation="create-label",
        accepts=frozenset({403, 422}),
    )


def add_labels(repository: str, number_: int, names: tuple[str, ...]) -> Request:
    """Add to what is there; the answer lists all labels. Names are compared without case.

    https://docs.github.com/en/rest/issues/labels#add-labels-to-an-issue
    """
    return Request(
        method="POST",
        path=f"{repository}/issues/{number_}/labels",
        json={"labels": list(names)},
        api="PullRequest",
        operation="add-labels",
    )


def remove_label(repository: str, number_: int, name: str) -> Request:
    return Request(
        method="DELETE",
        path=f"{repository}/issues/{number_}/labels/{segment(name)}",
        api="PullRequest",
        operation="remove-labels",
        accepts=frozenset({404}),
    )


def list_comments(repository: str, number_: int, page: int) -> Request:
    return _page(f"{repository}/issues/{number_}/comments", page, api="PullRequest", operation="list-comments")


def read_comments_of(login: str, reply: Reply) -> tuple[Comment, ...]:
    """Read the comments of one account, whose name is given in lower case; of all Apps' where it is empty.

    A credential that may not ask whose it is, in neither way, is the token of an App's installation, and no person's
    name ends as an App's does. https://docs.github.com/en/rest/users/users#get-the-authenticated-user
    """
    return tuple(
        replace(read_comment(comment), account_known=bool(login))
        for comment in reply.documents()
        if _may_be(read_author(comment).lower(), login)
    )


def _may_be(author: str, login: str) -> bool:
    return author == login if login else author.endswith(APP_SUFFIX)


def check_repository(repository: str) -> Request:
    return Request(method="GET", path=repository, api="PullRequest", operation="check")


def check_account(*, app: bool) -> Request:
    """Ask who the credential belongs to; installation tokens cannot ask for a user, the App itself can be asked for."""
    return Request(method="GET", path="/app" if app else "/user", api="PullRequest", operation="check")


def ask_viewer() -> Request:
    """Ask who the credential belongs to in GraphQL, which answers installation tokens as well.

    https://docs.github.com/en/graphql/reference/queries#viewer
    """
    query = {"query": "query { viewer { login } }"}
    return Request(method="POST", path="/graphql", json=query, api="PullRequest", operation="check")


def read_viewer(answer: Document) -> str:
    """Return the account's name as REST shows it, `<slug>[bot]` of an App; errors come with status 200."""
    return required_text(answer, "data", "viewer", "login")


def read_own_name(account: Document, *, app: bool) -> str:
    """Return the name under which an account comments: Apps write as `<slug>[bot]`."""
    return f"{required_text(account, 'slug')}{APP_SUFFIX}" if app else required_text(account, "login")


def is_archived(repository: Document) -> bool:
    return flag(repository, "archived")


def read_account(value: object) -> str:
    return text(value, "full_name") or text(value, "login") or required_text(document(value), "slug")


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name what a refusal misses, and what a redirect of a write means: reads of a repository that was renamed go on.

    https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
    """
    if reply.status == 403 and isinstance(error, ProviderUnauthorized) and (wanted := wanted_permissions(reply)):
        return ProviderUnauthorized(f"{error}; the call needs the permission {wanted}", status=error.status)
    if request.reads or not reply.redirects or "/repositories/" not in reply.headers.get("location", ""):
        return error
    text = "the repository was renamed or moved: name it in the GitRepository as it is called now"
    return ProviderRejected(f"{text} ({error})", status=error.status)


def is_unrelated(message: str) -> bool:
    """Separate commits without a common ancestor from unknown ones; both are 404."""
    return "no common ancestor" in message.lower()


def _page(path: str, page: int, *, api: str, operation: str) -> Request:
    query = {"per_page": str(PAGE_SIZE), "page": str(page)}
    return Request(method="GET", path=path, query=query, api=api, operation=operation)


def _verdict(state: str) -> StatusState:
    try:
        return StatusState(state)
    except ValueError:
        return StatusState.ERROR


def goes_on(reply: Reply, *path: str) -> bool:
    """Return whether a list goes on behind this page, or may: a full one is looked behind where no header shows it."""
    full = "link" not in reply.headers and items_on(reply, *path) == PAGE_SIZE
    return full or has_next_page(reply)
