"""Look again at what was reported as ended and is still open: a host may report before each of its servers knows.

A merge is reported while a replica shows the pull request as open, and a step of a Jenkins pipeline reports a build
that ends with that very step. A workflow that was poked too early would look again by itself only much later.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from providers.webhooks.events import Notice, PullRequestNotice, RunNotice
from worker.receiver.hooks import Hook
from worker.receiver.index import Index, Target

AFTER = (timedelta(seconds=5), timedelta(seconds=20))
"""When it is looked at once more; a status shows within two seconds that its workflow has seen the end."""
LIMIT = 1_000
"""Of looks that are waited for; beyond it a workflow was poked once."""
OF_NAMESPACE = LIMIT // 4
"""Of those; a namespace with more reports keeps no other from its looks."""


class Again:
    """Poke once more the workflows of what was reported as ended, as long as their status does not show it."""

    def __init__(
        self, index: Index, poke: Callable[[Target], object], *, after: Sequence[timedelta] = AFTER, limit: int = LIMIT
    ) -> None:
        self._index = index
        self._poke = poke
        self._after = tuple(after)
        self._limit = limit
        self._timers: dict[asyncio.TimerHandle, str] = {}
        """With the namespace that each is for."""
        self._held: Counter[str] = Counter()

    def add(self, hook: Hook, notices: Iterable[Notice]) -> None:
        """Look again at what a delivery reports as ended."""
        ended = tuple(one for one in notices if _has_ended(one))
        if ended:
            self._later(hook, ended, self._after)

    def close(self) -> None:
        """Look no more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._held.clear()

    def _later(self, hook: Hook, notices: tuple[Notice, ...], after: Sequence[timedelta]) -> None:
        full = len(self._timers) >= self._limit or self._held[hook.shard] >= OF_NAMESPACE
        if not after or full:
            return
        loop = asyncio.get_running_loop()

        def look() -> None:
            self._held[self._timers.pop(timer)] -= 1
            targets = self._index.waiting(hook, notices)
            for target in targets:
                self._poke(target)
            if targets:
                self._later(hook, notices, after[1:])

        timer = loop.call_later(after[0].total_seconds(), look)
        self._timers[timer] = hook.shard
        self._held[hook.shard] += 1


def _has_ended(notice: Notice) -> bool:
    return notice.ended if isinstance(notice, PullRequestNotice) else isinstance(notice, RunNotice)
