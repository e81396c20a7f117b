"""Build etcd, kube-apiserver, kubectl, helm and Temporal's server from the pinned tool modules in `deploy/local`."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from deploy.local.environment.failures import LocalEnvironmentError

KUBERNETES_VERSION = "v1.34.4"
HELM_VERSION = "v3.19.5"
TEMPORAL_VERSION = "v1.32.0"
MODULE = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class ToolModule:
    """A Go module that pins programs by its go.sum, and does nothing else."""

    directory: Path
    version: str
    packages: Mapping[str, str]
    """What is built for each program."""
    minutes: Mapping[str, str]
    """Measured cold on two cores; only for the line that announces how long the build takes."""
    linker_values: Mapping[str, str]
    """The version that a program reports, where its source does not set it."""
    go: str = "1.24"
    """The oldest Go that builds it."""


_MAJOR, _MINOR, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
KUBERNETES = ToolModule(
    directory=MODULE,
    version=KUBERNETES_VERSION,
    packages={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    },
    minutes={"etcd": "1 minute", "kube-apiserver": "5 minutes", "kubectl": "1 minute"},
    # Without these kubectl and the API server call themselves v0.0.0 and version checks of clients go wrong.
    linker_values={
        f"k8s.io/component-base/version.{name}": value
        for name, value in (
            ("gitVersion", KUBERNETES_VERSION),
            ("gitMajor", _MAJOR),
            ("gitMinor", _MINOR),
            ("gitTreeState", "clean"),
        )
    },
)
HELM = ToolModule(
    directory=MODULE / "helm",
    version=f"helm-{HELM_VERSION}",
    packages={"helm": "helm.sh/helm/v3/cmd/helm"},
    minutes={"helm": "4 minutes"},
    # The cluster that a chart is rendered for, where none is asked.
    linker_values={
        "helm.sh/helm/v3/internal/version.version": HELM_VERSION,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": _MAJOR,
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": _MINOR,
    },
)
TEMPORAL = ToolModule(
    directory=MODULE / "temporal",
    version=f"temporal-{TEMPORAL_VERSION}",
    packages={
        "temporal-server": "go.temporal.io/server/cmd/server",
        "temporal-sql-tool": "go.temporal.io/server/cmd/tools/sql",
    },
    minutes={"temporal-server": "10 minutes", "temporal-sql-tool": "3 minutes"},
    linker_values={},
    go="1.26",
)
_MODULES = (KUBERNETES, HELM, TEMPORAL)
PROGRESS_SECONDS = 10.0
# https://go.dev/ref/mod: what the command prints for a module that it cannot reach, and for a file of another hash.
_UNREACHABLE = re.compile(
    r"dial tcp|no such host|i/o timeout|connection re(fused|set)|module lookup disabled|proxyconnect"
)
_TAMPERED = re.compile(r"checksum mismatch|SECURITY ERROR")
_TOO_OLD = re.compile(r"requires go >= ([0-9.]+)|invalid go version|unknown directive: tool")


def module_of(program: str) -> ToolModule:
    """Return the module that pins a program."""
    return next(module for module in _MODULES if program in module.packages)


def build(program: str, target: Path, report: Callable[[str], None], *, without_archive: str = "") -> None:
    """Build one program into `target`, which appears complete or not at all.

    `without_archive`: why the envtest archive is no way out. Raises LocalEnvironmentError: one line where a module
    could not be fetched or no fitting `go` is there, else the compiler's last lines.
    """
    module, go = module_of(program), shutil.which("go")
    no_archive = f"the envtest archive could not be fetched ({without_archive})" if without_archive else ""
    if go is None:
        missing = ", ".join(part for part in (f"`{program}` is not installed", no_archive) if part)
        advice = f"{_ways_out(program)}, or install Go {module.go} or newer"
        raise LocalEnvironmentError(f"{missing}, and there is no `go` to build it with: {advice}")
    version = module.version.rpartition("-")[2]
    about = f"building {program} {version} once, about {module.minutes[program]} on two cores"
    report("; ".join(part for part in (about, no_archive) if part))
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{program}-") as scratch:
        output = Path(scratch) / program
        _compile(go, module, program, output, report)
        output.replace(target)
    report(f"{program} built")


def _ways_out(program: str) -> str:
    archive = ", set KUBEBUILDER_ASSETS to an envtest directory" if program in KUBERNETES.packages else ""
    return f"put {program} on PATH{archive}"


def _explain(program: str, lines: Sequence[str]) -> str:
    """Return in one line what is wrong with the machine; for another failure, the end of the compiler's output."""
    causes = (
        (_TAMPERED, f"a Go module of {program} is not the one that go.sum pins: correct GOPROXY, or clean its cache"),
        (
            _TOO_OLD,
            f"`go` is too old to build {program}: install Go {module_of(program).go} or newer, or {_ways_out(program)}",
        ),
        (
            _UNREACHABLE,
            f"the Go modules of {program} could not be fetched: connect this machine or name a reachable GOPROXY; "
            + _ways_out(program),
        ),
    )
    for pattern, advice in causes:
        cause = next((line.strip() for line in lines if pattern.search(line)), None)
        if cause is not None:
            return f"{advice} ({cause[:200]})"
    return f"building {program} failed:\n" + "".join(lines[-12:]).rstrip()


def _compile(go: str, module: ToolModule, program: str, output: Path, report: Callable[[str], None]) -> None:
    flags = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in module.linker_values.items())])
    command = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(output), module.packages[program]]
    # An enclosing go.work or a GOFLAGS=-mod=vendor of the caller would build something else than go.mod pins.
    # GOTOOLCHAIN=local: another compiler would be fetched without a hash in go.sum.
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOTOOLCHAIN": "local",
    }
    process = subprocess.Popen(
        command,
        cwd=module.directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    assert process.stderr is not None
    reader = Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    started = time.monotonic()
    try:
        while reader.is_alive():
            reader.join(PROGRESS_SECONDS)
            if reader.is_alive():
                seconds = round(time.monotonic() - started)
                report(f"  {program}: {len(lines)} packages compiled or fetched, {seconds} s")
        if process.wait() != 0:
            raise LocalEnvironmentError(_explain(program, lines))
    finally:
        # Interrupted, `go` removes its working directory, which is large.
        process.send_signal(signal.SIGINT)
        process.wait()
        process.stderr.close()
