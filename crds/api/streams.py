"""Answers of the API server that last: the events of a watch, and the end of its connection."""

from collections.abc import AsyncIterator

import aiohttp

from crds.api.api_errors import unreachable, watch_events
from crds.api.ports import WatchEvent


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[WatchEvent]:
    """Yield the events of a watch until the server ends it, or is silent for longer than the connection allows."""
    try:
        async for event in watch_events(response.content.iter_any()):
            yield event
    except aiohttp.SocketTimeoutError:
        # Half open, or of a server without bookmarks: nothing is lost to who watches on from the last version.
        return
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unreachable(error) from None


def cut(response: aiohttp.ClientResponse) -> None:
    """Leave a stream without TLS's farewell: nothing waits for the server's part of it, so the socket would linger."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()
