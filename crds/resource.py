"""The envelope of every kind: apiVersion, kind and metadata."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from crds.conditions import Condition
from crds.fields import keep_first
from crds.group import API_VERSION
from crds.model import Definition, Model, extra

Conditions = Annotated[
    tuple[Condition, ...], Field(max_length=16, json_schema_extra=extra(keys=("type",))), keep_first(16)
]
"""Conditions as a list-map by type, so that several writers can each own theirs."""


class ObjectMeta(Model):
    """The part of an object's metadata that Pilotage reads."""

    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    owner_references: tuple[dict[str, Any], ...] = ()

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # The API server owns most of these; writing an empty one would claim it.
        return {name: value for name, value in handler(self).items() if value not in (None, 0, "", {}, [], ())}


class Resource(Model):
    """An object of the API group."""

    definition: ClassVar[Definition]

    api_version: str = API_VERSION
    kind: str = ""
    metadata: ObjectMeta


class ConditionedStatus(Model):
    """A status that consists of conditions."""

    observed_generation: int | None = None
    """Generation of the spec that the status is about."""
    conditions: Conditions = ()
    """State of the resource, by aspect."""
