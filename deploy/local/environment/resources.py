"""Apply our custom resource definitions and the admission policy to an API server."""

import subprocess
import sys
from pathlib import Path

from deploy.local.environment.binaries import Report, find
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.processes import ROOT

MANIFESTS = ("deploy/crds/*.yaml", "deploy/manifests/admission/*.yaml")
TIMEOUT_SECONDS = 60.0


def apply_resources(kubeconfig: Path, report: Report) -> None:
    """Apply all definitions and wait until the API server serves them. Safe to repeat."""
    manifests = _manifests()
    if not manifests.strip():
        report("no custom resource definitions to apply")
        return
    # Forced: after an upgrade the fields belong to us, also those that another manager applied before.
    kubectl(kubeconfig, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests, report=report)
    kubectl(kubeconfig, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s", report=report)
    report("custom resource definitions applied")


def kubectl(kubeconfig: Path, *arguments: str, stdin: str = "", report: Report) -> str:
    """Run kubectl and return what it printed; raises LocalEnvironmentError with its error output."""
    command = [str(find("kubectl", report=report)), f"--kubeconfig={kubeconfig}", *arguments]
    return _run(command, stdin)


def _manifests() -> str:
    # The models are the source; the generated files serve where the command line does not exist.
    if (ROOT / "worker" / "__main__.py").exists():
        return _run([sys.executable, "-m", "worker", "crds"], "")
    files = [path for pattern in MANIFESTS for path in sorted(ROOT.glob(pattern))]
    return "\n---\n".join(path.read_text() for path in files)


def _run(command: list[str], stdin: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        shown = " ".join(argument for argument in command[1:] if not argument.startswith("--kubeconfig"))
        raise LocalEnvironmentError(f"{Path(command[0]).name} {shown} failed:\n{done.stderr.strip()}")
    return done.stdout
