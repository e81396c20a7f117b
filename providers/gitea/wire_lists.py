"""The list of a repository's pull requests at Gitea and Forgejo.

https://docs.gitea.com/api/#tag/repository/operation/repoListPullRequests
"""

from providers.documents import documents_or_nulls
from providers.gitea import wire
from providers.messages import Reply, Request, has_next_page
from providers.pull_request_lists import PageWanted, PullRequestPage, dated, reaches, read_each


def list_pulls(repository: str, asked: PageWanted) -> Request:
    """Ask for a page, the one updated last first."""
    query = {
        "state": "all",
        "sort": "recentupdate",
        "page": str(asked.number),
        "limit": str(min(asked.size, wire.PAGE_SIZE)),
    }
    return Request(method="GET", path=f"{repository}/pulls", query=query, api="PullRequest", operation="list-updated")


def read_pulls(reply: Reply, asked: PageWanted) -> PullRequestPage:
    """Read a page. A pull request that the host cannot show, such as for its branches, is null."""
    listed, unreadable = read_each(documents_or_nulls(reply.value()), lambda one: dated(one, wire.read_pull))
    ends = reaches(listed, asked.since) or not has_next_page(reply)
    following = "" if ends else str(asked.number + 1)
    return PullRequestPage(pull_requests=listed, following=following, unreadable=unreadable)
