"""`pilotage validate`: files in, every error with its field path out."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import Result

from worker.cli.exits import ExitCode
from worker.cli.yaml_documents import UnreadableYaml, documents

Run = Callable[..., Result]

SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "samples" / "main-job"

POLICY = """\
apiVersion: pilotage.dev/v1alpha1
kind: PromotionPolicy
metadata:
  name: dev-to-staging
  namespace: shop
spec:
  sourceEnvironment: dev
  targetEnvironment: staging
  tests:
    - name: integration
      runnerRef:
        name: jenkins
      job: web/integration
      parameters:
        X: ${revision}
"""

ENVIRONMENT = """\
apiVersion: pilotage.dev/v1alpha1
kind: Environment
metadata:
  name: {name}
  namespace: shop
spec:
  final: {final}
  write: {{argocd: {{}}}}
  deployments:
    - name: web
      repositoryRef: {{name: web}}
      argocd: {{instanceRef: {{name: argocd}}, project: shop, application: web-{name}}}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A file with one valid policy."""
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return file


def test_the_samples_are_valid(run: Run) -> None:
    result = run("validate", str(SAMPLES))

    assert (result.exit_code, result.stdout) == (0, "")
    assert "8 files: valid;" in result.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "path", "line"),
    [
        ("targetEnvironment: staging", "targetEnvironment: dev", "spec.targetEnvironment", 8),
        ("X: ${revision}", "X: ${revison}", "spec.tests[0].parameters.X", 15),
        ("X: ${revision}", "X: yes", "spec.tests[0].parameters.X", 15),
        ("job: web/integration", "job: ''", "spec.tests[0].job", 13),
        ("      job: web/integration\n", "", "spec.tests[0].job", 10),
        ("sourceEnvironment: dev", "sourceEnvironment: [dev]", "spec.sourceEnvironment", 7),
        ("  tests:", "  autoPromoted: true\n  tests:", "spec.autoPromoted", 9),
        ("kind: PromotionPolicy", "kind: PromotionPolice", "kind", 2),
        ("apiVersion: pilotage.dev/v1alpha1", "apiVersion: pilotage.dev/v1", "apiVersion", 1),
    ],
)
def test_each_error_names_file_line_resource_and_field(
    policy: Path, run: Run, right: str, wrong: str, path: str, line: int
) -> None:
    policy.write_text(POLICY.replace(right, wrong))

    result = run("validate", str(policy))

    assert result.exit_code == 1
    assert result.stdout.startswith(f"{policy}:{line}: ")
    assert f"/dev-to-staging: {path}: " in result.stdout


def test_all_errors_of_all_files_come_at_once(policy: Path, run: Run) -> None:
    policy.write_text(POLICY.replace("${revision}", "${one}") + "---\n" + POLICY.replace("${revision}", "${two}"))

    lines = run("validate", str(policy)).stdout.splitlines()

    assert any(line.startswith(f"{policy}:15: ") and "`${one}`" in line for line in lines)
    assert any(line.startswith(f"{policy}:31: ") and "`${two}`" in line for line in lines)
    assert any("declared twice" in line for line in lines)


def test_a_chain_that_dead_ends_is_found_across_files(policy: Path, run: Run) -> None:
    for name in ("dev", "staging"):
        (policy.parent / f"{name}.yaml").write_text(ENVIRONMENT.format(name=name, final="false"))

    result = run("validate", str(policy.parent))

    assert result.exit_code == 1
    assert "the way ends in `staging`, which is not final" in result.stdout


def test_a_chain_that_loops_is_found(policy: Path, run: Run) -> None:
    back = POLICY.replace("name: dev-to-staging", "name: back")
    back = back.replace("sourceEnvironment: dev", "sourceEnvironment: staging")
    policy.write_text(POLICY + "---\n" + back.replace("targetEnvironment: staging", "targetEnvironment: dev"))

    result = run("validate", str(policy))

    assert result.exit_code == 1
    assert "would be visited twice" in result.stdout


def test_standard_input_and_lists_are_read(run: Run) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "pilotage.dev/v1alpha1", "kind": "Nope"}]}

    result = run("validate", "-", stdin=json.dumps(document))

    assert result.exit_code == 1
    assert result.stdout.startswith("-:1: Nope/?: kind: ")


def test_a_pipe_is_read_as_a_file_is(run: Run) -> None:
    reading, writing = os.pipe()
    os.write(writing, POLICY.encode())
    os.close(writing)
    try:
        result = run("validate", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    assert (result.exit_code, "1 resource in 1 file: valid" in result.stdout + result.stderr) == (0, True)


def test_what_is_no_object_is_named_by_its_line_alone(run: Run) -> None:
    result = run("validate", "-", stdin="- 1\n")
    assert result.stdout.startswith("-:1: is not a Kubernetes object")


def test_a_report_names_no_objects(run: Run, policy: Path) -> None:
    result = run("validate", "-o", "name", str(policy))
    assert (result.exit_code, "-o json" in result.stderr) == (ExitCode.USAGE, True)


def test_resources_of_others_are_passed_over(run: Run) -> None:
    result = run("validate", "-", stdin="apiVersion: v1\nkind: Secret\nmetadata: {name: token}\n")

    assert result.exit_code == 0
    assert "0 resources in 1 file: valid; 1 document of other kinds not checked" in result.stderr


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [("kind: [\n", 2, "no YAML"), ("a: 1\na: 2\n", 2, "duplicate key"), ("\tkind: x\n", 1, "no YAML")],
)
def test_text_that_is_no_yaml_is_an_error_at_its_line(run: Run, text: str, line: int, problem: str) -> None:
    result = run("validate", "-", stdin=text)

    assert result.exit_code == 1
    assert result.stdout.startswith(f"-:{line}: ")
    assert problem in result.stdout


def test_a_document_that_is_no_object_is_an_error(run: Run) -> None:
    result = run("validate", "-", stdin="just text\n")

    assert result.exit_code == 1
    assert "is not a Kubernetes object" in result.stdout


def test_the_report_as_json_holds_every_field(policy: Path, run: Run) -> None:
    policy.write_text(POLICY.replace("${revision}", "${nope}"))

    report = json.loads(run("validate", str(policy), "-o", "json").stdout)

    assert report["valid"] is False
    assert report["resources"] == 1
    assert report["errors"][0]["path"] == "spec.tests[0].parameters.X"


def test_a_missing_file_exits_3(run: Run, tmp_path: Path) -> None:
    result = run("validate", str(tmp_path / "nowhere.yaml"))

    assert result.exit_code == 3
    assert "no such file or folder" in result.stderr


def test_a_folder_without_yaml_exits_3(run: Run, tmp_path: Path) -> None:
    assert run("validate", str(tmp_path)).exit_code == 3


def test_a_file_that_is_not_text_is_refused_without_a_traceback(run: Run, policy: Path) -> None:
    policy.write_bytes(b"\xff\xfe\x00kind")

    result = run("validate", str(policy))

    assert result.exit_code == 1
    assert result.stdout.startswith(f"{policy}:1: not UTF-8 text")


def test_no_file_at_all_is_a_usage_error(run: Run) -> None:
    assert run("validate").exit_code == 2


def test_files_are_named_as_kubectl_names_them_too(policy: Path, run: Run) -> None:
    assert run("validate", "-f", str(policy)).exit_code == 0
    assert run("validate", "-f", "-", stdin=POLICY).exit_code == 0
    assert run("validate").exit_code == 2


@pytest.mark.parametrize("written", ["45", "'45'"])
def test_a_duration_without_a_unit_is_answered_with_one(policy: Path, run: Run, written: str) -> None:
    policy.write_text(POLICY.replace("  tests:", f"  timeout: {written}\n  tests:"))

    assert "write `45m` for minutes" in run("validate", str(policy)).stdout


def test_a_broken_field_hides_neither_rules_nor_references(policy: Path, run: Run) -> None:
    broken = ENVIRONMENT.format(name="dev", final="false").replace("final: false", "final: maybe")
    lonely = POLICY.replace("sourceEnvironment: dev", "sourceEnvironment: dev\n  nonsense: 1").replace(
        "name: dev-to-staging", "name: other"
    )
    policy.write_text("---\n".join([POLICY, lonely.replace("job: web/integration", "job: ''"), broken]))

    found = run("validate", str(policy)).stdout

    assert "PromotionPolicy/dev-to-staging: spec.targetEnvironment: Environment `staging` does not exist" in found
    assert "Environment `dev` does not exist" not in found
    assert "spec.final: must be of type boolean" in found
    assert "spec.nonsense: unknown field" in found
    assert "spec.tests[0].job" in found


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * 10)}]\n" for one in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (BOMB, 1, "its aliases repeat more than"),
        (f"x: 1\n---\n{BOMB}", 3, "its aliases repeat more than"),
        ("x: 1\ny: &y\n  z: *y\n", 2, "an alias stands for what it is part of"),
        ("kind: List\nitems: &i [*i]\n", 2, "an alias stands for what it is part of"),
        ("x: &x {<<: *x}\n", 1, "an alias stands for what it is part of"),
        ("x:\n  " + "[" * 3000 + "]" * 3000, 2, "nests more than"),
        ("- " * 3000 + "x", 1, "is nested too deep"),
        ("x: 1\n---\nx: " + "9" * 5000, 3, "holds a value that cannot be read"),
        ("x: !foo 1\n", 1, "could not determine a constructor"),
    ],
)
def test_what_is_no_yaml_that_can_be_read_is_named_with_its_line(
    run: Run, tmp_path: Path, text: str, line: int, why: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    result = run("validate", str(file))
    assert result.exit_code == ExitCode.FAILED
    assert result.stdout.startswith(f"{file}:{line}: no YAML: {why}")


def test_dates_are_texts_as_kubectl_reads_them_and_aliases_may_repeat() -> None:
    text = "a: &a {b: 2020-01-01, c: 2020-13-45T99:99:99Z}\nd: [*a, *a]\n"
    [read] = documents(text)
    assert not isinstance(read, UnreadableYaml)
    assert read[1]["d"] == [{"b": "2020-01-01", "c": "2020-13-45T99:99:99Z"}] * 2


BROKEN = "kind: [\n"


@pytest.mark.parametrize(
    "broken", [BROKEN, "a: 1\na: 2\n", "x: !foo 1\n", f"x: {'9' * 5000}\n", "a: \x07\n", "- " * 3000 + "x\n"]
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_document_that_is_broken_hides_no_other(run: Run, tmp_path: Path, broken: str, at: int) -> None:
    wrong = POLICY.replace("${revision}", "${nope}")
    pieces = [wrong, wrong.replace("name: dev-to-staging", "name: other")]
    pieces.insert(at, broken)
    file = tmp_path / "all.yaml"
    file.write_text("# of the shop\n---\n" + "---\n".join(pieces))

    result = run("validate", str(file))

    starts = [2 + sum(one.count("\n") + 1 for one in pieces[:index]) for index in range(3)]
    assert result.exit_code == 1
    unread, *found = result.stdout.splitlines()
    assert unread.partition(": ")[2].startswith("no YAML: ")
    assert starts[at] <= int(unread.split(":")[1]) <= starts[at] + 3
    located = sorted(int(line.split(":")[1]) for line in found if "`${nope}`" in line)
    assert located == [starts[index] + 15 for index in range(3) if index != at]
    assert "2 resources in 1 file: " in result.stderr


def test_several_broken_documents_are_each_named(run: Run) -> None:
    lines = run("validate", "-", stdin=f"{BROKEN}---\nkind: x\n---\n{BROKEN}").stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines if "no YAML" in line] == ["-:2", "-:6"]
    assert any("apiVersion" in line for line in lines)


def test_what_a_broken_document_may_declare_is_not_called_missing(run: Run, policy: Path) -> None:
    for name, final in (("dev", "false"), ("staging", "{")):
        (policy.parent / f"{name}.yaml").write_text(ENVIRONMENT.format(name=name, final=final))

    lines = run("validate", str(policy.parent)).stdout.splitlines()

    assert len(lines) == 1
    assert "no YAML" in lines[0]


def test_a_file_that_is_no_text_hides_no_other(run: Run, policy: Path) -> None:
    policy.write_text(POLICY.replace("${revision}", "${nope}"))
    (policy.parent / "a.yaml").write_bytes(b"kind: x\n\xff\xfe")

    result = run("validate", str(policy.parent))

    assert result.exit_code == 1
    assert f"{policy.parent}/a.yaml:2: not UTF-8 text (byte 8)" in result.stdout.splitlines()
    assert f"{policy}:15: " in result.stdout


@pytest.mark.parametrize(
    "text",
    [
        "%YAML 1.1\n---\na: 1\n...\n%YAML 1.1\n---\na: 2\n",
        "# one\n\n--- # two\na: 1\n--- {a: 2}\n",
        "a: |\n  ---\n  x\n---\na: 2\r\n---\r\n",
        "---\n---\n",
        "a: '---\n\n  x'\n",
        "a: ---\nb: --- x\n",
        "",
        "---",
    ],
)
def test_documents_are_those_of_the_whole_text_with_its_lines(text: str) -> None:
    yaml = YAML(typ="safe", pure=True)
    whole = [node for node in yaml.compose_all(text) if node is not None]
    found = list(documents(text))
    read = [one for one in found if not isinstance(one, UnreadableYaml)]
    assert len(read) == len(found)
    assert [node.start_mark.line for node, _ in read] == [node.start_mark.line for node in whole]
    assert [document for _, document in read] == list(YAML(typ="safe", pure=True).load_all(text))
