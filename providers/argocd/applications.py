"""How an Argo CD Application's JSON becomes our ApplicationState."""

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from providers.application_models import ApplicationState, HelmParameter
from providers.documents import (
    Document,
    at,
    document,
    documents,
    is_same,
    moment,
    number,
    required_text,
    text,
    texts,
)
from providers.errors import ProviderMalformed
from providers.redaction import redacted_line

T = TypeVar("T")

KEY_INFO = "promotion-key"
# Worst first. A resource that is Missing is not applied yet; one that is Suspended waits for a person.
_ILL = ("Degraded", "Missing", "Suspended", "Progressing", "Unknown")
_ILL_SHOWN = 3
# Each text that is shown is searched for credentials, so that only so many are.
_ERRORS_SHOWN = 50
_PRUNABLE_SHOWN = 1000
_SOURCES_LIMIT = 100
_ENTRIES_LIMIT = 2000
"""Of images, of kustomize's and of Helm parameters, in all sources together: each is compared in one step."""
_FINISHED = ("Succeeded", "Failed", "Error")
_TRACKING_ID = "argocd.argoproj.io/tracking-id"
# Argo CD writes this label alone; `app.kubernetes.io/instance` is on whatever a Helm chart made.
_INSTANCE_LABEL = "argocd.argoproj.io/instance"


def read_application(value: Document, server: str) -> ApplicationState:
    """Read spec and status; texts that a person may see are bounded and redacted."""
    metadata, spec, status = (document(value, "metadata"), document(value, "spec"), at(value, "status"))
    name = required_text(metadata, "name")
    sources = _sources(spec)
    paths = _paths(spec, sources)
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
        deployed_revisions=_deployed(status, sources),
        history_kept=at(spec, "revisionHistoryLimit") != 0,
        images=texts(status, "summary", "images", limit=_ENTRIES_LIMIT),
        sync_status=text(status, "sync", "status", default="Unknown"),
        health=text(status, "health", "status", default="Unknown"),
        health_message=redacted_line(text(status, "health", "message")),
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
        auto_prune=_is_automated(spec) and at(spec, "syncPolicy", "automated", "prune") is True,
        prunable=_prunable(status),
        ill=_ill(status),
        operation_automated=at(operation, "initiatedBy", "automated") is True,
        operation_of_spec=_is_of_spec(state, sources),
        repo_urls=tuple(redacted_line(text(source, "repoURL")) for source in sources),
        source_paths=paths,
        kustomize_images=_few(
            (image for source in sources for image in texts(source, "kustomize", "images")), "kustomize images"
        ),
        kustomize_paths=tuple(
            f"{path}/kustomize/images/{index}"
            for path, source in zip(paths, sources, strict=True)
            for index, _ in enumerate(texts(source, "kustomize", "images"))
        ),
        helm_parameters=_parameters(paths, sources),
        source_names=tuple(text(source, "name") for source in sources),
        source_dirs=tuple(text(source, "path") for source in sources),
        source_charts=tuple(text(source, "chart") for source in sources),
        errors=_errors(status),
        namespace=text(metadata, "namespace"),
        url=f"{server.rstrip('/')}/applications/{text(metadata, 'namespace', default='argocd')}/{name}",
    )


def _sources(spec: Document) -> tuple[Document, ...]:
    """Return the sources; `source` is ignored by Argo CD where `sources` is filled."""
    several = documents(spec, "sources", limit=_SOURCES_LIMIT)
    if several:
        return several
    return (document(spec, "source"),) if at(spec, "source") is not None else ()


def _paths(spec: Document, sources: tuple[Document, ...]) -> tuple[str, ...]:
    if documents(spec, "sources"):
        return tuple(f"/spec/sources/{index}" for index, _ in enumerate(sources))
    return ("/spec/source",) * len(sources)


def _parameters(paths: tuple[str, ...], sources: tuple[Document, ...]) -> tuple[HelmParameter, ...]:
    found = (
        HelmParameter(
            name=text(parameter, "name"),
            value=text(parameter, "value"),
            pointer=f"{path}/helm/parameters/{index}",
        )
        for path, source in zip(paths, sources, strict=True)
        for index, parameter in enumerate(documents(source, "helm", "parameters"))
    )
    return _few(found, "Helm parameters")


def _few(found: Iterable[T], what: str) -> tuple[T, ...]:
    """Return all of them. Raises ProviderMalformed where they are more than are worked on."""
    few = tuple(islice(found, _ENTRIES_LIMIT + 1))
    if len(few) > _ENTRIES_LIMIT:
        raise ProviderMalformed(f"an application has more than {_ENTRIES_LIMIT} {what}")
    return few


def _revisions(value: object) -> tuple[str, ...]:
    several = texts(value, "revisions")
    single = text(value, "revision")
    return several or ((single,) if single else ())


def _deployed(status: object, sources: tuple[Document, ...]) -> tuple[str, ...]:
    """Return the revisions of the last complete sync, in the order of the sources that the spec has now."""
    history = documents(status, "history")
    if not history:
        return ()
    revisions = _revisions(history[-1])
    then = documents(history[-1], "sources")
    if not then or len(revisions) != len(then):
        return revisions if len(revisions) == len(sources) else ("",) * len(sources)
    by_source = {_identity(source): revision for source, revision in zip(then, revisions, strict=True)}
    return tuple(by_source.get(_identity(source), "") for source in sources)


def _identity(source: Document) -> tuple[str, ...]:
    return tuple(text(source, field) for field in ("repoURL", "path", "chart", "ref", "name"))


def _wanted(operation: object, sources: tuple[Document, ...]) -> tuple[str, ...]:
    """Return what an operation syncs to; one without a revision takes what the spec wants."""
    return _revisions(at(operation, "sync")) or tuple(text(source, "targetRevision") for source in sources)


def _key(operation: object) -> str:
    return next((text(info, "value") for info in documents(operation, "info") if at(info, "name") == KEY_INFO), "")


def _message(state: object) -> str:
    """Return how the operation goes or went, naming each resource that failed and each hook that runs."""
    resources = documents(state, "syncResult", "resources")
    failed = [
        f"{_named(resource)}: {text(resource, 'message')}"
        for resource in resources
        if at(resource, "status") == "SyncFailed" or at(resource, "hookPhase") in ("Failed", "Error")
    ]
    running = [
        f"{text(resource, 'hookType')} hook {_named(resource)} runs"
        for resource in resources
        if at(resource, "hookType") and at(resource, "hookPhase") == "Running" and text(state, "phase") == "Running"
    ]
    retries = number(state, "retryCount", default=0)
    again = [f"retried {retries} time{'s' if retries > 1 else ''}"] if retries else []
    return redacted_line("; ".join(part for part in (*failed, *running, text(state, "message"), *again) if part))


def _named(resource: Document) -> str:
    return f"{text(resource, 'kind')} {text(resource, 'namespace')}/{text(resource, 'name')}"


def _prunable(status: object) -> tuple[str, ...]:
    """Name what is out of sync because it is to be deleted, which a sync without prune leaves alone."""
    found = [resource for resource in documents(status, "resources") if at(resource, "requiresPruning") is True]
    return tuple(redacted_line(_named(resource)) for resource in found[:_PRUNABLE_SHOWN])


def _ill(status: object) -> tuple[str, ...]:
    """Name the resources that are not healthy, the worst first; servers that keep no health of resources name none."""
    found = [
        (_ILL.index(str(at(resource, "health", "status"))), resource)
        for resource in documents(status, "resources")
        if at(resource, "health", "status") in _ILL
    ]
    found.sort(key=lambda pair: pair[0])
    return tuple(
        redacted_line(
            f"{_named(one)} is {_ILL[rank]}" + (f": {why}" if (why := text(one, "health", "message")) else "")
        )
        for rank, one in found[:_ILL_SHOWN]
    )


def _is_of_spec(state: object, sources: tuple[Document, ...]) -> bool:
    """Return whether an operation that ended was about the sources as they are now."""
    if text(state, "phase") not in _FINISHED:
        return False
    result = at(state, "syncResult")
    several = documents(result, "sources")
    then = several or tuple(one for one in (at(result, "source"),) if isinstance(one, dict) and one)
    return bool(then) and is_same(then, sources)


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
    parent = text(metadata, "labels", _INSTANCE_LABEL)
    return f"Application/{parent}" if parent and parent != name else ""


def _is_automated(spec: Document) -> bool:
    automated = at(spec, "syncPolicy", "automated")
    return isinstance(automated, dict) and automated.get("enabled") is not False


def _errors(status: object) -> tuple[str, ...]:
    """Return the conditions whose type shows that they are errors, as Argo CD separates them from warnings.

    https://github.com/argoproj/argo-cd/blob/master/pkg/apis/application/v1alpha1/types.go (IsError)
    """
    found: Iterable[Document] = documents(status, "conditions")
    errors = [one for one in found if text(one, "type").endswith("Error")]
    return tuple(redacted_line(f"{text(one, 'type')}: {text(one, 'message')}") for one in errors[:_ERRORS_SHOWN])
