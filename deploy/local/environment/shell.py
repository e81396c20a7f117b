"""The file that a shell sources to use a running environment."""

import os
import shlex
import sys
from pathlib import Path

from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.binaries import find


def variables(environment: LocalEnvironment) -> dict[str, str]:
    """Return what `.local/env` exports; a piece that does not run has an empty address."""
    return {
        **environment.shared_environment(),
        "TEMPORAL_UI_URL": environment.temporal_ui_url,
        "SANDBOX_URL": environment.sandbox_url if environment.running("sandbox") else "",
        "WORKER_METRICS_URL": f"{environment.http_url('worker-1')}/metrics" if environment.running("worker") else "",
        "RECEIVER_URL": environment.http_url("receiver-1") if environment.running("receiver") else "",
    }


def write_shell_file(path: Path, environment: LocalEnvironment) -> None:
    """Write `export` lines, and a PATH on which pilotage, temporal and kubectl are found first.

    sh, bash, zsh and fish read it. It depends on nothing of the shell that had it written.
    """
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(environment).items()]
    wanted = [Path(sys.executable).parent, find("temporal").parent, find("kubectl").parent]
    first = os.pathsep.join(dict.fromkeys(map(str, wanted)))
    partial = path.with_suffix(".part")
    partial.write_text("\n".join([*exports, f'export PATH={shlex.quote(first)}:"$PATH"']) + "\n")
    partial.replace(path)
