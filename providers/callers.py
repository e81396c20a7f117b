"""In whose turn a call waits at a host that many share."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CALLER: ContextVar[str] = ContextVar("caller", default="")


@contextmanager
def calling_for(tenant: str) -> Iterator[None]:
    """Make the calls of this context wait in the turn of a tenant, such as `namespace/repository`."""
    token = _CALLER.set(tenant)
    try:
        yield
    finally:
        _CALLER.reset(token)


def caller() -> str:
    """Return the tenant of this context; empty outside of any."""
    return _CALLER.get()
