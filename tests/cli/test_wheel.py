"""The wheel, installed in an environment of its own, away from the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from crds.v1alpha1.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"activities", "crds", "providers", "worker", "workflows"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(directory.glob("pilotage-*.whl"))


@pytest.fixture(scope="module")
def pilotage(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the wheel; its dependencies are those of this one."""
    home = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(home, with_pip=False)
    site = next((home / "lib").glob("python*")) / "site-packages"
    # An editable install of the checkout is a .pth file too, which is not followed from within a .pth's directory.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--no-deps"]
    offline = ["--no-index", "--ignore-installed", "--quiet", "--disable-pip-version-check", str(wheel)]
    subprocess.run([*install, *offline], check=True, capture_output=True)
    return home / "bin" / "pilotage"


def run(pilotage: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a directory that is not the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(pilotage), *arguments], cwd=directory, env=kept, capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES


def test_the_installed_command_shows_its_help_from_any_directory(pilotage: Path, tmp_path: Path) -> None:
    done = run(pilotage, tmp_path, "--help")

    assert done.returncode == 0, done.stderr
    assert "Promote pull requests from environment to environment." in done.stdout


def test_the_installed_command_prints_the_definitions(pilotage: Path, tmp_path: Path) -> None:
    done = run(pilotage, tmp_path, "crds")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("kind: CustomResourceDefinition") == len(KINDS)
    assert "kind: ValidatingAdmissionPolicyBinding" in done.stdout


def test_the_installed_command_runs_its_own_code_not_the_checkouts(pilotage: Path, tmp_path: Path) -> None:
    python = pilotage.with_name("python")
    script = "import worker.cli.main; print(worker.cli.main.__file__)"
    done = subprocess.run([str(python), "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert str(ROOT / "worker") not in done.stdout
    assert done.stdout.strip().endswith("site-packages/worker/cli/main.py")
