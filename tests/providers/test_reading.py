"""Large answers are read in threads, in turns by namespace."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from providers.callers import calling_for
from providers.errors import ProviderMalformed
from providers.reading import AT_ONCE_BYTES, read

LARGE = b"x" * (AT_ONCE_BYTES + 1)


def in_turn_of(tenant: str, reader: Callable[[], object]) -> "asyncio.Task[object]":
    with calling_for(tenant):
        return asyncio.create_task(read(LARGE, reader))


async def test_a_large_answer_is_read_next_to_the_event_loop_and_a_small_one_within() -> None:
    assert await read(LARGE, threading.get_ident) != threading.get_ident()
    assert await read(LARGE[:AT_ONCE_BYTES], threading.get_ident) == threading.get_ident()


async def test_an_error_of_a_reader_is_raised_and_gives_its_place_back() -> None:
    def refuse() -> None:
        raise ProviderMalformed("no list")

    for _ in range(5):
        with pytest.raises(ProviderMalformed, match="no list"):
            await read(LARGE, refuse)


async def test_to_hold_up_the_reading_of_others_with_large_answers() -> None:
    """Theirs come next, however many of one namespace wait."""
    go, order = threading.Event(), list[str]()
    held = [in_turn_of("greedy/a", go.wait) for _ in range(2)]
    await asyncio.sleep(0)
    many = [in_turn_of(f"greedy/r{number}", lambda: order.append("greedy")) for number in range(50)]
    await asyncio.sleep(0)
    one = in_turn_of("shop/web", lambda: order.append("shop"))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*held, *many, one)
    assert len(order) == 51
    assert order.index("shop") <= 3


async def test_who_no_longer_waits_takes_no_place() -> None:
    go = threading.Event()
    held = [in_turn_of("shop/web", go.wait) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = in_turn_of("shop/web", lambda: "read")
    await asyncio.sleep(0)
    held[0].cancel()
    waiting.cancel()
    await asyncio.wait([held[0], waiting])
    go.set()
    await held[1]
    assert await asyncio.gather(*(read(LARGE, lambda: 1) for _ in range(5))) == [1] * 5
