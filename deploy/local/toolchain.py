"""Build etcd, kube-apiserver and kubectl from the pinned tool module in this directory."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from deploy.local.failures import LocalEnvironmentError

KUBERNETES_VERSION = "v1.34.4"
MODULE = Path(__file__).parent
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
# Measured cold on two cores; only for the line that tells a newcomer how long this will take.
EXPECTED = {"etcd": "1 minute", "kube-apiserver": "5 minutes", "kubectl": "1 minute"}
PROGRESS_SECONDS = 10.0


def build(program: str, target: Path, report: Callable[[str], None]) -> None:
    """Build one program into `target`, which appears complete or not at all.

    Raises LocalEnvironmentError with the compiler's last lines.
    """
    go = shutil.which("go")
    if go is None:
        raise LocalEnvironmentError(
            f"`{program}` is not installed and there is no `go` to build it with: put {program} on PATH, "
            "set KUBEBUILDER_ASSETS to an envtest directory, or install Go 1.24 or newer"
        )
    report(f"building {program} {KUBERNETES_VERSION} once, about {EXPECTED[program]} on two cores")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{program}-") as scratch:
        output = Path(scratch) / program
        _compile(
            [go, "build", "-v", "-trimpath", "-ldflags", _linker_flags(), "-o", str(output), PACKAGES[program]],
            program,
            report,
        )
        output.replace(target)
    report(f"{program} built")


def _linker_flags() -> str:
    # Without these kubectl and the API server call themselves v0.0.0 and version checks of clients go wrong.
    version = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s -w", *(f"-X {version}.{name}={value}" for name, value in values.items())])


def _compile(command: list[str], program: str, report: Callable[[str], None]) -> None:
    # An enclosing go.work or a GOFLAGS=-mod=vendor of the caller would build something else than go.mod pins.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false -mod=readonly"}
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
            raise LocalEnvironmentError(f"building {program} failed:\n" + "".join(lines[-12:]).rstrip())
    finally:
        # Interrupted, `go` removes its working directory, which is large.
        process.send_signal(signal.SIGINT)
        process.wait()
        process.stderr.close()
