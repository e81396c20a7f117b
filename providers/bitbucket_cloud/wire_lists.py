"""Bitbucket Cloud's list of a repository's pull requests.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/#api-repositories-workspace-repo-slug-pullrequests-get
"""

from providers.bitbucket_cloud import wire
from providers.documents import Document, moment
from providers.errors import ProviderMalformed
from providers.messages import Reply, Request
from providers.models import ChangeState
from providers.pull_request_lists import ListedPullRequest, PageWanted, PullRequestPage, reaches, read_each

_PAGE_SIZE = 50
"""The largest page of pull requests."""
_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")


def list_pulls(repository: str, asked: PageWanted) -> Request:
    """Ask for a page, the one updated last first; without states only open ones are listed."""
    return Request(
        method="GET",
        path=f"{repository}/pullrequests",
        query={
            "state": _STATES,
            "sort": "-updated_on",
            "pagelen": str(min(asked.size, _PAGE_SIZE)),
            "page": str(asked.number),
        },
        api="PullRequest",
        operation="list-updated",
    )


def read_pulls(reply: Reply, asked: PageWanted) -> PullRequestPage:
    listed, unreadable = read_each(wire.values(reply, limit=_PAGE_SIZE), _listed)
    ends = reaches(listed, asked.since) or not wire.has_more(reply)
    following = "" if ends else str(asked.number + 1)
    return PullRequestPage(pull_requests=listed, following=following, unreadable=unreadable)


def _listed(value: Document) -> ListedPullRequest:
    """Read one of the list, whose hashes are abbreviated. When it was merged is not shown: not after its update."""
    change, updated = wire.read_pull(value), moment(value, "updated_on")
    if updated is None:
        raise ProviderMalformed("the answer's `updated_on` is missing")
    merged_at = updated if change.state is ChangeState.MERGED else None
    return ListedPullRequest(change=change, updated_at=updated, merged_at=merged_at, whole=False, labels_listed=False)
