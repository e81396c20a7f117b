"""Coroutines that use an environment leave nothing of it behind when they are cancelled."""

import asyncio
import os
import signal
import threading

import pytest

from deploy.local.environment.coroutines import ended_by_sigterm, to_the_end


async def test_a_cancellation_waits_for_the_end_of_what_blocks() -> None:
    begun, may_end, steps = threading.Event(), threading.Event(), list[str]()

    def start() -> None:
        begun.set()
        may_end.wait(30)
        steps.append("started")

    async def play() -> None:
        try:
            await to_the_end(start)
        finally:
            steps.append("stopped")

    playing = asyncio.create_task(play())
    await asyncio.to_thread(begun.wait, 30)
    playing.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert steps == ["started", "stopped"]


async def test_sigterm_cancels_what_runs() -> None:
    steps = list[str]()

    async def play() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            steps.append("closed")

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(asyncio.CancelledError):
            await ended_by_sigterm(play())
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
    assert steps == ["closed"]
