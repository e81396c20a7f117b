"""Offline validation of YAML documents: schema, unknown fields, CEL rules, and how the resources fit together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError

from crds.group import API_VERSION, GROUP
from crds.resource import Resource
from crds.rules.environments import validate_environment, validate_repository
from crds.rules.field_errors import FieldError, errors_of
from crds.rules.flux import validate_commit_status, validate_provider
from crds.rules.policies import validate_policy
from crds.rules.repositories import conflict_errors, discovery_errors, oldest_of
from crds.rules.secrets import consent_errors
from crds.schema.cel import rule_errors
from crds.schema.definitions import object_schema
from crds.schema.structural import structural_errors, with_defaults
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.kinds import BY_KIND
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.test_runner import TestRunner

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, kw_only=True)
class DocumentError:
    """An error in one document; `index` counts the documents from 0, in the order given."""

    index: int
    kind: str
    name: str
    error: FieldError

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}: {self.error}"


@dataclass(kw_only=True)
class _Namespace:
    """The resources of one namespace that are sound in themselves, with the index of their document."""

    resources: list[tuple[int, Resource]] = field(default_factory=list)
    seen_kinds: set[str] = field(default_factory=set)
    broken_kinds: set[str] = field(default_factory=set)

    def of(self, model: type[R]) -> dict[str, R]:
        return {resource.metadata.name: resource for _, resource in self.resources if isinstance(resource, model)}

    def known(self, model: type[R]) -> dict[str, R] | None:
        """Answer None where no document is of the kind, or one is broken: then it is not known what there is."""
        kind = model.definition.kind
        return self.of(model) if kind in self.seen_kinds and kind not in self.broken_kinds else None


def validate_documents(documents: Iterable[Any]) -> list[DocumentError]:
    """Find every error in a set of documents, as they come from YAML files.

    Documents of other API groups are passed over. References to kinds of which the set has none are not judged.
    """
    errors: list[DocumentError] = []
    namespaces: defaultdict[str, _Namespace] = defaultdict(_Namespace)
    secrets: list[tuple[int, Mapping[str, Any]]] = []
    taken: dict[tuple[str, str, str], int] = {}
    for index, document in enumerate(documents):
        if document is None or _is_foreign(document):
            if document is not None and _identity(document)[0] == "Secret":
                secrets.append((index, document))
            continue
        found, resource = _read(document)
        kind, namespace, name = _identity(document)
        if name and taken.setdefault((kind, namespace, name), index) != index:
            found.append(FieldError(path="metadata.name", message="the same resource is declared twice"))
        errors += [DocumentError(index=index, kind=kind, name=name or "?", error=error) for error in found]
        namespaces[namespace].seen_kinds.add(kind)
        if resource is None:
            namespaces[namespace].broken_kinds.add(kind)
        else:
            namespaces[namespace].resources.append((index, resource))
    for namespace_resources in namespaces.values():
        errors += _errors_among(namespace_resources)
    for index, secret in secrets:
        kind, namespace, name = _identity(secret)
        known = [resource for _, resource in namespaces[namespace].resources] if namespace in namespaces else []
        found = consent_errors(secret, known)
        errors += [DocumentError(index=index, kind=kind, name=name or "?", error=error) for error in found]
    return sorted(errors, key=lambda error: error.index)


def validate_document(document: Any) -> list[FieldError]:
    """Find every error that one document has in itself."""
    return _read(document)[0]


@lru_cache
def _schema(model: type[Resource]) -> dict[str, Any]:
    return object_schema(model)


def _is_foreign(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("apiVersion"), str):
        return False
    return str(document["apiVersion"]).split("/")[0] != GROUP


def _identity(document: Any) -> tuple[str, str, str]:
    if not isinstance(document, dict):
        return "?", "", ""
    metadata = document.get("metadata")
    named: Mapping[Any, Any] = metadata if isinstance(metadata, dict) else {}
    return str(document.get("kind", "?")), str(named.get("namespace", "")), str(named.get("name", ""))


def _read(document: Any) -> tuple[list[FieldError], Resource | None]:
    if not isinstance(document, dict):
        return [
            FieldError(path=".", message="is not a Kubernetes object: it must have apiVersion, kind, metadata")
        ], None
    if document.get("apiVersion") != API_VERSION:
        return [FieldError(path="apiVersion", message=f"must be `{API_VERSION}`")], None
    model = BY_KIND.get(str(document.get("kind")))
    if model is None:
        known = ", ".join(BY_KIND)
        return [FieldError(path="kind", message=f"`{document.get('kind')}` is not known; known are {known}")], None
    schema = _schema(model)
    filled = with_defaults(schema, document)
    errors = _metadata_errors(filled) + list(structural_errors(_lenient_metadata(schema), filled))
    if errors:
        return errors, None
    errors = list(rule_errors(schema, filled))
    if errors:
        return errors, None
    try:
        return [], model.from_wire(filled)
    except ValidationError as invalid:
        return list(errors_of(invalid)), None


def _metadata_errors(document: Mapping[str, Any]) -> list[FieldError]:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        return [FieldError(path="metadata.name", message="is required")]
    return []


def _lenient_metadata(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Let metadata have the fields that every object may have; the API server knows them without a schema."""
    metadata = {**schema["properties"]["metadata"], "additionalProperties": {}}
    return {**schema, "properties": {**schema["properties"], "metadata": metadata}}


def _errors_among(namespace: _Namespace) -> list[DocumentError]:
    environments, repositories = namespace.known(Environment), namespace.known(GitRepository)
    runners, instances = namespace.known(TestRunner), namespace.known(ArgoCDInstance)
    policies = list(namespace.of(PromotionPolicy).values())
    errors: list[DocumentError] = []
    for index, resource in namespace.resources:
        found: list[FieldError] = []
        match resource:
            case PromotionPolicy():
                found = validate_policy(
                    resource,
                    runners=runners,
                    environments=environments,
                    all_policies=policies,
                    repositories=repositories,
                    require_final=environments is not None,
                )
            case Environment():
                found = validate_environment(resource, instances=instances, repositories=repositories)
            case GitRepository():
                oldest = oldest_of(namespace.of(GitRepository).values())
                found = [*validate_repository(resource), *conflict_errors(resource, oldest)]
                found += discovery_errors(resource, environments)
            case Provider():
                found = validate_provider(resource)
            case CommitStatus():
                found = validate_commit_status(resource, providers=namespace.known(Provider))
        kind, name = resource.definition.kind, resource.metadata.name
        errors += [DocumentError(index=index, kind=kind, name=name, error=error) for error in found]
    return errors
