"""Text of others in Markdown, judged by a parser of its own: it shows and does nothing."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from crds.texts.markdown import cell, inline, link, web_address
from crds.texts.plain import one_line

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HARMLESS = {"text", "code_inline", "text_special"}
ACTS = re.compile(
    r"""(?:^|\W)@["\w]|\w@\w|(?:^|\W)#\d|\bgh-\d|://|www\.|(?:^|\W)[!&]\d|\$|[~%]["\w]|\[vulnerability:|:tada:""",
    re.IGNORECASE,
)
PIECES = st.sampled_from(
    [
        "@alice", "@acme/team", "me@example.com", "#12", "acme/web#3", "GH-7", "!4", "&5", "$x$", "~bug", "%1", "<!--",
        "-->", "<b>", "</details>", "&amp;", "&#64;bob", "|", "\\|", "\\", "`", "``", "```", "*", "_", "~~", "[a](b)",
        "![i](u)", "<https://a.b>", "https://github.com/acme/web/issues/1", "www.example.com", "# h", "- x", "1. y",
        "> q", "===", "---", ":--", "{{x}}", "\n", "\r", "\u2028", "\u202e", "\x00", "\ud83d", "🚀", "text", " ", "\t",
        "    code", "<!-- pilotage:east/shop/web-412 -->", "[^1]:", "[x]: http://e.vil", "\x1b[31m",
        "/merge", "/close", '@"jane doe"', '~"a bug"', '%"v 1"', "[vulnerability:1]", "*iteration:1", ":tada:",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(st.characters(), max_size=5), max_size=12).map("".join)


def leaves(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or ()]


def check_harmless(found: list[Token]) -> str:
    assert {token.type for token in found} <= HARMLESS
    visible = "".join(token.content if token.type != "code_inline" else "\ue000" for token in found)
    assert not ACTS.search(visible), visible
    return "".join(token.content for token in found)


def squeezed(text: str) -> str:
    """Leave out what may differ: blanks and backticks that became a fence."""
    return re.sub(r"[ `\\]", "", text)


@given(TEXTS)
def test_a_line_of_its_own_is_one_paragraph_in_which_nothing_acts(text: str) -> None:
    tokens = PARSER.parse(inline(text))
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    assert squeezed(check_harmless(leaves(tokens))) == squeezed(one_line(text))


@given(TEXTS)
def test_no_line_begins_with_a_quick_action(text: str) -> None:
    assert not inline(text).startswith("/")


@given(TEXTS)
def test_within_a_line_nothing_acts(text: str) -> None:
    tokens = PARSER.parse(f"- observed: {inline(text)}")
    assert [token.type for token in tokens if token.type in ("html_block", "fence", "heading_open")] == []
    check_harmless(leaves(tokens))


@given(TEXTS, TEXTS)
def test_a_row_keeps_its_cells(first: str, second: str) -> None:
    tokens = PARSER.parse(f"| A | B |\n|---|---|\n| {cell(first)} | ({cell(second)}) |\n| x | y |")
    kinds = [token.type for token in tokens]
    assert kinds.count("tr_open") == 3
    assert kinds.count("td_open") == 4
    # What is beyond the last column is left out by the parser.
    shown = squeezed(check_harmless(leaves(tokens)))
    assert shown == squeezed(f"AB{one_line(first)}({one_line(second)})xy")


@given(TEXTS, TEXTS)
def test_a_link_leads_to_its_address_or_nowhere(text: str, path: str) -> None:
    made = link(text, f"https://ci.example.com/{path}", in_table=True)
    tokens = PARSER.parse(f"| A |\n|---|\n| {made} |")
    opened = [token for token in leaves(tokens) if token.type == "link_open"]
    assert len(opened) <= 1
    assert all(str(token.attrs["href"]).startswith("https://ci.example.com/") for token in opened)
    assert [token.type for token in tokens].count("td_open") == 1


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//host", "https://", "ftp://a/b", ""])
def test_what_is_no_address_of_the_web_is_no_link(address: str) -> None:
    assert web_address(address) == ""
    assert link("run", address) == "run"


def test_plain_text_stays_as_they_are_and_commands_stay_code() -> None:
    message = "2 tests failed; `pilotage retest web-412` begins another round"
    assert inline(message) == message
    assert inline("thanks @alice, see #12") == "thanks `@alice,` see `#12`"


def test_a_text_is_cut_before_it_is_encoded() -> None:
    assert len(inline("@a " * 5000)) < 6000
    assert inline("x" * 30, limit=10) == "x" * 9 + "…"
