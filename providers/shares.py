"""How many of a few places one namespace may hold, and when those who found none come back. Pure but for chance."""

import random
from collections import Counter, OrderedDict
from collections.abc import Mapping
from datetime import timedelta

_PER_FREE_PLACE = 3
# What a place is held for, until uses have shown it; and how much a new use counts.
_ASSUMED_SECONDS = 0.2
_WEIGHT = 0.1
_SOONEST_SECONDS = 1.0
_LATEST_SECONDS = 55.0
_HORIZONS = 1000


def namespace_of(tenant: str) -> str:
    """Return the namespace of a tenant such as `namespace/repository`."""
    return tenant.partition("/")[0]


class Shares:
    """Count the places that each namespace holds, of so many.

    A namespace takes another place while it holds less than three for each place that stays free. So one alone has at
    most three quarters, k hungry ones share what they take evenly and leave one part in 3 k + 1 free, and one
    that holds nothing finds a place as long as one is free. What is ours, the namespace ``, has no such limit.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._held: Counter[str] = Counter()

    def may(self, namespace: str) -> bool:
        """Return whether a namespace may take a place now."""
        left = self.limit - self.taken - 1
        if left < 0:
            return False
        mine = self._held[namespace] if namespace else 0
        return mine == 0 or mine < _PER_FREE_PLACE * left

    def take(self, namespace: str) -> bool:
        """Take a place; False where it may not."""
        if not self.may(namespace):
            return False
        self.taken += 1
        self._held[namespace] += 1
        return True

    def give_back(self, namespace: str) -> None:
        """Give a place back that was taken."""
        self.taken -= 1
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]

    def held_by(self, namespace: str) -> int:
        """Return how many places a namespace holds."""
        return self._held.get(namespace, 0)


class Horizons:
    """Name times to come back, so that those of one namespace come as far apart as so many places can serve them.

    Within a namespace, each tenant that was sent away has an even part of that pace.
    """

    def __init__(self, *, places: int, uses_each: int = 1) -> None:
        """Reckon with `uses_each` uses of a place by one that comes back."""
        self._uses_per_place = uses_each / max(places, 1)
        self._held_seconds = _ASSUMED_SECONDS
        self._until: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def note(self, held_seconds: float) -> None:
        """Learn how long a place was held."""
        self._held_seconds += _WEIGHT * (held_seconds - self._held_seconds)

    def known(self, now: float) -> bool:
        """Return whether a time that was named is still to come."""
        return any(until > now for tenants in self._until.values() for until in tenants.values())

    def next(self, tenant: str, now: float) -> timedelta:
        """Return how long to stay away, and put the next one of this tenant behind."""
        namespace = namespace_of(tenant)
        named: Mapping[str, float] = self._until.pop(namespace, {})
        tenants = OrderedDict((name, until) for name, until in named.items() if until > now)
        at = max(tenants.pop(tenant, 0.0), now + _SOONEST_SECONDS)
        pace = self._uses_per_place * self._held_seconds * (len(tenants) + 1)
        tenants[tenant] = min(at + pace, now + _LATEST_SECONDS)
        self._until[namespace] = tenants
        for kept in (tenants, self._until):
            while len(kept) > _HORIZONS:
                kept.popitem(last=False)
        # Spread by half: those that wait for the same horizon must not come together at its end either.
        seconds = (at - now) * random.uniform(0.5, 1.0) + random.uniform(0.0, _SOONEST_SECONDS)  # noqa: S311 -- keeps no secret
        return timedelta(seconds=seconds)
