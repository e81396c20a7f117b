"""The import rules, as written and as they turn out when a workflow is loaded."""

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from worker.serving.registry import WORKFLOWS
from worker.temporal.sandbox import FORBIDDEN_MODULES, shared_modules

ROOT = Path(__file__).parents[2]
PACKAGES = ("activities", "crds", "providers", "worker", "workflows")
ABSENT = sorted(FORBIDDEN_MODULES | {"prometheus_client"})


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_contracts_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.__name__)
def test_a_workflow_brings_no_way_out_of_the_process(workflow: type) -> None:
    # The linter sees no edge from a module to its parent package; a fresh interpreter does.
    loaded = json.loads(run_python(f"import json, sys, {workflow.__module__}; print(json.dumps(list(sys.modules)))"))
    assert not {name.partition(".")[0] for name in loaded} & set(ABSENT)
    implementations = {name for name in loaded if name.startswith("activities.")}
    assert all(name.startswith(("activities.contracts", "activities.models")) for name in implementations)


def test_an_activity_brings_neither_an_adapter_nor_http() -> None:
    modules = [f"activities.{module.name}" for module in pkgutil.iter_modules([str(ROOT / "activities")])]
    loaded = json.loads(run_python(f"import json, sys, {', '.join(modules)}; print(json.dumps(list(sys.modules)))"))
    assert not {name.partition(".")[0] for name in loaded} & {"httpx", "aiohttp", "kubernetes"}
    adapters = {name for name in loaded if name.startswith("providers.") and name.count(".") > 1}
    assert adapters == set()


def test_tests_take_nothing_from_the_benchmark_but_to_test_it() -> None:
    local = ROOT / "tests" / "local"
    own = {local / "test_bench.py", local / "test_sizing.py", *(ROOT / "tests" / "bench").rglob("*.py")}
    takers = {
        path.relative_to(ROOT)
        for path in (ROOT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.bench") and path not in own
    }
    assert takers == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_file_holds_a_docstring_and_nothing_else(package: str) -> None:
    for path in sorted((ROOT / package).rglob("__init__.py")):
        assert len(ast.parse(path.read_text()).body) <= 1, path


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_stay_short_and_have_a_docstring(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        lines = path.read_text().splitlines()
        assert len(lines) <= 400, path
        assert path.name not in ("utils.py", "helpers.py", "common.py", "base.py", "manager.py"), path
        assert lines[0].startswith('"""'), path


def test_what_workflows_share_exists_and_defines_no_workflow() -> None:
    for name in shared_modules():
        module = importlib.import_module(name)
        defined = [value for value in vars(module).values() if isinstance(value, type)]
        ours = [value for value in defined if value.__module__ == name]
        assert not any(hasattr(value, "__temporal_workflow_definition") for value in ours), name
