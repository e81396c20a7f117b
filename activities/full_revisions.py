"""Tags often carry an abbreviated hash: have the SCM host resolve the commit that it means."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from activities.failures import bounded, describe, kind_of, last_attempt
from activities.host_memory import HostMemory, OpenHosts
from activities.models.delivery import Observation, ReadDeploymentsResult
from activities.models.failures import BriefFailure, Failure
from activities.ports import ReferenceMissing, ResourceOpener
from crds.reasons.problems import FailureKind
from providers.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
)

_FULL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ASKED_AT_ONCE = 5
_ABOUT_ONE = (ProviderNotFound, ProviderRejected, ProviderMalformed)
"""Refusals that are no news of the next abbreviation."""
Meanings = dict[str, str | None]
Refusals = dict[str, ProviderError | ReferenceMissing]


class FullRevisions:
    """Complete observations; what an abbreviation means is asked once per process and repository."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._hosts = OpenHosts(opener)
        self._known: HostMemory[str] = HostMemory()

    async def complete(self, namespace: str, repository: str, answer: ReadDeploymentsResult) -> ReadDeploymentsResult:
        """Return the answer with full hashes; a running one that the host does not know is a problem."""
        return replace(answer, observations=await self.complete_all(namespace, repository, answer.observations))

    async def complete_all(
        self, namespace: str, repository: str, observations: Sequence[Observation]
    ) -> tuple[Observation, ...]:
        """Return the observations with full hashes."""
        short = {revision for one in observations for revision in _abbreviated(one)}
        if not short:
            return tuple(observations)
        try:
            meanings, refused = await self._ask(namespace, repository, sorted(short))
        except (ProviderError, ReferenceMissing) as error:
            if isinstance(error, ProviderBusy) and not last_attempt():
                raise
            meanings, refused = {}, dict.fromkeys(short, error)

        def complete(one: Observation) -> Observation:
            error = next((refused[revision] for revision in _abbreviated(one) if revision in refused), None)
            if error is None:
                return _completed(one, meanings, repository)
            message = f"the commit of an abbreviated hash could not be looked up: {describe(error)}"
            failure = Failure(kind=kind_of(error), object=f"GitRepository/{repository}", message=bounded(message))
            return replace(one, failure=failure.brief())

        return tuple(map(complete, observations))

    async def _ask(self, namespace: str, repository: str, short: Sequence[str]) -> tuple[Meanings, Refusals]:
        """Return what each means, None where that is not known, and those of which the answer is a refusal."""
        host = await self._hosts.known(namespace, repository)
        found: Meanings = {one: self._known.get(host, one) for one in short}
        if None not in found.values():
            return found, {}
        host = await self._hosts.open(namespace, repository)
        found = {one: self._known.get(host, one) for one in short}
        unknown = [one for one, full in found.items() if full is None]
        gate, refused = asyncio.Semaphore(_ASKED_AT_ONCE), Refusals()

        async def ask(one: str) -> None:
            async with gate:
                try:
                    full = await host.revisions.resolve(one)
                except _ABOUT_ONE as error:
                    refused[one] = error
                    return
            # A branch or tag may be named like a hash; its commit is not what the name abbreviates.
            if full is not None and full.startswith(one):
                # At once, so that an attempt that fails later leaves less to ask for.
                found[one] = self._known.put(full, host, one)

        await asyncio.gather(*map(ask, unknown))
        return found, refused


def _abbreviated(observation: Observation) -> Iterable[str]:
    if observation.problem:
        return ()
    held = (observation.runs, observation.written, observation.operating)
    return [revision for revision in held if revision and not _FULL.fullmatch(revision)]


def _completed(observation: Observation, meanings: Meanings, repository: str) -> Observation:
    def full(revision: str | None) -> str | None:
        return (meanings.get(revision) or revision) if revision else None

    runs = observation.runs
    failure = observation.failure
    if runs and failure is None and runs in meanings and meanings[runs] is None:
        problem = f"GitRepository `{repository}` has no commit {runs}, or several: no revision can be read from "
        problem += f"tag `{observation.tag}`" if observation.tag else "what runs"
        failure = BriefFailure(
            kind=FailureKind.NOT_FOUND, object=f"GitRepository/{repository}", message=bounded(problem)
        )
    return replace(
        observation,
        runs=full(runs),
        written=full(observation.written),
        operating=full(observation.operating),
        failure=failure,
    )
