"""Query workflows: what they answer beyond the status, such as when they try again what failed.

A status for each retry would cost a write, so that only the workflow knows the time of its next one.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.client import Client

QUERY_SECONDS = 3.0
ASKED_AT_ONCE = 20
"""Workflows that one command asks; what a list shows of the others is left empty."""
_TEXT = 300


@dataclass(frozen=True, kw_only=True)
class WorkflowAnswer:
    """What the workflow answered; `state` is empty where it was not asked, or did not answer."""

    state: str = ""
    checks: tuple[str, ...] = ()
    absent: bool = False
    """Whether Temporal knows no such workflow."""
    again_at: datetime | None = None
    """When what is in the way is tried again; None where that is not known, or nothing is in the way."""


def configured() -> bool:
    """Return whether the environment names a Temporal server."""
    return bool(os.environ.get("TEMPORAL_ADDRESS") or os.environ.get("TEMPORAL_PROFILE"))


async def ask(workflow_id: str) -> WorkflowAnswer:
    """Query one promotion; a server that does not answer costs a few seconds at most."""
    if not workflow_id or not configured():
        return WorkflowAnswer()
    from worker.temporal.connect import TemporalUnavailable, connect

    try:
        async with asyncio.timeout(QUERY_SECONDS):
            return await _ask(await connect(), workflow_id)
    except TimeoutError:
        return WorkflowAnswer(checks=("no answer from Temporal",))
    except TemporalUnavailable as error:
        return WorkflowAnswer(checks=(str(error),))


async def next_tries(workflow_ids: Sequence[str]) -> dict[str, datetime]:
    """Return when promotions try again what failed: of the first ones, and of those that answer in time."""
    if not workflow_ids or not configured():
        return {}
    from worker.temporal.connect import TemporalUnavailable, connect

    found: dict[str, datetime] = {}

    async def note(client: "Client", workflow_id: str) -> None:
        again_at = (await _ask(client, workflow_id)).again_at
        if again_at is not None:
            found[workflow_id] = again_at

    with suppress(TimeoutError, TemporalUnavailable):
        async with asyncio.timeout(QUERY_SECONDS):
            client = await connect()
            await asyncio.gather(*(note(client, one) for one in workflow_ids[:ASKED_AT_ONCE]))
    return found


async def _ask(client: "Client", workflow_id: str) -> WorkflowAnswer:
    from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
    from temporalio.service import RPCError, RPCStatusCode

    from activities.models.promotion import Progress
    from workflows.environment.state import PlaceProgress
    from workflows.identity import PROGRESS_QUERY

    refusals = (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError)
    try:
        promotion = client.get_workflow_handle(workflow_id)
        progress: Progress = await promotion.query(PROGRESS_QUERY, result_type=Progress)
    except refusals as error:
        absent = isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND
        return WorkflowAnswer(checks=(f"the workflow does not answer: {error}"[:_TEXT],), absent=absent)
    again_at = progress.again_at
    if progress.again_by:
        with suppress(*refusals):
            environment = client.get_workflow_handle(progress.again_by)
            again_at = (await environment.query(PROGRESS_QUERY, result_type=PlaceProgress)).again_at
    return WorkflowAnswer(state=str(progress.state), checks=tuple(progress.checks), again_at=again_at)
