"""JSON is decoded in steps that are short, whatever it holds, and means the same as decoded in one go."""

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import decoding
from providers.decoding import ENTRIES_LIMIT, STRUCTURE_LIMIT, decoded, decoded_in_steps, is_crowded
from providers.documents import parsed
from providers.errors import ProviderMalformed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
DUMPS: tuple[Callable[[object], str], ...] = (
    json.dumps,
    lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    lambda value: f"\r\n\t {json.dumps(value, separators=(',', ':'))} ",
)


def in_steps(text: str) -> object:
    return asyncio.run(decoded_in_steps(text.encode()))


@given(value=JSON, dumped=st.sampled_from(DUMPS), window=st.integers(1, 40))
def test_steps_of_any_size_mean_the_same(value: object, dumped: Callable[[object], str], window: int) -> None:
    text = dumped(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_FIRST_WINDOW", window)
        assert in_steps(text) == json.loads(text)


@given(value=JSON, at=st.integers(0), junk=st.sampled_from(["", ",", "]", "}", '"', "1", "e", ":", "nul", "\\"]))
def test_what_is_no_json_is_none_in_steps_either(value: object, at: int, junk: str) -> None:
    text = json.dumps(value)
    at %= len(text) + 1
    text = text[:at] + junk + text[at + 1 :]
    try:
        wanted: object = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 -- any kind of it, as from the standard library
            in_steps(text)
    else:
        assert in_steps(text) == wanted


def test_a_list_of_many_large_entries_is_decoded() -> None:
    value = {"items": [{"name": str(n), "x": [1] * 500} for n in range(1_000)], "metadata": {}}
    body = json.dumps(value).encode()
    assert is_crowded(body)
    with pytest.raises(ProviderMalformed):
        parsed(body)
    assert asyncio.run(decoded_in_steps(body)) == value


def test_a_small_entry_next_to_a_large_one_is_decoded() -> None:
    value = [[1] * (STRUCTURE_LIMIT - 5000), "x" * 500_000, [1] * (STRUCTURE_LIMIT - 5000), 7, "," * 200_000]
    value.pop()
    assert in_steps(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "[" + ",".join(["[]"] * (ENTRIES_LIMIT + 1)) + "]",
        '{"items":[' + ",".join(["1"] * (ENTRIES_LIMIT + 1)) + "]}",
        "[[" + ",".join(["[]"] * STRUCTURE_LIMIT) + "]]",
        "[" * 200_000,
    ],
    ids=["entries", "entries of a list within", "an entry", "depth"],
)
def test_too_much_is_refused(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        in_steps(text)


@pytest.mark.parametrize("body", [b"9" * 401, b"[-" + b"9" * 5000 + b"]", b"NaN", b"[Infinity]"])
def test_no_number_that_is_none_or_takes_long(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- any kind of it, as from the standard library
        decoded(body)
