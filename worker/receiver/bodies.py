"""Bodies of requests: how many at once, how large, how slow."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request is answered with; `seconds` is when to come again, unless `headers` have it."""

    status: HTTPStatus
    reason: str
    seconds: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request is not accepted."""

    def __init__(
        self, status: HTTPStatus, reason: str, *, seconds: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.answer = Answer(status=status, reason=reason, seconds=seconds, headers=headers or {})


class BodyPlaces:
    """Bound how many bodies run, in all and for each who shares them."""

    def __init__(self, *, in_all: int, each: int, refusal: HTTPStatus = HTTPStatus.TOO_MANY_REQUESTS) -> None:
        self._in_all = in_all
        self._each = each
        self._refusal = refusal
        self._at_work: dict[str, int] = {}

    @contextmanager
    def held(self, shard: str) -> Iterator[None]:
        """Hold a place. Raises Refused."""
        if sum(self._at_work.values()) >= self._in_all or self._at_work.get(shard, 0) >= self._each:
            raise Refused(self._refusal, "too many deliveries are at work", seconds=1)
        self._at_work[shard] = self._at_work.get(shard, 0) + 1
        try:
            yield
        finally:
            self._at_work[shard] -= 1
            if not self._at_work[shard]:
                del self._at_work[shard]


def refuse_large(request: web.Request, *, limit_bytes: int) -> None:
    """Raise Refused with 413 for a body that is declared to be larger than the limit."""
    if (request.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)


async def read_body(
    request: web.Request, *, limit_bytes: int, seconds: float, late: HTTPStatus = HTTPStatus.REQUEST_TIMEOUT
) -> bytes:
    """Read a body up to the limit, and not much beyond it. Raises Refused: 413, 400, or `late` for a slow one."""
    refuse_large(request, limit_bytes=limit_bytes)
    read_so_far = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                read_so_far += chunk
                if len(read_so_far) > limit_bytes:
                    raise _too_large(limit_bytes)
    except TimeoutError:
        raise Refused(late, f"the body did not arrive within {seconds} s") from None
    except (web.RequestPayloadError, ConnectionError):
        # Who broke the connection gets no answer; it is counted as one, and no defect of ours.
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is cut short, or not encoded as its head declares") from None
    return bytes(read_so_far)


def respond(answer: Answer) -> web.Response:
    """Return an answer as JSON with its reason."""
    headers = {"Retry-After": str(answer.seconds)} if answer.seconds else {}
    response = web.json_response({"reason": answer.reason}, status=answer.status, headers={**headers, **answer.headers})
    if answer.status != HTTPStatus.ACCEPTED:
        # What is left of a body is not read.
        response.force_close()
    return response


def _too_large(limit_bytes: int) -> Refused:
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {limit_bytes} bytes")
