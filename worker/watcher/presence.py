"""Notice that Temporal was away, or came back without what it knew: nothing else reaches a quiet watcher."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionStatus

from crds.api.ports import Kubernetes
from worker.temporal.calls import CALL_TIMEOUT, found
from worker.temporal.connect import TemporalUnavailable, ensure_search_attributes
from worker.temporal.outcomes import WorkflowsUnavailable
from worker.watcher.installation import claim_patiently
from workflows.identity import installation_workflow_id

_logger = structlog.get_logger(__name__)

LOOK = timedelta(seconds=10)
"""How long a loss may go unnoticed; one small call of each watcher."""


async def watch_presence(
    client: Client,
    kubernetes: Kubernetes,
    installation: str,
    *,
    returned: Callable[[], None],
    look: timedelta = LOOK,
) -> None:
    """Call `returned` whenever Temporal answers again, or holds another memory than before; until cancelled.

    The workflow that holds the installation's name is what Temporal is asked for: a server that was restored empty
    does not know it, and the name is claimed again. Raises InstallationTaken.
    """
    known: str | None = None
    away = False
    while True:
        try:
            run = await _holder(client, installation)
            if away or not run or known not in (None, run):
                # A server without memory misses these as well, and would refuse every promotion. Where the name could
                # not be claimed nothing else would show.
                await ensure_search_attributes(client)
            if known and run != known:
                _logger.warning("Temporal holds another memory than before: the installation is claimed again")
                await claim_patiently(client, kubernetes, installation)
                run = await _holder(client, installation)
        except (WorkflowsUnavailable, TemporalUnavailable) as error:
            if not away:
                _logger.warning("Temporal is away", error=str(error))
            away = True
        else:
            if away or known not in (None, run):
                _logger.info("Temporal is back: the workflow of every tracker is looked for")
                returned()
            known, away = run, False
        await asyncio.sleep(look.total_seconds())


async def _holder(client: Client, installation: str) -> str:
    """Return the first run of the workflow that holds the installation's name; empty where none does.

    It continues as new every few days and for each worker version: only the first run identifies a claim.
    """
    handle = client.get_workflow_handle(installation_workflow_id(installation))
    description = await found(lambda: handle.describe(rpc_timeout=CALL_TIMEOUT))
    if description is None or description.status is not WorkflowExecutionStatus.RUNNING:
        return ""
    return description.raw_info.first_run_id or description.run_id
