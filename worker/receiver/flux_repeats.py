"""Events that were accepted a moment ago: a sender whose answer was lost sends the same one again."""

import hashlib
import math
import time
from collections import OrderedDict

from activities.flux.events import FluxEvent

KEPT_SECONDS = 300.0
LIMIT = 20_000


class Repeats:
    """Remember events by all that they report, their time included.

    Flux leaves the time out, and so drops the recovery that equals the success before a failure. What differs
    in its time alone is no repetition here; that it changes nothing is for its workflow to find.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def left(self, sender: str, event: FluxEvent) -> int:
        """Return for how many seconds an event is a repetition yet; 0 for one that is none."""
        at = self._seen.get(_mark(sender, event))
        return 0 if at is None else max(0, math.ceil(at + KEPT_SECONDS - time.monotonic()))

    def add(self, sender: str, event: FluxEvent) -> None:
        """Remember an event; only once it is durable, so that one which was not may come again."""
        mark = _mark(sender, event)
        self._seen[mark] = time.monotonic()
        self._seen.move_to_end(mark)
        if len(self._seen) > LIMIT:
            self._seen.popitem(last=False)


def _mark(sender: str, event: FluxEvent) -> bytes:
    parts = [
        sender,
        str(event.involved),
        event.severity,
        event.reason,
        event.message,
        event.timestamp.isoformat(),
        *(f"{key}={value}" for key, value in sorted(event.metadata.items())),
    ]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).digest()[:16]
