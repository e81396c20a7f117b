"""Who comes next where many wait: namespaces take turns, and within each of them its callers do. Pure."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from providers.shares import namespace_of

T = TypeVar("T")


class Turns(Generic[T]):
    """Keep what waits by tenant, such as `namespace/repository`."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, OrderedDict[str, deque[T]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(self.waiting_of, self._waiting))

    def waiting_of(self, namespace: str) -> int:
        """Return how many of a namespace wait."""
        return sum(map(len, self._waiting.get(namespace, {}).values()))

    def add(self, tenant: str, item: T) -> None:
        """Let one wait, behind those of its tenant."""
        self._waiting.setdefault(namespace_of(tenant), OrderedDict()).setdefault(tenant, deque()).append(item)

    def remove(self, tenant: str, item: T) -> None:
        """Let one wait no longer; nothing where it does not."""
        callers = self._waiting.get(namespace_of(tenant))
        if callers is not None and item in callers.get(tenant, ()):
            callers[tenant].remove(item)
            self._drop_empty(tenant)

    def next(self, may: Callable[[str], bool]) -> tuple[str, T] | None:
        """Take out who comes next among the namespaces that may, with its tenant; their turn is over then."""
        namespace = next(filter(may, self._waiting), None)
        if namespace is None:
            return None
        callers = self._waiting[namespace]
        tenant = next(iter(callers))
        item = callers[tenant].popleft()
        callers.move_to_end(tenant)
        self._waiting.move_to_end(namespace)
        self._drop_empty(tenant)
        return tenant, item

    def crowded_out_by(self, tenant: str) -> tuple[str, T] | None:
        """Find who gives way to a newcomer: the newest of those with the most waiting, if that is more than its own.

        Namespaces are compared first. None where the newcomer's own would be as many then.
        """
        own = namespace_of(tenant)
        most = max(self._waiting, key=self.waiting_of, default=own)
        if self.waiting_of(most) <= self.waiting_of(own) + 1:
            most = own
        callers = self._waiting.get(most) or OrderedDict[str, deque[T]]()
        largest = max(callers, key=lambda one: len(callers[one]), default=tenant)
        if most == own and len(callers.get(largest, ())) <= len(callers.get(tenant, ())) + 1:
            return None
        return largest, callers[largest][-1]

    def _drop_empty(self, tenant: str) -> None:
        namespace = namespace_of(tenant)
        callers = self._waiting[namespace]
        if not callers[tenant]:
            del callers[tenant]
        if not callers:
            del self._waiting[namespace]
