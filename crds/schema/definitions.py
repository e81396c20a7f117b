"""CustomResourceDefinitions from the models: structural schemas, rules, columns and names."""

from collections.abc import Mapping
from typing import Any

from crds.fields import NAME_PATTERN
from crds.group import GROUP, VERSION
from crds.model import CATEGORY, Definition, PrinterColumn
from crds.resource import Resource

Schema = dict[str, Any]

# What pydantic writes and a structural schema may not contain, or what means nothing there.
_RULES = "x-kubernetes-validations"
_DROPPED = frozenset({"title", "$defs", "propertyNames"})
_INTEGER_FORMAT = "int64"


def object_schema(model: type[Resource]) -> Schema:
    """Build the structural schema of a kind."""
    raw = model.model_json_schema(by_alias=True)
    schema = _structural(raw, raw.get("$defs", {}))
    properties = schema["properties"]
    described: Schema = {
        "apiVersion": {"type": "string", "description": f"`{GROUP}/{VERSION}`."},
        "kind": {"type": "string", "description": f"`{model.definition.kind}`."},
        "metadata": _metadata(model.definition),
        "spec": _with_atomic_objects(properties["spec"]),
        # The status itself is written by several field managers, each of its fields by one.
        "status": _with_whole_fields(_with_atomic_objects(_without_default(properties["status"]))),
    }
    return {**schema, "required": ["spec"], "properties": described}


def custom_resource_definition(model: type[Resource]) -> Schema:
    """Build the CustomResourceDefinition of a kind."""
    definition = model.definition
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.crd_name, "labels": {"app.kubernetes.io/part-of": "pilotage"}},
        "spec": {
            "group": GROUP,
            "names": _names(definition),
            "scope": definition.scope.value,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in definition.columns],
                    **_selectable(definition),
                    "schema": {"openAPIV3Schema": object_schema(model)},
                }
            ],
        },
    }


def _selectable(definition: Definition) -> Schema:
    fields = [{"jsonPath": path} for path in definition.selectable]
    return {"selectableFields": fields} if fields else {}


def _metadata(definition: Definition) -> Schema:
    """Limit names. The cost of rules on them is bounded only if generateName is declared as well."""
    limit = definition.name_max_length
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": limit, "pattern": NAME_PATTERN},
            "generateName": {"type": "string", "maxLength": limit},
        },
    }


def _names(definition: Definition) -> Schema:
    return {
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.singular,
        "shortNames": [definition.short_name],
        "categories": [CATEGORY],
    }


def _column(column: PrinterColumn) -> Schema:
    wire: Schema = {"name": column.name, "type": column.type, "jsonPath": column.json_path}
    if column.description:
        wire["description"] = column.description
    if column.priority:
        wire["priority"] = column.priority
    return wire


def _without_default(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "default"}


def _structural(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Inline references, drop null alternatives and what Kubernetes does not know."""
    merged = _resolve(dict(raw), definitions)
    schema: Schema = {}
    for name, value in merged.items():
        if name in _DROPPED or (name == "default" and (value is None or isinstance(value, list | dict))):
            continue
        if name == "properties":
            schema[name] = {field: _structural(inner, definitions) for field, inner in value.items()}
        elif name in ("items", "additionalProperties") and isinstance(value, dict):
            schema[name] = _structural(value, definitions)
        elif name == "description":
            schema[name] = _one_line(value)
        else:
            schema[name] = value
    if schema.get("type") == "integer":
        schema["format"] = _INTEGER_FORMAT
    return schema


def _with_atomic_objects(schema: Schema) -> Schema:
    """Declare the fields that may hold an empty object to be replaced as a whole by server-side apply.

    Merged by key, one that goes from filled to empty is left as null, which its own type refuses: a status is never
    written again, and neither is what a person applied.
    """
    nested: Schema = {}
    if isinstance(schema.get("properties"), dict):
        nested["properties"] = {name: _as_field(field) for name, field in schema["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            nested[name] = _with_atomic_objects(schema[name]) if name == "items" else _as_field(schema[name])
    return {**schema, **nested}


def _with_whole_fields(status: Schema) -> Schema:
    """Declare each field of a status, and each entry of its list maps, to be written as a whole.

    Merged by key, `managedFields` name every leaf with its writer, for each condition with more bytes than it has.
    """
    fields = {name: _whole(field) for name, field in status["properties"].items()}
    return {**status, "properties": fields}


def _whole(field: Schema) -> Schema:
    if field.get("x-kubernetes-list-type") == "map":
        return {**field, "items": _whole(field["items"])}
    return {**field, "x-kubernetes-map-type": "atomic"} if field.get("type") == "object" else field


def _as_field(schema: Schema) -> Schema:
    described = _with_atomic_objects(schema)
    if schema.get("type") == "object" and not schema.get("required"):
        described["x-kubernetes-map-type"] = "atomic"
    return described


def _resolve(raw: Schema, definitions: Mapping[str, Any]) -> Schema:
    """Replace a reference, or an alternative with null, by what it stands for; siblings win, and rules add up."""
    siblings = {name: value for name, value in raw.items() if name not in ("$ref", "anyOf")}
    if "$ref" in raw:
        return _joined(_resolve(dict(definitions[raw["$ref"].rsplit("/", 1)[-1]]), definitions), siblings)
    if "anyOf" in raw:
        alternatives = [choice for choice in raw["anyOf"] if choice.get("type") != "null"]
        if len(alternatives) != 1:
            raise ValueError(f"a structural schema has no alternatives: {raw['anyOf']}")
        return _joined(_resolve(dict(alternatives[0]), definitions), siblings)
    return siblings


def _joined(schema: Schema, siblings: Schema) -> Schema:
    """Return a model's schema with what a field adds: a field's rules replace none of its model's."""
    rules = [*schema.get(_RULES, ()), *siblings.get(_RULES, ())]
    return {**schema, **siblings, **({_RULES: rules} if rules else {})}


def _one_line(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
