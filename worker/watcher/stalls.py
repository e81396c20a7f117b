"""Notice workflows that do not go on: nothing changes in the cluster that would have a watcher look at them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from crds.api.ports import ApiError
from crds.api.reflector import Key
from worker.temporal.queues import SERVED
from worker.temporal.stalls import ACTIVITY, LISTED, REPORTED_PROBLEMS, WORKFLOW, Stalls
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
    show_pollers: Callable[[Mapping[str, int]], None] = lambda counts: None,
    look: timedelta = LOOK,
) -> None:
    """Have trackers and places looked at whose workflows report problems, and all when workers go or come.

    Lasts until it is cancelled.

    A server that does not answer is asked again: resyncs find the same later. `show_pollers` is called with the pollers
    of each queue, and with nothing while the server does not answer.
    """
    stalls, queue = Stalls(client), Queues(installation=installation).promotions
    served: bool | None = None
    while True:
        try:
            counts = await count_pollers(stalls, installation)
        except RPCError as error:
            show_pollers({})
            _logger.debug("pollers cannot be counted", error=str(error))
        else:
            show_pollers(counts)
            polled = counts[queue] > 0
            if served is not None and polled != served:
                _logger.warning("workers poll again" if polled else "no worker polls", queue=queue)
                look_at_all()
            served = polled
            try:
                for key in await reported(client, installation):
                    look_at(key)
                await look_at_places()
            except (RPCError, ApiError) as error:
                # Lists come from a store of their own, which may be away, or not know the attribute, by itself.
                _logger.debug("stalled workflows cannot be listed", error=str(error))
        await asyncio.sleep(look.total_seconds())


async def count_pollers(stalls: Stalls, installation: str) -> Mapping[str, int]:
    """Return how many workers polled each queue of an installation lately. Raises RPCError."""
    queues = Queues(installation=installation)
    kinds = {getattr(queues, name): WORKFLOW if name == "promotions" else ACTIVITY for name in SERVED}
    return {queue: len(await stalls.pollers(queue, kind)) for queue, kind in kinds.items()}


async def reported(client: Client, installation: str) -> set[Key]:
    """Return the trackers whose workflows report problems. Raises RPCError."""
    # A list is bounded: those of other installations must not fill it.
    ours = f"TaskQueue = '{Queues(installation=installation).promotions}'"
    query = f"WorkflowType = '{PROMOTION_WORKFLOW}' AND ExecutionStatus = 'Running' AND {ours} AND {REPORTED_PROBLEMS}"
    found: set[Key] = set()
    async for one in client.list_workflows(query, page_size=LISTED, limit=LISTED):
        tracker = tracker_of(one.id)
        if tracker is not None and tracker.installation == installation:
            found.add(Key(tracker.namespace, tracker.name))
    return found
