"""In whose turn a call waits at a host that many share."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CALLER: ContextVar[str] = ContextVar("caller", default="")
_POLLS: ContextVar[bool] = ContextVar("polls", default=False)


@contextmanager
def calling_for(tenant: str) -> Iterator[None]:
    """Make the calls of this context wait in the turn of a tenant, such as `namespace/repository`."""
    token = _CALLER.set(tenant)
    try:
        yield
    finally:
        _CALLER.reset(token)


@contextmanager
def polling() -> Iterator[None]:
    """Mark the calls of this context as looks that can come later: they give way where a host's calls become few."""
    token = _POLLS.set(True)
    try:
        yield
    finally:
        _POLLS.reset(token)


def polls() -> bool:
    """Return whether the calls of this context can come later."""
    return _POLLS.get()


def caller() -> str:
    """Return the tenant of this context; empty outside of any."""
    return _CALLER.get()
