"""GitLab's list of a project's merge requests (https://docs.gitlab.com/api/merge_requests)."""

from providers.gitlab import wire
from providers.gitlab.merge_requests import has_head, read_merge_request
from providers.messages import Reply, Request
from providers.pull_request_lists import PageWanted, PullRequestPage, dated, reaches, read_each


def list_merge_requests(project: str, asked: PageWanted) -> Request:
    """Ask for a page, the one updated last first."""
    return wire.page(
        f"{project}/merge_requests",
        asked.number,
        operation="list-updated",
        size=asked.size,
        state="all",
        scope="all",
        order_by="updated_at",
        sort="desc",
    )


def read_merge_requests(reply: Reply, asked: PageWanted) -> PullRequestPage:
    """Read a page, without those that the host still prepares: the answer changes when they are ready."""
    prepared = [one for one in reply.documents() if has_head(one)]
    listed, unreadable = read_each(prepared, lambda one: dated(one, read_merge_request))
    ends = reaches(listed, asked.since) or not wire.has_more(reply)
    following = "" if ends else str(asked.number + 1)
    return PullRequestPage(pull_requests=listed, following=following, unreadable=unreadable)
