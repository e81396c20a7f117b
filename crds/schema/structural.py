"""Checks a document against a structural schema without an API server, as the API server would."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from crds.durations import EXAMPLES, FLUX_EXAMPLES
from crds.durations import FLUX_PATTERN as FLUX_DURATION
from crds.durations import PATTERN as DURATION
from crds.rules.field_errors import FieldError

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def with_defaults(schema: Schema, value: Any) -> Any:
    """Copy a value with the schema's defaults filled in; nulls of fields that may not be null are dropped."""
    if isinstance(value, dict):
        properties: Mapping[str, Schema] = schema.get("properties", {})
        inner = schema.get("additionalProperties", {})
        filled = {
            name: with_defaults(properties.get(name, inner), field)
            for name, field in value.items()
            if field is not None or name not in properties
        }
        for name, field_schema in properties.items():
            if name not in filled and "default" in field_schema:
                filled[name] = deepcopy(field_schema["default"])
        return filled
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), entry) for entry in value]
    return value


def structural_errors(schema: Schema, value: Any, path: str = "") -> Iterator[FieldError]:
    """Find every place where a value breaks the schema, unknown fields included."""
    kind = schema.get("type")
    if kind is not None and not _is_of(kind, value):
        yield FieldError(path=path or ".", message=_of_wrong_type(schema, value))
        return
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f"`{choice}`" for choice in schema["enum"])
        yield FieldError(path=path, message=f"`{_shown(value)}` is not allowed; allowed are {allowed}")
        return
    if isinstance(value, dict):
        yield from _object_errors(schema, value, path)
    elif isinstance(value, list):
        yield from _list_errors(schema, value, path)
    elif isinstance(value, str):
        yield from _string_errors(schema, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield FieldError(path=path, message=f"must be at least {schema['minimum']}, is {value}")
        if value > schema.get("maximum", value):
            yield FieldError(path=path, message=f"must be at most {schema['maximum']}, is {value}")


def _object_errors(schema: Schema, value: dict[Any, Any], path: str) -> Iterator[FieldError]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    free = schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield FieldError(path=_join(path, name), message="is required")
    for name, field in value.items():
        inner = _join(path, name)
        if not isinstance(name, str):
            yield FieldError(path=inner, message="names of fields must be strings")
        elif name in properties:
            yield from structural_errors(properties[name], field, inner)
        elif isinstance(free, Mapping):
            yield from structural_errors(free, field, inner)
        elif properties:
            known = ", ".join(properties)
            yield FieldError(path=inner, message=f"unknown field; known are {known}")
    if len(value) > schema.get("maxProperties", len(value)):
        yield FieldError(path=path, message=f"must have at most {schema['maxProperties']} entries, has {len(value)}")


def _list_errors(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minItems", 0):
        yield FieldError(path=path, message=f"must have at least {schema['minItems']} entries, has {len(value)}")
    if len(value) > schema.get("maxItems", len(value)):
        yield FieldError(path=path, message=f"must have at most {schema['maxItems']} entries, has {len(value)}")
    seen: list[Any] = []
    for index, entry in enumerate(value):
        inner = f"{path}[{index}]"
        yield from structural_errors(schema.get("items", {}), entry, inner)
        match schema.get("x-kubernetes-list-type"):
            case "map" if isinstance(entry, dict):
                keys = schema["x-kubernetes-list-map-keys"]
                identity = {key: entry.get(key) for key in keys}
                if identity in seen:
                    shown = ", ".join(f"{key} `{_shown(entry.get(key))}`" for key in keys)
                    yield FieldError(path=inner, message=f"duplicate entry: {shown} is there already")
                seen.append(identity)
            case "set":
                if entry in seen:
                    yield FieldError(path=inner, message=f"duplicate entry `{_shown(entry)}`")
                seen.append(entry)


def _string_errors(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        yield FieldError(path=path, message=f"must have at least {schema['minLength']} characters, has {len(value)}")
    elif len(value) > schema.get("maxLength", len(value)):
        yield FieldError(path=path, message=f"must have at most {schema['maxLength']} characters, has {len(value)}")
    elif "pattern" in schema and re.search(_python_pattern(schema["pattern"]), value) is None:
        yield FieldError(path=path, message=_unmatched(schema["pattern"], value))
    if schema.get("format") == "date-time" and not _is_time(value):
        yield FieldError(path=path, message=f"`{_shown(value)}` is not a time such as `2026-01-31T12:00:00Z`")


def _of_wrong_type(schema: Schema, value: Any) -> str:
    if schema.get("pattern") == DURATION and isinstance(value, int | float) and not isinstance(value, bool):
        return f"`{_shown(value)}` has no unit: write `{_shown(value)}m` for minutes, such as {EXAMPLES}"
    return f"must be of type {schema['type']}, is {_kind_of(value)}"


def _unmatched(pattern: str, value: str) -> str:
    if pattern == DURATION:
        unit = f"write `{value}m` for minutes" if value.isdecimal() else f"write {EXAMPLES}"
        return f"`{_shown(value)}` is not a duration: {unit}"
    if pattern == FLUX_DURATION:
        return f"`{_shown(value)}` is not a duration: write for example {FLUX_EXAMPLES}"
    return f"`{_shown(value)}` does not match `{pattern}`"


def _python_pattern(pattern: str) -> str:
    # In Go, whose syntax this is, `$` matches at the end only, not before a last newline.
    return pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern


def _is_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_of(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    return next((kind for kind in _TYPES if _is_of(kind, value)), type(value).__name__)


def _shown(value: Any) -> str:
    return str(value)[:80]


def _join(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)
