"""Read answers within bounds that hold before anything is decoded.

The HTTP library decodes whatever stack of content codings a host names, and hands out what comes of it: 4 KB that were
compressed twice become gigabytes before anybody can count them. So the bytes are taken as they arrive, and at most one
layer of gzip is undone here, never further than the bound.
"""

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx

from providers.errors import ProviderMalformed

BODY_LIMIT_BYTES = 8 * 1024 * 1024
ACCEPTED_CODING = "gzip"
_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_WINDOW = 31
"""zlib's `wbits` for gzip's own header and checksum."""
_STEP_BYTES = 256 * 1024
"""Decoded at a time, so that a consumer can stop early."""


async def read_body(response: httpx.Response, limit: int = BODY_LIMIT_BYTES) -> bytes:
    """Return the whole body, decoded. Raises ProviderMalformed beyond `limit` bytes or for another coding than gzip."""
    body = bytearray()
    async for piece in _decoded(response):
        if len(body) + len(piece) > limit:
            raise ProviderMalformed(f"the answer is larger than {limit} bytes")
        body += piece
    return bytes(body)


async def read_lines(response: httpx.Response, limit: int = BODY_LIMIT_BYTES) -> AsyncIterator[bytes]:
    """Yield the lines of a stream that are not blank; a cut connection ends it as EOF does.

    Raises ProviderMalformed for a line beyond `limit` bytes or for another coding than gzip.
    """
    rest = bytearray()
    try:
        async for piece in _decoded(response):
            rest += piece
            if b"\n" in piece:
                *complete, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                for line in complete:
                    if line.strip():
                        yield line
            if len(rest) > limit:
                raise ProviderMalformed(f"a line of the stream is larger than {limit} bytes")
    except (httpx.HTTPError, httpx.StreamError):
        return
    if rest.strip():
        yield bytes(rest)


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
    decoder = zlib.decompressobj(_GZIP_WINDOW)
    begun = False
    try:
        async for chunk in response.aiter_raw():
            begun = begun or bool(chunk)
            for piece in _inflate(decoder, chunk):
                yield piece
    except zlib.error:
        raise ProviderMalformed("the answer says that it is gzip, and is not") from None
    if begun and not decoder.eof:
        raise ProviderMalformed("the compressed answer is cut short")


def _inflate(decoder: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """Yield what a chunk decodes to; bytes after the end of the compressed stream are ignored."""
    piece = b"" if decoder.eof else decoder.decompress(chunk, _STEP_BYTES)
    while piece:
        yield piece
        # A full step may have left output inside zlib, even where all of the input is taken.
        piece = b"" if decoder.eof else decoder.decompress(decoder.unconsumed_tail, _STEP_BYTES)
