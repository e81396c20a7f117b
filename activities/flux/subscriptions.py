"""Subscriptions from what people declare: CommitStatus, and Flux's own Alert and Provider."""

from collections.abc import Mapping
from typing import Any

from activities.flux.matching import Source, Subscription
from activities.flux.planning import ProviderTarget
from crds.api.ports import ApiResource
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import Provider

FLUX_GROUP = "notification.toolkit.fluxcd.io"
FLUX_VERSIONS = ("v1beta3", "v1beta2")
"""Newest first; the fields that count here are the same in both."""
COMMIT_STATUS, ALERT = "CommitStatus", "Alert"


def flux_providers(version: str) -> ApiResource:
    """Return Flux's Provider in one of its versions."""
    return ApiResource(group=FLUX_GROUP, version=version, plural="providers", kind="Provider")


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
        sources=tuple(
            Source(
                kind=source.kind,
                name=source.name,
                namespace=source.namespace or namespace,
                labels=source.match_labels,
            )
            for source in spec.event_sources
        ),
        inclusions=spec.inclusion_list,
        exclusions=spec.exclusion_list,
        suspended=spec.suspend,
        prefix=spec.prefix or "",
        target_url=spec.target_url or "",
        closes_superseded=spec.close_superseded,
        document={"metadata": declared.metadata.to_wire(), "spec": spec.to_wire()},
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
        suspended=spec.suspend,
        expression=spec.commit_status_expr or "",
        document={"metadata": metadata.to_wire(), "spec": spec.to_wire()},
    )


def from_alert(document: Mapping[str, Any]) -> Subscription:
    """Read an Alert of Flux, of which the API server has checked the types."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    namespace = str(metadata.get("namespace", ""))
    return Subscription(
        kind=ALERT,
        namespace=namespace,
        name=str(metadata["name"]),
        provider=str((spec.get("providerRef") or {}).get("name", "")),
        severity=str(spec.get("eventSeverity") or "info"),
        sources=tuple(
            Source(
                kind=str(source.get("kind", "")),
                name=str(source.get("name", "")),
                namespace=str(source.get("namespace") or namespace),
                labels=source.get("matchLabels") or {},
            )
            for source in spec.get("eventSources") or ()
        ),
        inclusions=tuple(spec.get("inclusionList") or ()),
        exclusions=tuple(spec.get("exclusionList") or ()),
        suspended=bool(spec.get("suspend", False)),
        added=spec.get("eventMetadata") or {},
        summary=str(spec.get("summary") or ""),
        document=_shown(metadata, spec),
    )


def from_flux_provider(document: Mapping[str, Any]) -> ProviderTarget:
    """Read a Provider of Flux; one of a type without commit statuses is read too, and refused when it is used."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    return ProviderTarget(
        is_flux=True,
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        uid=str(metadata.get("uid", "")),
        type=str(spec.get("type", "")),
        address=str(spec.get("address") or ""),
        suspended=bool(spec.get("suspend", False)),
        expression=str(spec.get("commitStatusExpr") or ""),
        document=_shown(metadata, spec),
    )


def _shown(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object of Flux as expressions see it; who manages which field is of no use to them."""
    named = ("name", "namespace", "uid", "labels", "annotations")
    return {"metadata": {key: metadata[key] for key in named if key in metadata}, "spec": dict(spec)}
