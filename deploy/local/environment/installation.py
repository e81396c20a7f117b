"""Make the virtual environment hold what the locks pin: nothing else, nothing newer.

Runs on a bare Python 3.11 or newer, with the standard library alone:
`python3 -m deploy.local.environment.installation`.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.environment.failures import LocalEnvironmentError

ROOT = Path(__file__).parents[3]
REQUIREMENTS = ROOT / "deploy" / "requirements"
LOCK = REQUIREMENTS / "development.txt"
# The one that Python 3.11.0 brings. Later Pythons cannot run it, and bring a newer one themselves.
OLDEST_PIP = REQUIREMENTS / "oldest-pip.txt"
OLDEST_PYTHON = (3, 11)
STAMP = ".installed"
REPORTED_EACH = 20
"""Packages after which progress is reported."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==", re.MULTILINE)
_UNLOCKED = {"pip", "setuptools", "wheel", "pilotage"}
_IDENTITY = "import sys; print(sys.version_info[:3], sys.implementation.cache_tag, sys.base_prefix, sys.prefix)"
_UNREACHABLE = re.compile(
    r"connection broken by|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|NameResolutionError|ProxyError"
    r"|Could not fetch URL|Network is unreachable|Temporary failure in name resolution|\(from versions: none\)"
)
_MISSING = re.compile(r"No matching distribution found for (\S+)")
_TAMPERED = re.compile(r"DO NOT MATCH THE HASHES")


def main() -> int:
    """Install what is missing; 0 done or nothing to do, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.environment.installation", description=__doc__)
    parser.add_argument("--directory", type=Path, default=ROOT / ".venv", help="the virtual environment")
    parser.add_argument("--this-python", action="store_true", help="rebuild an environment of another Python release")
    parser.add_argument("--lock", type=Path, help="install this lock alone, without Pilotage")
    parser.add_argument("--oldest-pip", action="store_true", help="install with the pip that Python 3.11.0 brings")
    arguments = parser.parse_args()
    try:
        install(
            arguments.directory,
            lock=arguments.lock,
            this_python=arguments.this_python,
            oldest_pip=arguments.oldest_pip,
        )
    except LocalEnvironmentError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def install(directory: Path, *, lock: Path | None = None, this_python: bool = False, oldest_pip: bool = False) -> None:
    """Bring the environment in `directory` to what the development lock pins; a fitting one is left alone.

    One whose interpreter is gone, was replaced, or was moved with the tree is built again. Of another `lock` it
    holds that alone, and not Pilotage. Raises LocalEnvironmentError.
    """
    with_pilotage, lock = lock is None, lock or LOCK
    python = directory / "bin" / "python"
    stamp = directory / STAMP
    installed = _read(stamp)
    identity = identity_of(python)
    if not _fits(directory, identity, installed) or (this_python and _release(identity) != sys.version_info[:2]):
        _create(directory)
        identity = identity_of(python)
    elif installed == {"interpreter": identity, **_fingerprints(lock)}:
        return
    # From here on the environment is neither what it was nor what it is to be.
    _write(stamp, {"interpreter": identity})
    if oldest_pip and _release(identity) == OLDEST_PYTHON:
        pip(python, "install", "--no-deps", "--require-hashes", "-r", str(OLDEST_PIP))
    print(f"installing the locked requirements into {directory}", file=sys.stderr, flush=True)
    # Complete and for every platform: nothing is resolved, and nothing is built with tools that no lock names.
    pip(python, "install", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock))
    _remove_unlocked(python, lock)
    if with_pilotage:
        pip(python, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    pip(python, "check")
    _write(stamp, {"interpreter": identity, **_fingerprints(lock)})


def identity_of(python: Path) -> str:
    """Return release, prefix and place of an interpreter; empty when it does not run."""
    try:
        done = subprocess.run([python, "-c", _IDENTITY], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def pip(python: Path, *arguments: str) -> None:
    """Run pip. Raises LocalEnvironmentError, in one line where the cause is outside this tree."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output: list[str] = []
    collected = 0
    with running as process:
        for line in process.stdout or ():
            output.append(line)
            collected += line.startswith("Collecting ")
            if (line.startswith("Collecting ") and collected % REPORTED_EACH == 0) or line.startswith("Installing "):
                report = f"{collected} packages found" if line.startswith("Collecting ") else "installing them"
                print(f"  {report}", file=sys.stderr, flush=True)
    if running.returncode:
        raise LocalEnvironmentError(explain(arguments, "".join(output)))


def explain(arguments: Sequence[str], output: str) -> str:
    """Return in one line what could not be fetched and what to do; for another failure, the end of pip's output."""
    lines = output.splitlines()
    missing = _MISSING.search(output)
    wanted = f"`{missing[1]}`" if missing else "the locked requirements"
    if cause := next((line.strip() for line in lines if _UNREACHABLE.search(line)), None):
        return (
            f"{wanted} could not be fetched from the package index: connect this machine, name a mirror in "
            f"PIP_INDEX_URL, or a directory of wheels in PIP_FIND_LINKS ({cause[:200]})"
        )
    if _TAMPERED.search(output):
        named = next((line.strip() for line in lines if "==" in line), "a file")
        return f"{named[:120]} is not the file that the lock names by its hash: correct PIP_INDEX_URL or PIP_FIND_LINKS"
    if missing:
        return (
            f"{wanted} has no wheel for this Python and machine: use Python 3.11 to 3.14 on "
            "Linux (x86_64, arm64) or macOS (arm64), and a package index that holds all files of the lock"
        )
    return f"`pip {arguments[0]}` failed:\n" + "\n".join(lines[-12:])


def _create(directory: Path) -> None:
    print(f"creating {directory} for Python {sys.version.split()[0]}", file=sys.stderr, flush=True)
    # Not this interpreter where it is the environment's own, which is about to be cleared.
    base = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run([base, "-m", "venv", "--clear", str(directory)], capture_output=True, text=True, check=False)
    if done.returncode:
        shown = " ".join((done.stdout + done.stderr).split())
        advice = "install the package python3-venv, or name another Python: make PYTHON=python3.12"
        raise LocalEnvironmentError(f"{base} cannot create a virtual environment: {advice} ({shown[:200]})")


def _remove_unlocked(python: Path, lock: Path) -> None:
    locked = {normalized(name) for name in _PIN.findall(lock.read_text())}
    code = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    found = {normalized(name) for name in json.loads(done.stdout)}
    if unlocked := sorted(found - locked - _UNLOCKED):
        pip(python, "uninstall", "--yes", *unlocked)


def normalized(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _fingerprints(lock: Path) -> dict[str, str]:
    files = {"lock": lock, "project": ROOT / "pyproject.toml"}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def _fits(directory: Path, identity: str, installed: Mapping[str, str]) -> bool:
    """Whether the interpreter runs, finds what was installed for it, and is where the scripts look for it."""
    created = re.search(r"^version *= *(\S+)", _text(directory / "pyvenv.cfg"), re.MULTILINE)
    same_release = created is not None and identity != "" and _release(created[1]) == _release(identity)
    return same_release and installed.get("interpreter", identity) == identity


def _read(stamp: Path) -> dict[str, str]:
    try:
        content = json.loads(_text(stamp))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _write(stamp: Path, content: Mapping[str, str]) -> None:
    partial = stamp.with_suffix(".part")
    partial.write_text(json.dumps(content))
    partial.replace(stamp)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _release(identity: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", identity)[:2])


if __name__ == "__main__":
    sys.exit(main())
