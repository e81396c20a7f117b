"""The search attributes that our workflows set: which ones a Temporal namespace has, and registering the others."""

from collections.abc import Mapping
from dataclasses import dataclass

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import CountWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from worker.temporal.calls import CALL_TIMEOUT
from workflows.identity import (
    SEARCH_ENVIRONMENT,
    SEARCH_NAMESPACE,
    SEARCH_PULL_REQUEST,
    SEARCH_REPOSITORY,
    SEARCH_STATE,
)

KEYWORD, INT = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, IndexedValueType.INDEXED_VALUE_TYPE_INT
SEARCH_ATTRIBUTES: Mapping[str, IndexedValueType.ValueType] = {
    SEARCH_STATE: KEYWORD,
    SEARCH_NAMESPACE: KEYWORD,
    SEARCH_REPOSITORY: KEYWORD,
    SEARCH_ENVIRONMENT: KEYWORD,
    SEARCH_PULL_REQUEST: INT,
}
REFUSED = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)
"""How a server refuses a right to this client; Temporal Cloud refuses the whole operator service."""


def type_name(kind: IndexedValueType.ValueType) -> str:
    """Name a type as Temporal's tools do: `Keyword`, `Int`."""
    return IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_").title()


@dataclass(frozen=True, kw_only=True)
class MissingAttributes:
    """What a namespace has not of ours."""

    missing: Mapping[str, IndexedValueType.ValueType]
    """By name, with the type that it must have."""
    mistyped: Mapping[str, IndexedValueType.ValueType]
    """By name, with the type that it has instead; workflows could not set it."""

    @property
    def nothing(self) -> bool:
        """Whether all of ours are there."""
        return not self.missing and not self.mistyped

    def problem(self, name: str) -> str:
        """Return what is wrong with one of ours; empty where nothing is."""
        wanted = type_name(SEARCH_ATTRIBUTES[name])
        if name in self.missing:
            return f"search attribute {name} ({wanted}) is missing"
        if name in self.mistyped:
            return f"search attribute {name} is {type_name(self.mistyped[name])}, where {wanted} is wanted"
        return ""


async def find_missing(client: Client) -> MissingAttributes:
    """Return what the namespace has not; also where the server does not list it, as Temporal Cloud. Raises RPCError."""
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request, retry=True, timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status not in REFUSED:
            raise
        unknown = {name: kind for name, kind in SEARCH_ATTRIBUTES.items() if not await _queried(client, name)}
        return MissingAttributes(missing=unknown, mistyped={})
    found = listed.custom_attributes
    return MissingAttributes(
        missing={name: kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in found},
        mistyped={name: found[name] for name, kind in SEARCH_ATTRIBUTES.items() if found.get(name, kind) != kind},
    )


async def add_attributes(client: Client, attributes: Mapping[str, IndexedValueType.ValueType]) -> None:
    """Register attributes; those that are there already are left alone. Raises RPCError."""
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict(attributes))
    try:
        await client.operator_service.add_search_attributes(request, timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            raise


async def _queried(client: Client, name: str) -> bool:
    """Return whether workflows can be counted by an attribute: a server refuses a query that names an unknown one."""
    request = CountWorkflowExecutionsRequest(namespace=client.namespace, query=f"{name} IS NOT NULL")
    try:
        await client.workflow_service.count_workflow_executions(request, retry=True, timeout=CALL_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            return False
        if error.status in REFUSED:
            # Who may not count may still set it.
            return True
        raise
    return True
