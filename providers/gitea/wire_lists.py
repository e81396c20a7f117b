"""The list of a repository's pull requests at Gitea and Forgejo.

https://docs.gitea.com/api/#tag/repository/operation/repoListPullRequests
"""

from providers.gitea import wire
from providers.messages import Reply, Request, has_next_page
from providers.pull_request_lists import PageWanted, PullRequestPage, dated, reaches


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
    listed = tuple(dated(one, wire.read_pull(one)) for one in reply.documents())
    ends = reaches(listed, asked.since) or not has_next_page(reply)
    return PullRequestPage(pull_requests=listed, following="" if ends else str(asked.number + 1))
