"""Build etcd, kube-apiserver and kubectl from the pinned tool module in this directory."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

from deploy.local.environment.failures import LocalEnvironmentError

KUBERNETES_VERSION = "v1.34.4"
MODULE = Path(__file__).parent.parent
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
# Measured cold on two cores; only for the line that tells a newcomer how long this will take.
EXPECTED = {"etcd": "1 minute", "kube-apiserver": "5 minutes", "kubectl": "1 minute"}
PROGRESS_SECONDS = 10.0
GO_VERSION = "1.24"
# https://go.dev/ref/mod: how the command words a module that it cannot reach, and a file whose hash is another.
_UNREACHABLE = re.compile(
    r"dial tcp|no such host|i/o timeout|connection re(fused|set)|module lookup disabled|proxyconnect"
)
_TAMPERED = re.compile(r"checksum mismatch|SECURITY ERROR")
_TOO_OLD = re.compile(r"requires go >= ([0-9.]+)|invalid go version|unknown directive: tool")


def build(program: str, target: Path, report: Callable[[str], None], *, without_archive: str) -> None:
    """Build one program into `target`, which appears complete or not at all.

    `without_archive` says why the envtest archive is no way out. Raises LocalEnvironmentError: one line where a module
    could not be fetched or no fitting `go` is there, else the compiler's last lines.
    """
    go = shutil.which("go")
    if go is None:
        raise LocalEnvironmentError(
            f"`{program}` is not installed, the envtest archive could not be fetched ({without_archive}), and there is "
            f"no `go` to build it with: {_ways_out(program)}, or install Go {GO_VERSION} or newer"
        )
    report(
        f"building {program} {KUBERNETES_VERSION} once, about {EXPECTED[program]} on two cores; "
        f"no envtest archive ({without_archive})"
    )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{program}-") as scratch:
        output = Path(scratch) / program
        _compile(
            [go, "build", "-v", "-trimpath", "-ldflags", _linker_flags(), "-o", str(output), PACKAGES[program]],
            program,
            report,
        )
        output.replace(target)
    report(f"{program} built")


def _ways_out(program: str) -> str:
    return f"put {program} on PATH, set KUBEBUILDER_ASSETS to an envtest directory"


def _explain(program: str, lines: Sequence[str]) -> str:
    """Say in one line what is wrong with the machine; anything else is the compiler's to say."""
    causes = (
        (_TAMPERED, f"a Go module of {program} is not the one that go.sum pins: correct GOPROXY, or clean its cache"),
        (_TOO_OLD, f"`go` is too old to build {program}: install Go {GO_VERSION} or newer, or {_ways_out(program)}"),
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


def _linker_flags() -> str:
    # Without these kubectl and the API server call themselves v0.0.0 and version checks of clients go wrong.
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s -w", *(f"-X {version}.{name}={value}" for name, value in values.items())])


def _compile(command: list[str], program: str, report: Callable[[str], None]) -> None:
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
        cwd=MODULE,
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
