from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crds.durations import format_duration, parse_duration, parse_flux_duration
from crds.v1alpha1.flux_provider import ProviderSpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45m", timedelta(minutes=45)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("2h", timedelta(hours=2)),
        ("90s", timedelta(seconds=90)),
        ("1h0m5s", timedelta(hours=1, seconds=5)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "45", "m", "-5m", "1.5h", "30m1h", "1h1h", "1d", " 1h", "1h\n", "1h ", "PT1H"])
def test_anything_else_is_refused_and_the_message_shows_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


def test_a_negative_duration_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(seconds=-1))


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=1000)))
def test_a_written_duration_reads_back_to_the_same_whole_seconds(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == timedelta(seconds=int(duration.total_seconds()))


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59))
def test_the_shortest_form_is_stable(hours: int, minutes: int, seconds: int) -> None:
    text = format_duration(timedelta(hours=hours, minutes=minutes, seconds=seconds))
    assert format_duration(parse_duration(text)) == text
    assert not text.startswith("0") or text == "0s"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("500ms", 0.5), ("1.5s", 1.5), ("1m30s", 90), ("0.5m", 30), ("2m", 120), ("1h", 3600), ("30s1m", 90)],
)
def test_a_timeout_of_flux_is_read_in_each_of_its_forms_and_written_as_seconds(text: str, seconds: float) -> None:
    spec = {"type": "github", "address": "https://github.com/a/b", "secretRef": {"name": "x"}, "timeout": text}
    read = ProviderSpec.from_wire(spec)
    assert read.timeout == timedelta(seconds=seconds)
    assert ProviderSpec.from_wire(read.to_wire()) == read


@pytest.mark.parametrize("text", ["", "15", "s", "1.s", ".5s", "-1s", "1e3s", "15 s", "15s\n", "1us", "9" * 30 + "s"])
def test_what_is_no_duration_of_flux_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_flux_duration(text)
