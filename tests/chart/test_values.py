"""The values of the chart: each is described and has a default, and nothing else is accepted."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from deploy.local.chart import CHART, EXAMPLES, ROOT
from worker.temporal.settings import unusable_address

SCHEMA = json.loads((ROOT / CHART / "values.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


@cache
def values(path: str = "values.yaml") -> Mapping[str, Any]:
    return dict(YAML(typ="safe").load(ROOT / CHART / path))


def with_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return given values with the chart's defaults, as helm merges them; None takes a default away."""
    merged = dict(values() if defaults is None else defaults)
    for name, value in given.items():
        below = merged.get(name)
        merged[name] = with_defaults(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return {name: value for name, value in merged.items() if value is not None}


def described(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each value that the schema knows by name."""
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    for name, inner in schema.get("properties", {}).items():
        yield from described(inner, f"{path}.{name}")
    if "properties" not in schema:
        yield path


def written(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from written(inner, f"{path}.{name}")
    else:
        yield path


def test_the_defaults_are_what_the_schema_describes() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert [error.json_path for error in VALIDATOR.iter_errors(values())] == []
    known = {path for path in described(SCHEMA) if path not in (".global", ".workerGroups")}
    defaults = set(written(values()))
    assert {path for path in known if not any(one == path or one.startswith(f"{path}.") for one in defaults)} == set()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_values_of_the_schema(example: str) -> None:
    assert [error.json_path for error in VALIDATOR.iter_errors(with_defaults(values(f"examples/{example}.yaml")))] == []


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"worker": {"replicas": "x"}}, "$.worker.replicas"),
        ({"watcher": {"replica": 1}}, "$.watcher"),
        ({"workerGroups": {"all": {"queues": ["nope"]}}}, "$.workerGroups.all.queues[0]"),
        ({"temporal": {"address": "https://temporal.example.com"}}, "$.temporal.address"),
        ({"settings": {"PILOTAGE_SCM_IN_FLIGHT": []}}, "$.settings.PILOTAGE_SCM_IN_FLIGHT"),
        ({"namespaces": ["Team A"]}, "$.namespaces[0]"),
        ({"temporal": {"apiKeySecret": {"name": "key", "key": ""}}}, "$.temporal.apiKeySecret.key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_value_outside_the_schema_is_named_by_its_path(wrong: dict[str, Any], path: str) -> None:
    assert [error.json_path for error in VALIDATOR.iter_errors(with_defaults(wrong))] == [path]


@pytest.mark.parametrize(
    "address",
    [
        "temporal:7233",
        "10.0.0.1:7233",
        "[fd00::1]:7233",
        "temporal",
        "fd00::1:7233",
        "[temporal]:7233",
        "http://temporal:7233",
    ],
)
def test_an_address_of_temporal_is_a_value_where_the_processes_take_it(address: str) -> None:
    wrong = [error.json_path for error in VALIDATOR.iter_errors(with_defaults({"temporal": {"address": address}}))]
    assert (not wrong) == (not unusable_address(address))


def nested(path: str) -> dict[str, Any]:
    """Return values that take away the default of one."""
    name, _, rest = path.removeprefix(".").partition(".")
    return {name: nested(rest) if rest else None}


def is_needed(path: str) -> bool:
    """Return whether templates read a default; an empty text is the same as none, and maps of people's own are free."""
    found: Any = values()
    for name in path.removeprefix(".").split("."):
        found = found[name]
    free = (".workerGroups.", ".resources.", ".labels.")
    return found != "" and not any(one in path for one in free)


@pytest.mark.parametrize("path", sorted(filter(is_needed, written(values()))))
def test_a_default_that_is_taken_away_is_missed_by_its_path(path: str) -> None:
    [missed] = VALIDATOR.iter_errors(with_defaults(nested(path)))
    assert missed.validator == "required"
    assert path.rpartition(".")[2] in missed.message
