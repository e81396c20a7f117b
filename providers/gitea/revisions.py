"""Commits of one repository at a Gitea or Forgejo, and how they stand to each other."""

from providers.errors import ProviderNotFound, ProviderUnavailable
from providers.gitea import wire
from providers.gitea.calls import GiteaCalls
from providers.models import Ancestry
from providers.reading import read

FAILED = 500
"""What the host answers in some places for what it does not find; it shows the reason to administrators alone."""


class GiteaRevisions:
    def __init__(self, calls: GiteaCalls) -> None:
        self._calls = calls

    async def compare(self, base: str, head: str) -> Ancestry:
        if base == head:
            return Ancestry.IDENTICAL
        try:
            if not await self.has_more(head, base):
                return Ancestry.BEHIND
            return Ancestry.DIVERGED if await self.has_more(base, head) else Ancestry.AHEAD
        except (ProviderNotFound, ProviderUnavailable) as error:
            if isinstance(error, ProviderUnavailable) and error.status != FAILED:
                raise
            if await self.resolve(base) and await self.resolve(head):
                raise
            return Ancestry.UNKNOWN

    async def resolve(self, revision: str) -> str | None:
        reply = await self._calls.call(wire.get_commit(self._calls.repository, revision))
        if reply.ok:
            return wire.read_commit(reply.document(), revision)
        await self._calls.prove_seen()
        return None

    async def has_more(self, sha: str, base: str) -> bool:
        """Return whether one commit contains what the other does not; both must exist."""
        reply = await self._calls.call(wire.commits_beyond(self._calls.repository, sha, base))
        return bool(await read(reply, reply.documents))
