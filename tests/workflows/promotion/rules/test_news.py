"""News of a pull request, against what a promotion knows already."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.pull_requests_news import PullRequestNews
from activities.models.tracking import PullRequest, PullRequestState
from crds.reasons.vocabulary import State
from workflows.promotion.rules.news import misses_merge, take_news, with_news
from workflows.promotion.state import PromotionState

NOW = datetime(2026, 5, 1, tzinfo=UTC)
OPEN = PullRequest(
    number=7,
    title="Add a cart",
    author="ada",
    url="https://git.example/7",
    state=PullRequestState.OPEN,
    head_sha="a" * 40,
    labels=("urgent",),
)
MERGED = replace(OPEN, state=PullRequestState.MERGED, merge_sha="b" * 40)


def news(of: PullRequest, *, after_seconds: int = 0, labels_listed: bool = True) -> PullRequestNews:
    listed_at = NOW + timedelta(seconds=after_seconds)
    return PullRequestNews(pull_request=of, listed_at=listed_at, labels_listed=labels_listed)


def knowing(pull_request: PullRequest | None) -> PromotionState:
    return PromotionState(started_at=NOW, since=NOW, pull_request=pull_request)


def test_a_merge_that_was_listed_is_known_at_once() -> None:
    story = knowing(OPEN)
    assert take_news(story, news(MERGED))
    assert story.pull_request == MERGED


def test_news_that_were_listed_earlier_are_no_news_whenever_they_come() -> None:
    story = knowing(OPEN)
    assert take_news(story, news(MERGED, after_seconds=5))
    assert not take_news(story, news(OPEN))
    assert story.pull_request == MERGED


def test_what_is_known_already_changes_nothing() -> None:
    assert not take_news(knowing(OPEN), news(OPEN))


def test_news_before_the_first_read_are_kept() -> None:
    story = knowing(None)
    assert take_news(story, news(MERGED))
    assert story.pull_request == MERGED


@pytest.mark.parametrize("listed", [OPEN, replace(OPEN, state=PullRequestState.CLOSED)], ids=["open", "closed"])
def test_a_merge_stays_one_where_the_list_lags(listed: PullRequest) -> None:
    assert with_news(MERGED, news(listed)) == MERGED


def test_a_merge_commit_that_is_known_is_not_lost_to_a_list_that_shows_none() -> None:
    assert with_news(MERGED, news(replace(MERGED, merge_sha=None))).merge_sha == MERGED.merge_sha


def test_labels_that_the_host_does_not_list_are_not_taken_for_removed() -> None:
    listed = replace(OPEN, head_sha="c" * 40, labels=())
    assert with_news(OPEN, news(listed, labels_listed=False)) == replace(listed, labels=OPEN.labels)
    assert with_news(OPEN, news(listed)).labels == ()


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (("urgent", "pilotage/testing", "pilotage/env/dev", "promoted/dev"), False),
        (("urgent", "Pilotage/Testing"), False),
        (("urgent", "pilotage/testing", "pilotage/hold"), True),
        (("urgent", "pilotage/testing", "pilotage/synced"), True),
        (("pilotage/testing",), True),
        (("urgent",), True),
    ],
    ids=["ours", "case", "steering", "another state", "foreign removed", "ours removed"],
)
def test_labels_that_we_put_there_are_taken_and_not_shown(labels: tuple[str, ...], *, shown: bool) -> None:
    before = replace(OPEN, labels=("urgent", "pilotage/synced") if "pilotage/synced" not in labels else ("urgent",))
    if labels == ("urgent",):
        before = replace(OPEN, labels=("urgent", "pilotage/testing"))
    story = knowing(before)
    story.state, story.environment, story.labels = State.TESTING, "dev", ["promoted/dev"]
    assert take_news(story, news(replace(OPEN, labels=labels))) is shown
    assert story.pull_request == replace(OPEN, labels=labels)


def test_a_merge_without_its_commit_is_to_be_read() -> None:
    assert misses_merge(replace(MERGED, merge_sha=None))
    assert not misses_merge(MERGED)
    assert not misses_merge(OPEN)
