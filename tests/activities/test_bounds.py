"""Texts are bounded in bytes where a wire value is made, by each maker."""

from dataclasses import dataclass
from typing import Annotated

from hypothesis import given
from hypothesis import strategies as st

from activities.models.bounds import Bounded, First, Last, Line, Link, cut, together
from activities.models.budgets import LINE_BYTES, LINK_BYTES
from crds.texts.plain import plain
from worker.temporal.conversion import DATA_CONVERTER

TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)


@dataclass(frozen=True, kw_only=True)
class Value(Bounded):
    plain: str = ""
    line: Line = ""
    link: Link = ""
    lines: tuple[Line, ...] = ()
    first: Annotated[tuple[Line, ...], First(3)] = ()
    last: Annotated[tuple[str, ...], Last(3)] = ()


@given(text=TEXTS, limit=st.integers(min_value=0, max_value=300))
def test_a_cut_text_fits_and_is_the_beginning_of_what_it_was(text: str, limit: int) -> None:
    found, fit = cut(text, limit), plain(text)

    assert len(found.encode()) <= limit
    assert found == fit or fit.startswith(found.removesuffix("…"))
    assert (found == fit) == (len(fit.encode()) <= limit)


def test_a_lone_surrogate_does_not_break_the_payload() -> None:
    assert cut("a\ud83d", 10) == "a\ufffd"


@given(lines=st.lists(TEXTS, max_size=60), limit=st.integers(min_value=60, max_value=1000))
def test_joined_lines_fit_and_name_how_many_are_left_out(lines: list[str], limit: int) -> None:
    found = together(lines, limit)

    assert len(found.encode()) <= limit
    whole = "; ".join(map(plain, lines))
    assert found == whole or "more" in found or len(lines) == 1


def test_a_value_is_bounded_when_it_is_made() -> None:
    many = tuple("é" * 400 for _ in range(5))
    value = Value(plain="x" * 400, line="é" * 400, link="x" * 600, lines=many, first=many, last=("1", "2", "3", "4"))

    assert value.plain == "x" * 400
    assert len(value.line.encode()) <= LINE_BYTES
    assert value.link == ""
    assert Value(link="x" * LINK_BYTES).link
    assert [len(one.encode()) <= LINE_BYTES for one in value.lines] == [True] * 5
    assert [len(one.encode()) <= LINE_BYTES for one in value.first] == [True] * 3
    assert value.last == ("2", "3", "4")


def test_a_value_is_bounded_when_it_is_decoded() -> None:
    converter = DATA_CONVERTER.payload_converter
    payloads = converter.to_payloads([{"line": "y" * 10_000, "lines": ["y" * 10_000]}])
    (value,) = converter.from_payloads(payloads, [Value])

    assert len(value.line.encode()) <= LINE_BYTES
    assert len(value.lines[0].encode()) <= LINE_BYTES
