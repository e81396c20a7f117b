from pathlib import Path

import pytest
from ruamel.yaml import YAML

from crds.model import Model
from crds.resource import Resource
from crds.schema.admission import admission_documents
from crds.schema.definitions import Schema, custom_resource_definition
from crds.schema.generate import all_definitions, generated_files, main, render_crds, stale_files, to_yaml, write_files
from crds.v1alpha1.kinds import KINDS

ROOT = Path(__file__).parents[2]
SHORT_NAMES = {
    "PullRequestTracker": "prt",
    "PromotionPolicy": "pp",
    "Environment": "penv",
    "TestRunner": "prunner",
    "ArgoCDInstance": "pargo",
    "GitRepository": "prepo",
    "ScmProvider": "pscm",
    "ClusterScmProvider": "pcscm",
    "PromotionCommand": "pcmd",
    "DriftMonitor": "pdrift",
    "CommitStatus": "pcs",
    "Provider": "pprov",
    "EventSink": "psink",
}
# https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
STRUCTURAL = {
    "additionalProperties", "default", "description", "enum", "format", "items", "maxItems", "maxLength",
    "maxProperties", "maximum", "minItems", "minLength", "minimum", "pattern", "properties", "required", "type",
    "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-validations",
}  # fmt: skip


def test_the_committed_files_are_up_to_date() -> None:
    assert stale_files(ROOT) == ()


def test_check_names_stale_files_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(write_files(tmp_path)) == set(generated_files())
    assert main(["--check", "--root", str(tmp_path)]) == 0
    (tmp_path / "deploy/crds/environments.pilotage.dev.yaml").write_text("edited")
    (tmp_path / "docs/reference/gone.md").write_text("left over")
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert "stale: deploy/crds/environments.pilotage.dev.yaml" in capsys.readouterr().err
    assert main(["--root", str(tmp_path)]) == 0
    assert stale_files(tmp_path) == ()


def test_all_definitions_print_as_one_stream() -> None:
    documents = list(YAML(typ="safe").load_all(render_crds()))
    assert documents == [*all_definitions(), *admission_documents()]
    assert list(YAML(typ="safe").load_all(to_yaml([{"a": "x" * 300}]))) == [{"a": "x" * 300}]


def test_every_kind_has_its_short_name_and_category() -> None:
    names = {definition["spec"]["names"]["kind"]: definition["spec"]["names"] for definition in all_definitions()}
    assert {kind: name["shortNames"] for kind, name in names.items()} == {k: [v] for k, v in SHORT_NAMES.items()}
    assert all(name["categories"] == ["pilotage"] for name in names.values())


def schemas(schema: Schema, path: str) -> list[tuple[str, Schema]]:
    found = [(path, schema)]
    for name, inner in schema.get("properties", {}).items():
        found += schemas(inner, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            found += schemas(schema[part], f"{path}.{part}")
    return found


@pytest.mark.parametrize("model", KINDS, ids=lambda model: str(model.__name__))
def test_every_schema_is_structural_documented_and_limited(model: type[Resource]) -> None:
    definition = custom_resource_definition(model)
    root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path, schema in schemas(root, model.__name__):
        assert set(schema) <= STRUCTURAL, path
        assert "type" in schema, path
        if schema["type"] == "array":
            assert "maxItems" in schema, path
        if schema["type"] == "object" and "additionalProperties" in schema:
            assert "maxProperties" in schema, path
        own = ".items" not in path.rpartition(".")[2] and ".metadata" not in path and "additionalProp" not in path
        if own and not path.endswith(".items"):
            assert schema.get("description"), path


def test_fields_are_camel_case_on_the_wire_but_for_the_verdict_whose_names_are_kept() -> None:
    names = {
        path.rpartition(".")[2]
        for model in KINDS
        for path, _ in schemas(
            custom_resource_definition(model)["spec"]["versions"][0]["schema"]["openAPIV3Schema"], ""
        )
    }
    kept = {"all_passed", "any_failed", "any_running", "any_timeout", "failure_reasons", "optional_tests_failed"}
    assert {name for name in names if "_" in name} == kept
    assert {"appID", "installationID", "runID", "headSHA", "mergeSHA", "gitlabCI", "azureDevOps"} <= names


def test_every_rule_has_a_message() -> None:
    rules = [rule for model in subclasses(Model) for rule in getattr(model, "rules", ())]
    assert rules
    assert all(rule.message and not rule.message.endswith(".") for rule in rules)


def subclasses(model: type[Model]) -> list[type[Model]]:
    return [model, *(inner for child in model.__subclasses__() for inner in subclasses(child))]


def test_the_reference_documents_every_kind_and_its_fields() -> None:
    files = generated_files()
    page = files["docs/reference/promotionpolicy.md"]
    assert "| `spec.tests[].timeout` | duration, default `1h` |" in page
    assert "targetEnvironment must differ from sourceEnvironment" in page
    assert "`${pullRequest.headSHA}`" in files["docs/reference/variables.md"]
    assert "`WorkflowAvailable`" in files["docs/reference/conditions.md"]
