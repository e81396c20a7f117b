"""Keep an interruption from losing a process between its birth and its entry in the ledger."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Hold back handlers that may raise until the block ended. Does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[signal.Signals] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        arrived.append(signal.Signals(number))

    # Only Python handlers: an ignored or default disposition is inherited by children and stays as it is.
    held = {number: handler for number in DEFERRED if callable(handler := signal.getsignal(number))}
    for number in held:
        signal.signal(number, remember)
    try:
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)
