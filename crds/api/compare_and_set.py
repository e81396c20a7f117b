"""Write a status that is decided from the object as it stands: a compare-and-set, again where it changed meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from crds.api.ports import ApiConflict, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.recent import read_basis
from crds.model import Definition

T = TypeVar("T")

CONFLICTS = 8
"""How often a write begins again with a fresh read before the conflict is raised."""


@dataclass(frozen=True, kw_only=True)
class StatusWrite(Generic[T]):
    """A decision to apply a status."""

    status: Document
    result: T
    """What is returned once it is written."""


async def compare_and_set(
    kubernetes: Kubernetes,
    definition: Definition,
    *,
    namespace: str,
    name: str,
    decide: Callable[[Document], Awaitable[StatusWrite[T] | T]],
    gone: T,
    field_manager: str,
) -> T:
    """Apply the status that is decided for an object, and return what became of that; `gone` where there is no object.

    What is not to be written is decided once more for the object as the API server has it, where the first one came
    from memory.
    """
    resource = resource_of(definition)
    for turn in range(CONFLICTS):
        try:
            document, fresh = await read_basis(kubernetes, resource, namespace, name, fresh=turn > 0)
        except ApiNotFound:
            return gone
        decision = await decide(document)
        if not isinstance(decision, StatusWrite):
            if fresh:
                return decision
            continue
        # The version makes it a compare-and-set: applying alone would write to an object recreated meanwhile.
        change = {"metadata": {"resourceVersion": document["metadata"]["resourceVersion"]}, "status": decision.status}
        try:
            await kubernetes.apply(resource, namespace, name, change, field_manager=field_manager, subresource="status")
        except ApiConflict:
            continue
        except ApiNotFound:
            return gone
        return decision.result
    raise ApiConflict(f"the status of {resource.kind} {namespace}/{name} kept changing", status=409)
