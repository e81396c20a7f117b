"""Bitbucket Data Center's list of a repository's pull requests.

https://developer.atlassian.com/server/bitbucket/rest/latest/api-group-pull-requests/: its order `NEWEST` need not
be that of updates, so that what is open is listed whole, and then the newest of all.
"""

from providers.bitbucket_data_center import wire
from providers.documents import Document
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request
from providers.models import ChangeState
from providers.pull_request_lists import (
    OPEN,
    WHOLE_PAGE,
    ListedPullRequest,
    PageWanted,
    PullRequestPage,
    at_milliseconds,
    read_each,
)


def list_pulls(repository: str, asked: PageWanted) -> Request:
    request = Request(
        method="GET",
        path=f"{repository}/pull-requests",
        query={"state": "OPEN" if asked.part == OPEN else "ALL", "order": "NEWEST"},
        api="PullRequest",
        operation="list-updated",
    )
    return wire.page_of(request, asked.start, WHOLE_PAGE)


def read_pulls(reply: Reply, asked: PageWanted) -> PullRequestPage:
    listed, unreadable = read_each(wire.values(reply, limit=wire.PAGE_SIZE), _listed)
    following = asked.after_part(wire.next_start(reply, asked.start))
    return PullRequestPage(pull_requests=listed, following=following, unreadable=unreadable)


def _listed(value: Document) -> ListedPullRequest:
    """Read one of the list, where a merge commit may be missing."""
    change, updated = wire.read_pull(value), at_milliseconds(value, "updatedDate")
    if updated is None:
        raise ProviderMalformed("the answer's `updatedDate` is missing")
    merged = change.state is ChangeState.MERGED
    return ListedPullRequest(
        change=change,
        updated_at=updated,
        merged_at=(at_milliseconds(value, "closedDate") or updated) if merged else None,
        whole=not merged or change.merge_sha is not None,
        labels_listed=False,
    )
