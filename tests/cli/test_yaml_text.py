"""What `-o yaml` prints is read back as it was."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from worker.cli.validating import load_files
from worker.cli.yaml_text import to_yaml

# What looks like a number, a time or a boolean, and any text.
texts = st.text(max_size=200) | st.from_regex(r"[-+.]?[0-9yYnNtTfFoO~=<][0-9a-zA-Z_:.+-]{0,11}", fullmatch=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("printed") / "tracker.yaml"


def read_back(file: Path, document: dict[str, Any]) -> Any:
    """Print a document, and read it as `pilotage validate` does."""
    file.write_text(to_yaml(document), encoding="utf-8", newline="")
    loaded = load_files([file])
    assert loaded.unreadable == ()
    [(_, found)] = loaded.documents
    return found


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "on",
        "NO",
        "y",
        "12:30:45",
        "012",
        "0o12",
        "1_000",
        "0x1F",
        "1e3",
        "2026-11-21",
        "null",
        "~",
        "=",
        "a\x85b",
    ],
)
def test_a_text_that_a_reader_might_take_for_something_else_stays_a_text(file: Path, text: str) -> None:
    document = {"spec": {"environment": text}, "labels": [text, {text: text}]}
    assert read_back(file, document) == document
    assert YAML(typ="safe").load(to_yaml(document)) == document


@given(texts)
def test_whatever_text_is_printed_is_validated_as_the_same(file: Path, text: str) -> None:
    document = {"spec": {"environment": text}, "labels": [text, {text: text}]}
    assert read_back(file, document) == document


def test_what_is_no_text_and_what_is_not_mistaken_is_not_quoted() -> None:
    printed = to_yaml({"name": "web-412", "number": 412, "final": True, "none": None, "at": "2026-11-21T08:00:00Z x"})
    assert printed.splitlines() == [
        "name: web-412",
        "number: 412",
        "final: true",
        "none: null",
        "at: 2026-11-21T08:00:00Z x",
    ]
