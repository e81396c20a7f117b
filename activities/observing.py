"""Read an Argo CD application's state as an observation: what runs, what is written, what is under way, and whether
all of that has settled. Pure; the rules were measured on real servers."""

import re
from functools import lru_cache

from activities.failures import bounded
from activities.models.configuration import DeploymentSpec, WriteKind
from activities.models.delivery import Health, Observation, OperationPhase
from activities.models.tracking import Artifact
from crds.substitution import SubstitutionError, Variable, parse
from providers.models import ApplicationState

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_UNDER_WAY = ("Running", "Terminating")
_PHASES = {phase.value: phase for phase in OperationPhase}
_HEALTHS = {health.value: health for health in Health}
_REVISION = "revision"


def observe(deployment: DeploymentSpec, state: ApplicationState) -> Observation:
    """Return what one deployment runs."""
    index = source_index(deployment, state)
    synced = _at(running_revisions(state), index)
    raw = written_raw(deployment, state)
    busy = operation_under_way(state)
    tags = _running_tags(deployment, state)
    runs, operating, tag = _revisions(deployment, state, index, tags)
    unknown = _unrecognised(deployment, state, tags) if runs is None else ""
    by_image = deployment.image is not None
    return Observation(
        deployment=deployment.name,
        component=deployment.component,
        application=state.name,
        runs=runs,
        written=_revision_of_raw(deployment, raw),
        written_raw=raw,
        operating=operating,
        image=deployment.image,
        tag=tag,
        config_revision=synced if by_image else None,
        operation_key=state.operation_key,
        operation_phase=OperationPhase.RUNNING if busy else _PHASES.get(state.phase, OperationPhase.NONE),
        operation_message=bounded(state.operation_message),
        health=_HEALTHS.get(state.health, Health.UNKNOWN),
        sync_status=state.sync_status or "Unknown",
        settled=is_settled(state) and len(set(tags)) <= 1,
        message=bounded(_message(state) or _foreign_source(deployment, state)),
        url=state.url,
        problem=bounded(unknown),
        writable=not_writable(deployment, state),
    )


def unreadable(deployment: DeploymentSpec, problem: str) -> Observation:
    """Return an observation that says why nothing could be read."""
    return Observation(
        deployment=deployment.name,
        component=deployment.component,
        application=deployment.application,
        problem=bounded(problem),
    )


def differs(known: Observation | None, seen: Observation) -> bool:
    """Tell whether a change matters: texts that come and go with each reconciliation do not."""
    return known is None or _essence(known) != _essence(seen)


def running_revisions(state: ApplicationState) -> tuple[str, ...]:
    """Return the revisions that run, one per source.

    While an application is out of sync, its sync revision is the one that was compared, not one that was applied.
    """
    return state.synced_revisions if state.sync_status == "Synced" else state.deployed_revisions


def operation_under_way(state: ApplicationState) -> bool:
    """Tell whether an operation was requested or runs."""
    return state.operation_pending or state.phase in _UNDER_WAY


def is_believable(state: ApplicationState) -> bool:
    """Tell whether sync status and health are newer than the last operation's end.

    Timestamps have a resolution of one second: equality proves nothing by itself, but with the operation's own
    revisions shown as synced the comparison was made after it.
    """
    if state.finished_at is None:
        return True
    if state.reconciled_at is None:
        return False
    if state.reconciled_at == state.finished_at:
        synced = state.sync_status == "Synced" and bool(state.synced_revisions)
        return synced and state.synced_revisions == state.operation_synced_revisions
    return state.reconciled_at > state.finished_at


def is_settled(state: ApplicationState) -> bool:
    """Tell whether what runs is final: no operation, synced, healthy, and all of it newer than the last operation."""
    return (
        not operation_under_way(state)
        and state.sync_status == "Synced"
        and state.health == Health.HEALTHY
        and is_believable(state)
    )


def needs_refresh(state: ApplicationState) -> bool:
    """Tell whether only a refresh can show how the last operation ended."""
    return not operation_under_way(state) and not is_believable(state)


def source_index(deployment: DeploymentSpec, state: ApplicationState) -> int:
    """Return the position of the application repository among the sources; the first where none is recognised."""
    return _own_source(deployment, state) or 0


def _own_source(deployment: DeploymentSpec, state: ApplicationState) -> int | None:
    wanted = deployment.repository.lower()
    for index, url in enumerate(state.repo_urls):
        path = url.lower().rstrip("/").removesuffix(".git")
        if not wanted or path.endswith((f"/{wanted}", f":{wanted}")):
            return index
    return None


def written_raw(deployment: DeploymentSpec, state: ApplicationState) -> str:
    """Return the value in the application's spec that a write replaces."""
    kind = deployment.write.kind if deployment.write else WriteKind.TARGET_REVISION
    if deployment.write and kind is WriteKind.KUSTOMIZE_IMAGE:
        entry = kustomize_entry(state, deployment.write.image or "")
        return tag_of(entry) if entry else ""
    if deployment.write and kind is WriteKind.HELM_PARAMETER:
        return state.helm_parameters.get(deployment.write.parameter or "", "")
    return _at(state.target_revisions, source_index(deployment, state)) or ""


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
    if state.owner and not write.allow_managed:
        return f"OwnedBy {state.owner}, which would revert a write; allow it with `allowManaged: true`"
    if write.kind is WriteKind.TARGET_REVISION and _would_write_elsewhere(deployment, state):
        return f"NoSource: no source of {state.name} is {deployment.repository}, so its revision fits none of them"
    if write.kind is WriteKind.KUSTOMIZE_IMAGE and kustomize_entry(state, write.image or "") is None:
        return f"NoEntry: spec.source.kustomize.images of {state.name} has no entry for {write.image}"
    if write.kind is WriteKind.HELM_PARAMETER and (write.parameter or "") not in state.helm_parameters:
        return f"NoEntry: spec.source.helm.parameters of {state.name} has no {write.parameter}"
    return ""


def _would_write_elsewhere(deployment: DeploymentSpec, state: ApplicationState) -> bool:
    """Tell whether a revision would be written to another repository; a single source may be a mirror of ours."""
    if not state.repo_urls or _own_source(deployment, state) is not None:
        return False
    return deployment.image is not None or len(state.repo_urls) > 1


def kustomize_entry(state: ApplicationState, image: str) -> str | None:
    """Find the entry of an image: `name:tag`, `name=new:tag` or either without a tag."""
    for entry in state.kustomize_images:
        name = entry.partition("=")[0] if "=" in entry else _split_image(entry)[0]
        if name == image:
            return entry
    return None


def tag_of(image: str) -> str:
    """Return the tag of an image; empty where it has none."""
    return _split_image(image.rpartition("=")[2])[1]


def with_tag(entry: str, tag: str) -> str:
    """Return a kustomize entry with another tag."""
    head, equals, image = entry.rpartition("=")
    return f"{head}{equals}{_split_image(image)[0]}:{tag}"


def revision_of_tag(template: str, tag: str) -> str | None:
    """Read the revision out of a tag; None for a tag that the template did not make."""
    pattern = _tag_pattern(template)
    match = pattern.fullmatch(tag) if pattern else None
    return match["revision"] if match else None


@lru_cache(maxsize=256)
def _tag_pattern(template: str) -> re.Pattern[str] | None:
    try:
        parts = parse(template)
    except SubstitutionError:
        return None
    pieces: list[str] = []
    for part in parts:
        if not isinstance(part, Variable):
            pieces.append(re.escape(part))
        elif part.name != _REVISION:
            pieces.append(".*")
        elif f"(?P<{_REVISION}>" in "".join(pieces):
            pieces.append(f"(?P={_REVISION})")
        else:
            pieces.append(f"(?P<{_REVISION}>[0-9a-f]{{7,64}})")
    pattern = "".join(pieces)
    return re.compile(pattern) if f"(?P<{_REVISION}>" in pattern else None


def _unrecognised(deployment: DeploymentSpec, state: ApplicationState, tags: tuple[str, ...]) -> str:
    """Say why no revision can be read from an image that runs; empty where the image does not run at all."""
    template = deployment.tag or ""
    if tags:
        listed = ", ".join(f"`{tag}`" for tag in tags)
        return f"{deployment.image} runs with tag {listed}, which `{template}` does not make: its revision is not known"
    if any(_split_image(image)[0] == deployment.image for image in state.images):
        return (
            f"{deployment.image} runs without a tag: its revision is not known; deploy it by a tag such as `{template}`"
        )
    return ""


def _foreign_source(deployment: DeploymentSpec, state: ApplicationState) -> str:
    if deployment.image is not None or not state.repo_urls or _own_source(deployment, state) is not None:
        return ""
    return (
        f"{state.name} deploys {', '.join(state.repo_urls)}, not {deployment.repository}: if that is a repository of "
        "configuration, declare `image` and `tag` of the component"
    )


def _running_tags(deployment: DeploymentSpec, state: ApplicationState) -> tuple[str, ...]:
    if deployment.image is None:
        return ()
    split = (_split_image(image) for image in state.images)
    return tuple(dict.fromkeys(tag for name, tag in split if name == deployment.image and tag))


def _revisions(
    deployment: DeploymentSpec, state: ApplicationState, index: int, tags: tuple[str, ...]
) -> tuple[str | None, str | None, str | None]:
    """Return what runs, what an operation brings, and the tag that runs."""
    if deployment.image is None:
        operating = _at(state.operation_revisions, index) if operation_under_way(state) else None
        return _at(running_revisions(state), index), operating, None
    known = [(tag, revision_of_tag(deployment.tag or "", tag)) for tag in tags]
    found = [(tag, revision) for tag, revision in known if revision is not None]
    if not found:
        return None, None, tags[0] if tags else None
    # While a rollout goes on, old and new images are listed together; the written one is the new.
    written = tag_of_written(deployment, state)
    found.sort(key=lambda pair: pair[0] == written)
    return found[0][1], found[1][1] if len(found) > 1 else None, found[0][0]


def tag_of_written(deployment: DeploymentSpec, state: ApplicationState) -> str:
    """Return the tag that the spec names; empty where the spec names a revision."""
    kind = deployment.write.kind if deployment.write else WriteKind.TARGET_REVISION
    return "" if kind is WriteKind.TARGET_REVISION else written_raw(deployment, state)


def _revision_of_raw(deployment: DeploymentSpec, raw: str) -> str | None:
    kind = deployment.write.kind if deployment.write else WriteKind.TARGET_REVISION
    if kind is not WriteKind.TARGET_REVISION:
        return revision_of_tag(deployment.tag or "", raw)
    # A branch or tag name is no commit; nor is the config repository's commit one of the application's.
    return raw if deployment.image is None and _COMMIT.fullmatch(raw) else None


def _split_image(image: str) -> tuple[str, str]:
    """Split `registry:5000/name:tag@digest` into name and tag."""
    name, _, _digest = image.partition("@")
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "")


def _at(values: tuple[str, ...], index: int) -> str | None:
    value = values[index] if index < len(values) else None
    return value or None


def _message(state: ApplicationState) -> str:
    errors = [condition for condition in state.conditions if "Error" in condition.partition(":")[0]]
    return errors[0] if errors else state.health_message


def _essence(observation: Observation) -> tuple[object, ...]:
    """Return what a place acts on: steps of a rollout on its way are none of it."""
    return (
        observation.runs,
        observation.written_raw,
        observation.operating,
        observation.tag,
        observation.operation_phase in (OperationPhase.FAILED, OperationPhase.ERROR),
        observation.health is Health.DEGRADED,
        observation.settled,
        bool(observation.problem),
        observation.writable,
    )
