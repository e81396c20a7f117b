"""How an Argo CD Application's JSON becomes our ApplicationState."""

from collections.abc import Iterable

from providers.documents import Document, at, document, documents, moment, required_text, text, texts
from providers.models import ApplicationState
from providers.redaction import shown

KEY_INFO = "promotion-key"
_FINISHED = ("Succeeded", "Failed", "Error")
_TRACKING_ID = "argocd.argoproj.io/tracking-id"
_INSTANCE_LABELS = ("argocd.argoproj.io/instance", "app.kubernetes.io/instance")


def read_application(value: Document, server: str) -> ApplicationState:
    """Read spec and status; texts that a person may see are bounded and redacted."""
    metadata, spec, status = (document(value, "metadata"), document(value, "spec"), at(value, "status"))
    name = required_text(metadata, "name")
    sources = _sources(spec)
    paths = _paths(spec, sources)
    parameters = _parameters(paths, sources)
    state = at(status, "operationState")
    pending = at(value, "operation")
    if isinstance(pending, dict) and text(state, "phase") in _FINISHED:
        # What operationState shows is the operation before the pending one; believing it would end a sync early.
        state = None
    operation = pending if isinstance(pending, dict) else at(state, "operation")
    goes_on = isinstance(pending, dict) or text(state, "phase") in ("Running", "Terminating")
    return ApplicationState(
        name=name,
        project=text(spec, "project", default="default"),
        resource_version=text(metadata, "resourceVersion"),
        target_revisions=tuple(text(source, "targetRevision") for source in sources),
        synced_revisions=_revisions(at(status, "sync")),
        deployed_revisions=_deployed(status),
        images=texts(status, "summary", "images"),
        sync_status=text(status, "sync", "status", default="Unknown"),
        health=text(status, "health", "status", default="Unknown"),
        health_message=shown(text(status, "health", "message")),
        operation_pending=isinstance(pending, dict),
        operation_revisions=_wanted(operation, sources) if goes_on else (),
        phase=text(state, "phase"),
        operation_message=_message(state),
        operation_key=_key(operation),
        operation_synced_revisions=_revisions(at(state, "syncResult")),
        finished_at=moment(state, "finishedAt"),
        reconciled_at=moment(status, "reconciledAt"),
        owner=_owner(metadata, name),
        auto_sync=_is_automated(spec),
        repo_urls=tuple(shown(text(source, "repoURL")) for source in sources),
        source_paths=paths,
        kustomize_images=tuple(image for source in sources for image in texts(source, "kustomize", "images")),
        kustomize_paths=tuple(
            f"{path}/kustomize/images/{index}"
            for path, source in zip(paths, sources, strict=True)
            for index, _ in enumerate(texts(source, "kustomize", "images"))
        ),
        helm_parameters={name: value for name, (value, _) in parameters.items()},
        helm_paths={name: path for name, (_, path) in parameters.items()},
        conditions=_conditions(status),
        namespace=text(metadata, "namespace"),
        url=f"{server.rstrip('/')}/applications/{text(metadata, 'namespace', default='argocd')}/{name}",
    )


def _sources(spec: Document) -> tuple[Document, ...]:
    """Return the sources; `source` is ignored by Argo CD where `sources` is filled."""
    several = documents(spec, "sources")
    if several:
        return several
    return (document(spec, "source"),) if at(spec, "source") is not None else ()


def _paths(spec: Document, sources: tuple[Document, ...]) -> tuple[str, ...]:
    if documents(spec, "sources"):
        return tuple(f"/spec/sources/{index}" for index, _ in enumerate(sources))
    return ("/spec/source",) * len(sources)


def _parameters(paths: tuple[str, ...], sources: tuple[Document, ...]) -> dict[str, tuple[str, str]]:
    """Return (value, JSON pointer) of each Helm parameter, by name."""
    found: dict[str, tuple[str, str]] = {}
    for path, source in zip(paths, sources, strict=True):
        for index, parameter in enumerate(documents(source, "helm", "parameters")):
            where = f"{path}/helm/parameters/{index}"
            found.setdefault(text(parameter, "name"), (text(parameter, "value"), where))
    return found


def _revisions(value: object) -> tuple[str, ...]:
    several = texts(value, "revisions")
    single = text(value, "revision")
    return several or ((single,) if single else ())


def _deployed(status: object) -> tuple[str, ...]:
    history = documents(status, "history")
    return _revisions(history[-1]) if history else ()


def _wanted(operation: object, sources: tuple[Document, ...]) -> tuple[str, ...]:
    """Return what an operation syncs to; one without a revision takes what the spec wants."""
    return _revisions(at(operation, "sync")) or tuple(text(source, "targetRevision") for source in sources)


def _key(operation: object) -> str:
    return next((text(info, "value") for info in documents(operation, "info") if at(info, "name") == KEY_INFO), "")


def _message(state: object) -> str:
    """Say how the operation went, naming each resource that failed."""
    failed = [
        f"{text(resource, 'kind')} {text(resource, 'namespace')}/{text(resource, 'name')}: {text(resource, 'message')}"
        for resource in documents(state, "syncResult", "resources")
        if at(resource, "status") == "SyncFailed" or at(resource, "hookPhase") in ("Failed", "Error")
    ]
    return shown("; ".join(part for part in (*failed, text(state, "message")) if part))


def _owner(metadata: Document, name: str) -> str:
    """Name who would revert a write: an owner, or the application that tracks this one."""
    owners = documents(metadata, "ownerReferences")
    for owner in sorted(owners, key=lambda owner: at(owner, "kind") != "ApplicationSet"):
        return f"{text(owner, 'kind')}/{text(owner, 'name')}"
    tracked = text(metadata, "annotations", _TRACKING_ID)
    # `<parent>:<group>/<kind>:<namespace>/<name>`; a copied annotation names another object and tracks nothing.
    match tracked.split(":"):
        case [parent, kind, place] if kind.endswith("/Application") and place.rpartition("/")[2] == name:
            return f"Application/{parent.rpartition('_')[2]}"
        case _ if tracked:
            return ""
    for label in _INSTANCE_LABELS:
        parent = text(metadata, "labels", label)
        if parent and parent != name:
            return f"Application/{parent}"
    return ""


def _is_automated(spec: Document) -> bool:
    automated = at(spec, "syncPolicy", "automated")
    return isinstance(automated, dict) and automated.get("enabled") is not False


def _conditions(status: object) -> tuple[str, ...]:
    found: Iterable[Document] = documents(status, "conditions")
    ordered = sorted(found, key=lambda condition: not text(condition, "type").endswith("Error"))
    return tuple(shown(f"{text(condition, 'type')}: {text(condition, 'message')}") for condition in ordered)
