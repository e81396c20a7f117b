"""How commits relate, asked of the repository's host; what never changes is asked for once by a process."""

import asyncio
import re

from activities.failures import failure_from
from activities.host_memory import HostMemory
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult, Relation, RevisionPair
from activities.ports import ResourceOpener
from providers.errors import ProviderBusy, ProviderError, ProviderRateLimited
from providers.ports import ScmHost

_FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMPARED_AT_ONCE = 5
_QUIET = (ProviderBusy, ProviderRateLimited)


class RevisionComparison:
    """Compare pairs of commits, a few at a time; what was learned of full hashes is not asked again."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._relations: HostMemory[Relation] = HostMemory()

    async def compare(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        """Return the relation of each pair, or with `some` of those that the host answers.

        Raises what the host or its connection refuses; with `some` only where it answers none, or asks for quiet.
        """
        repository = await self._opener.repository(request.namespace, request.repository)
        gate = asyncio.Semaphore(_COMPARED_AT_ONCE)

        async def compare(pair: RevisionPair) -> Relation | ProviderError:
            async with gate:
                try:
                    return await self._compare(repository.host, pair)
                except ProviderError as error:
                    if not request.some or isinstance(error, _QUIET):
                        raise
                    return error

        found = await asyncio.gather(*map(compare, request.pairs))
        failed = {place: one for place, one in enumerate(found) if isinstance(one, ProviderError)}
        error = next(iter(failed.values()), None)
        if error is not None and len(failed) == len(found):
            raise error
        return CompareRevisionsResult(
            relations=tuple(Relation.UNKNOWN if isinstance(one, ProviderError) else one for one in found),
            unanswered=tuple(failed),
            failure=failure_from(error) if error is not None else None,
        )

    async def _compare(self, host: ScmHost, pair: RevisionPair) -> Relation:
        if pair.base == pair.head:
            return Relation.IDENTICAL
        if (known := self._relations.get(host, pair)) is not None:
            return known
        relation = Relation(await host.revisions.compare(pair.base, pair.head))
        fixed = _FULL_HASH.fullmatch(pair.base) and _FULL_HASH.fullmatch(pair.head)
        if fixed and relation is not Relation.UNKNOWN:
            self._relations.put(relation, host, pair)
        return relation
