"""What all of GitLab's REST API has in common, as pure functions (https://docs.gitlab.com/api/rest)."""

from collections.abc import Mapping
from dataclasses import dataclass

from providers.documents import Document, at, flag, required_text, text, texts
from providers.errors import (
    ProviderError,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.messages import Reply, Request, has_next_page, segment

PAGE_SIZE = 100
# A host that always names a next page must not keep us reading.
PAGE_LIMIT = 100
API = "PullRequest"
STATUS_API = "CommitStatus"
_API_PATH = "/api/v4"
_FINE_GRAINED = "granular"
# Statuses have no right of their own there: who may push may set them.
_RIGHTS: Mapping[str, str] = {"pushCode": "set commit statuses", "createLabel": "create labels"}


def base_url(domain: str) -> str:
    """Return the API's address for a ScmProvider's `gitlab.domain`: empty, a host with port and path, or a URL."""
    domain = domain.strip().rstrip("/")
    address = domain if "://" in domain else f"https://{domain or 'gitlab.com'}"
    return address if address.endswith(_API_PATH) else f"{address}{_API_PATH}"


def project_path(project: str) -> str:
    """Return the path of a project given by its number or its full path, which is one segment."""
    return f"/projects/{segment(project.strip().strip('/'))}"


def page(path: str, number: int, *, operation: str, api: str = API, size: int = PAGE_SIZE, **query: str) -> Request:
    """Ask for one page of a list."""
    asked = {**query, "per_page": str(size), "page": str(number)}
    return Request(method="GET", path=path, query=asked, api=api, operation=operation)


def has_more(reply: Reply) -> bool:
    """Return whether a list goes on behind this page (https://docs.gitlab.com/api/rest/#pagination)."""
    return bool(reply.headers.get("x-next-page", "").strip()) or has_next_page(reply)


def get_project(project: str) -> Request:
    return Request(method="GET", path=project, api=API, operation="check-project")


def read_project_path(value: Document) -> str:
    return required_text(value, "path_with_namespace")


def is_archived(value: Document) -> bool:
    return flag(value, "archived")


def get_account() -> Request:
    # https://docs.gitlab.com/api/users/#retrieve-the-current-user: project and group access tokens have a user too.
    return Request(method="GET", path="/user", api=API, operation="check")


@dataclass(frozen=True, kw_only=True)
class User:
    """An account, which keeps its id when it is renamed."""

    id: str
    username: str


def read_user(value: Document) -> User:
    return User(id=required_text(value, "id"), username=required_text(value, "username"))


def get_token() -> Request:
    """Ask what a token is; any scope may, but tokens of other kinds (OAuth, jobs) and old hosts have no answer."""
    # https://docs.gitlab.com/api/personal_access_tokens/#self-inform: project and group access tokens too.
    return Request(
        method="GET",
        path="/personal_access_tokens/self",
        api=API,
        operation="check",
        accepts=frozenset({400, 403, 404}),
    )


def read_scopes(reply: Reply) -> frozenset[str]:
    """Read a token's scopes; empty where they are not shown, or where rights are granted one by one instead."""
    scopes = frozenset(texts(reply.document(), "scopes")) if reply.ok else frozenset()
    return frozenset() if _FINE_GRAINED in scopes else scopes


def graphql_url(base_url: str) -> str:
    """Return the address below which GraphQL answers (https://docs.gitlab.com/api/graphql)."""
    return base_url.removesuffix("/v4")


def ask_rights(path: str) -> Request:
    """Ask what the token's user may do, whatever gives it the right to: roles come from groups and shares as well.

    https://docs.gitlab.com/api/graphql/reference/#projectpermissions
    """
    query = f"query($path: ID!) {{ project(fullPath: $path) {{ userPermissions {{ {' '.join(_RIGHTS)} }} }} }}"
    return Request(
        method="POST",
        path="/graphql",
        json={"query": query, "variables": {"path": path}},
        api=API,
        operation="check",
        accepts=frozenset({400, 401, 403, 404, 422}),
    )


def read_missing_rights(reply: Reply) -> tuple[str, ...]:
    """Return what the user may not do as far as the host states it; an answer without rights proves nothing."""
    if not reply.ok:
        return ()
    found = at(reply.document(), "data", "project", "userPermissions")
    return tuple(what for name, what in _RIGHTS.items() if at(found, name) is False)


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name what a refusal means where GitLab's own text or its status means something else."""
    message = str(error)
    if reply.redirects and not request.reads and "/projects/" in reply.headers.get("location", ""):
        # https://docs.gitlab.com/api/rest/#redirects: reads go on as if nothing had happened.
        hint = "the project was renamed or moved: name it in the GitRepository as it is called now, or by `projectId`"
        return ProviderRejected(f"{hint} ({message})", status=reply.status)
    if request.api == STATUS_API and not request.reads:
        return _refused_status(message, reply.status) or error
    return error


def _refused_status(message: str, status: int) -> ProviderError | None:
    """Read a refusal of a commit status (https://docs.gitlab.com/api/commits/#set-the-pipeline-status-of-a-commit)."""
    if status == 409:
        # The host locks the statuses of one commit against each other.
        return ProviderUnavailable(message, status=status)
    if status == 403:
        hint = "a status needs the role Developer, and CI/CD among the features of the project"
        return ProviderUnauthorized(f"{message}; {hint}", status=status)
    return None


def message_in(reply: Reply) -> str:
    """Return the message of a refusal where it is one text; lists and fields are left to `error_mapping`."""
    try:
        found = reply.document()
        return text(found, "message") or text(found, "error")
    except ProviderError:
        return ""
