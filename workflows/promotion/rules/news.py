"""What news of a pull request changes in what a promotion knows of it. Pure."""

from dataclasses import replace

from activities.models.pull_requests_news import PullRequestNews
from activities.models.tracking import PullRequest, PullRequestState
from workflows.promotion.state import PromotionState


def take_news(story: PromotionState, news: PullRequestNews) -> bool:
    """Take news unless newer ones were taken, since signals may cross; return whether anything changed."""
    if story.listed_at is not None and news.listed_at <= story.listed_at:
        return False
    found = with_news(story.pull_request, news)
    changed = found != story.pull_request
    story.pull_request, story.listed_at = found, news.listed_at
    return changed


def with_news(known: PullRequest | None, news: PullRequestNews) -> PullRequest:
    """Return what is known with the news; a merge stays one, whatever a replica of the host still shows."""
    listed = news.pull_request
    if known is None:
        return listed
    if known.state is PullRequestState.MERGED:
        listed = replace(listed, state=known.state, merge_sha=known.merge_sha or listed.merge_sha)
    return listed if news.labels_listed else replace(listed, labels=known.labels)


def lacks_merge(pull_request: PullRequest | None) -> bool:
    """Tell whether it is merged by a commit that the host's list does not show."""
    return pull_request is not None and pull_request.state is PullRequestState.MERGED and pull_request.merge_sha is None
