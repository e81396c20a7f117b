"""Text of others on a terminal: what it would obey is gone, or stands as an escape that programs read back."""

import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from ruamel.yaml import YAML

from crds.texts.plain import plain
from crds.texts.terminal import visible, visible_json
from worker.cli.options import Output
from worker.cli.output import aligned, documents, line, note, rich_table, table
from worker.cli.yaml_text import to_yaml

OBEYED = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\r",
    "\x08",
    "\x00",
    "\u202e",
    "\u2066",
    "\u2028",
    "\x7f",
    "\x85",
    "\n",
]
TEXTS = st.lists(st.sampled_from(OBEYED) | st.text(st.characters(), max_size=4), max_size=8).map("".join)
STORED = TEXTS.map(plain)
"""What the API server gives back."""


def is_harmless(text: str) -> bool:
    return not any(
        (unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") and letter != "\n")
        or unicodedata.bidirectional(letter) in ("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for letter in text
    )


@given(TEXTS)
def test_what_is_visible_is_nothing_that_a_terminal_obeys(text: str) -> None:
    assert is_harmless(visible(text))


@given(TEXTS, TEXTS)
def test_a_row_stays_one_row(first: str, second: str) -> None:
    rows = aligned(["TITLE", "STATE"], [[first, second], ["x", "Passed"]])
    assert len(rows) == 3
    assert all(is_harmless(row) and "\n" not in row for row in rows)


@given(TEXTS)
def test_a_table_on_a_terminal_shows_text_and_no_markup_of_others(text: str) -> None:
    stream = io.StringIO()
    Console(file=stream, force_terminal=False, width=300).print(
        rich_table(["TITLE", "STATE"], [[f"[red]{text}", text]])
    )
    shown = stream.getvalue()
    assert is_harmless(shown)
    assert "[red]" in shown


@given(st.dictionaries(STORED, STORED | st.lists(STORED)))
def test_json_is_read_back_as_it_was(value: dict[str, object]) -> None:
    written = visible_json(value)
    assert is_harmless(written)
    assert json.loads(written) == value


@given(st.dictionaries(STORED, STORED | st.lists(STORED)))
def test_yaml_is_read_back_as_it_was(value: dict[str, object]) -> None:
    written = to_yaml(value)
    assert is_harmless(written)
    assert YAML(typ="safe", pure=True).load(written) == value


def test_a_pipe_gets_no_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    for obeyed in OBEYED:
        line(f"a{obeyed}b")
        note(f"a{obeyed}b")
        table(["TITLE"], [[f"a{obeyed}b"]])
        for output in (Output.JSON, Output.YAML):
            documents({"a": plain(obeyed)}, output)
    shown = capsys.readouterr()
    assert is_harmless(shown.out)
    assert is_harmless(shown.err)
