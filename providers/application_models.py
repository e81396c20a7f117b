"""Applications of what deploys, as ports take and return them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crds.reasons.conditions import ConditionReason


@dataclass(frozen=True, kw_only=True)
class ApplicationRef:
    project: str
    name: str
    """`namespace/name` for an application outside the namespace that the server takes where none is named."""


class ApplicationField(StrEnum):
    """The value in an Application's spec that decides which artifact it wants."""

    TARGET_REVISION = "TargetRevision"
    KUSTOMIZE_IMAGE = "KustomizeImage"
    HELM_PARAMETER = "HelmParameter"


@dataclass(frozen=True, kw_only=True)
class ApplicationTarget:
    """What of an Application a deployment means, as it was declared."""

    field: ApplicationField | None = ApplicationField.TARGET_REVISION
    """None = no value of the Application decides which artifact it wants."""
    name: str = ""
    """Image of the kustomize entry, or name of the Helm parameter."""
    repository: str = ""
    """Full name of the application repository, by which its sources are found; empty = any."""
    by_image: bool = False
    """Whether the artifact is recognised by its image, so that no source has to be the application repository."""
    source_name: str | None = None
    source_path: str | None = None
    source_position: int | None = None
    """Position of the source that is meant, counted from 1; at most one of the three is given."""
    allow_managed: bool = False
    """Whether one that is owned, such as by an ApplicationSet, is written all the same."""


@dataclass(frozen=True, kw_only=True)
class WriteObstacle:
    """Why a write could not be made, or would be reverted."""

    reason: ConditionReason
    """One of the reasons of `Writable`."""
    message: str


@dataclass(frozen=True, kw_only=True)
class ApplicationPlace:
    """Where a target stands in an Application as it was read."""

    sources: tuple[int, ...] = ()
    """Positions of the sources that hold the application repository, counted from 0."""
    foreign: bool = False
    """Whether no source is the application repository, as far as sources are known at all."""
    config: int | None = None
    """Position of the source that configures the image; None where several might."""
    written: str = ""
    """The value that a write replaces; all of them where several differ, empty where there is none."""
    obstacle: WriteObstacle | None = None
    """None where it may be written."""
    one_source: bool = False
    """Whether it has one source, for which a sync may name the revision."""


@dataclass(frozen=True, kw_only=True)
class SyncWindow:
    """A sync window that forbids a sync at the moment."""

    kind: str
    """`deny`, which is open, or `allow`, which is not."""
    schedule: str
    duration: str
    until: datetime | None = None
    """When it is no longer in the way, if its schedule is in UTC; None where that is unknown."""


@dataclass(frozen=True, kw_only=True)
class HelmParameter:
    name: str
    value: str
    pointer: str
    """JSON pointer of the entry."""


@dataclass(frozen=True, kw_only=True)
class ApplicationState:
    """Spec and status of an Argo CD Application, before our own rules are applied to them."""

    name: str
    """As an ApplicationRef names it."""
    project: str
    resource_version: str
    target_revisions: tuple[str, ...]
    """One per source; a single-source application has one."""
    synced_revisions: tuple[str, ...]
    images: tuple[str, ...]
    """status.summary.images."""
    sync_status: str
    health: str
    health_message: str = ""
    operation_pending: bool = False
    """`.operation` is set: requested, not yet begun."""
    operation_revisions: tuple[str, ...] = ()
    """Revisions that the pending or running operation syncs to."""
    phase: str = ""
    """operationState.phase: Running, Terminating, Succeeded, Failed, Error, or empty."""
    operation_message: str = ""
    operation_key: str = ""
    operation_synced_revisions: tuple[str, ...] = ()
    deployed_revisions: tuple[str, ...] = ()
    """Of the newest entry of status.history, by the spec's sources: what the last complete sync brought, whatever the
    spec wants now. Empty for a source that it did not have."""
    history_kept: bool = True
    """False where `revisionHistoryLimit: 0` leaves no trace of what was synced."""
    finished_at: datetime | None = None
    reconciled_at: datetime | None = None
    owner: str = ""
    """Who would revert our write, such as `ApplicationSet/web`; empty when no one is known to."""
    auto_sync: bool = False
    auto_prune: bool = False
    """Whether auto-sync prunes."""
    prunable: tuple[str, ...] = ()
    """Resources that only a sync with prune would bring into sync, such as `ConfigMap shop/web-abc`; a thousand at
    most."""
    ill: tuple[str, ...] = ()
    """Resources that are not healthy, and why, as far as the server states it."""
    operation_automated: bool = False
    """Whether the operation shown by `phase` was begun by auto-sync."""
    operation_of_spec: bool = False
    """Whether that operation, which has ended, was about the sources as the spec has them now."""
    repo_urls: tuple[str, ...] = ()
    source_paths: tuple[str, ...] = ("/spec/source",)
    """JSON pointer of each source, in the order of `target_revisions`."""
    kustomize_images: tuple[str, ...] = ()
    """Overrides of all sources."""
    kustomize_paths: tuple[str, ...] = ()
    """JSON pointer of each of them."""
    helm_parameters: tuple[HelmParameter, ...] = ()
    """Parameters of all sources."""
    source_names: tuple[str, ...] = ()
    source_dirs: tuple[str, ...] = ()
    """The path within its repository, of each source."""
    source_charts: tuple[str, ...] = ()
    """The Helm chart of each source; its target revision is a version, no commit."""
    errors: tuple[str, ...] = ()
    """`Type: message` of those of the application's conditions that are errors."""
    url: str = ""
    namespace: str = ""
