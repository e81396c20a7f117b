"""Adapters that stay open: they remember tokens and what they learned of a host while nothing declared changes."""

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

from activities.ports import MissingReason, ReferenceMissing
from providers.errors import ProviderRejected

KEPT = 1000

Port = TypeVar("Port")


class Kept:
    """The adapters used last, by all that they were opened with."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, ...], object] = OrderedDict()

    def get(self, what: str, opened: Callable[[], Port], *key: str) -> Port:
        """Return what is open under this key, else open it. Raises ReferenceMissing where it may not be opened."""
        whole = (what, *key)
        if whole not in self._open:
            try:
                self._open[whole] = opened()
            except ProviderRejected as error:
                raise ReferenceMissing(what, MissingReason.INVALID, str(error)) from None
            if len(self._open) > KEPT:
                self._open.popitem(last=False)
        self._open.move_to_end(whole)
        return cast(Port, self._open[whole])
