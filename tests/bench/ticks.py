"""History events per poll: the same hop with more ticks, and with more runners, in the instant world."""

import asyncio
import uuid

from temporalio.client import Client

from tests.bench.rows import Row, median
from tests.bench.throughput import history
from tests.worlds.serving import Crowd, serving
from tests.worlds.ticking import one_hop, promote
from worker.temporal.sandbox import workflow_runner
from workflows.promotion.workflow import PromotionWorkflow

RUNS = 5
"""How many events a step takes depends on what arrives together; the median of so many runs counts."""
FEW_TICKS, MORE_TICKS = 4, 4
"""The first ticks are left out: presentation and status of the round's beginning fall into them."""
RUNNERS = 3


async def measure_ticks(client: Client) -> list[Row]:
    """Return the events per tick with one runner, and what each further runner adds to a tick."""
    few = await _events(client, runners=1, ticks=FEW_TICKS)
    many = await _events(client, runners=1, ticks=FEW_TICKS + MORE_TICKS)
    few_wide = await _events(client, runners=RUNNERS, ticks=FEW_TICKS)
    many_wide = await _events(client, runners=RUNNERS, ticks=FEW_TICKS + MORE_TICKS)
    narrow, wide = (many - few) / MORE_TICKS, (many_wide - few_wide) / MORE_TICKS
    detail = {f"promotion_with_{FEW_TICKS}_ticks": few, f"promotion_with_{FEW_TICKS + MORE_TICKS}_ticks": many}
    return [
        Row(name="history events per tick with one runner", value=round(narrow, 1), target=11, detail=detail),
        Row(
            name="history events per tick and further runner",
            value=round((wide - narrow) / (RUNNERS - 1), 1),
            target=6,
            detail={"events_per_tick_with_three_runners": round(wide, 1)},
        ),
    ]


async def _events(client: Client, *, runners: int, ticks: int) -> float:
    installation = f"ticks-{uuid.uuid4().hex[:6]}"
    crowd = Crowd(make=lambda: one_hop(client, runners=runners, ticks=ticks))
    async with serving(client, installation, [PromotionWorkflow], crowd.activities(), workflow_runner()):
        found = await asyncio.gather(*(promote(client, installation) for _ in range(RUNS)))
        return median([len(await history(client, one)) for one in found])
