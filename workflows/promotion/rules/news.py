"""What news of a pull request, and of what was promoted, change in what a promotion knows. Pure."""

from dataclasses import replace

from activities.models.drift import DriftNotice
from activities.models.pull_requests_news import PullRequestNews
from activities.models.state_labels import PLACE_PREFIX, STATES_BY_LABEL, place_label, state_label
from activities.models.tracking import PullRequest, PullRequestState
from workflows.promotion.state import PromotionState


def take_news(story: PromotionState, news: PullRequestNews) -> bool:
    """Take news unless newer ones were taken, since signals may cross; return whether people are to see them.

    Labels that we put there ourselves are no news: each would cost a status that equals the one before it.
    """
    if story.listed_at is not None and news.listed_at <= story.listed_at:
        return False
    found = with_news(story.pull_request, news)
    before, story.pull_request, story.listed_at = story.pull_request, found, news.listed_at
    return found != before and not (before is not None and differs_by_ours(story, before, found))


def take_drift(story: PromotionState, notice: DriftNotice) -> bool:
    """Take what the monitors report unless something newer was taken; return whether people are to see it."""
    before = story.drift
    if notice.order <= before.order:
        return False
    story.drift = notice
    return (notice.drifted, notice.lines) != (before.drifted, before.lines)


def differs_by_ours(story: PromotionState, before: PullRequest, after: PullRequest) -> bool:
    """Return whether a pull request differs by labels alone that show where the promotion is."""
    if replace(after, labels=before.labels) != before:
        return False
    was, now = ({label.lower() for label in one.labels} for one in (before, after))
    ours = {label.lower() for label in (state_label(story.state), place_label(story.environment), *story.labels)}
    former = {label for label in was - now if label in STATES_BY_LABEL or label.startswith(PLACE_PREFIX)}
    return now - was <= ours and was - now == former - ours


def with_news(known: PullRequest | None, news: PullRequestNews) -> PullRequest:
    """Return what is known with the news; a merge stays one, whatever a replica of the host still shows."""
    listed = news.pull_request
    if known is None:
        return listed
    if known.state is PullRequestState.MERGED:
        listed = replace(listed, state=known.state, merge_sha=known.merge_sha or listed.merge_sha)
    return listed if news.labels_listed else replace(listed, labels=known.labels)


def misses_merge(pull_request: PullRequest | None) -> bool:
    """Return whether it is merged by a commit that the host's list does not show."""
    return pull_request is not None and pull_request.state is PullRequestState.MERGED and pull_request.merge_sha is None
