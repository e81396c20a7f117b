"""GitHub's list of a repository's pull requests (https://docs.github.com/en/rest/pulls/pulls#list-pull-requests)."""

from providers.github import wire
from providers.messages import Reply, Request, has_next_page
from providers.pull_request_lists import PageWanted, PullRequestPage, dated, reaches


def list_pulls(repository: str, asked: PageWanted) -> Request:
    """Ask for a page, the one updated last first; an answer of 304 costs no quota."""
    query = {
        "state": "all",
        "sort": "updated",
        "direction": "desc",
        "per_page": str(asked.size),
        "page": str(asked.number),
    }
    return Request(method="GET", path=f"{repository}/pulls", query=query, api="PullRequest", operation="list-updated")


def read_pulls(reply: Reply, asked: PageWanted) -> PullRequestPage:
    listed = tuple(dated(one, wire.read_pull(one)) for one in reply.documents())
    ends = reaches(listed, asked.since) or not has_next_page(reply)
    return PullRequestPage(pull_requests=listed, following="" if ends else str(asked.number + 1))
