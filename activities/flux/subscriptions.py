"""Subscriptions from what people declare: CommitStatus, and Flux's own Alert and Provider."""

from collections.abc import Iterable, Mapping
from typing import Any

from activities.flux.foreign import AlertSource, FluxAlert, FluxProvider
from activities.flux.matching import Source, Subscription
from activities.flux.planning import ProviderTarget
from crds.api.ports import ApiResource
from crds.group import API_VERSION
from crds.v1alpha1.commit_status import CommitStatus, EventSource
from crds.v1alpha1.flux_provider import Provider

FLUX_GROUP = "notification.toolkit.fluxcd.io"
FLUX_VERSIONS = ("v1beta3", "v1beta2")
"""Newest first; the fields that count here are the same in both."""
COMMIT_STATUS, ALERT, PROVIDER = "CommitStatus", "Alert", "Provider"


def flux_providers(version: str) -> ApiResource:
    """Return Flux's Provider in one of its versions."""
    return ApiResource(group=FLUX_GROUP, version=version, plural="providers", kind=PROVIDER)


def flux_alerts(version: str) -> ApiResource:
    """Return Flux's Alert in one of its versions."""
    return ApiResource(group=FLUX_GROUP, version=version, plural="alerts", kind=ALERT)


def from_commit_status(declared: CommitStatus) -> Subscription:
    """Read a CommitStatus."""
    spec, namespace = declared.spec, declared.metadata.namespace or ""
    return Subscription(
        kind=COMMIT_STATUS,
        namespace=namespace,
        name=declared.metadata.name,
        provider=spec.provider_ref.name,
        severity=spec.event_severity.value,
        sources=_sources(spec.event_sources, namespace),
        inclusions=spec.inclusion_list,
        exclusions=spec.exclusion_list,
        suspended=spec.suspend,
        prefix=spec.prefix or "",
        target_url=spec.target_url or "",
        closes_superseded=spec.close_superseded,
        document=_shown(declared),
    )


def from_provider(declared: Provider) -> ProviderTarget:
    """Read a Provider."""
    spec, metadata = declared.spec, declared.metadata
    return ProviderTarget(
        namespace=metadata.namespace or "",
        name=metadata.name,
        uid=metadata.uid or "",
        type=spec.type.value,
        address=spec.address,
        secret=spec.secret_ref.name,
        suspended=spec.suspend,
        expression=spec.commit_status_expr or "",
        document=_shown(declared),
    )


def from_alert(document: Mapping[str, Any]) -> Subscription:
    """Read an Alert of Flux. Raises pydantic.ValidationError."""
    declared = FluxAlert.from_wire(document)
    spec, namespace = declared.spec, declared.metadata.namespace or ""
    return Subscription(
        kind=ALERT,
        namespace=namespace,
        name=declared.metadata.name,
        provider=spec.provider_ref.name,
        severity=spec.event_severity.value,
        sources=_sources(spec.event_sources, namespace),
        inclusions=spec.inclusion_list,
        exclusions=spec.exclusion_list,
        suspended=spec.suspend,
        added=spec.event_metadata,
        summary=spec.summary,
        # As the API server does: a file may leave it out.
        document=_of_flux(ALERT, document, {"eventSeverity": spec.event_severity.value}),
    )


def from_flux_provider(document: Mapping[str, Any]) -> ProviderTarget:
    """Read a Provider of Flux. Raises pydantic.ValidationError; one without commit statuses is refused in use."""
    declared = FluxProvider.from_wire(document)
    spec, metadata = declared.spec, declared.metadata
    return ProviderTarget(
        is_flux=True,
        namespace=metadata.namespace or "",
        name=metadata.name,
        uid=metadata.uid or "",
        type=spec.type,
        address=spec.address,
        secret=spec.secret_ref.name if spec.secret_ref is not None else "",
        suspended=spec.suspend,
        expression=spec.commit_status_expr,
        document=_of_flux(PROVIDER, document, {}),
    )


def _sources(declared: Iterable[EventSource | AlertSource], namespace: str) -> tuple[Source, ...]:
    return tuple(
        Source(kind=one.kind, name=one.name, namespace=one.namespace or namespace, labels=one.match_labels)
        for one in declared
    )


def _shown(declared: Provider | CommitStatus) -> Mapping[str, Any]:
    """Return an object as expressions see it: all but its status."""
    return {
        "apiVersion": API_VERSION,
        "kind": declared.definition.kind,
        "metadata": declared.metadata.to_wire(),
        "spec": declared.spec.to_wire(),
    }


def _of_flux(kind: str, document: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object of Flux as expressions see it; who manages which field is of no use to them."""
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    version = str(document.get("apiVersion") or f"{FLUX_GROUP}/{FLUX_VERSIONS[0]}")
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": {**defaults, **document["spec"]}}
