"""What one attempt of an activity reached the world through, and whether that refused it.

Each resource with a credential is noted where it is read, each refusal where it becomes a failure. The worker then has
the credentials checked, so that no condition stands that a refusal has just disproved.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from activities.models.credential_checks import CheckedResource
from crds.reasons.problems import FailureKind
from crds.resource import Resource
from crds.v1alpha1.kinds import CONNECTED

DISPROVING = frozenset({FailureKind.UNAUTHORIZED, FailureKind.UNAVAILABLE, FailureKind.MALFORMED})
"""Failures that a check of the credential would meet as well; of any other one it shows nothing."""


@dataclass
class Reached:
    """What an attempt has read so far."""

    resources: dict[CheckedResource, int] = field(default_factory=dict)
    """With the generation of each."""
    refused: bool = False


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


def note_failure(kind: FailureKind) -> None:
    """Note a failure that is evidence about the server or the credential."""
    reached = _REACHED.get()
    if reached is not None and kind in DISPROVING:
        reached.refused = True
