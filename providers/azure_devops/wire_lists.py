"""Azure DevOps' list of a repository's pull requests.

https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-requests/get-pull-requests: it knows no order by update
and no time of one, so that what is active is listed whole, and then the newest of all.
"""

from providers.azure_devops import wire
from providers.documents import Document, moment
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request
from providers.models import ChangeState
from providers.pull_request_lists import OPEN, WHOLE_PAGE, ListedPullRequest, PageWanted, PullRequestPage, read_each


def list_pulls(repository: str, asked: PageWanted) -> Request:
    query = {
        "searchCriteria.status": "active" if asked.part == OPEN else "all",
        "$top": str(WHOLE_PAGE),
        "$skip": str(asked.start),
    }
    return wire.request("GET", f"{repository}/pullrequests", "list-updated", query=query)


def read_pulls(reply: Reply, asked: PageWanted, web: str) -> PullRequestPage:
    """Read a page; a full one is followed by another. `web` is the address of the repository's pages."""
    items = wire.items_of(reply)
    following = asked.start + len(items) if len(items) >= WHOLE_PAGE else None
    listed, unreadable = read_each([one for one in items if wire.has_head(one)], lambda one: _listed(one, web))
    return PullRequestPage(pull_requests=listed, following=asked.after_part(following), unreadable=unreadable)


def _listed(value: Document, web: str) -> ListedPullRequest:
    change, closed, created = wire.read_pull(value, web), moment(value, "closedDate"), moment(value, "creationDate")
    if created is None:
        raise ProviderMalformed("the answer's `creationDate` is missing")
    merged = change.state is ChangeState.MERGED
    return ListedPullRequest(
        change=change,
        updated_at=closed or created,
        merged_at=(closed or created) if merged else None,
        whole=not merged or change.merge_sha is not None,
        labels_listed=wire.has_labels(value),
    )
