"""The seam at which a process traces its round trips; what a trace is made of is the process's own matter."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Span(Protocol):
    """One round trip as it is traced."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the request carries so that the host may go on with the trace, such as `traceparent`."""

    def answered(self, status: int) -> None:
        """Note the status of the answer."""


Trace = Callable[[str, str], AbstractContextManager[Span]]
"""Opens the span of one round trip, from method and host; an error that leaves it is the round trip's outcome."""


class NoSpan:
    """Trace nothing."""

    headers: Mapping[str, str] = {}

    def answered(self, status: int) -> None:
        """Forget the status."""


@contextmanager
def untraced(_method: str, _host: str) -> Iterator[Span]:
    """Open no span."""
    yield NoSpan()
