"""What one attempt of an activity reached the world through, and whether that refused it.

Each resource with a credential and each Secret is noted where it is read, each refusal where it is answered or becomes
a failure. The next use then reads the Secrets again, and the worker has the credentials checked, so that no condition
stands that a refusal has just disproved.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from activities.models.credential_checks import CheckedResource
from crds.reasons.problems import FailureKind
from crds.resource import Resource
from crds.v1alpha1.kinds import CONNECTED

DISPROVING = frozenset({FailureKind.UNAUTHORIZED, FailureKind.UNAVAILABLE, FailureKind.MALFORMED})
"""Failures that a check of the credential would meet as well; of any other one it shows nothing."""

DENIALS = frozenset({401, 403})
"""Statuses by which a host refuses a credential or its rights."""

SecretKey = tuple[str, str]
"""Namespace and name."""


class Forgetting(Protocol):
    """What keeps reads of Secrets for a short while."""

    def forget(self, key: SecretKey) -> None:
        """Have the next use read the Secret."""


@dataclass
class Reached:
    """What an attempt has read so far."""

    resources: dict[CheckedResource, int] = field(default_factory=dict)
    """With the generation of each."""
    secrets: set[tuple[Forgetting, SecretKey]] = field(default_factory=set)
    refused: bool = False
    begun: float = field(default_factory=time.monotonic)
    shares_none: bool = False
    """Whether it uses no Secret that was read before it began."""

    def forget_secrets(self) -> None:
        """Have every Secret that was used be read again: what was kept of it may be what was refused."""
        for reads, key in self.secrets:
            reads.forget(key)


_REACHED: ContextVar[Reached | None] = ContextVar("reached", default=None)


@contextmanager
def following() -> Iterator[Reached]:
    """Follow one attempt; its tasks note what they read and meet."""
    reached = Reached()
    token = _REACHED.set(reached)
    try:
        yield reached
    finally:
        _REACHED.reset(token)


def note_read(resource: Resource) -> None:
    """Note a resource that names a server and a credential; any other one is left out."""
    reached, definition, metadata = _REACHED.get(), resource.definition, resource.metadata
    if reached is None or type(resource) not in CONNECTED or not metadata.uid:
        return
    named = CheckedResource(
        kind=definition.kind, namespace=metadata.namespace or "", name=metadata.name, uid=metadata.uid
    )
    reached.resources[named] = metadata.generation


def share_no_secrets() -> None:
    """Have this attempt use no Secret that was read before it began, by whichever worker.

    For an attempt whose refusal ends something that only a command starts again: who has fixed a Secret and gives that
    command, or gave it just before, is not to meet the Secret of a few seconds ago.
    """
    reached = _REACHED.get()
    if reached is not None:
        reached.shares_none = True


def note_secret(reads: Forgetting, key: SecretKey) -> Reached | None:
    """Note a Secret that is used; return the attempt. None outside of one, where no refusal of it would be noted."""
    reached = _REACHED.get()
    if reached is not None:
        reached.secrets.add((reads, key))
    return reached


def note_answer(status: int) -> None:
    """Note the status of a host's answer; not every refusal becomes a failure."""
    reached = _REACHED.get()
    if reached is not None and status in DENIALS:
        reached.forget_secrets()


def note_failure(kind: FailureKind) -> None:
    """Note a failure: what a person fixes may be a Secret, and some failures are evidence about the server."""
    reached = _REACHED.get()
    if reached is None:
        return
    reached.forget_secrets()
    if kind in DISPROVING:
        reached.refused = True
