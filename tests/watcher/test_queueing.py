"""The keyed queue: every key once, none lost, failures with growing pauses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from crds.api.backoff import Backoff
from tests.watcher.fakes import until
from worker.watcher.queue import KeyedQueue

QUICK = Backoff(initial=timedelta(milliseconds=10), maximum=timedelta(milliseconds=80), draw=lambda: 1.0)


class Work:
    """A handler that records, fails and waits as set."""

    def __init__(self, workers: int = 2) -> None:
        self.handled: list[str] = []
        self.failures = 0
        self.open = asyncio.Event()
        self.open.set()
        self.at_once = self.most_at_once = 0
        self.again: timedelta | None = None
        self.queue: KeyedQueue[str] = KeyedQueue(
            name="test",
            handle=self.handle,
            namespace_of=lambda key: key.partition("/")[0],
            workers=workers,
            backoff=QUICK,
        )

    async def handle(self, key: str) -> timedelta | None:
        self.handled.append(key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open.wait()
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not now")
        again, self.again = self.again, None
        return again


@asynccontextmanager
async def running(work: Work) -> AsyncIterator[None]:
    task = asyncio.create_task(work.queue.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_added_many_times_is_handled_once() -> None:
    work = Work()
    for _ in range(5):
        work.queue.add("a")
    assert work.queue.depth == 1
    async with running(work):
        await until(lambda: work.queue.depth == 0)
        await asyncio.sleep(0.02)
    assert work.handled == ["a"]


async def test_a_key_that_changes_while_it_is_handled_is_handled_once_more_and_never_twice_at_once() -> None:
    work = Work()
    work.open.clear()
    async with running(work):
        work.queue.add("a")
        await until(lambda: work.at_once == 1)
        work.queue.add("a")
        work.queue.add("a")
        work.open.set()
        await until(lambda: len(work.handled) == 2)
        await asyncio.sleep(0.02)
    assert work.handled == ["a", "a"]
    assert work.most_at_once == 1


async def test_a_failing_key_is_tried_again_and_holds_up_no_other() -> None:
    work = Work(workers=1)
    work.failures = 3
    async with running(work):
        work.queue.add("a")
        await until(lambda: work.failures == 0)
        work.queue.add("b")
        await until(lambda: work.handled.count("a") == 4)
    assert work.handled.count("b") == 1


async def test_a_failing_key_that_keeps_changing_still_pauses() -> None:
    work = Work()
    work.failures = 1000
    async with running(work):
        for _ in range(20):
            work.queue.add_after("a", timedelta(0))
            await asyncio.sleep(0.01)
    assert len(work.handled) <= 22


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), workers=st.integers(1, 4))
def test_each_of_k_namespaces_that_has_keys_gets_one_of_k_turns(sizes: list[int], workers: int) -> None:
    work = Work(workers=workers)

    async def story() -> None:
        for namespace, size in enumerate(sizes):
            for number in range(size):
                work.queue.add(f"n{namespace}/{number}")
        async with running(work):
            await until(lambda: len(work.handled) == sum(sizes))

    asyncio.run(story())
    assert len(set(work.handled)) == sum(sizes)
    for namespace, size in enumerate(sizes):
        places = [at for at, key in enumerate(work.handled) if key.startswith(f"n{namespace}/")]
        assert all(at < (number + 1) * len(sizes) for number, at in enumerate(places)), (namespace, size)


async def test_thousands_of_keys_that_no_server_answers_are_no_storm_and_are_handled_once_one_does() -> None:
    calls, away, handled = 0, True, set[str]()

    async def handle(key: str) -> None:
        nonlocal calls
        calls += 1
        if away:
            raise ConnectionError("Temporal: UNAUTHENTICATED: the API key has expired")
        handled.add(key)

    pauses = Backoff(initial=timedelta(milliseconds=10), maximum=timedelta(milliseconds=200), draw=lambda: 1.0)
    queue: KeyedQueue[str] = KeyedQueue(
        name="test", handle=handle, namespace_of=lambda _key: "shop", workers=4, backoff=QUICK, away=pauses
    )
    for number in range(2000):
        queue.add(str(number))
    task = asyncio.create_task(queue.run())
    await asyncio.sleep(1)
    assert calls < 60
    away = False
    await until(lambda: len(handled) == 2000, seconds=10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_workers_are_bounded() -> None:
    work = Work(workers=3)
    work.open.clear()
    async with running(work):
        for number in range(10):
            work.queue.add(str(number))
        await until(lambda: work.at_once == 3)
        await asyncio.sleep(0.02)
        assert work.queue.depth == 7
        work.open.set()
        await until(lambda: len(work.handled) == 10)
    assert work.most_at_once == 3


async def test_a_key_comes_back_when_its_handler_asked_for_it() -> None:
    work = Work()
    work.again = timedelta(milliseconds=10)
    async with running(work):
        work.queue.add("a")
        await until(lambda: work.handled == ["a", "a"])
        assert work.queue.depth == 0


async def test_changes_within_a_while_are_gathered() -> None:
    work = Work()
    async with running(work):
        for _ in range(5):
            work.queue.add_after("a", timedelta(milliseconds=30))
        assert work.queue.depth == 0
        await until(lambda: work.handled == ["a"])
        await asyncio.sleep(0.05)
    assert work.handled == ["a"]


async def test_the_sooner_of_two_times_counts() -> None:
    work = Work()
    async with running(work):
        work.queue.add_after("a", timedelta(hours=1))
        work.queue.add_after("a", timedelta(milliseconds=10))
        await until(lambda: work.handled == ["a"])
        assert work.queue.depth == 0
