"""How a seed's `argocd` part becomes applications, revisions and credentials."""

import copy
import uuid
from collections.abc import Mapping
from typing import Any

from deploy.local.sandbox.argocd_compare import compare
from deploy.local.sandbox.argocd_state import (
    CONTROL_PLANE_NAMESPACE,
    Account,
    Application,
    ArgoCDState,
    Live,
    Revision,
    record_history,
)
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.replies import Json

OWN_FIELDS = (
    "health",
    "out_of_sync",
    "sync_seconds",
    "reconcile_seconds",
    "progressing_seconds",
    "scaled_to_zero",
    "other_images",
    "sync_windows",
)
"""What a seed and the control interface may set of an application, apart from its object."""


def load_argocd(state: ArgoCDState, seed: Mapping[str, Any]) -> None:
    """Merge a seed's `argocd` part; a named application is replaced as a whole. Raises TypeError for unknown fields."""
    for token, wanted in (seed.get("tokens") or {}).items():
        state.tokens[token] = Account(issued_at=state.clock.now(), **wanted)
    state.users.update(seed.get("users") or {})
    for sha, wanted in (seed.get("revisions") or {}).items():
        state.revisions[sha] = Revision(**wanted)
    for name, wanted in (seed.get("apps") or {}).items():
        _load_application(state, name, dict(wanted))


def _load_application(state: ArgoCDState, key: str, wanted: Json) -> None:
    """Build an Application; `revision` (or `revisions`) is what already runs, absent when never synced."""
    namespace, _, name = key.rpartition("/")
    now = timestamp(state.clock.now())
    live = wanted.pop("revisions", None) or [wanted.pop("revision", None)]
    spec: Json = {"sources": wanted.pop("sources")} if "sources" in wanted else {"source": wanted.pop("source")}
    spec["destination"] = wanted.pop("destination", {"server": "https://kubernetes.default.svc", "namespace": name})
    spec["project"] = wanted.pop("project", "default")
    if wanted.pop("automated", False):
        spec["syncPolicy"] = {"automated": {}}
    spec.update(wanted.pop("spec", {}))
    metadata: Json = {
        "name": name,
        "namespace": namespace or CONTROL_PLANE_NAMESPACE,
        "uid": str(uuid.uuid4()),
        "resourceVersion": "0",
        "generation": 1,
        "creationTimestamp": now,
        "labels": wanted.pop("labels", {}),
        "annotations": wanted.pop("annotations", {}),
    }
    if owners := wanted.pop("owner_references", None):
        metadata["ownerReferences"] = owners
    status: Json = {
        "sync": {"status": "Unknown"},
        "health": {"status": "Missing", "lastTransitionTime": now},
        "summary": {},
        "sourceType": wanted.pop("source_type", "Directory"),
        "controllerNamespace": CONTROL_PLANE_NAMESPACE,
    }
    application = Application(
        body={"metadata": metadata, "spec": spec, "status": status},
        base_images=wanted.pop("images", []),
        **{field: wanted.pop(field) for field in OWN_FIELDS if field in wanted},
    )
    if wanted:
        raise ValueError(f"argocd app {key!r}: unknown fields {', '.join(sorted(wanted))}")
    state.applications[application.key] = application
    if live[0] is not None:
        application.live = Live(
            revisions=tuple(live),
            sources=tuple(copy.deepcopy(application.sources)),
            images=tuple(state.images(application, application.sources, live)),
        )
        record_history(application, now=now, started=now, user={"username": "admin"})
    compare(state, application)
    state.changed(application, "ADDED")
