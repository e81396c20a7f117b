"""Whether the API server has our definitions and admission policies, and those of this release."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from crds.api.ports import ApiError, ApiForbidden, ApiNotFound, ApiResource, Document
from crds.conditions import ConditionStatus
from crds.group import APPLY_COMMAND, VERSION
from crds.schema.admission import API_GROUP, admission_documents
from crds.schema.generate import all_definitions
from worker.cli.findings import Finding, unknown, well, wrong
from worker.cli.session import Cluster

DEFINITIONS = ApiResource(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)
_PLURALS = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


async def definitions(kubernetes: Cluster) -> AsyncIterator[Finding]:
    """Yield what is found of each definition."""
    for wanted in all_definitions():
        name = wanted["metadata"]["name"]
        found = await _read(kubernetes, DEFINITIONS, name)
        if isinstance(found, Finding):
            yield found
        elif not _established(found):
            yield wrong("definition", f"{name} is not served yet", fix=f"kubectl describe crd {name}")
        elif not holds(_schema(found), _schema(wanted)):
            yield wrong("definition", f"{name} is of another release than this pilotage", fix=APPLY_COMMAND)
        else:
            yield well("definition", f"{name} is installed")


async def admissions(kubernetes: Cluster) -> AsyncIterator[Finding]:
    """Yield what is found of each admission policy and each binding."""
    for wanted in admission_documents():
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        resource = ApiResource(group=API_GROUP, version="v1", plural=_PLURALS[kind], kind=kind, namespaced=False)
        found = await _read(kubernetes, resource, name)
        if isinstance(found, Finding):
            yield found
        elif not holds(found["spec"], wanted["spec"]):
            yield wrong("admission", f"{kind} {name} is not the one of this release, or was changed", fix=APPLY_COMMAND)
        else:
            yield well("admission", f"{kind} {name} is installed")


def holds(found: Any, wanted: Any) -> bool:
    """Whether a document holds all that is wanted; what the API server adds as defaults does not count."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(holds(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        same_length = isinstance(found, list) and len(found) == len(wanted)
        return same_length and all(holds(one, other) for one, other in zip(found, wanted, strict=True))
    return bool(found == wanted)


async def _read(kubernetes: Cluster, resource: ApiResource, name: str) -> Document | Finding:
    subject = "definition" if resource is DEFINITIONS else "admission"
    try:
        return await kubernetes.get(resource, None, name)
    except ApiNotFound:
        return wrong(subject, f"{resource.kind} {name} is not installed", fix=APPLY_COMMAND)
    except ApiForbidden as error:
        return unknown(subject, f"{resource.kind} {name}: {error.message}")
    except ApiError as error:
        return wrong(subject, f"{resource.kind} {name}: {error.message}", fix="kubectl cluster-info")


def _established(definition: Document) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == ConditionStatus.TRUE for one in conditions)


def _schema(definition: Mapping[str, Any]) -> Any:
    versions = definition["spec"]["versions"]
    return next((one.get("schema") for one in versions if one["name"] == VERSION), None)
