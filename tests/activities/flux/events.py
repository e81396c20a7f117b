"""Events and subscriptions for tests, as Flux's kustomize-controller sends them."""

from datetime import UTC, datetime
from typing import Any

from activities.flux.events import FluxEvent, read_event
from activities.flux.matching import Source, Subscription
from activities.flux.planning import ProviderTarget

SHA = "a" * 39 + "1"
NOW = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
KUSTOMIZE = "kustomize.toolkit.fluxcd.io"


def document(**changes: Any) -> dict[str, Any]:
    """Return the event of a Kustomization that was reconciled."""
    return {
        "involvedObject": {
            "kind": "Kustomization",
            "namespace": "flux-system",
            "name": "webapp",
            "uid": "11111111-2222-3333-4444-555555555555",
            "apiVersion": f"{KUSTOMIZE}/v1",
        },
        "severity": "info",
        "timestamp": "2026-01-31T10:00:00Z",
        "message": "Reconciliation finished in 1.2s, next run in 10m0s",
        "reason": "ReconciliationSucceeded",
        "metadata": {f"{KUSTOMIZE}/revision": f"main@sha1:{SHA}", f"{KUSTOMIZE}/commit_status": "update"},
        "reportingController": "kustomize-controller",
        "reportingInstance": "kustomize-controller-abc",
        **changes,
    }


def sent_on(event: dict[str, Any], **added: str) -> dict[str, Any]:
    """Return an event as notification-controller sends it on by a `generic-hmac` Provider: its metadata by bare keys.

    See `combineEventMetadata` in its internal/server/event_handlers.go. `added` is the `eventMetadata` of its Alert.
    """
    bare = {key.rpartition("/")[2]: value for key, value in event["metadata"].items()}
    return {**event, "metadata": {**added, **bare}}


def event(**changes: Any) -> FluxEvent:
    return read_event(document(**changes), now=NOW)


def subscription(**changes: Any) -> Subscription:
    values: dict[str, Any] = {
        "kind": "CommitStatus",
        "namespace": "flux-system",
        "name": "webapp",
        "provider": "github",
        "sources": (Source(kind="Kustomization", name="*", namespace="flux-system"),),
        **changes,
    }
    return Subscription(**values)


def target(**changes: Any) -> ProviderTarget:
    values: dict[str, Any] = {
        "namespace": "flux-system",
        "name": "github",
        "uid": "0c9c2e41-d2f9-4f9b-9464-32d3ba7a25e9",
        "type": "github",
        "address": "https://github.com/acme/web",
        "secret": "token",
        "document": {"metadata": {"uid": "0c9c2e41-d2f9-4f9b-9464-32d3ba7a25e9", "name": "github"}, "spec": {}},
        **changes,
    }
    return ProviderTarget(**values)
