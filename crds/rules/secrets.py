"""Consent of Secrets: who may write a resource that names one need not be allowed to read it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crds.model import wire_name
from crds.resource import Resource
from crds.rules.field_errors import FieldError
from crds.v1alpha1.environment import Environment

CONSENT_LABEL = "pilotage.dev/credential"
"""A Secret that has it with the value `true` may be sent to systems that resources of its namespace name."""
HOSTS_ANNOTATION = "pilotage.dev/hosts"
"""A comma-separated list of the only hosts that it may be sent to, such as `ci.example.com:8443`; absent = any."""

_FIELDS = ("secret_ref", "ca_secret_ref", "webhook_secret_ref", "cert_secret_ref", "proxy_secret_ref")


def consents(labels: Mapping[str, Any]) -> bool:
    """Return whether the labels of a Secret let it be used."""
    return labels.get(CONSENT_LABEL) == "true"


def users_of(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """Return which resources name each Secret, sorted."""
    users: defaultdict[str, set[str]] = defaultdict(set)
    for resource in resources:
        for one in named_secrets(resource):
            users[one.secret].add(one.user)
    return {secret: sorted(found) for secret, found in users.items()}


def consent_errors(document: Mapping[str, Any], users: Mapping[str, Sequence[str]]) -> list[FieldError]:
    """Find a Secret that resources of its namespace name, as `users_of` returns them, and that does not consent."""
    metadata = document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if consents(labels if isinstance(labels, dict) else {}) or not isinstance(name, str):
        return []
    found = users.get(name)
    if not found:
        return []
    message = f'{", ".join(found[:3])} names this Secret, which does not consent: add `{CONSENT_LABEL}: "true"`'
    return [FieldError(path="metadata.labels", message=message)]


@dataclass(frozen=True, kw_only=True)
class NamedSecret:
    """A Secret that a resource names."""

    user: str
    """The resource, such as `TestRunner/jenkins`."""
    field: str
    """Where it is named, such as `webhookSecretRef`."""
    secret: str


def named_secrets(resource: Resource) -> Iterator[NamedSecret]:
    """Yield each Secret that a resource names."""
    spec = getattr(resource, "spec", None)
    user = f"{resource.definition.kind}/{resource.metadata.name}"
    for field in _FIELDS:
        if (reference := getattr(spec, field, None)) is not None:
            yield NamedSecret(user=user, field=wire_name(field), secret=reference.name)
    if isinstance(resource, Environment):
        for deployment in resource.spec.deployments:
            if deployment.flux is not None and deployment.flux.cluster_ref is not None:
                yield NamedSecret(user=user, field="clusterRef", secret=deployment.flux.cluster_ref.name)
