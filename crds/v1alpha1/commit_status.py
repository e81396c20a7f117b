"""CommitStatus: which events of Flux become commit statuses, and how they look."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import ObjectName
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
    """Kind of the objects, such as `Kustomization`. Of other kinds only objects with the annotation
    `event.toolkit.fluxcd.io/commit` have commit statuses."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object, or `*` for all."""
    namespace: ObjectName | None = None
    """Namespace of the objects; the one of this resource if not given."""
    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Labels that the objects have, in the cluster where Pilotage runs; with the name `*` only."""


class ProviderReference(Model):
    """A Provider in the same namespace."""

    name: ObjectName
    """Name of the Provider."""


class CommitStatusSpec(Model):
    """Events, and the Provider whose repository shows them."""

    provider_ref: ProviderReference
    """Provider in the same namespace."""
    event_severity: EventSeverity = EventSeverity.INFO
    """`error` takes errors alone."""
    event_sources: Annotated[tuple[EventSource, ...], Field(min_length=1, max_length=50)]
    """Objects whose events are taken."""
    prefix: (
        Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")]
        | None
    ) = None
    """Put before the context, such as the name of a cluster: the context is then
    `<prefix>/<kind>/<namespace>/<name>` and stays so when the Provider is made again."""
    inclusion_list: Annotated[tuple[Pattern, ...], Field(max_length=20)] = ()
    """Regular expressions (RE2) of which one must be found in the message; empty takes all."""
    exclusion_list: Annotated[tuple[Pattern, ...], Field(max_length=20)] = ()
    """Regular expressions (RE2) of which none may be found in the message."""
    target_url: Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s]+$")] | None = None
    """Where the status links to."""
    close_superseded: bool = False
    """Whether a commit that still shows `pending` when a newer one is reconciled gets a closing status."""
    suspend: bool = False
    """Whether events are dropped. They are not posted later."""


class CommitStatus(Resource):
    """Which events of Flux become commit statuses."""

    definition: ClassVar = Definition(
        kind="CommitStatus",
        plural="commitstatuses",
        short_name="pcs",
        name_max_length=253,
        columns=(PrinterColumn(name="PROVIDER", json_path=".spec.providerRef.name"), *POST_COLUMNS),
    )

    kind: str = "CommitStatus"
    spec: CommitStatusSpec
    status: PostStatus = PostStatus()
