"""A watcher whose clock is off does nothing: it would end by it what others hold."""

import asyncio
import uuid
from datetime import datetime, timedelta
from unittest.mock import AsyncMock

from temporalio.client import Client

from crds.api.ports import Document
from crds.fields import format_time
from crds.v1alpha1.promotion_command import PromotionCommandSpec
from worker.health import Health
from worker.settings import Settings
from worker.temporal.clock import ClockWatch, read_clock
from worker.watcher.place_holds import PlaceHolds
from worker.watcher.process import allowed_skew


async def test_a_watcher_whose_clock_is_ahead_is_not_ready_until_it_is_set(temporal_server: str) -> None:
    health, ahead = Health(), [timedelta(hours=2)]
    settings = Settings(installation=f"t{uuid.uuid4().hex[:8]}")
    clock = ClockWatch(
        await Client.connect(temporal_server),
        installation=settings.installation,
        allowed=allowed_skew(settings),
        process="watcher",
        now=lambda: read_clock() + ahead[0],
        look=timedelta(milliseconds=20),
    )
    starting = asyncio.create_task(clock.until_right(health))
    async with asyncio.timeout(20):
        while not (reason := health.details.get("clock", str)()):  # noqa: ASYNC110 a server is asked
            await asyncio.sleep(0.02)
    assert health.failing(health.ready) == ("clock",)
    assert reason.endswith("ahead of Temporal's, where 60 s are allowed")
    ahead[0] = timedelta(seconds=20)
    await asyncio.wait_for(starting, timeout=20)
    assert (clock.problem, health.ready, health.details) == ("", {}, {})


async def test_what_a_clock_that_is_ahead_would_end() -> None:
    """The reason why it is looked at: one person's hold goes when another one comes."""
    now = datetime.now(read_clock().tzinfo)
    hold = {"id": "mine", "by": "ada", "since": format_time(now), "until": format_time(now + timedelta(hours=1))}
    place: Document = {
        "metadata": {"namespace": "shop", "name": "prod", "resourceVersion": "1"},
        "status": {"holds": [hold]},
    }
    kubernetes = AsyncMock()
    kubernetes.get.return_value = kubernetes.patch.return_value = place
    spec = PromotionCommandSpec.from_wire({"environment": "prod", "verb": "hold", "requestedBy": "eve"})
    kept = {}
    for ahead in (timedelta(0), timedelta(hours=2)):
        await PlaceHolds(kubernetes, AsyncMock()).answer(
            "shop", "another", spec, now + ahead, sent=False, may_write=AsyncMock(return_value=True)
        )
        kept[ahead] = [one["id"] for one in kubernetes.patch.call_args.args[3][0]["value"]]
    assert kept == {timedelta(0): ["mine", "another"], timedelta(hours=2): ["another"]}
