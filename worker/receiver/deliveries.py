"""What is kept of deliveries: which were seen, and how many an address may still bring."""

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from worker.receiver.hooks import Hook

SEEN_LIMIT = 20_000
"""Deliveries that are remembered by one process, the newest ones, each as 16 bytes."""
SEEN_PER_HOOK = 2_000
RATE_PER_SECOND = 20.0
"""Deliveries of one address in the long run; a host sends a burst for each push."""
BURST = 200.0
RATES_KEPT = 1_000
"""Addresses after which those that were quiet are forgotten."""


class SeenDeliveries:
    """Remember deliveries that were accepted, for each address the newest ones.

    A delivery is its id with its body. Hosts sign the body alone: who sends a captured one again under the ids of those
    to come, which some hosts count up, would have them taken for repetitions.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Hook, OrderedDict[bytes, None]] = OrderedDict()
        self._count = 0

    def has(self, hook: Hook, name: str, body: bytes) -> bool:
        """Return whether a delivery is remembered."""
        return bool(name) and _mark(name, body) in self._seen.get(hook, ())

    def add(self, hook: Hook, name: str, body: bytes) -> None:
        """Remember a delivery; one without a name is never known again."""
        if not name:
            return
        kept, mark = self._seen.setdefault(hook, OrderedDict()), _mark(name, body)
        self._seen.move_to_end(hook)
        if mark not in kept:
            kept[mark] = None
            self._count += 1
        if len(kept) > SEEN_PER_HOOK:
            kept.popitem(last=False)
            self._count -= 1
        while self._count > SEEN_LIMIT:
            # Of the address that was quiet for longest: a busy one pushes out its own.
            oldest, names = next(iter(self._seen.items()))
            names.popitem(last=False)
            self._count -= 1
            if not names:
                del self._seen[oldest]


def _mark(name: str, body: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(body).digest() + name.encode(errors="surrogatepass")).digest()[:16]


class Rates:
    """Bound how many deliveries each address brings: a bucket of `burst` that fills with `per_second`."""

    def __init__(
        self,
        *,
        per_second: float = RATE_PER_SECOND,
        burst: float = BURST,
        kept: int = RATES_KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._kept = kept
        self._clock = clock
        self._left: dict[Hook, tuple[float, float]] = {}

    def take(self, hook: Hook) -> int:
        """Take one delivery; return 0, or after how many seconds another one may come."""
        now = self._clock()
        if len(self._left) > self._kept:
            self._forget_full(now)
        left, at = self._left.get(hook, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        if left < 1:
            self._left[hook] = left, now
            return math.ceil((1 - left) / self._per_second)
        self._left[hook] = left - 1, now
        return 0

    def _forget_full(self, now: float) -> None:
        """Forget the addresses that may bring a whole burst again."""
        full = self._burst / self._per_second
        self._left = {hook: one for hook, one in self._left.items() if now - one[1] < full}
