"""Tasks beside the steps end in the order in which they began, so that a replay gives the same commands."""

import asyncio

from workflows.runtime.background import BackgroundTasks


async def test_tasks_are_cancelled_in_the_order_in_which_they_began() -> None:
    beside, ended = BackgroundTasks(), list[int]()

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    for number in range(50):
        beside.start(work(number))
    await asyncio.sleep(0)
    beside.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert beside.idle
    assert ended == list(range(50))
