"""Server-side apply on a real kube-apiserver: whatever was filled may be emptied, and filled again."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from activities.models.status import PublishPlaceInput, PublishStatusInput
from activities.resources import render_place_status, render_tracker_status
from crds.api.kubernetes import KubernetesApi
from crds.api.places import PlaceWriter
from crds.api.ports import ApiResource, Document, resource_of
from crds.schema.definitions import custom_resource_definition
from crds.v1alpha1.kinds import BY_KIND, KINDS
from tests.histories.corpus import read_story, recorded_stories
from tests.watcher.samples import ENVIRONMENTS, tracker
from worker.temporal.conversion import DATA_CONVERTER
from worker.watcher.trackers import TRACKERS

AT_ONCE = 8
WRITER = "writer"
DEPLOYMENT = {"name": "web", "repositoryRef": {"name": "web"}}
ARGOCD = {"instanceRef": {"name": "argocd"}, "project": "shop"}
TEST = {"name": "e2e", "runnerRef": {"name": "jenkins"}, "job": "web"}
HOPS = {"sourceEnvironment": "dev", "targetEnvironment": "staging"}

SPECS: Mapping[str, tuple[str, Document, Document]] = {
    "variables": (
        "Environment",
        {"vars": {"A": "1"}, "deployments": [{**DEPLOYMENT, "argocd": {**ARGOCD, "application": "web"}}]},
        {"vars": {}, "deployments": [{**DEPLOYMENT, "argocd": {**ARGOCD, "application": "web"}}]},
    ),
    "what is written": (
        "Environment",
        {
            "write": {"argocd": {"set": "HelmParameter", "parameter": "tag"}},
            "deployments": [{**DEPLOYMENT, "argocd": {**ARGOCD, "application": "web"}}],
        },
        {"write": {"argocd": {}}, "deployments": [{**DEPLOYMENT, "argocd": {**ARGOCD, "application": "web"}}]},
    ),
    "what a deployment writes": (
        "Environment",
        {
            "deployments": [
                {
                    **DEPLOYMENT,
                    "argocd": {**ARGOCD, "selector": {"matchLabels": {"a": "b"}}},
                    "write": {"argocd": {"set": "HelmParameter", "parameter": "tag"}},
                }
            ]
        },
        {
            "deployments": [
                {
                    **DEPLOYMENT,
                    "argocd": {**ARGOCD, "selector": {"matchLabels": {}, "matchExpressions": []}},
                    "write": {"argocd": {}},
                }
            ]
        },
    ),
    "a selector": (
        "Environment",
        {"deployments": [{**DEPLOYMENT, "argocd": {**ARGOCD, "selector": {"matchLabels": {"a": "b"}}}}]},
        {"deployments": [{**DEPLOYMENT, "argocd": {**ARGOCD, "selector": {}}}]},
    ),
    "parameters of a test": (
        "PromotionPolicy",
        {
            **HOPS,
            "tests": [{**TEST, "parameters": {"A": "1"}, "components": ["web"]}],
            "repositoryRefs": [{"name": "web"}],
        },
        {**HOPS, "tests": [{**TEST, "parameters": {}, "components": []}], "repositoryRefs": []},
    ),
    "tests": ("PromotionPolicy", {**HOPS, "tests": [TEST]}, {**HOPS, "tests": []}),
    "a host": (
        "ScmProvider",
        {"github": {"domain": "example.com", "appID": 1}, "secretRef": {"name": "s"}},
        {"github": {}, "secretRef": {"name": "s"}},
    ),
    "allowed namespaces": (
        "ClusterScmProvider",
        {"github": {}, "secretRef": {"name": "s"}, "allowedNamespaces": {"matchLabels": {"a": "b"}}},
        {"github": {}, "secretRef": {"name": "s"}, "allowedNamespaces": {"matchLabels": {}}},
    ),
    "all namespaces": (
        "ClusterScmProvider",
        {"github": {}, "secretRef": {"name": "s"}, "allowedNamespaces": {"matchLabels": {"a": "b"}}},
        {"github": {}, "secretRef": {"name": "s"}, "allowedNamespaces": {}},
    ),
}


async def apply(
    api: KubernetesApi, resource: ApiResource, namespace: str | None, name: str, document: Document
) -> Document:
    sub = "status" if "status" in document else None
    return await api.apply(resource, namespace, name, document, field_manager=WRITER, subresource=sub)


@pytest.mark.parametrize("what", SPECS)
async def test_what_a_person_filled_may_be_emptied_and_filled_again(
    api: KubernetesApi, namespace: str, what: str
) -> None:
    kind, filled, emptied = SPECS[what]
    resource = resource_of(BY_KIND[kind].definition)
    name = f"emptied-{list(SPECS).index(what)}"
    where = namespace if resource.namespaced else None
    first = await apply(api, resource, where, name, {"spec": filled})
    then = await apply(api, resource, where, name, {"spec": emptied})
    BY_KIND[kind].from_wire(then)
    assert "None" not in str(then["spec"])
    again = await apply(api, resource, where, name, {"spec": filled})
    assert again["spec"] == first["spec"]


Schema = Mapping[str, Any]


def test_every_object_that_may_be_empty_is_replaced_as_a_whole() -> None:
    """The rule of which the tests on the server show that it is enough."""
    for model in KINDS:
        schema = custom_resource_definition(model)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            for path, field in fields_of(schema["properties"][part], part):
                if field.get("type") == "object" and not field.get("required"):
                    assert field.get("x-kubernetes-map-type") == "atomic", f"{model.__name__} {path}"


def fields_of(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every field below a schema."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields_of(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            yield from fields_of(schema[inner], f"{path}[]")


@pytest.mark.parametrize("kind", ["PullRequestTracker", "Environment"])
async def test_each_field_of_a_status_may_be_emptied_and_filled_again(
    api: KubernetesApi, namespace: str, kind: str
) -> None:
    schema = custom_resource_definition(BY_KIND[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    status = schema["properties"]["status"]
    resource = resource_of(BY_KIND[kind].definition)
    spec = tracker()["spec"] if kind == "PullRequestTracker" else SPECS["variables"][1]
    name = "web-412"
    await api.create(resource, namespace, {"metadata": {"name": name}, "spec": spec})
    filled = filled_value(status)
    first = (await apply(api, resource, namespace, name, {"status": filled}))["status"]
    assert first == filled
    paths = list(emptiable(status))
    assert len(paths) > 5
    for path in paths:
        await apply(api, resource, namespace, name, {"status": emptied_at(filled, path)})
        again = await apply(api, resource, namespace, name, {"status": filled})
        assert again["status"] == filled, path


def filled_value(schema: Schema) -> Any:
    """Return a value with every field of a schema."""
    match schema["type"]:
        case "object" if "properties" in schema:
            return {name: filled_value(field) for name, field in schema["properties"].items()}
        case "object":
            return {"a": filled_value(schema["additionalProperties"])}
        case "array":
            return [filled_value(schema["items"])]
        case "integer":
            return 1
        case "boolean":
            return True
    if schema.get("format") == "date-time":
        return "2026-01-31T12:00:00Z"
    return schema["enum"][0] if "enum" in schema else "aaaaaaaaaa"


Path = tuple[str | int, ...]


def emptiable(schema: Schema, path: Path = ()) -> Iterator[Path]:
    """Yield the way to each field that may hold an empty object or list."""
    for name, field in schema.get("properties", {}).items():
        if field["type"] in ("object", "array") and not field.get("required") and not field.get("minItems"):
            yield (*path, name)
        yield from emptiable(field, (*path, name))
    if isinstance(schema.get("items"), dict):
        yield from emptiable(schema["items"], (*path, 0))


def emptied_at(value: Any, path: Path) -> Any:
    """Return a copy with one field empty."""
    if not path:
        return type(value)()
    first, *rest = path
    if isinstance(value, list):
        return [emptied_at(value[0], tuple(rest))]
    return {**value, first: emptied_at(value[first], tuple(rest))}


def shape(value: Any) -> Any:
    """Return which objects and lists a value has, and which are empty; what holds no others leaves nothing behind."""
    if isinstance(value, dict):
        inner = {key: shape(one) for key, one in value.items() if isinstance(one, dict | list)}
        return ("object" if value else "empty", *sorted(inner.items()))
    if isinstance(value, list):
        return ("list", *sorted({shape(one) for one in value if isinstance(one, dict | list)}, key=repr), bool(value))
    return None


def recorded(activity: str, kind: type) -> Iterator[Any]:
    """Yield the inputs of an activity in all recorded stories."""
    for story in recorded_stories():
        for run in read_story(story):
            for event in run.history.events:
                scheduled = event.activity_task_scheduled_event_attributes
                if scheduled.activity_type.name == activity:
                    payloads = scheduled.input.payloads
                    yield DATA_CONVERTER.payload_converter.from_payloads(payloads, [kind])[0]


def tours(count: int) -> list[list[int]]:
    """Return walks that together go from each of some things to each other one, every way once."""
    return [[first, *(step for other in range(first + 1, count) for step in (other, first))] for first in range(count)]


async def test_every_status_of_every_story_is_taken_after_every_other(api: KubernetesApi, namespace: str) -> None:
    found = {shape(render(one, "")): one for one in recorded("publish_status", PublishStatusInput)}
    statuses = list(found.values())
    assert len(statuses) > 10
    free = asyncio.Semaphore(AT_ONCE)

    async def walk(number: int, tour: list[int]) -> None:
        async with free:
            created = await api.create(TRACKERS, namespace, tracker(number))
            uid = created["metadata"]["uid"]
            for sequence, step in enumerate(tour, start=1):
                status = {**render(statuses[step], uid), "sequence": sequence}
                answer = await api.apply(
                    TRACKERS,
                    namespace,
                    f"web-{number}",
                    {"status": status},
                    field_manager=WRITER,
                    subresource="status",
                )
                assert answer["status"]["state"] == status["state"]

    async with asyncio.TaskGroup() as walks:
        for number, tour in enumerate(tours(len(statuses)), start=1):
            walks.create_task(walk(number, tour))


def render(request: PublishStatusInput, uid: str) -> Document:
    return render_tracker_status(request.status, {"metadata": {"uid": uid}})


async def test_every_status_of_every_place_is_taken_after_every_other(api: KubernetesApi, namespace: str) -> None:
    found = {shape(render_place_status(one.status)): one for one in recorded("publish_place", PublishPlaceInput)}
    entries = [render_place_status(one.status) for one in found.values()]
    sequence, writer = 0, PlaceWriter(api)
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": SPECS["variables"][1]})
    for tour in tours(len(entries)):
        for step in tour:
            sequence += 1
            entry = {**entries[step], "repository": "web", "sequence": sequence}
            assert (await writer.publish(namespace, "dev", entry)).written
