"""An activity of several parts: each fails alone, and none holds up the answer about the others forever.

An attempt that ran into its timeout would lose what the other parts have done. So they get less than that: what is not
done by then is a failure of its own, and what is known is returned.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from temporalio import activity

from activities.deployment_reads import DeploymentReads
from activities.failures import application_error, refusal_of
from activities.models.delivery import DeploymentRuns, ReadDeploymentsInput, ReadDeploymentsResult
from activities.models.failures import Failure
from crds.reasons.problems import FailureKind

PARTS = 0.8
"""What the parts get of an attempt's time; the rest covers a busy event loop and the way to the server."""
ALONGSIDE = timedelta(seconds=10)
"""What a read alongside the parts gets at most: a place that is slower is read by an activity of its own, whose slot it
holds then."""

Answer = TypeVar("Answer")


class Parts:
    """Bound the parts of the attempt at hand; made when it begins."""

    def __init__(self) -> None:
        limit = activity.info().start_to_close_timeout
        self.limit = None if limit is None else PARTS * limit
        self._until = None if self.limit is None else asyncio.get_running_loop().time() + self.limit.total_seconds()

    async def bounded(self, asked: Awaitable[Answer]) -> Answer:
        """Return the answer of one part. Raises ApplicationError with its failure."""
        bound = asyncio.timeout_at(self._until)
        try:
            async with bound:
                return await asked
        except Exception as error:  # noqa: BLE001 -- translated, as an activity of its own would
            if isinstance(error, TimeoutError) and bound.expired() and self.limit is not None:
                text = f"no answer within {self.limit.total_seconds():g} s"
                raise application_error(Failure(kind=FailureKind.EXPIRED, message=text)) from None
            raise refusal_of(error) from None

    async def alongside(
        self, reads: DeploymentReads, request: ReadDeploymentsInput | None
    ) -> tuple[DeploymentRuns, ...] | None:
        """Read what deployments run in what is left of the time; None where that fails: then it is read alone."""
        answer = await self.read(reads, request)
        return None if answer is None else runs_of(answer)

    async def read(self, reads: DeploymentReads, request: ReadDeploymentsInput | None) -> ReadDeploymentsResult | None:
        """Read deployments alongside the parts, as `alongside` does, with all that is known of them."""
        return None if request is None else await self.attempt(reads.read(request))

    async def attempt(self, asked: Awaitable[Answer]) -> Answer | None:
        """Return the answer of what is asked alongside the parts; None where it fails: then it is asked for alone."""
        until = asyncio.get_running_loop().time() + ALONGSIDE.total_seconds()
        try:
            async with asyncio.timeout_at(until if self._until is None else min(until, self._until)):
                return await asked
        except Exception as error:  # noqa: BLE001 -- logged; who asks alone shows the cause
            refusal_of(error)
            return None


def runs_of(answer: ReadDeploymentsResult) -> tuple[DeploymentRuns, ...]:
    """Return of a read what each deployment runs."""
    return tuple(
        DeploymentRuns(deployment=one.deployment, component=one.component, runs=one.runs, failure=one.failure)
        for one in answer.observations
    )
