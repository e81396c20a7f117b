"""Consent of Secrets: who may write a resource that names one need not be allowed to read it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crds.resource import Resource
from crds.rules.field_errors import FieldError

CONSENT_LABEL = "pilotage.dev/credential"
"""A Secret that has it with the value `true` may be sent to systems that resources of its namespace name."""
HOSTS_ANNOTATION = "pilotage.dev/hosts"
"""A comma-separated list of the only hosts that it may be sent to, such as `ci.example.com:8443`; absent = any."""


def consents(labels: Mapping[str, Any]) -> bool:
    """Return whether the labels of a Secret let it be used."""
    return labels.get(CONSENT_LABEL) == "true"


def consent_errors(document: Mapping[str, Any], resources: Iterable[Resource]) -> list[FieldError]:
    """Find a Secret that resources of its namespace name, and that does not consent to be used."""
    metadata = document.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if consents(labels if isinstance(labels, dict) else {}):
        return []
    users = sorted({user for resource in resources for user, secret in _named(resource) if secret == name})
    if not users:
        return []
    message = f'{", ".join(users[:3])} names this Secret, which does not consent: add `{CONSENT_LABEL}: "true"`'
    return [FieldError(path="metadata.labels", message=message)]


def _named(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield (resource, name of a Secret) for each Secret that a resource names."""
    spec = getattr(resource, "spec", None)
    for field in ("secret_ref", "ca_secret_ref", "webhook_secret_ref", "cert_secret_ref", "proxy_secret_ref"):
        if (reference := getattr(spec, field, None)) is not None:
            yield f"{resource.definition.kind}/{resource.metadata.name}", reference.name
