"""Answers are bounded before they are decoded, whatever a host declares of them."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.bodies import read_body, read_lines
from providers.errors import ProviderMalformed

LIMIT = 100_000


class Sent(httpx.AsyncByteStream):
    """Bytes as they arrive from a socket."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def answer(*chunks: bytes, coding: str = "") -> httpx.Response:
    return httpx.Response(200, headers={"Content-Encoding": coding} if coding else {}, stream=Sent(chunks))


def test_a_compressed_answer_that_grows_beyond_the_bound_costs_no_more_than_the_bound() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 9)
    tracemalloc.start()
    try:
        with pytest.raises(ProviderMalformed, match="larger than"):
            asyncio.run(read_body(answer(bomb, coding="gzip"), LIMIT))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("coding", ["gzip, gzip", "deflate", "br", "zstd", "gzip,identity", "\x7f" * 500])
def test_an_answer_in_a_coding_that_was_not_asked_for_is_refused_unread(coding: str) -> None:
    with pytest.raises(ProviderMalformed, match="encoded as") as refused:
        asyncio.run(read_body(answer(gzip.compress(gzip.compress(b"{}")), coding=coding), LIMIT))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", gzip.compress(b"x" * 1000)[:-20], zlib.compress(b"zlib"), b"\x1f\x8b"],
    ids=["plain", "cut short", "zlib", "a header alone"],
)
def test_broken_compression_is_an_odd_answer(body: bytes) -> None:
    with pytest.raises(ProviderMalformed):
        asyncio.run(read_body(answer(body, coding="gzip"), LIMIT))


@given(st.binary(max_size=3000), st.integers(min_value=1, max_value=500), st.booleans())
def test_what_was_sent_is_what_is_read(content: bytes, size: int, compressed: bool) -> None:
    wire = gzip.compress(content) if compressed else content
    chunks = [wire[start : start + size] for start in range(0, len(wire), size)]
    read = asyncio.run(read_body(answer(*chunks, coding="gzip" if compressed else ""), LIMIT))
    assert read == content


async def _lines(response: httpx.Response) -> list[bytes]:
    return [line async for line in read_lines(response, LIMIT)]


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.booleans())
def test_lines_of_a_stream_arrive_whole(lines: list[bytes], compressed: bool) -> None:
    wire = gzip.compress(b"\n".join(lines)) if compressed else b"\n".join(lines)
    chunks = [wire[start : start + 7] for start in range(0, len(wire), 7)]
    read = asyncio.run(_lines(answer(*chunks, coding="gzip" if compressed else "")))
    assert read == [line for line in lines if line.strip()]


def test_a_line_of_a_compressed_stream_is_bounded() -> None:
    with pytest.raises(ProviderMalformed, match="larger than"):
        asyncio.run(_lines(answer(gzip.compress(b"x" * 50_000_000), coding="gzip")))


def test_an_empty_answer_may_claim_to_be_compressed() -> None:
    assert asyncio.run(read_body(answer(coding="gzip"), LIMIT)) == b""


def test_several_members_are_one_answer() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two") + b"\0" * 8
    chunks = [packed[at : at + 5] for at in range(0, len(packed), 5)]
    assert asyncio.run(read_body(answer(*chunks, coding="gzip"), LIMIT)) == b"one two"


def test_members_that_hold_nothing_are_not_read_without_end() -> None:
    with pytest.raises(ProviderMalformed, match="hold nothing"):
        asyncio.run(read_body(answer(gzip.compress(b"") * 1000, coding="gzip"), LIMIT))


def test_a_compressed_stream_that_is_cut_ends_with_its_last_whole_line() -> None:
    noise = b"".join(bytes([n * 7 % 251]) for n in range(2000)).replace(b"\n", b"")
    packed = gzip.compress(b"first\n" + noise * 5)
    assert asyncio.run(_lines(answer(packed[:-30], coding="gzip"))) == [b"first"]
