"""Any text becomes one that can be stored, and what could be stored already stays as it is."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crds.texts.json_document import to_json
from crds.texts.plain import REPLACEMENT, counted, one_line, plain, plain_values

ANY_TEXT = st.text(st.characters())
"""Surrogates included."""
DIRECTIONS = ("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
ANY_VALUE = st.recursive(
    ANY_TEXT | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(ANY_TEXT)
def test_a_plain_text_is_utf_8_without_control_characters(text: str) -> None:
    made = plain(text)
    made.encode()
    assert all(letter in "\t\n" or not (ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0) for letter in made)
    assert plain(made) == made


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_what_can_be_stored_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_line_ends_become_line_feeds_and_tabs_stay() -> None:
    assert plain("a\r\nb\rc\n\td") == "a\nb\nc\n\td"


def test_lone_surrogates_nul_and_escapes_are_replaced() -> None:
    assert plain("a\ud83d\x00\x1b[2J\x9bb") == f"a{REPLACEMENT}{REPLACEMENT}{REPLACEMENT}[2J{REPLACEMENT}b"


@given(ANY_TEXT)
def test_one_line_has_no_line_ends_whatever_the_reader_takes_for_one(text: str) -> None:
    made = one_line(text)
    assert len(made.splitlines()) <= 1
    assert not any(unicodedata.bidirectional(letter) in DIRECTIONS for letter in made)
    assert one_line(made) == made


@given(ANY_VALUE)
def test_json_is_read_back_as_it_was(value: object) -> None:
    assert json.loads(to_json(value)) == plain_values(value)


@given(st.dictionaries(st.just("text"), ANY_TEXT))
def test_json_is_yaml_as_well(value: dict[str, str]) -> None:
    written = to_json(value).decode()
    assert YAML(typ="safe", pure=True).load(written) == plain_values(value)


@pytest.mark.parametrize(("number", "text"), [(0, "0 events"), (1, "1 event"), (2, "2 events")])
def test_one_of_a_thing_is_no_plural(number: int, text: str) -> None:
    assert counted(number, "event") == text
