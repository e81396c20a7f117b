"""Offline validation of YAML documents: schema, unknown fields, CEL rules, and how the resources fit together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError

from crds.group import API_VERSION, GROUP
from crds.model import Scope
from crds.resource import Resource
from crds.rules.environments import validate_environment, validate_repository
from crds.rules.event_sinks import validate_event_sink
from crds.rules.field_errors import FieldError, errors_of
from crds.rules.flux import validate_commit_status, validate_provider
from crds.rules.promotion_policies import missing, validate_policy
from crds.rules.references import reference_errors, undeclared
from crds.rules.repositories import conflict_errors, discovery_errors, oldest_of
from crds.rules.secrets import consent_errors, users_of
from crds.rules.selection import PolicyIndex
from crds.rules.shared_providers import validate_shared_provider
from crds.schema.cel import rule_errors
from crds.schema.definitions import object_schema
from crds.schema.structural import structural_errors, with_defaults
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
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
    broken: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Names of resources that are not sound, by kind."""

    def of(self, model: type[R]) -> dict[str, R]:
        return {resource.metadata.name: resource for _, resource in self.resources if isinstance(resource, model)}


class _View:
    """The resources of one namespace as rules look at them, read once for all that are judged.

    With `lenient` resources that are not sound count as none: errors about them are then to be left out. Without
    `complete` it is not known of any kind what there is.
    """

    def __init__(self, namespace: _Namespace, clustered: _Namespace, *, complete: bool, lenient: bool = False) -> None:
        self._namespace, self._clustered, self._complete, self._lenient = namespace, clustered, complete, lenient
        self.environments, self.repositories = self.known(Environment), self.known(GitRepository)
        self.runners, self.instances = self.known(TestRunner), self.known(ArgoCDInstance)
        self.providers = self.known(Provider)
        self.policies = PolicyIndex(namespace.of(PromotionPolicy).values())
        self.oldest = oldest_of(namespace.of(GitRepository).values())
        whole = not namespace.broken[PromotionPolicy.definition.kind]
        self.require_final = self.environments is not None and whole and not lenient
        self._by_kind: dict[str, Mapping[str, Resource] | None] = {}

    def known(self, model: type[R]) -> dict[str, R] | None:
        """Answer None where no document is of the kind, or one is broken: then it is not known what there is."""
        kind = model.definition.kind
        home = self._clustered if model.definition.scope is Scope.CLUSTER else self._namespace
        sure = self._complete and kind in home.seen_kinds and (self._lenient or not home.broken[kind])
        return home.of(model) if sure else None

    def declared(self, kind: str) -> Mapping[str, Resource] | None:
        """Return the resources of a kind by name."""
        if kind not in self._by_kind:
            self._by_kind[kind] = self.known(BY_KIND[kind])
        return self._by_kind[kind]


def validate_documents(documents: Iterable[Any], *, complete: bool = True) -> list[DocumentError]:
    """Find every error in a set of documents, as they come from YAML files.

    Documents of other API groups are passed over. References to kinds of which the set has none are not judged, and
    none is where the set is not complete: what is missing may be declared in what could not be read.
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
            namespaces[namespace].broken[kind].add(name)
        else:
            namespaces[namespace].resources.append((index, resource))
    # A set may name namespaces of its cluster-scoped resources too, which the API server then leaves out.
    clustered = _Namespace(
        resources=[one for each in namespaces.values() for one in each.resources],
        seen_kinds={kind for each in namespaces.values() for kind in each.seen_kinds},
    )
    for namespace_resources in list(namespaces.values()):
        errors += _errors_among(namespace_resources, clustered, complete=complete)
    users: dict[str, Mapping[str, Sequence[str]]] = {}
    for index, secret in secrets:
        kind, namespace, name = _identity(secret)
        if namespace not in users:
            users[namespace] = users_of(resource for _, resource in namespaces[namespace].resources)
        found = consent_errors(secret, users[namespace])
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
    errors += _rule_errors(schema, filled, [error.path for error in errors])
    if errors:
        return errors, None
    try:
        return [], model.from_wire(filled)
    except ValidationError as invalid:
        return list(errors_of(invalid)), None


def _rule_errors(schema: Mapping[str, Any], document: Any, broken: Sequence[str]) -> list[FieldError]:
    """Find what breaks a rule, but for what a broken field may be the cause of: within it, and around it."""
    if not broken:
        return list(rule_errors(schema, document))
    found: list[FieldError] = []
    # A value of a wrong type may be none that a rule can look at: what was found before that counts.
    with suppress(ValueError, TypeError, AttributeError):
        found.extend(rule_errors(schema, document))
    return [
        error for error in found if not any(_around(error.path, path) or _around(path, error.path) for path in broken)
    ]


def _around(outer: str, inner: str) -> bool:
    return inner == outer or outer == "." or inner.startswith((f"{outer}.", f"{outer}["))


def _metadata_errors(document: Mapping[str, Any]) -> list[FieldError]:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        return [FieldError(path="metadata.name", message="is required")]
    return []


def _lenient_metadata(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Let metadata have the fields that every object may have; the API server knows them without a schema."""
    metadata = {**schema["properties"]["metadata"], "additionalProperties": {}}
    return {**schema, "properties": {**schema["properties"], "metadata": metadata}}


def _errors_among(namespace: _Namespace, clustered: _Namespace, *, complete: bool) -> list[DocumentError]:
    view = _View(namespace, clustered, complete=complete)
    # Of resources that are not sound, references to others are judged as well: all errors come in one pass.
    unsure = complete and any(namespace.broken.values())
    among_sound = _View(namespace, clustered, complete=True, lenient=True) if unsure else None
    unsound = {
        missing("", kind, name).message for kind, names in namespace.broken.items() if kind in BY_KIND for name in names
    }
    errors: list[DocumentError] = []
    for index, resource in namespace.resources:
        found = _judge(resource, view)
        if among_sound is not None:
            absent = [error for error in _judge(resource, among_sound) if undeclared(error)]
            found += [error for error in absent if error.message not in unsound and error not in found]
        kind, name = resource.definition.kind, resource.metadata.name
        errors += [DocumentError(index=index, kind=kind, name=name, error=error) for error in found]
    return errors


def _judge(resource: Resource, view: _View) -> list[FieldError]:
    """Find what does not fit together between a resource and the others."""
    found = reference_errors(resource, view.declared)
    match resource:
        case PromotionPolicy():
            found += validate_policy(
                resource,
                runners=view.runners,
                environments=view.environments,
                all_policies=view.policies,
                repositories=view.repositories,
                require_final=view.require_final,
            )
        case Environment():
            found += validate_environment(resource, instances=view.instances, repositories=view.repositories)
        case GitRepository():
            found += [*validate_repository(resource), *conflict_errors(resource, view.oldest)]
            found += discovery_errors(resource, view.environments)
        case ClusterScmProvider():
            found += validate_shared_provider(resource.spec)
        case Provider():
            found += validate_provider(resource)
        case CommitStatus():
            found += validate_commit_status(resource, providers=view.providers)
        case EventSink():
            found += validate_event_sink(resource, repositories=view.repositories, environments=view.environments)
    return found
