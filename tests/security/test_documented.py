"""The page on security and the tests of this folder state the same."""

import ast
import re
import subprocess
from pathlib import Path

from crds.v1alpha1.kinds import KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
FOLDER = ROOT / "tests" / "security"
_SUPPRESSED = re.compile(r"#\s*noqa:\s*(?P<codes>[A-Z]+\d+(?:[ ,]+[A-Z]+\d+)*)(?P<reason>.*)")
# Spelt so that no reader of suppressions takes this line for one.
_BLANKET = re.compile(r"#\s*no[q]a\s*($|[^:\s])")


def _sections() -> dict[str, str]:
    """Return the page's sections by their titles."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_names_each_module_of_this_folder() -> None:
    named = set(re.findall(r"`tests/security/(\w+\.py)`", _sections()["Shown by"]))
    assert named == {path.name for path in FOLDER.glob("test_*.py")}


def test_each_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 20
    for path, function in named:
        assert (ROOT / path).is_file(), path
        if function:
            assert f"def {function}(" in (ROOT / path).read_text(), f"{path}::{function}"


def test_each_module_of_this_folder_states_what_it_holds_and_has_tests() -> None:
    for path in FOLDER.glob("test_*.py"):
        module = ast.parse(path.read_text())
        assert ast.get_docstring(module), path
        functions = [one for one in module.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert any(one.name.startswith("test_") for one in functions), path


def test_the_page_states_what_the_right_to_write_each_kind_gives() -> None:
    rows = re.findall(r"^\| (.+?) \|", _sections()["What the right to write a kind gives"], flags=re.MULTILINE)
    named = {kind for row in rows for kind in row.split(", ")}
    assert {model.definition.kind for model in KINDS} <= named


def test_the_page_states_what_is_not_promised() -> None:
    sections = _sections()
    assert len(re.findall(r"^- ", sections["Not promised"], flags=re.MULTILINE)) >= 3
    for section in (
        "A gate is passed by our own run only",
        "What hosts and pull requests send",
        "One tenant next to another",
    ):
        assert "Not promised" in sections[section], section


def test_no_rule_of_security_is_suppressed_without_a_reason() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    found, bare = 0, []
    for name in listed.stdout.split():
        if not (ROOT / name).exists():
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            for match in _SUPPRESSED.finditer(line):
                if re.search(r"\bS\d", match["codes"]):
                    found += 1
                    if len(match["reason"].strip(" -:#")) < len("its end"):
                        bare.append(f"{name}:{number}: {line.strip()}")
            if _BLANKET.search(line):
                bare.append(f"{name}:{number}: {line.strip()}")
    assert found >= 4
    assert bare == []


def test_no_rule_of_security_is_ignored_in_a_folder_without_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    begin = lines.index("[tool.ruff.lint.per-file-ignores]")
    ignoring = [at for at, line in enumerate(lines) if at > begin and re.match(r'"[^"]+" = \[.*"S\d*', line)]
    assert ignoring
    assert all(lines[at - 1].startswith("# ") for at in ignoring)
    assert "select = [" in "\n".join(lines)
    assert re.search(r'^\s*"S"|"S",', "\n".join(lines), flags=re.MULTILINE)
