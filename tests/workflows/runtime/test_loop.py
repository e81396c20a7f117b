"""Background work wakes the loop when it ends."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from workflows.runtime.background import Background
from workflows.runtime.loop import earliest


async def test_the_end_of_a_piece_of_work_wakes_the_loop() -> None:
    background, gate = Background(), asyncio.Event()

    async def work() -> None:
        await gate.wait()

    background.start(work())
    assert background.busy
    assert not background.changed
    gate.set()
    await until(lambda: background.changed)
    background.collect()
    assert not background.busy


async def test_work_that_was_cancelled_is_no_defect() -> None:
    background = Background()
    cancel = background.start(asyncio.Event().wait())  # type: ignore[arg-type]
    cancel()
    await until(lambda: background.changed)
    background.collect()
    assert not background.busy


def test_the_earliest_time_is_that_of_those_which_are_set() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert earliest(None, now + timedelta(seconds=1), now) == now
    assert earliest(None) is None


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it never came true")
