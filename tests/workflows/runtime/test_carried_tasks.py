"""Background tasks end in the order in which they began, so that a replay gives the same commands."""

import asyncio

from workflows.runtime.background import CarriedTasks


async def test_tasks_are_cancelled_in_the_order_in_which_they_began() -> None:
    tasks, ended = CarriedTasks(), list[int]()

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    for number in range(50):
        tasks.start(work(number))
    await asyncio.sleep(0)
    tasks.stop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert tasks.idle
    assert ended == list(range(50))
