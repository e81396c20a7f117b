"""Argo CD's REST shapes as pure functions, held against recordings of 3.5.7 (https://argo-cd.readthedocs.io)."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from providers.application_models import ApplicationRef, ApplicationState
from providers.argocd.applications import KEY_INFO, read_application
from providers.documents import Document, at, document, documents, number, parsed, required_text, text, texts
from providers.errors import (
    ProviderBlocked,
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderNotFound,
    ProviderRejected,
    ProviderUnavailable,
)
from providers.messages import Reply, Request, segment

# Anything else, even with a charset, is answered with 415; a body-less DELETE needs it as well.
_WRITES: Mapping[str, str] = {"Content-Type": "application/json"}
# A lost compare-and-set comes as 500; this text separates it from an outage.
_LOST_PATCH = re.compile(r"error applying patch:", re.IGNORECASE)
_BAD_PATCH = re.compile(r"error (?:decoding|calculating|unmarshaling) (?:\w+ )?(?:json |merge )?patch", re.IGNORECASE)
_IN_PROGRESS = re.compile(r"another operation is already in progress", re.IGNORECASE)
_DIGEST_LENGTH = 16
_NAME_FIELDS = "items.metadata.name,items.metadata.namespace"
_FINGERPRINT_FIELDS = ",".join(
    f"items.{field}"
    for field in (
        "metadata.name",
        "metadata.namespace",
        "status.sync.status",
        "status.health",
        "status.summary",
        "status.operationState.phase",
        "status.operationState.finishedAt",
    )
)
_SYNC_WINDOW = re.compile(r"sync window", re.IGNORECASE)
# grpc-gateway's codes as they appear within a stream, where no HTTP status can follow any more.
_STATUS_OF_CODE: Mapping[int, int] = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 14: 503, 16: 401}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Where a list shows an application."""

    namespace: str
    name: str


def names(ref: ApplicationRef) -> tuple[str, str]:
    """Split `namespace/name` of an application outside the control plane's namespace."""
    namespace, _, name = ref.name.rpartition("/")
    return namespace, name


def _path(ref: ApplicationRef, action: str = "") -> str:
    return f"/api/v1/applications/{segment(names(ref)[1])}{action}"


def _identity(ref: ApplicationRef) -> dict[str, str]:
    """Always name the project: without it a missing application looks like a forbidden one."""
    namespace, name = names(ref)
    return {"name": name, "project": ref.project, **({"appNamespace": namespace} if namespace else {})}


def get(ref: ApplicationRef, *, refresh: bool) -> Request:
    """Read one application; with `refresh` the answer waits for the controller to compare again."""
    namespace, _ = names(ref)
    query = {"project": ref.project}
    if namespace:
        query["appNamespace"] = namespace
    if refresh:
        query["refresh"] = "normal"
    return Request(method="GET", path=_path(ref), query=query, operation="refresh" if refresh else "get")


def list_applications(project: str, selector: str = "") -> Request:
    """List those of all enabled namespaces, although a read without a namespace knows the control plane's only.

    https://argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace/
    """
    query = {"projects": project, **({"selector": selector} if selector else {})}
    return Request(method="GET", path="/api/v1/applications", query=query, operation="list")


def list_names(project: str, selector: str = "") -> Request:
    """List names only: some 70 bytes per application instead of many thousands.

    The server knows a fixed set of fields, in which history, conditions and the operation's result are missing
    (`appFields` in server/application/forwarder_overwrite.go), so that no state can be read this way.
    """
    whole = list_applications(project, selector)
    return replace(whole, query={**whole.query, "fields": _NAME_FIELDS}, operation="list-names")


def list_fingerprints(project: str) -> Request:
    """List what changes whenever an application moves: some hundred bytes of each, whatever it deploys."""
    whole = list_applications(project)
    return replace(whole, query={**whole.query, "fields": _FINGERPRINT_FIELDS}, operation="list-fingerprints")


def read_fingerprints(value: Document) -> tuple[tuple[Listed, str], ...]:
    """Read where each application is, with a digest of all that was listed of it but the times of its health."""
    return tuple(
        (listed, _digest(item)) for listed, item in zip(read_names(value), documents(value, "items"), strict=True)
    )


def _digest(item: Document) -> str:
    parts = (
        text(item, "status", "sync", "status"),
        text(item, "status", "health", "status"),
        text(item, "status", "operationState", "phase"),
        text(item, "status", "operationState", "finishedAt"),
        *sorted(texts(item, "status", "summary", "images")),
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_DIGEST_LENGTH]


def read_list(value: Document, server: str) -> tuple[ApplicationState, ...]:
    """Read a list, each with its bare name; no match is `"items": null`."""
    return tuple(read_application(item, server) for item in documents(value, "items"))


def read_names(value: Document) -> tuple[Listed, ...]:
    """Read the names of a list; one without a name, as of a server that knows no fields, is malformed."""
    return tuple(
        Listed(namespace=text(item, "metadata", "namespace"), name=required_text(item, "metadata", "name"))
        for item in documents(value, "items")
    )


def referred(listed: Listed, control_plane: str) -> str:
    """Name a listed application as references do; one that shows a namespace is elsewhere if the own one is unknown."""
    return listed.name if listed.namespace in ("", control_plane) else f"{listed.namespace}/{listed.name}"


def listed(state: ApplicationState) -> Listed:
    """Return where a listed application is, which is read with its bare name."""
    return Listed(namespace=state.namespace, name=state.name)


def patch(ref: ApplicationRef, operations: Sequence[Mapping[str, object]]) -> Request:
    """Apply a JSON patch, which travels as a text within the body."""
    body = {**_identity(ref), "patchType": "json", "patch": json.dumps([dict(operation) for operation in operations])}
    return Request(method="PATCH", path=_path(ref), json=body, headers=_WRITES, operation="patch")


def sync(ref: ApplicationRef, *, revisions: Sequence[str], key: str, prune: bool = False) -> Request:
    """Request a sync, which prunes only if it is asked to, whatever the sync policy holds.

    Several revisions go to the sources in order, whose positions count from 1.
    """
    body: dict[str, object] = {**_identity(ref), "infos": [{"name": KEY_INFO, "value": key}]}
    if prune:
        body["prune"] = True
    if len(revisions) == 1:
        body["revision"] = revisions[0]
    elif revisions:
        body["revisions"] = list(revisions)
        body["sourcePositions"] = [str(position) for position in range(1, len(revisions) + 1)]
    return Request(method="POST", path=_path(ref, "/sync"), json=body, headers=_WRITES, operation="sync")


def sync_windows(ref: ApplicationRef) -> Request:
    """Ask which sync windows concern an application."""
    namespace, _ = names(ref)
    query = {"project": ref.project, **({"appNamespace": namespace} if namespace else {})}
    return Request(method="GET", path=_path(ref, "/syncwindows"), query=query, operation="windows")


def rbac_object(ref: ApplicationRef, control_plane: str) -> str:
    """Name an application as RBAC does: with its namespace only where that is not the control plane's.

    https://argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace/
    """
    namespace, name = names(ref)
    elsewhere = namespace not in ("", control_plane)
    return f"{ref.project}/{namespace}/{name}" if elsewhere else f"{ref.project}/{name}"


def can_i(verb: str, object_: str) -> Request:
    """Ask whether the token's account may do something to applications."""
    path = "/".join("*" if part == "*" else segment(part) for part in object_.split("/"))
    return Request(method="GET", path=f"/api/v1/account/can-i/applications/{verb}/{path}", operation="can-i")


def read_can_i(value: Document) -> bool:
    return text(value, "value") == "yes"


def stream(ref: ApplicationRef) -> Request:
    """Follow one application; the first event is its present state."""
    namespace, name = names(ref)
    query = {"name": name, "projects": ref.project, **({"appNamespace": namespace} if namespace else {})}
    return Request(method="GET", path="/api/v1/stream/applications", query=query, operation="stream")


def read_event(line: bytes, server: str) -> ApplicationState:
    """Read one line of a stream. Raises ProviderNotFound when the application was deleted."""
    value = _event(line)
    if at(value, "error") is not None:
        message = text(value, "error", "message") or text(value, "error", "error")
        status = _STATUS_OF_CODE.get(number(value, "error", "grpc_code", default=number(value, "error", "code")), 500)
        if status == 404:
            raise ProviderNotFound(f"the stream ended: {message}", status=status)
        raise ProviderUnavailable(f"the stream ended: {message}", status=status)
    if text(value, "result", "type") == "DELETED":
        raise ProviderNotFound("the application was deleted", status=404)
    return read_application(document(value, "result", "application"), server)


def version() -> Request:
    """Ask for the version, which needs no credential."""
    return Request(method="GET", path="/api/version", operation="version")


def check() -> Request:
    """Ask for a list that matches nothing: it costs nothing and a bad token is refused all the same."""
    return Request(
        method="GET", path="/api/v1/applications", query={"name": "pilotage-credential-check"}, operation="check"
    )


def read_version(value: Document) -> str:
    return required_text(value, "Version")


def refine(request: Request, reply: Reply, error: ProviderError) -> ProviderError:
    """Separate what generic statuses hide: lost patches (500), operations in progress (400), sync windows (403)."""
    message = str(error)
    kind: type[ProviderError] | None = None
    if request.operation == "patch" and _LOST_PATCH.search(message):
        kind = ProviderConflict
    elif request.operation == "patch" and _BAD_PATCH.search(message):
        kind = ProviderRejected
    elif request.operation == "sync" and reply.status == 400 and _IN_PROGRESS.search(message):
        kind = ProviderConflict
    elif request.operation == "sync" and reply.status in (400, 403) and _SYNC_WINDOW.search(message):
        # A window passes by itself; no one needs to fix a right.
        kind = ProviderBlocked
    return kind(message, status=error.status, retry_after=error.retry_after) if kind else error


def _event(line: bytes) -> Document:
    """Parse one line; servers that were asked for events prefix it with `data:`."""
    try:
        return document(parsed(line.removeprefix(b"data:")))
    except ProviderMalformed:
        raise ProviderMalformed("a line of the stream is no JSON") from None
