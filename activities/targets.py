"""Where a deployment stands in an Argo CD application's spec: its sources, and the values that a write replaces. Pure.

Several matches are never the first one: sources of one repository move together; what else matches twice is
ambiguous until the Environment names the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.tracking import Artifact
from providers.models import ApplicationState

_NAME_IT = "name one in `write.argocd.source`"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One value in the spec: the JSON pointer of what is replaced, and what stands there."""

    pointer: str
    value: str
    """The revision or tag."""
    entry: str = ""
    """The whole kustomize entry that holds the tag."""


def own_sources(deployment: DeploymentSpec, state: ApplicationState) -> tuple[int, ...]:
    """Return the positions of the sources that hold the application repository; empty where none is recognised.

    The source that the Environment names counts alone. A Helm chart is none: its revision is a version, no commit.
    """
    named = selected_sources(deployment.write, state)
    if named is not None:
        return tuple(index for index in named if not chart_at(state, index))
    if ours := tuple(index for index, _ in enumerate(state.repo_urls) if _is_ours(deployment, state, index)):
        return ours
    single = len(state.source_paths) == 1 and not chart_at(state, 0)
    # A single source may be a mirror of ours.
    return (0,) if single and (deployment.image is None or not state.repo_urls) else ()


def is_foreign(deployment: DeploymentSpec, state: ApplicationState) -> bool:
    """Tell whether no source is the application repository, as far as sources are known at all."""
    return bool(state.repo_urls) and not any(_is_ours(deployment, state, n) for n, _ in enumerate(state.repo_urls))


def selected_sources(write: WriteSpec | None, state: ApplicationState) -> tuple[int, ...] | None:
    """Return the positions of the sources that the Environment names; None where it names none."""
    if write is None:
        return None
    count = len(state.source_paths)
    if write.source_position is not None:
        return (write.source_position - 1,) if 0 < write.source_position <= count else ()
    if write.source_name is not None:
        return tuple(index for index, name in enumerate(state.source_names[:count]) if name == write.source_name)
    if write.source_path is not None:
        wanted = write.source_path.strip("/")
        return tuple(index for index, path in enumerate(state.source_dirs[:count]) if path.strip("/") == wanted)
    return None


def targets(deployment: DeploymentSpec, state: ApplicationState) -> tuple[Target, ...]:
    """Return every value that a write would have to replace, in the order of the spec."""
    write = deployment.write
    kind = write.kind if write else WriteKind.TARGET_REVISION
    if kind is WriteKind.TARGET_REVISION:
        return tuple(
            Target(pointer=f"{state.source_paths[index]}/targetRevision", value=at(state.target_revisions, index) or "")
            for index in own_sources(deployment, state)
        )
    named = selected_sources(write, state)
    within = None if named is None else [f"{state.source_paths[index]}/" for index in named]
    if kind is WriteKind.KUSTOMIZE_IMAGE:
        found = [
            Target(pointer=pointer, value=tag_of(entry), entry=entry)
            for entry, pointer in zip(state.kustomize_images, state.kustomize_paths, strict=True)
            if write is not None and entry_name(entry) == write.image
        ]
    else:
        found = [
            Target(pointer=f"{parameter.pointer}/value", value=parameter.value)
            for parameter in state.helm_parameters
            if write is not None and parameter.name == write.parameter
        ]
    return tuple(one for one in found if within is None or one.pointer.startswith(tuple(within)))


def written_raw(deployment: DeploymentSpec, state: ApplicationState) -> str:
    """Return the value in the application's spec that a write replaces; empty where there is none.

    Where several differ it is all of them, which equals no value that anybody wants.
    """
    return ", ".join(dict.fromkeys(one.value for one in targets(deployment, state)))


def config_source(deployment: DeploymentSpec, state: ApplicationState) -> int | None:
    """Return the position of the source that configures the image; None where several might."""
    if len(state.source_paths) == 1:
        return 0
    written = [one.pointer for one in targets(deployment, state)]
    found = {
        index for index, path in enumerate(state.source_paths) if any(one.startswith(f"{path}/") for one in written)
    }
    return found.pop() if len(found) == 1 else None


def wanted_raw(deployment: DeploymentSpec, artifact: Artifact) -> str | None:
    """Return the value that writes this artifact; None where the artifact lacks it."""
    if deployment.write is None or deployment.write.kind is WriteKind.TARGET_REVISION:
        return artifact.revision
    return artifact.tag


def not_writable(deployment: DeploymentSpec, state: ApplicationState) -> str:
    """Say why a write would be reverted or could not be made; empty when it may be written."""
    write = deployment.write
    if write is None:
        return ""
    if deployment.taken_by:
        return taken(deployment)
    if write.kind is WriteKind.GIT:
        # Nothing is written to the application itself.
        return ""
    if state.owner and not write.allow_managed:
        return f"OwnedBy {state.owner}, which would revert a write; allow it with `allowManaged: true`"
    named = selected_sources(write, state)
    if named is not None and len(named) != 1:
        return f"NoSource: `write.argocd.source` fits {len(named)} of the sources of {state.name}, not one"
    found = targets(deployment, state)
    if not found:
        return _nothing_to_write(deployment, write, state)
    return _ambiguity(write, state, found) if len(found) > 1 else ""


def taken(deployment: DeploymentSpec) -> str:
    """Say whose application it is, where an older Environment names it."""
    named = f"names {deployment.application}"
    if deployment.write is not None and deployment.write.kind is WriteKind.GIT:
        named += ", or writes the same value of a file,"
    return f"OwnedBy {deployment.taken_by}, which is older and {named} too: keep it in one only"


def _nothing_to_write(deployment: DeploymentSpec, write: WriteSpec, state: ApplicationState) -> str:
    match write.kind:
        case WriteKind.KUSTOMIZE_IMAGE:
            return f"NoEntry: spec.source.kustomize.images of {state.name} has no entry for {write.image}"
        case WriteKind.HELM_PARAMETER:
            return f"NoEntry: spec.source.helm.parameters of {state.name} has no {write.parameter}"
        case _:
            charts = "; a Helm chart's revision is a version, no commit" if any(state.source_charts) else ""
            return (
                f"NoSource: no source of {state.name} is {deployment.repository}, so its revision fits none of them"
                f"{charts}"
            )


def _ambiguity(write: WriteSpec, state: ApplicationState, found: Sequence[Target]) -> str:
    """Say why several values cannot be written together: those that hold the same of ours can."""
    where = ", ".join(one.pointer.removeprefix("/spec/") for one in found)
    match write.kind:
        case WriteKind.TARGET_REVISION if len({one.value for one in found}) == 1:
            return ""
        case WriteKind.TARGET_REVISION:
            held = ", ".join(one.value or "nothing" for one in found)
            return f"Ambiguous: {where} of {state.name} hold {held}: set them to one revision, or {_NAME_IT}"
        case WriteKind.KUSTOMIZE_IMAGE if len({one.entry for one in found}) == 1:
            return ""
        case WriteKind.KUSTOMIZE_IMAGE:
            return f"Ambiguous: {where} of {state.name} all replace {write.image}: {_NAME_IT}"
        case _:
            # Charts of others have parameters of the same name, and the same value may mean another image.
            return f"Ambiguous: {where} of {state.name} are all called {write.parameter}: {_NAME_IT}"


def patch_operations(
    deployment: DeploymentSpec, state: ApplicationState, wanted: str
) -> tuple[Mapping[str, object], ...]:
    """Build the JSON patch whose `test` operations make it a compare-and-set; what moves together is in one patch."""
    write = deployment.write
    operations: list[Mapping[str, object]] = []
    for one in targets(deployment, state):
        if one.entry:
            operations += _replacement(one.pointer, one.entry, with_tag(one.entry, wanted))
        elif write is not None and write.kind is WriteKind.HELM_PARAMETER:
            # The name is tested as well: somebody may have moved the entry meanwhile.
            name = f"{one.pointer.removesuffix('/value')}/name"
            operations += ({"op": "test", "path": name, "value": write.parameter or ""},)
            operations += _replacement(one.pointer, one.value, wanted)
        else:
            operations += _replacement(one.pointer, one.value or None, wanted)
    return tuple(operations)


def _replacement(path: str, old: str | None, new: str) -> tuple[Mapping[str, object], ...]:
    return (
        {"op": "test", "path": path, "value": old},
        {"op": "add" if old is None else "replace", "path": path, "value": new},
    )


def chart_at(state: ApplicationState, index: int) -> bool:
    """Tell whether a source is a Helm chart."""
    return index < len(state.source_charts) and bool(state.source_charts[index])


def entry_name(entry: str) -> str:
    """Return the image that a kustomize entry replaces: `name:tag`, `name=new:tag` or either without a tag."""
    return entry.partition("=")[0] if "=" in entry else split_image(entry)[0]


def tag_of(image: str) -> str:
    """Return the tag of an image; empty where it has none."""
    return split_image(image.rpartition("=")[2])[1]


def with_tag(entry: str, tag: str) -> str:
    """Return a kustomize entry with another tag."""
    head, equals, image = entry.rpartition("=")
    return f"{head}{equals}{split_image(image)[0]}:{tag}"


def split_image(image: str) -> tuple[str, str]:
    """Split `registry:5000/name:tag@digest` into name and tag."""
    name, _, _digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")


def at(values: Sequence[str], index: int) -> str | None:
    """Return one value; None where it is absent or empty."""
    return (values[index] or None) if index < len(values) else None


def _is_ours(deployment: DeploymentSpec, state: ApplicationState, index: int) -> bool:
    if chart_at(state, index):
        return False
    wanted, path = deployment.repository.lower(), clone_path(state.repo_urls[index])
    return not wanted or path.endswith((f"/{wanted}", f":{wanted}"))


def clone_path(url: str) -> str:
    """Return a clone address in lower case, as far as it names a repository by its full name.

    Azure DevOps puts `_git` between project and repository, and leaves out a project that is called like the
    repository: https://learn.microsoft.com/en-us/azure/devops/repos/git/clone
    """
    path = unquote(url).lower().rstrip("/").removesuffix(".git")
    before, marker, name = path.rpartition("/_git/")
    if not marker or "/" in name:
        return path
    # Of these the organization alone stands before it, in the path or in the host's name.
    host, _, organization = before.partition("://")[2].rpartition("@")[2].partition("/")
    short = (host == "dev.azure.com" and "/" not in organization) or (
        host.endswith(".visualstudio.com") and organization in ("", "defaultcollection")
    )
    return f"{before}/{name}/{name}" if short else f"{before}/{name}"
