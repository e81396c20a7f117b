"""Azure DevOps' REST shapes as pure functions, version 7.0 (https://learn.microsoft.com/en-us/rest/api/azure/devops/git)."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from providers.documents import (
    Document,
    at,
    documents,
    flag,
    likely_moment,
    number,
    required_number,
    required_text,
    text,
)
from providers.errors import ProviderError, ProviderMalformed, ProviderNotFound, ProviderRejected, ProviderUnauthorized
from providers.messages import Reply, Request, segment
from providers.models import Ancestry, ChangeState, HostPullRequest

# The lowest version in which labels and merge bases are no previews: Services and every server since 2022 serve it.
# https://learn.microsoft.com/en-us/azure/devops/integrate/concepts/rest-api-versioning
VERSION = "7.0"
# Without it a credential that is not accepted is answered with a redirect to a page where people sign in.
HEADERS: Mapping[str, str] = {"X-TFS-FedAuthRedirect": "Suppress"}
PAGE_SIZE = 1000
# A host that always claims a next page must not keep us reading.
PAGE_LIMIT = 100
BRANCHES = "refs/heads/"
LABEL_LIMIT = 400
"""Characters of a label's name: it is a tag (https://learn.microsoft.com/en-us/azure/devops/organizations/settings/naming-restrictions)."""
_SERVICES = "dev.azure.com"
_FORMER = ".visualstudio.com"
# https://learn.microsoft.com/en-us/azure/devops/repos/git/branch-policies: it is no missing right of the credential.
_POLICY = frozenset(
    {
        "GitPullRequestUpdateRejectedByPolicyException",
        "GitRefUpdateRejectedByPolicyException",
        "GitRefLockedException",
        "GitForcePushDeniedException",
    }
)
# The server has no status of its own for the first one, and answers 400.
_UNKNOWN = frozenset({"GitObjectDoesNotExistException", "GitUnresolvableToCommitException"})
_ERROR_BYTES = 64 * 1024
GIT_PERMISSIONS = "2e9eb7ed-3c0a-47d4-87c1-0ffdb275fd87"
PERMISSIONS: Mapping[int, str] = {
    4: "Contribute, which commit statuses need",
    16_384: "Contribute to pull requests, which labels and comments need",
}
"""Permissions of a Git repository that the account must hold, and what for."""


def base_url(domain: str, organization: str) -> str:
    """Return the address of an organization, or of a server's collection.

    An organization's former address holds its name already:
    https://learn.microsoft.com/en-us/azure/devops/extend/develop/work-with-urls
    """
    root = domain.strip().rstrip("/") or _SERVICES
    if "://" not in root:
        root = f"https://{root}"
    former = f"{organization}{_FORMER}".lower()
    return root if _host(root) == former else f"{root}/{segment(organization)}"


def identities_url(base: str) -> str:
    """Return the address at which an organization's accounts are; a server has them at its collection.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/ims/identities/read-identities
    """
    host = _host(base)
    if host != _SERVICES and not host.endswith(_FORMER):
        return base
    named = f"vssps.{_SERVICES}" if host == _SERVICES else host.replace(".", ".vssps.", 1)
    return urlsplit(base)._replace(netloc=named).geturl()


def _host(address: str) -> str:
    """Return the host of an address; empty for what is no URL, which is refused when it is called."""
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def repository_path(project: str, repository: str) -> str:
    return f"/{segment(project)}/_apis/git/repositories/{segment(repository)}"


def repository_page(base: str, project: str, repository: str) -> str:
    """Return the address at which people see a repository; its own as well as that of its API begins with `base`."""
    return f"{base}/{segment(project)}/_git/{segment(repository)}"


def request(
    method: str,
    path: str,
    operation: str,
    *,
    api: str = "PullRequest",
    query: Mapping[str, str] | None = None,
    json: object = None,
    accepts: frozenset[int] = frozenset(),
    version: str = VERSION,
) -> Request:
    """Make a request, which always names the version of the API."""
    return Request(
        method=method,
        path=path,
        operation=operation,
        api=api,
        query={"api-version": version, **(query or {})},
        json=json,
        accepts=accepts,
    )


def is_sign_in(reply: Reply) -> bool:
    """Recognise the answers, other than 401, to a credential that is not accepted: a page, or the way to one.

    https://learn.microsoft.com/en-us/azure/devops/integrate/get-started/authentication/authentication-guidance
    """
    if reply.status == 302:
        place = reply.headers.get("location", "").lower()
        return "_signin" in place or "/oauth2/" in place
    return reply.status == 203 and "html" in reply.headers.get("content-type", "")


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Name errors whose status alone misleads."""
    if is_sign_in(reply):
        text_ = f"`{request.method} {request.path}` was answered with the page where people sign in ({reply.status})"
        return ProviderUnauthorized(f"{text_}: the credential is wrong, expired or of another organization", status=401)
    key = type_key(reply)
    if reply.status == 403 and key in _POLICY:
        return ProviderRejected(str(error), status=error.status)
    if reply.status == 400 and key in _UNKNOWN:
        return ProviderNotFound(str(error), status=error.status)
    return error


def type_key(reply: Reply) -> str:
    """Return the name of the exception that an error's body carries; empty where there is none."""
    if len(reply.body) > _ERROR_BYTES:
        return ""
    try:
        return text(reply.document(), "typeKey")
    except ProviderMalformed:
        return ""


def items_of(reply: Reply) -> tuple[Document, ...]:
    """Read a list: all of them stand in `value`."""
    return documents(reply.document(), "value")


def get_repository(repository: str) -> Request:
    return request("GET", repository, "check")


def read_repository(value: Document) -> str:
    """Return project and name. Raises ProviderRejected for a repository that was disabled: nothing of it is served."""
    name = f"{required_text(value, 'project', 'name')}/{required_text(value, 'name')}"
    if flag(value, "isDisabled"):
        raise ProviderRejected(f"repository `{name}` is disabled: enable it in the settings of its project")
    return name


def security_token(repository: Document) -> str:
    """Return the name of a repository in the host's lists of permissions."""
    return f"repoV2/{required_text(repository, 'project', 'id')}/{required_text(repository, 'id')}"


def ask_permission(repository: Document, bit: int) -> Request:
    """Ask whether the account holds a permission on a repository; a token without the right to ask is refused.

    https://learn.microsoft.com/en-us/azure/devops/organizations/security/namespace-reference
    """
    path = f"/_apis/permissions/{GIT_PERMISSIONS}/{bit}"
    return request(
        "GET", path, "check", query={"tokens": security_token(repository)}, accepts=frozenset({400, 401, 403, 404})
    )


def is_denied(reply: Reply) -> bool:
    """Return whether the account is without the permission; one that is not answered for is not known to be missing."""
    return reply.ok and at(reply.value(), "value") == [False]


def get_account() -> Request:
    """Ask who the credential belongs to, at the organization: there is no released version of it."""
    return request("GET", "/_apis/connectionData", "check", version=f"{VERSION}-preview")


def read_account_id(value: Document) -> str:
    return required_text(value, "authenticatedUser", "id")


def read_account_name(value: Document) -> str:
    return text(value, "authenticatedUser", "providerDisplayName") or read_account_id(value)


def get_pull(repository: str, number_: int) -> Request:
    return request("GET", f"{repository}/pullrequests/{number_}", "get")


def read_pull(value: Document, web: str) -> HostPullRequest:
    """Read a pull request; while it is open `lastMergeCommit` is only a test merge and therefore left out.

    `web` is the address of the repository's pages.
    """
    number_, state = required_number(value, "pullRequestId"), read_state(value)
    return HostPullRequest(
        number=number_,
        title=text(value, "title"),
        author=text(value, "createdBy", "uniqueName") or text(value, "createdBy", "displayName"),
        url=f"{web}/pullrequest/{number_}",
        state=state,
        head_sha=required_text(value, "lastMergeSourceCommit", "commitId"),
        merge_sha=text(value, "lastMergeCommit", "commitId") or None if state is ChangeState.MERGED else None,
        branch=text(value, "sourceRefName").removeprefix(BRANCHES),
        base_branch=text(value, "targetRefName").removeprefix(BRANCHES),
        labels=read_labels(documents(value, "labels")),
        merged_at=likely_moment(value, "closedDate") if state is ChangeState.MERGED else None,
        from_fork=value.get("forkSource") is not None,
    )


def has_head(value: Document) -> bool:
    """Return whether the host has looked at a pull request's branches: of a new one it shows no commit at first."""
    return bool(text(value, "lastMergeSourceCommit", "commitId"))


def read_state(value: Document) -> ChangeState:
    """Distinguish merged from open: completion goes on in the background, and is done once the merge has succeeded.

    https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-requests/get-pull-request#pullrequestasyncstatus
    """
    status = required_text(value, "status")
    if status == "abandoned":
        return ChangeState.CLOSED
    merged = status == "completed" and text(value, "mergeStatus") == "succeeded"
    return ChangeState.MERGED if merged else ChangeState.OPEN


def has_labels(value: Document) -> bool:
    """Return whether the answer has labels at all: one pull request asked for by its number comes without them."""
    return value.get("labels") is not None


def list_labels(repository: str, number_: int) -> Request:
    return request("GET", f"{repository}/pullRequests/{number_}/labels", "list-labels")


def read_labels(labels: tuple[Document, ...]) -> tuple[str, ...]:
    return tuple(required_text(label, "name") for label in labels)


def read_label_ids(labels: tuple[Document, ...]) -> Mapping[str, str]:
    """Return the id of each label by its name in lower case."""
    return {required_text(label, "name").lower(): required_text(label, "id") for label in labels}


def add_label(repository: str, number_: int, name: str) -> Request:
    """Add one label, defining it where the project has none of this name; there is no call for several."""
    return request("POST", f"{repository}/pullRequests/{number_}/labels", "add-labels", json={"name": name})


def remove_label(repository: str, number_: int, label: str) -> Request:
    """Remove a label by its id: names hold slashes, which the server takes for parts of the path however written."""
    path = f"{repository}/pullRequests/{number_}/labels/{segment(label)}"
    return request("DELETE", path, "remove-labels", accepts=frozenset({404}))


def list_iterations(repository: str, number_: int) -> Request:
    return request("GET", f"{repository}/pullRequests/{number_}/iterations", "list-files")


def read_newest_iteration(iterations: tuple[Document, ...]) -> int:
    """Return the number of the newest push to a pull request; 0 where none are kept."""
    return max((required_number(one, "id") for one in iterations), default=0)


def list_files(repository: str, number_: int, iteration: int, skip: int) -> Request:
    """Ask for what the pull request changes as of one push, compared with the target's common commit."""
    path = f"{repository}/pullRequests/{number_}/iterations/{iteration}/changes"
    return request("GET", path, "list-files", query={"$top": str(PAGE_SIZE), "$skip": str(skip)})


def read_files(value: Document) -> tuple[str, ...]:
    """Read changed paths; a rename counts with both."""
    return tuple(
        path.removeprefix("/")
        for entry in documents(value, "changeEntries")
        if not flag(entry, "item", "isFolder")
        for path in (text(entry, "item", "path"), text(entry, "originalPath") or text(entry, "sourceServerItem"))
        if path
    )


def read_next_skip(value: Document) -> int:
    """Return where the next page begins; 0 on the last one."""
    return number(value, "nextSkip")


def find_merge_bases(repository: str, base: str, head: str) -> Request:
    """Ask for the common ancestors, which show who contains whom; a diff would be computed for the same answer."""
    path = f"{repository}/commits/{segment(base)}/mergebases"
    return request("GET", path, "compare", query={"otherCommitId": head})


def read_ancestry(bases: tuple[Document, ...], base: str, head: str) -> Ancestry:
    found = {required_text(one, "commitId").lower() for one in bases}
    if base.lower() in found:
        return Ancestry.AHEAD
    return Ancestry.BEHIND if head.lower() in found else Ancestry.DIVERGED


def list_commits(repository: str, skip: int) -> Request:
    """Ask for commits of the default branch, newest first."""
    query = {"searchCriteria.$top": str(PAGE_SIZE), "searchCriteria.$skip": str(skip)}
    return request("GET", f"{repository}/commits", "list-commits", query=query)


def read_matching(reply: Reply, abbreviation: str) -> frozenset[str]:
    """Return the commits of a page whose hash begins so."""
    wanted = abbreviation.lower()
    found = (required_text(one, "commitId").lower() for one in items_of(reply))
    return frozenset(commit for commit in found if commit.startswith(wanted))
