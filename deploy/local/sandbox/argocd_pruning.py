"""What a sync without prune leaves behind: manifests that were live and are wanted no more."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from deploy.local.sandbox.argocd_state import Application, ArgoCDState, Live
from deploy.local.sandbox.replies import Json

_MANIFESTS = (".yaml", ".yml", ".json")
_NONE = ("kustomization.yaml", "Chart.yaml", "values.yaml")


def left_behind(state: ArgoCDState, application: Application, live: Live) -> list[str]:
    """Return the names of what is live and not in `live`, what earlier syncs left included."""
    before = _manifests(state, application.live) if application.live is not None else set()
    return sorted((before | set(application.leftover)) - _manifests(state, live))


def resources(application: Application, names: Sequence[str], **fields: object) -> list[Json]:
    """Return leftovers as an Application's status and a sync's result show resources."""
    namespace = application.body["spec"]["destination"].get("namespace", "")
    shared: Json = {"version": "v1", "kind": "ConfigMap", "namespace": namespace}
    return [{**shared, "name": name, **fields} for name in names]


def _manifests(state: ArgoCDState, live: Live) -> set[str]:
    paths = [
        PurePosixPath(path)
        for source, revision in zip(live.sources, live.revisions, strict=False)
        for path in state.manifests(source, revision)
    ]
    return {path.stem for path in paths if path.suffix in _MANIFESTS and path.name not in _NONE}
