"""What every resource model is built from: the frozen model, CEL rules and the definition of a kind."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from crds.durations import format_duration
from crds.field_docs import describe_fields
from crds.group import GROUP

CATEGORY = "pilotage"

# Acronyms keep their capitals on the wire, as they do in the Kubernetes API.
_WIRE_NAMES = {
    "app_id": "appID",
    "installation_id": "installationID",
    "run_id": "runID",
    "head_sha": "headSHA",
    "merge_sha": "mergeSHA",
    "gitlab_ci": "gitlabCI",
    "target_url": "targetURL",
}


def wire_name(field: str) -> str:
    """Turn a Python field name into its camelCase name on the wire."""
    if field in _WIRE_NAMES:
        return _WIRE_NAMES[field]
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One CEL rule; a rule that names `oldSelf` is a transition rule and runs on updates only."""

    rule: str
    message: str
    field_path: str = ""
    reason: str = ""

    def to_wire(self) -> dict[str, str]:
        """Write the rule as an entry of `x-kubernetes-validations`."""
        wire = {"rule": self.rule, "message": self.message}
        if self.field_path:
            wire["fieldPath"] = self.field_path
        if self.reason:
            wire["reason"] = self.reason
        return wire


def exactly_one_of(*fields: str) -> Rule:
    """Demand that exactly one of some optional fields is set."""
    present = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return Rule(rule=f"{present} == 1", message=f"exactly one of {', '.join(fields)} must be set")


def extra(*rules: Rule, list_type: str = "", keys: tuple[str, ...] = ()) -> dict[str, Any]:
    """Build the Kubernetes extensions of one field, for `Field(json_schema_extra=…)`."""
    extensions: dict[str, Any] = {}
    if rules:
        extensions["x-kubernetes-validations"] = [rule.to_wire() for rule in rules]
    if list_type or keys:
        extensions["x-kubernetes-list-type"] = list_type or "map"
    if keys:
        extensions["x-kubernetes-list-map-keys"] = list(keys)
    return extensions


class Model(BaseModel):
    """A value of the API: snake_case in Python, camelCase on the wire, frozen.

    Unknown fields are ignored, because the API server prunes them and a newer version may have written them.
    """

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema["x-kubernetes-validations"] = [rule.to_wire() for rule in cls.rules]
        # pydantic leaves the description of a referenced model's field out, and writes durations as ISO 8601.
        descriptions = describe_fields(cls)
        for name, field in cls.model_fields.items():
            described = schema["properties"][field.alias or wire_name(name)]
            if description := field.description or descriptions.get(name):
                described["description"] = description
            if isinstance(field.default, timedelta):
                described["default"] = format_duration(field.default)
        return schema

    @classmethod
    def from_wire(cls, document: object) -> Self:
        """Read a value as the API server sent it. Raises pydantic.ValidationError, which names the field path."""
        return cls.model_validate(document)

    def to_wire(self) -> dict[str, Any]:
        """Write the value as JSON-ready data; fields that are None are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Scope(StrEnum):
    NAMESPACED = "Namespaced"
    CLUSTER = "Cluster"


@dataclass(frozen=True, kw_only=True)
class PrinterColumn:
    """One column of `kubectl get`; priority 1 shows with `-o wide` only."""

    name: str
    json_path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


AGE = PrinterColumn(name="AGE", json_path=".metadata.creationTimestamp", type="date")


@dataclass(frozen=True, kw_only=True)
class Definition:
    """The names and columns of one kind."""

    kind: str
    plural: str
    short_name: str
    scope: Scope = Scope.NAMESPACED
    columns: tuple[PrinterColumn, ...] = ()
    name_max_length: int = 63
    """Longest name; 63 where other resources name this one."""
    selectable: tuple[str, ...] = ()
    """JSON paths of fields by which lists can be narrowed: the API server then sends no others."""

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{GROUP}"
