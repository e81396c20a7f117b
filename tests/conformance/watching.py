"""A plugin of pytest: whatever a test exchanges with the GitHub stand-in is judged by GitHub's own document."""

from collections.abc import Iterator

import httpx
import pytest

from tests.conformance.specification import problems


@pytest.fixture(autouse=True)
def exchanges(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Judge every exchange of a test, which fails for the first that is not as documented."""
    send, found = httpx.AsyncHTTPTransport.handle_async_request, list[str]()
    seen = list[str]()

    async def watched(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        answered = await send(self, request)
        if not request.url.path.startswith("/github/") or "text/event-stream" in answered.headers.get("accept", ""):
            return answered
        assert isinstance(answered.stream, httpx.AsyncByteStream)
        raw = b"".join([piece async for piece in answered.stream])
        await answered.aclose()
        whole = httpx.Response(
            answered.status_code, headers=answered.headers, content=raw, extensions=answered.extensions, request=request
        )
        seen.append(f"{request.method} {request.url.path}")
        found.extend(problems(request, whole))
        return httpx.Response(
            answered.status_code,
            headers=answered.headers,
            stream=httpx.ByteStream(raw),
            extensions=answered.extensions,
        )

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", watched)
    yield seen
    assert not found, "\n".join(found)
