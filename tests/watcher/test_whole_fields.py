"""Each field of a status is written as a whole: `managedFields` name the field, and not every leaf of it."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiNotFound, ApiResource, Document, resource_of
from crds.api.publishing import WATCHER_MANAGER, WORKFLOW_MANAGER, WantedCondition, publish_conditions
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.schema.definitions import custom_resource_definition
from crds.v1alpha1.kinds import KINDS
from crds.v1alpha1.promotion_policy import PromotionPolicy
from tests.watcher.samples import conditions

POLICY = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "repositoryRefs": [{"name": "web"}]}
DEFINITIONS = ApiResource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)
EARLIER = ApiResource(group="earlier.example", version="v1alpha1", plural="earlierpolicies", kind="EarlierPolicy")


def status_schema(definition: Document) -> Document:
    schema: Document = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    return schema


def owned(document: Document, manager: str) -> Document:
    """Return what a manager is noted for in the status."""
    notes = document["metadata"]["managedFields"]
    found: Document = next(
        one["fieldsV1"]["f:status"] for one in notes if one["manager"] == manager and one.get("subresource") == "status"
    )
    return found


def key(condition: ConditionType) -> str:
    return f'k:{{"type":"{condition.value}"}}'


async def publish(api: KubernetesApi, document: Document, manager: str, type_: ConditionType, message: str) -> None:
    metadata = document["metadata"]
    wanted = WantedCondition(type=type_, status=True, reason=ConditionReason.VALID, message=message)
    await publish_conditions(
        api,
        PromotionPolicy.definition,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        wanted=(wanted,),
        field_manager=manager,
    )


def merged_by_key(schema: Document, path: str = "status") -> Iterator[str]:
    """Yield the objects of a status of which several managers could write parts."""
    for name, field in schema["properties"].items():
        of_map = field.get("x-kubernetes-list-type") == "map"
        one = field["items"] if of_map else field
        if one["type"] == "object" and one.get("x-kubernetes-map-type") != "atomic":
            yield f"{path}.{name}"


def test_no_object_of_a_status_is_written_in_parts() -> None:
    for model in KINDS:
        definition = custom_resource_definition(model)
        assert list(merged_by_key(status_schema(definition))) == [], model.__name__


async def test_two_managers_own_their_conditions_as_a_whole(api: KubernetesApi, namespace: str) -> None:
    resource = resource_of(PromotionPolicy.definition)
    created = await api.create(resource, namespace, {"metadata": {"name": "way"}, "spec": POLICY})
    await publish(api, created, WATCHER_MANAGER, ConditionType.VALID, "first")
    await publish(api, created, WORKFLOW_MANAGER, ConditionType.REACHABLE, "theirs")
    await publish(api, created, WATCHER_MANAGER, ConditionType.VALID, "second")
    found = await api.get(resource, namespace, "way")
    assert {name: one["message"] for name, one in conditions(found).items() if one["message"]} == {
        "Valid": "second",
        "Reachable": "theirs",
    }
    assert owned(found, WATCHER_MANAGER)["f:conditions"][key(ConditionType.VALID)] == {}
    assert owned(found, WORKFLOW_MANAGER)["f:conditions"][key(ConditionType.REACHABLE)] == {}


def in_parts(schema: Any) -> Any:
    """Return a schema as it was declared before."""
    if isinstance(schema, dict):
        return {name: in_parts(one) for name, one in schema.items() if name != "x-kubernetes-map-type"}
    return [in_parts(one) for one in schema] if isinstance(schema, list) else schema


def named_earlier(definition: Document) -> Document:
    """Return a definition under a name of its own, so that it may change while others use theirs."""
    names = {"plural": EARLIER.plural, "singular": "earlierpolicy", "kind": EARLIER.kind, "listKind": "EarlierList"}
    spec = {**definition["spec"], "group": EARLIER.group, "names": names}
    return {"metadata": {"name": f"{EARLIER.plural}.{EARLIER.group}"}, "spec": spec}


async def apply_condition(api: KubernetesApi, namespace: str, manager: str, name: str, message: str) -> Document:
    condition = {
        "type": name,
        "status": "True",
        "reason": "Valid",
        "message": message,
        "lastTransitionTime": "2026-01-31T12:00:00Z",
    }
    return await api.apply(
        EARLIER, namespace, "way", {"status": {"conditions": [condition]}}, field_manager=manager, subresource="status"
    )


async def test_what_was_written_in_parts_goes_on_as_a_whole(api: KubernetesApi, namespace: str) -> None:
    definition = named_earlier(custom_resource_definition(PromotionPolicy))
    name = definition["metadata"]["name"]
    await api.create(DEFINITIONS, None, in_parts(definition))
    try:
        async with asyncio.timeout(60):
            while True:
                with suppress(ApiNotFound):
                    await api.create(EARLIER, namespace, {"metadata": {"name": "way"}, "spec": POLICY})
                    break
                await asyncio.sleep(0.1)
            await apply_condition(api, namespace, "one", "Valid", "before")
            found = await apply_condition(api, namespace, "two", "Reachable", "before")
            assert owned(found, "one")["f:conditions"][key(ConditionType.VALID)] != {}
            await api.merge(DEFINITIONS, None, name, {"spec": {"versions": definition["spec"]["versions"]}})
            # Until each part of the API server knows the new schema.
            while owned(found, "one")["f:conditions"][key(ConditionType.VALID)] != {}:
                found = await apply_condition(api, namespace, "one", "Valid", "after")
        assert {one: each["message"] for one, each in conditions(found).items()} == {
            "Valid": "after",
            "Reachable": "before",
        }
        found = await apply_condition(api, namespace, "two", "Reachable", "after")
        assert conditions(found)["Reachable"]["message"] == "after"
        assert owned(found, "two")["f:conditions"][key(ConditionType.REACHABLE)] == {}
    finally:
        await api.delete(DEFINITIONS, None, name)
