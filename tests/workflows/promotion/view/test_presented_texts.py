"""Text of others in what a promotion shows: titles, job names and messages do nothing on the pull request."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from activities.models.status import PolicyRef, PromotionRecord, TestStatus, WaitingFor
from activities.models.testing import RunState
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import State, Waiting
from tests.workflows.promotion.view.test_pull_request import NOON, PULL_REQUEST, REQUEST, progress
from tests.worlds.declared import a_policy
from workflows.promotion.state import Hop, PromotionState, Round
from workflows.promotion.view.pull_request import present_input
from workflows.promotion.view.temporal_page import details

HOSTILE = (
    "ok",
    "@acme/everyone done",
    "fixes #1, closes acme/web#2 GH-3",
    "<!-- pilotage:main/shop/web-412 -->",
    "</details><img src=x>",
    "a | b \\| c `|` d",
    "x\n\n# heading\n- [ ] box",
    "https://github.com/acme/web/issues/9",
    "![i](http://e.vil/i.png)",
    "\u202eevil\x1b[2J\x00\ud83d",
)
TEXTS = st.sampled_from(HOSTILE) | st.text(st.characters(), max_size=20)
PARSER = MarkdownIt("commonmark").enable("table")
OWN_HTML = re.compile(r"</?details( open)?>(<summary>[^<]*</summary>)?")
ACTS = re.compile(r"(?:^|\W)@(?!mona\b)\w|(?:^|\W)#\d|gh-\d|://", re.IGNORECASE)


def story(text: str) -> PromotionState:
    """A promotion in which everything that others write is the text."""
    test = TestStatus(
        name=text, runner=text, required=True, state="Failed", url=f"https://ci/{text}", number=text, message=text
    )
    record = PromotionRecord(
        promoted=True,
        result="Promoted",
        source="dev",
        target="staging",
        policy=PolicyRef(name="dev-to-staging"),
        at=NOON,
        tests=(test,),
        brought_by=text,
        error=text,
    )
    run = replace(progress(text, RunState.FAILED), message=text, number=text, url=f"https://ci/{text}")
    round_ = Round(number=1, started_at=NOON, artifacts=(Artifact(component="", revision="a" * 40),), tests=[run])
    return PromotionState(
        started_at=NOON,
        state=State.TESTS_FAILED,
        message=text,
        reason="TestsFailed",
        environment="staging",
        pull_request=replace(PULL_REQUEST, title=text),
        hop=Hop(number=1, policy=a_policy("staging", "prod"), round=round_),
        records=[record],
    )


@given(TEXTS)
def test_the_comment_shows_text_of_others_and_does_nothing(text: str) -> None:
    waiting = WaitingFor(what=Waiting.RETEST, object=text, observed=text, unblock_with=f"{text}: {text}", command=text)
    presented = present_input(REQUEST, story(text), State.TESTS_FAILED, waiting)
    for shown in (presented.comment, details(story(text), State.TESTS_FAILED, waiting)):
        tokens = PARSER.parse(shown)
        raw = [token.content.strip() for token in tokens if token.type == "html_block"]
        assert all(OWN_HTML.fullmatch(one) for block in raw for one in block.splitlines() if one), raw
        leaves = [child for token in tokens for child in token.children or ()]
        assert not [leaf for leaf in leaves if leaf.type in ("html_inline", "image", "code_block")]
        assert not [leaf for leaf in leaves if leaf.type == "text" and ACTS.search(leaf.content)]
        links = [str(leaf.attrs["href"]) for leaf in leaves if leaf.type == "link_open"]
        assert all(one.startswith("https://ci/") or one == PULL_REQUEST.url for one in links)
        rows = [token for token in tokens if token.type == "tr_open"]
        cells = [token for token in tokens if token.type in ("td_open", "th_open")]
        assert len(cells) == 5 * len(rows)


@given(TEXTS)
def test_statuses_and_mentions_show_text_of_others_on_one_line(text: str) -> None:
    waiting = WaitingFor(what=Waiting.RETEST, object=text)
    presented = present_input(REQUEST, story(text), State.TESTS_FAILED, waiting)
    assert all(len(status.description.splitlines()) <= 1 for status in presented.statuses)
    (mention,) = presented.mentions
    assert mention.body.startswith("@mona ")
    tokens = PARSER.parse(mention.body)
    leaves = [child for token in tokens for child in token.children or ()]
    allowed = {"text", "code_inline", "text_special", "softbreak", "link_open", "link_close"}
    assert {leaf.type for leaf in leaves} <= allowed
    assert not [leaf for leaf in leaves if leaf.type == "text" and ACTS.search(leaf.content)]
    assert all(str(leaf.attrs["href"]).startswith("https://ci/") for leaf in leaves if leaf.type == "link_open")
    assert len(mention.body.splitlines()) == 6


@given(TEXTS)
def test_nothing_but_a_login_is_mentioned(author: str) -> None:
    strange = story("ok")
    strange.pull_request = replace(PULL_REQUEST, author=f"{author} x")
    (mention,) = present_input(REQUEST, strange, State.TESTS_FAILED, None).mentions
    without_links = re.sub(r"\]\([^)]*\)", "]", mention.body)
    assert not ACTS.search(re.sub("`+[^`]+`+", "", without_links))


@pytest.mark.parametrize(
    ("author", "is_mentioned"),
    [
        ("mona", True),
        ("mona_acme", True),
        ("ada.lovelace", True),
        ("m", True),
        ("renovate[bot]", False),
        ("mona.", False),
    ],
)
def test_the_author_is_mentioned_by_whatever_a_host_takes_for_a_login(author: str, is_mentioned: bool) -> None:
    named = story("ok")
    named.pull_request = replace(PULL_REQUEST, author=author)
    (mention,) = present_input(REQUEST, named, State.TESTS_FAILED, None).mentions
    assert mention.body.startswith(f"@{author} ") is is_mentioned


def test_no_tests_are_never_shown_as_tests_that_passed() -> None:
    empty = story("ok")
    assert empty.hop is not None
    empty.hop.policy = a_policy("staging", "prod", auto=False)
    empty.hop.round = Round(number=1, started_at=NOON, artifacts=(), tests=[])
    (mention,) = present_input(REQUEST, empty, State.READY_TO_PROMOTE, None).mentions
    assert mention.body.startswith("@mona the policy has no tests;")
    assert "passed" not in mention.body
