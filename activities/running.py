"""What runs of a deployment, read from an Argo CD application's state. Pure.

Unknown is not nothing, and several are not the first one: what is unknown is a problem that is stated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from activities.models.configuration import DeploymentSpec, WriteKind
from crds.rules.substitution import SubstitutionError, Variable, parse
from crds.texts.plain import short_revision
from providers.application_models import ApplicationPlace, ApplicationState
from providers.images import split_image

_UNDER_WAY = ("Running", "Terminating")
_REVISION = "revision"
_REVISIONS = "([0-9a-f]{7,64})"
_TAG_CHARACTERS = 128
"""The longest tag: https://github.com/distribution/reference"""


@dataclass(frozen=True, kw_only=True)
class Running:
    """Hold what runs, what else does or is being brought, and why neither is known."""

    runs: str | None = None
    operating: str | None = None
    tag: str | None = None
    several: bool = False
    """Whether more than one revision is there, so that nothing has settled."""
    problem: str = ""
    note: str = ""


def running(deployment: DeploymentSpec, state: ApplicationState, place: ApplicationPlace, *, settled: bool) -> Running:
    """Read it; `settled`: whether Argo CD shows the application as final."""
    if deployment.image is None:
        return _by_revision(deployment, state, place)
    return _by_image(deployment, state, place, settled=settled)


def running_revisions(state: ApplicationState) -> tuple[str, ...]:
    """Return the revisions that run, one per source.

    While an application is out of sync, its sync revision is the one that was compared, not one that was applied.
    """
    if state.sync_status == "Synced":
        return state.synced_revisions
    if not state.deployed_revisions and state.phase == "Succeeded":
        return state.operation_synced_revisions
    return state.deployed_revisions


def at(texts: Sequence[str], index: int) -> str | None:
    """Return one text; None where it is absent or empty."""
    return (texts[index] or None) if index < len(texts) else None


def operation_under_way(state: ApplicationState) -> bool:
    """Return whether an operation was requested or runs."""
    return state.operation_pending or state.phase in _UNDER_WAY


def nothing_deployed(state: ApplicationState) -> bool:
    """Return whether nothing was ever deployed: no complete sync, and nothing that would hide one."""
    return not any(running_revisions(state)) and (
        state.sync_status != "Synced" and not state.deployed_revisions and (state.history_kept or _is_missing(state))
    )


def _is_missing(state: ApplicationState) -> bool:
    return state.health == "Missing"


def _by_revision(deployment: DeploymentSpec, state: ApplicationState, place: ApplicationPlace) -> Running:
    own, there = place.sources, running_revisions(state)
    if not own:
        return Running(problem=_no_source(deployment, state))
    operating = [at(state.operation_revisions, index) for index in own] if operation_under_way(state) else []
    brought = [revision for revision in dict.fromkeys(operating) if revision]
    if nothing_deployed(state):
        return Running(operating=brought[0] if brought else None, note=_foreign_source(deployment, state, place))
    found = dict.fromkeys(at(there, index) for index in own)
    if None in found:
        return Running(
            problem=f"Argo CD does not show which revision of {deployment.repository or 'it'} {state.name} runs: its "
            "history is not kept, or it had other sources then; sync it once"
        )
    runs, *others = (revision for revision in found if revision)
    several = ", ".join(map(short_revision, (runs, *others)))
    return Running(
        runs=runs,
        operating=next(iter((*others, *brought)), None),
        several=bool(others),
        note=f"its sources run {several}" if others else _foreign_source(deployment, state, place),
    )


def _by_image(
    deployment: DeploymentSpec, state: ApplicationState, place: ApplicationPlace, *, settled: bool
) -> Running:
    split = (split_image(image) for image in state.images)
    tags = tuple(dict.fromkeys(tag for name, tag in split if name == deployment.image and tag))
    known = [(tag, revision) for tag in tags if (revision := revision_of_tag(deployment.tag or "", tag)) is not None]
    if not known:
        return Running(tag=tags[0] if tags else None, problem=_unrecognised(deployment, state, tags))
    listed = ", ".join(f"`{tag}`" for tag in tags)
    written = _tag_of_written(deployment, place)
    ours = next((pair for pair in known if pair[0] == written), None)
    if len(tags) > 1 and ours is not None and settled:
        # The rollout is over: what else is listed is a finished Job's pod, or another workload's.
        note = f"{deployment.image} is listed with the tags {listed}; the spec names `{written}`"
        return Running(runs=ours[1], tag=ours[0], note=note)
    # While a rollout goes on, old and new images are listed together; the written one is the new.
    known.sort(key=lambda pair: pair[0] == written)
    several = len(tags) > 1
    return Running(
        runs=known[0][1],
        operating=known[1][1] if len(known) > 1 else None,
        tag=known[0][0],
        several=several,
        note=f"{deployment.image} is listed with the tags {listed}" if several else "",
    )


def _tag_of_written(deployment: DeploymentSpec, place: ApplicationPlace) -> str:
    """Return the tag that the spec names; empty where the spec names a revision."""
    kind = deployment.write.kind if deployment.write else WriteKind.TARGET_REVISION
    return "" if kind is WriteKind.TARGET_REVISION else place.written


def revision_of_tag(template: str, tag: str, *, limit: int = _TAG_CHARACTERS) -> str | None:
    """Read the revision out of a tag; None for one that the template did not make, or that is longer than `limit`."""
    pattern = _tag_pattern(template)
    match = pattern.fullmatch(tag) if pattern is not None and len(tag) <= limit else None
    if match is None:
        return None
    revision, *others = match.groups()
    return revision if all(other == revision for other in others) else None


@lru_cache(maxsize=256)
def _tag_pattern(template: str) -> Any:
    """Return a pattern whose groups are the revisions; None for a template without one.

    A tenant writes the template and a host the tag, so that no part may be tried again and again: RE2 does not.
    """
    try:
        parts = parse(template)
    except SubstitutionError:
        return None
    pieces = [
        re2.escape(part) if not isinstance(part, Variable) else _REVISIONS if part.name == _REVISION else ".*"
        for part in parts
    ]
    return re2.compile("".join(pieces)) if _REVISIONS in pieces else None


def _unrecognised(deployment: DeploymentSpec, state: ApplicationState, tags: tuple[str, ...]) -> str:
    """Return why no revision can be read from the images; empty where nothing was ever deployed."""
    template = deployment.tag or ""
    if tags:
        listed = ", ".join(f"`{tag}`" for tag in tags)
        return f"{deployment.image} runs with tag {listed}, which `{template}` does not make: its revision is not known"
    if any(split_image(image)[0] == deployment.image for image in state.images):
        return (
            f"{deployment.image} runs without a tag: its revision is not known; deploy it by a tag such as `{template}`"
        )
    if nothing_deployed(state):
        return ""
    return (
        f"{state.name} lists no image {deployment.image}, so what runs is not known: scale it up if it is scaled to "
        "zero, or fix the component's `image`"
    )


def _no_source(deployment: DeploymentSpec, state: ApplicationState) -> str:
    if any(state.source_charts):
        why = "a Helm chart has a version, no commit"
    else:
        why = "which of its sources is meant is not known"
    return (
        f"{state.name} deploys {', '.join(state.repo_urls)}, none of which is {deployment.repository}: {why}; declare "
        "`image` and `tag` of the component, or fix `write.argocd.source`"
    )


def _foreign_source(deployment: DeploymentSpec, state: ApplicationState, place: ApplicationPlace) -> str:
    if not place.foreign:
        return ""
    return (
        f"{state.name} deploys {', '.join(state.repo_urls)}, not {deployment.repository}: if that is a repository of "
        "configuration, declare `image` and `tag` of the component"
    )
