"""Check that everything people can write drives something: each name has a test whose outcome changes with it.

Names are generated from the models: the fields of each spec, the variables, the verbs of commands and the settings.
`driven.toml` names the tests. `python -m tests.architecture.driven` shows what is missing and fails.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from crds.rules.substitution import VARIABLES
from crds.schema.definitions import object_schema
from crds.v1alpha1.kinds import KINDS
from crds.v1alpha1.promotion_command import CommandVerb
from worker.settings import Settings, variable_name

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_suffix(".toml")
STORIES = (
    "tests/e2e/",
    "tests/workflows/",
    "tests/watcher/",
    "tests/receiver/",
    "tests/worker/",
    "tests/cli/",
    "tests/activities/",
    "tests/security/",
)
"""Where tests play what people see; units of rules do not count."""
REFUSALS = ("tests/crds/test_api_server.py", "tests/crds/test_admission.py")
"""Where the real API server refuses what this version cannot do, or what people may not."""


def names() -> list[str]:
    """Return everything that people can write, as `<section>: <name>`."""
    fields = [
        f"fields: {model.definition.kind}.{path}"
        for model in KINDS
        for path in _leaves(object_schema(model)["properties"]["spec"], "spec")
    ]
    return [
        *fields,
        *(f"variables: {name}" for name in VARIABLES),
        *(f"commands: {verb.value}" for verb in CommandVerb),
        *(f"settings: {variable_name(name)}" for name in Settings.model_fields),
    ]


def table() -> dict[str, tuple[str, ...]]:
    """Return the tests by name, as written."""
    sections: Mapping[str, Mapping[str, str | list[str]]] = tomllib.loads(TABLE.read_text())
    return {
        f"{section}: {name}": (tests,) if isinstance(tests, str) else tuple(tests)
        for section, rows in sections.items()
        for name, tests in rows.items()
    }


def problems(wanted: list[str], written: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return a line for each name without a test, each row without a name, and each test that is no story."""
    found = [f"{name} drives nothing that a test shows: name a test in {TABLE.name}" for name in wanted]
    found = [line for line, name in zip(found, wanted, strict=True) if not written.get(name)]
    found += [f"{name} is in {TABLE.name} and in no model" for name in written if name not in wanted]
    for name, tests in written.items():
        for test in tests:
            path, _, function = test.partition("::")
            if not path.startswith((*STORIES, *REFUSALS)):
                found.append(f"{name}: {test} is no story; those are in {', '.join((*STORIES, *REFUSALS))}")
            elif function not in tests_in(path):
                found.append(f"{name}: {test} does not exist")
    return found


@cache
def tests_in(path: str) -> frozenset[str]:
    """Return the names of a file's tests; none where there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text())
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")
    )


def main() -> int:
    """Print what is missing; 0 nothing, 1 something."""
    found = problems(names(), table())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


def _leaves(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if schema.get("properties"):
        for name, child in schema["properties"].items():
            yield from _leaves(child, f"{path}.{name}")
    elif schema.get("type") == "array" and schema["items"].get("properties"):
        yield from _leaves(schema["items"], f"{path}[]")
    else:
        yield path


if __name__ == "__main__":
    sys.exit(main())
