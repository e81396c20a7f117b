"""Runs the CEL rules of a schema on a document without an API server.

Transition rules are left out: a file has no old version.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

from crds.rules.field_errors import FieldError

Schema = Mapping[str, Any]


def rule_errors(schema: Schema, value: Any, path: str = "") -> Iterator[FieldError]:
    """Find every rule that a document breaks; the document has its defaults and fits the schema."""
    for rule in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):
            yield FieldError(path=(path + rule.get("fieldPath", "")).removeprefix(".") or ".", message=rule["message"])
    if isinstance(value, dict):
        properties: Mapping[str, Schema] = schema.get("properties", {})
        inner = schema.get("additionalProperties", {})
        for name, field in value.items():
            yield from rule_errors(properties.get(name, inner), field, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from rule_errors(schema.get("items", {}), entry, f"{path}[{index}]")


def _holds(rule: str, value: Any) -> bool:
    """Run one rule; a rule that ends in an error does not hold, as at the API server."""
    try:
        return bool(_program(rule).evaluate({"self": json_to_cel(value)}))
    except CELEvalError:
        return False


@lru_cache(maxsize=256)
def _program(rule: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(rule), functions={"substring": _substring})


def _substring(text: celtypes.StringType, start: celtypes.IntType) -> celtypes.StringType:
    """Stand in for the API server's string library, which the CEL library does not have."""
    if not 0 <= start <= len(text):
        raise CELEvalError(f"index {start} is out of range")
    return celtypes.StringType(text[int(start) :])
