"""Notice workflows that do not go on: nothing changes in the cluster that would have a watcher look at them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from crds.api.ports import ApiError
from crds.api.reflector import Key
from worker.temporal.stalls import LISTED, REPORTED_PROBLEMS, WORKFLOW, Stalls
from workflows.identity import PROMOTION_WORKFLOW, Queues, tracker_of

_logger = structlog.get_logger(__name__)

LOOK = timedelta(minutes=1)
"""How long a stall may go unnoticed; two small calls of each watcher."""


async def watch_stalls(
    client: Client,
    installation: str,
    *,
    look_at: Callable[[Key], None],
    look_at_all: Callable[[], None],
    look_at_places: Callable[[], Awaitable[None]],
    look: timedelta = LOOK,
) -> None:
    """Have trackers and places looked at whose workflows report problems, and all when workers go or come.

    Lasts until it is cancelled.

    A server that does not answer, or does not know the attribute yet, is asked again: resyncs find the same later.
    """
    stalls, queue = Stalls(client), Queues(installation=installation).promotions
    served: bool | None = None
    while True:
        try:
            polled = bool(await stalls.pollers(queue, WORKFLOW))
            if served is not None and polled != served:
                _logger.warning("workers poll again" if polled else "no worker polls", queue=queue)
                look_at_all()
            served = polled
            for key in await reported(client, installation):
                look_at(key)
            await look_at_places()
        except (RPCError, ApiError) as error:
            _logger.debug("stalled workflows cannot be listed", error=str(error))
        await asyncio.sleep(look.total_seconds())


async def reported(client: Client, installation: str) -> set[Key]:
    """Return the trackers whose workflows report problems. Raises RPCError."""
    query = f"WorkflowType = '{PROMOTION_WORKFLOW}' AND ExecutionStatus = 'Running' AND {REPORTED_PROBLEMS}"
    found: set[Key] = set()
    async for one in client.list_workflows(query, page_size=LISTED, limit=LISTED):
        tracker = tracker_of(one.id)
        if tracker is not None and tracker.installation == installation:
            found.add(Key(tracker.namespace, tracker.name))
    return found
