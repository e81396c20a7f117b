"""The controller's comparison: what should run against what does."""

from collections.abc import Mapping, Sequence
from typing import Any

from deploy.local.sandbox.argocd_pruning import resources
from deploy.local.sandbox.argocd_state import Application, ArgoCDState, Live
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.replies import Json


def compare(state: ArgoCDState, application: Application) -> None:
    """Compare wanted with live once: sync, health, images, resources, reconciledAt."""
    now, status, live = state.clock.now(), application.status, application.live
    sources, spec = application.sources, application.body["spec"]
    wanted = [state.resolve(source) for source in sources]
    known = [sha for sha in wanted if sha is not None]
    sync: Json = {"comparedTo": {**application.by_source(), "destination": dict(spec["destination"])}}
    status.pop("conditions", None)
    if len(known) < len(wanted):
        status["conditions"] = [_comparison_error(sources, now)]
        sync.update({"status": "Unknown", **application.by_revision([sha or "" for sha in wanted])})
    else:
        in_sync = live is not None and not application.out_of_sync and not application.leftover
        same = in_sync and live is not None and _same_manifests(state, live, sources, known)
        sync.update({"status": "Synced" if same else "OutOfSync", **application.by_revision(known)})
    status["sync"] = sync
    health = _health(state, application, now)
    if status["health"]["status"] != health:
        status["health"] = {"status": health, "lastTransitionTime": timestamp(now)}
    status["summary"] = {"images": application.listed_images} if application.listed_images else {}
    status["resources"] = _resources(application, sync["status"])
    status["reconciledAt"] = timestamp(now)


def _resources(application: Application, sync: str) -> list[Json]:
    shared = {"version": "v1", "kind": "ConfigMap"}
    namespace = application.body["spec"]["destination"].get("namespace", "")
    main: Json = {**shared, "namespace": namespace, "name": application.name.partition("-")[0], "status": sync}
    if application.live is None and not application.partly_applied:
        main["health"] = {"status": "Missing"}
    if not application.partly_applied:
        left = resources(application, application.leftover, status="OutOfSync", requiresPruning=True)
        same = not application.out_of_sync and bool(left)
        return [{**main, "status": "Synced"} if same else main, *left]
    bad: Json = {
        **shared,
        "namespace": namespace,
        "name": "bad",
        "status": "OutOfSync",
        "health": {"status": "Missing"},
    }
    return [bad, {**main, "status": "Synced"}]


def _health(state: ArgoCDState, application: Application, now: float) -> str:
    if application.live is None and not application.partly_applied:
        return "Missing"
    if application.health is not None:
        return application.health
    if now < application.healthy_at:
        return "Progressing"
    revisions = application.live.revisions if application.live is not None else ()
    return next((found.health for sha in revisions if (found := state.revisions.get(sha))), "Healthy")


def _same_manifests(state: ArgoCDState, live: Live, sources: Sequence[Json], wanted: Sequence[str]) -> bool:
    """Return whether a sync would change nothing: equal overrides, and equal revisions or files below the path."""
    return len(live.sources) == len(sources) and all(
        _overrides(was) == _overrides(source)
        and (ran == sha or {} != state.manifests(source, sha) == state.manifests(source, ran))
        for was, source, ran, sha in zip(live.sources, sources, live.revisions, wanted, strict=True)
    )


def _overrides(source: Mapping[str, Any]) -> Json:
    """Return what of a source shapes the manifests besides its revision, which is compared resolved."""
    return {name: value for name, value in source.items() if name != "targetRevision"}


def _comparison_error(sources: Sequence[Mapping[str, Any]], now: float) -> Json:
    message = (
        f"Failed to load target state: failed to generate manifest for source 1 of {len(sources)}: rpc error: "
        f"code = Unknown desc = unable to resolve '{sources[0].get('targetRevision')}' to a commit SHA"
    )
    return {"type": "ComparisonError", "message": message, "lastTransitionTime": timestamp(now)}
