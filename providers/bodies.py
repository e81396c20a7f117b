"""Read answers within bounds that hold before anything is decoded.

The HTTP library decodes whatever stack of content codings a host names, and hands out what comes of it: 4 KB that were
compressed twice become gigabytes before anybody can count them. So the bytes are taken as they arrive, and at most one
layer of gzip is undone here, never further than the bound.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from providers.errors import ProviderMalformed
from providers.messages import TooMuch

BODY_LIMIT_BYTES = 8 * 1024 * 1024
ACCEPTED_CODING = "gzip"
_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW = 31
"""zlib's `wbits` for gzip's own header and checksum."""
_STEP_BYTES = 64 * 1024
"""Decoded at a time, so that a consumer can stop early."""
_AT_A_TIME_SECONDS = 0.01
"""How long pieces that are there already are handed out without a pause: thousands of them come in one packet."""
_EMPTY_MEMBERS_LIMIT = 100
"""Parts of a gzip file that hold nothing, one after the other: each costs time, and no bound of bytes ends them."""


Fit = Callable[[int], None]
"""Called with how many bytes are about to be held; raises where there is no room for them."""


def _anyway(_size_bytes: int) -> None:
    """Hold whatever comes."""


class _Cut(ProviderMalformed):
    """The compressed stream ended before its end."""


async def read_body(response: httpx.Response, limit: int = BODY_LIMIT_BYTES, *, fit: Fit = _anyway) -> bytes:
    """Return the whole body, decoded.

    Raises TooMuch beyond `limit` bytes, ProviderMalformed for another coding than gzip, and what `fit` raises.
    """
    body = bytearray()
    async for piece in _pieces(response):
        if len(body) + len(piece) > limit:
            raise TooMuch(f"the answer is larger than {limit} bytes")
        fit(len(body) + len(piece))
        body += piece
    return bytes(body)


async def read_lines(
    response: httpx.Response, limit: int = BODY_LIMIT_BYTES, *, fit: Fit = _anyway
) -> AsyncIterator[bytes]:
    """Yield the lines of a stream that are not blank; a cut connection ends it as EOF does.

    Raises ProviderMalformed for a line beyond `limit` bytes or for another coding than gzip, and what `fit` raises.
    """
    rest = bytearray()
    try:
        async for piece in _pieces(response):
            fit(len(rest) + len(piece))
            rest += piece
            if b"\n" in piece:
                *complete, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                for line in complete:
                    if line.strip():
                        yield line
            if len(rest) > limit:
                raise ProviderMalformed(f"a line of the stream is larger than {limit} bytes")
    except (httpx.HTTPError, httpx.StreamError, _Cut):
        # Without the last line, which is not whole.
        return
    if rest.strip():
        yield bytes(rest)


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield decoded pieces, and let others run in between."""
    begun = time.monotonic()
    async for piece in _decoded(response):
        yield piece
        if time.monotonic() - begun >= _AT_A_TIME_SECONDS:
            await asyncio.sleep(0)
            begun = time.monotonic()


async def _decoded(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield decoded pieces of at most _STEP_BYTES."""
    if response.is_stream_consumed:
        # A transport that holds the whole answer, such as a recorded one.
        yield response.content
        return
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in _PLAIN:
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if coding not in _GZIP:
        raise ProviderMalformed(
            f"the answer is encoded as `{coding[:60]}`, where only `{ACCEPTED_CODING}` was accepted"
        )
    gunzip = _Gunzip()
    try:
        async for chunk in response.aiter_raw():
            for piece in gunzip.inflate(chunk):
                yield piece
    except zlib.error:
        raise ProviderMalformed("the answer is declared as gzip, and is not") from None
    if not gunzip.whole:
        raise _Cut("the compressed answer is cut short")


class _Gunzip:
    """Undo one layer of gzip: one member after the other (RFC 1952, section 2.2), padded with zeros at the end."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False
        self._empty = 0
        self._holds_something = False

    @property
    def whole(self) -> bool:
        """Whether nothing is missing after what was given so far."""
        return not self._begun or self._decoder.eof

    def inflate(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk decodes to. Raises zlib.error for what is no gzip."""
        while chunk:
            if self._decoder.eof:
                # Zeros may stand behind a member, and nothing but another member behind those.
                chunk = chunk.lstrip(b"\0")
                if not chunk:
                    return
                self._next_member()
            self._begun = True
            piece = self._decoder.decompress(chunk, _STEP_BYTES)
            while piece:
                self._holds_something = True
                yield piece
                # A full step may have left output inside zlib, even where all of the input is taken.
                piece = (
                    b"" if self._decoder.eof else self._decoder.decompress(self._decoder.unconsumed_tail, _STEP_BYTES)
                )
            chunk = self._decoder.unused_data

    def _next_member(self) -> None:
        self._empty = 0 if self._holds_something else self._empty + 1
        if self._empty > _EMPTY_MEMBERS_LIMIT:
            raise ProviderMalformed("the compressed answer consists of parts that hold nothing")
        self._decoder, self._holds_something = zlib.decompressobj(_GZIP_WINDOW), False
