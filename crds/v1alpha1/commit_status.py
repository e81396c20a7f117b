"""CommitStatus: which events of Flux become commit statuses, and how they look."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import OBJECT_NAME_LENGTH, ObjectName
from crds.model import Definition, Model, PrinterColumn, Rule
from crds.resource import Resource
from crds.v1alpha1.flux_provider import POST_COLUMNS, PostStatus

Pattern = Annotated[str, Field(min_length=1, max_length=1024)]


class EventSeverity(StrEnum):
    """Which severities are taken."""

    INFO = "info"
    """All of them."""
    ERROR = "error"
    """Errors alone."""


class EventSource(Model):
    """Objects of Flux whose events are taken."""

    rules: ClassVar = (
        Rule(
            rule="!has(self.matchLabels) || size(self.matchLabels) == 0 || self.name == '*'",
            message="matchLabels selects among several objects: name must be '*'",
            field_path=".matchLabels",
        ),
    )

    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    """Kind of the objects, such as `Kustomization`. Objects of other kinds need the annotation
    `event.toolkit.fluxcd.io/commit`."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object, or `*` for all."""
    namespace: ObjectName | None = None
    """Namespace of the objects; the one of this resource if not given."""
    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Labels that the objects have in Pilotage's own cluster; only with the name `*`."""


class ProviderReference(Model):
    """A Provider in the same namespace."""

    name: ObjectName
    """Name of the Provider."""


class CommitStatusSpec(Model):
    """Events, and the Provider whose repository shows them."""

    provider_ref: ProviderReference
    """Provider in the same namespace."""
    event_severity: EventSeverity = EventSeverity.INFO
    """`info` takes all events, `error` only errors."""
    event_sources: Annotated[tuple[EventSource, ...], Field(min_length=1, max_length=50)]
    """Objects whose events become statuses."""
    prefix: (
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")]
        | None
    ) = None
    """Beginning of the context, such as the name of a cluster. The context is then
    `<prefix>/<kind>/<namespace>/<name>`, also after the Provider was created again."""
    inclusion_list: Annotated[tuple[Pattern, ...], Field(max_length=20)] = ()
    """Regular expressions (RE2). One of them must match the message; empty takes all."""
    exclusion_list: Annotated[tuple[Pattern, ...], Field(max_length=20)] = ()
    """Regular expressions (RE2). None of them may match the message."""
    target_url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s]+$")] | None = None
    """Address that the status links to."""
    close_superseded: bool = False
    """Whether a commit that still shows `pending` gets the status `error` when Flux has reconciled a newer one."""
    suspend: bool = False
    """Whether Pilotage drops events. It does not post them later."""


class CommitStatus(Resource):
    """Which events of Flux become commit statuses."""

    definition: ClassVar = Definition(
        kind="CommitStatus",
        plural="commitstatuses",
        short_name="pcs",
        name_max_length=OBJECT_NAME_LENGTH,
        columns=(PrinterColumn(name="PROVIDER", json_path=".spec.providerRef.name"), *POST_COLUMNS),
    )

    kind: str = "CommitStatus"
    spec: CommitStatusSpec
    status: PostStatus = PostStatus()
