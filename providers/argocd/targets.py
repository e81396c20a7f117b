"""Where a deployment stands in an Application's spec: its sources, the values that a write replaces, and the JSON
patch that replaces them. Pure.

Several matches are never the first one: sources of one repository move together; what else matches twice is
ambiguous until the Environment names the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from crds.reasons.conditions import ConditionReason
from providers.application_models import (
    ApplicationField,
    ApplicationPlace,
    ApplicationState,
    ApplicationTarget,
    WriteObstacle,
)
from providers.images import split_image

_NAME_IT = "name one in `write.argocd.source`"


@dataclass(frozen=True, kw_only=True)
class SpecValue:
    """One value in the spec: the JSON pointer of what is replaced, and what stands there."""

    pointer: str
    text: str
    """The revision or tag."""
    entry: str = ""
    """The whole kustomize entry that holds the tag."""


def locate(target: ApplicationTarget, state: ApplicationState) -> ApplicationPlace:
    """Return where a target stands in an application."""
    found = values(target, state)
    return ApplicationPlace(
        sources=_own_sources(target, state),
        foreign=bool(state.repo_urls) and not _sources_of(target, state),
        config=_config_source(state, found),
        written=", ".join(dict.fromkeys(one.text for one in found)),
        obstacle=_obstacle(target, state, found),
        one_source=state.source_paths == ("/spec/source",),
    )


def values(target: ApplicationTarget, state: ApplicationState) -> tuple[SpecValue, ...]:
    """Return every value that a write would have to replace, in the order of the spec."""
    if target.field is None:
        return ()
    if target.field is ApplicationField.TARGET_REVISION:
        return tuple(
            SpecValue(pointer=f"{state.source_paths[index]}/targetRevision", text=_at(state.target_revisions, index))
            for index in _own_sources(target, state)
        )
    named = _selected_sources(target, state)
    within = None if named is None else [f"{state.source_paths[index]}/" for index in named]
    if target.field is ApplicationField.KUSTOMIZE_IMAGE:
        found = [
            SpecValue(pointer=pointer, text=split_image(entry.rpartition("=")[2])[1], entry=entry)
            for entry, pointer in zip(state.kustomize_images, state.kustomize_paths, strict=True)
            if _entry_name(entry) == target.name
        ]
    else:
        found = [
            SpecValue(pointer=f"{parameter.pointer}/value", text=parameter.value)
            for parameter in state.helm_parameters
            if parameter.name == target.name
        ]
    return tuple(one for one in found if within is None or one.pointer.startswith(tuple(within)))


def patch_operations(
    target: ApplicationTarget, state: ApplicationState, wanted: str
) -> tuple[Mapping[str, object], ...]:
    """Build the JSON patch whose `test` operations make it a compare-and-set; what moves together is in one patch."""
    operations: list[Mapping[str, object]] = []
    for one in values(target, state):
        if one.entry:
            operations += _replacement(one.pointer, one.entry, with_tag(one.entry, wanted))
        elif target.field is ApplicationField.HELM_PARAMETER:
            # The name is tested as well: somebody may have moved the entry meanwhile.
            name = f"{one.pointer.removesuffix('/value')}/name"
            operations += ({"op": "test", "path": name, "value": target.name},)
            operations += _replacement(one.pointer, one.text, wanted)
        else:
            operations += _replacement(one.pointer, one.text or None, wanted)
    return tuple(operations)


def with_tag(entry: str, tag: str) -> str:
    """Return a kustomize entry with another tag."""
    head, equals, image = entry.rpartition("=")
    return f"{head}{equals}{split_image(image)[0]}:{tag}"


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


def _own_sources(target: ApplicationTarget, state: ApplicationState) -> tuple[int, ...]:
    """Return the positions of the sources that hold the application repository; empty where none is recognised.

    The source that the Environment names counts alone. A Helm chart is none: its revision is a version, no commit.
    """
    named = _selected_sources(target, state)
    if named is not None:
        return tuple(index for index in named if not _at(state.source_charts, index))
    if ours := _sources_of(target, state):
        return ours
    single = len(state.source_paths) == 1 and not _at(state.source_charts, 0)
    # A single source may be a mirror of ours.
    return (0,) if single and (not target.by_image or not state.repo_urls) else ()


def _sources_of(target: ApplicationTarget, state: ApplicationState) -> tuple[int, ...]:
    return tuple(index for index, url in enumerate(state.repo_urls) if _is_ours(target, state, index, url))


def _is_ours(target: ApplicationTarget, state: ApplicationState, index: int, url: str) -> bool:
    if _at(state.source_charts, index):
        return False
    wanted, path = target.repository.lower(), clone_path(url)
    return not wanted or path.endswith((f"/{wanted}", f":{wanted}"))


def _selected_sources(target: ApplicationTarget, state: ApplicationState) -> tuple[int, ...] | None:
    """Return the positions of the sources that the Environment names; None where it names none."""
    count = len(state.source_paths)
    if target.source_position is not None:
        return (target.source_position - 1,) if 0 < target.source_position <= count else ()
    if target.source_name is not None:
        return tuple(index for index, name in enumerate(state.source_names[:count]) if name == target.source_name)
    if target.source_path is not None:
        wanted = target.source_path.strip("/")
        return tuple(index for index, path in enumerate(state.source_dirs[:count]) if path.strip("/") == wanted)
    return None


def _config_source(state: ApplicationState, found: Sequence[SpecValue]) -> int | None:
    if len(state.source_paths) == 1:
        return 0
    holding = {
        index
        for index, path in enumerate(state.source_paths)
        if any(one.pointer.startswith(f"{path}/") for one in found)
    }
    return holding.pop() if len(holding) == 1 else None


def _obstacle(target: ApplicationTarget, state: ApplicationState, found: Sequence[SpecValue]) -> WriteObstacle | None:
    if target.field is None:
        return None
    if state.owner and not target.allow_managed:
        message = f"OwnedBy {state.owner}, which would revert a write; allow it with `allowManaged: true`"
        return WriteObstacle(reason=ConditionReason.OWNED_BY, message=message)
    named = _selected_sources(target, state)
    if named is not None and len(named) != 1:
        return _no_source(f"`write.argocd.source` fits {len(named)} of the sources of {state.name}, not one")
    if not found:
        return _nothing_to_write(target, state)
    ambiguity = _ambiguity(target, state, found) if len(found) > 1 else ""
    return WriteObstacle(reason=ConditionReason.AMBIGUOUS, message=f"Ambiguous: {ambiguity}") if ambiguity else None


def _nothing_to_write(target: ApplicationTarget, state: ApplicationState) -> WriteObstacle:
    match target.field:
        case ApplicationField.KUSTOMIZE_IMAGE:
            return _no_entry(f"spec.source.kustomize.images of {state.name} has no entry for {target.name}")
        case ApplicationField.HELM_PARAMETER:
            return _no_entry(f"spec.source.helm.parameters of {state.name} has no {target.name}")
        case _:
            charts = "; a Helm chart's revision is a version, no commit" if any(state.source_charts) else ""
            return _no_source(
                f"no source of {state.name} is {target.repository}, so its revision fits none of them{charts}"
            )


def _no_entry(message: str) -> WriteObstacle:
    return WriteObstacle(reason=ConditionReason.NO_ENTRY, message=f"NoEntry: {message}")


def _no_source(message: str) -> WriteObstacle:
    return WriteObstacle(reason=ConditionReason.NO_SOURCE, message=f"NoSource: {message}")


def _ambiguity(target: ApplicationTarget, state: ApplicationState, found: Sequence[SpecValue]) -> str:
    """Return why several values cannot be written together; empty for those that hold the same of ours."""
    where = ", ".join(one.pointer.removeprefix("/spec/") for one in found)
    match target.field:
        case ApplicationField.TARGET_REVISION if len({one.text for one in found}) == 1:
            return ""
        case ApplicationField.TARGET_REVISION:
            held = ", ".join(one.text or "nothing" for one in found)
            return f"{where} of {state.name} hold {held}: set them to one revision, or {_NAME_IT}"
        case ApplicationField.KUSTOMIZE_IMAGE if len({one.entry for one in found}) == 1:
            return ""
        case ApplicationField.KUSTOMIZE_IMAGE:
            return f"{where} of {state.name} all replace {target.name}: {_NAME_IT}"
        case _:
            # Charts of others have parameters of the same name, and the same value may mean another image.
            return f"{where} of {state.name} are all called {target.name}: {_NAME_IT}"


def _replacement(path: str, old: str | None, new: str) -> tuple[Mapping[str, object], ...]:
    return (
        {"op": "test", "path": path, "value": old},
        {"op": "add" if old is None else "replace", "path": path, "value": new},
    )


def _entry_name(entry: str) -> str:
    """Return the image that a kustomize entry replaces: `name:tag`, `name=new:tag` or either without a tag."""
    return entry.partition("=")[0] if "=" in entry else split_image(entry)[0]


def _at(texts: Sequence[str], index: int) -> str:
    """Return one text; empty where there is none."""
    return texts[index] if index < len(texts) else ""
