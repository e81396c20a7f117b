"""GitHub's list of a repository's pull requests (https://docs.github.com/en/rest/pulls/pulls#list-pull-requests)."""

from providers.github import wire
from providers.messages import Reply, Request, has_next_page
from providers.pull_request_lists import PageWanted, PullRequestPage, dated, reaches, read_each


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
    listed, unreadable = read_each(reply.documents(), lambda one: dated(one, wire.read_pull))
    ends = reaches(listed, asked.since) or not has_next_page(reply)
    following = "" if ends else str(asked.number + 1)
    return PullRequestPage(pull_requests=listed, following=following, unreadable=unreadable)
