"""What importing the resources and their client costs every process: nothing that no process uses."""

import subprocess
import sys
from pathlib import Path

from crds.field_docs import describe_fields
from crds.model import Model

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_client_comes_without_the_synchronous_one_and_its_libraries() -> None:
    unused = ("kubernetes.client", "kubernetes.config", "kubernetes.dynamic", "oauthlib", "requests", "websocket")
    assert run_python(f"import crds.api.kubernetes, sys; print([x for x in {unused} if x in sys.modules])") == "[]"


def test_the_whole_client_stays_within_reach_of_others_in_the_process() -> None:
    shown = run_python("import crds.api.kubernetes, kubernetes; print(kubernetes.client.ApiClient.__name__)")
    assert shown == "ApiClient"
    assert run_python("import crds.api.kubernetes, kubernetes; print(hasattr(kubernetes, 'nothing'))") == "False"


def test_no_class_is_read_for_its_descriptions_before_a_definition_is_made() -> None:
    code = "import crds.v1alpha1.kinds; from crds.field_docs import _own; print(_own.cache_info().misses)"
    assert run_python(code) == "0"
    assert not Model.model_config.get("use_attribute_docstrings")


class First(Model):
    kept: int = 0
    """The first's
    text."""
    replaced: int = 0
    """The first's."""
    bare: int = 0


class Second(First):
    """A class's own text describes no field."""

    replaced: int = 1
    own: int = 0
    """The second's."""

    def act(self) -> None:
        """Nor does a method's."""


def test_a_field_is_described_by_the_text_below_it_in_the_nearest_class() -> None:
    assert describe_fields(Second) == {
        "kept": "The first's\ntext.",
        "own": "The second's.",
    }
    assert Second.model_json_schema()["properties"]["own"]["description"] == "The second's."
