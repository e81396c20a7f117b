"""Tokens that are minted with a credential, kept while they last, and minted again once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

# Tokens live for an hour or so; renewed early so that none expires under way.
_EARLY = timedelta(minutes=5)


class KeptToken:
    """Keep one token; the first to find it stale mints, the others wait for that one."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._token = ""
        self._expires_at = datetime.min.replace(tzinfo=UTC)

    async def token(self, mint: Callable[[], Awaitable[tuple[str, datetime]]]) -> str:
        """Return a token that lives at least five more minutes; raises what `mint` raises."""
        async with self._lock:
            if not self._token or datetime.now(UTC) + _EARLY >= self._expires_at:
                self._token, self._expires_at = await mint()
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that was refused, unless a newer one is here already."""
        if token == self._token:
            self._token = ""
