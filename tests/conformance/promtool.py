"""Find promtool, Prometheus's own checker of rules; where it is not installed, Debian's package has it."""

import shutil
import subprocess
from pathlib import Path

from tests.conformance.material import FOLDER, Unfetched

_UNPACKED = FOLDER / "prometheus"
_TIMEOUT_SECONDS = 300


def promtool() -> Path:
    """Return the program. Raises Unfetched where neither PATH nor Debian's archive has it.

    The archive's signed index has the hash that apt checks the package by; nothing is installed.
    """
    if found := shutil.which("promtool"):
        return Path(found)
    program = _UNPACKED / "usr" / "bin" / "promtool"
    if not program.is_file():
        _UNPACKED.mkdir(parents=True, exist_ok=True)
        try:
            _run("apt-get", "download", "prometheus")
        except Unfetched:
            # A fresh machine has no lists of packages yet.
            _run("apt-get", "update")
            _run("apt-get", "download", "prometheus")
        [package] = _UNPACKED.glob("prometheus_*.deb")
        _run("dpkg-deb", "--extract", package.name, ".")
        package.unlink()
    return program


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=_UNPACKED, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except OSError as error:
        raise Unfetched(f"promtool is missing: install Prometheus ({error})") from None
    if done.returncode:
        raise Unfetched(f"promtool is missing: install Prometheus ({done.stderr.strip()[-200:]})")
