"""Render the examples of the chart into `deploy/manifests/`, and find without helm which of them are stale.

`python -m deploy.local.chart` writes them, by the pinned helm; with `--check` it compares the digests that they begin
with, of the chart and of their own text.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.environment.binaries import find
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.toolchain import KUBERNETES_VERSION

ROOT = Path(__file__).parents[2]
CHART = Path("deploy/helm/pilotage")
MANIFESTS = Path("deploy/manifests")
EXAMPLES = ("self-hosted", "temporal-cloud", "evaluation", "namespaces")
# Applied from deploy/crds and deploy/manifests/admission; a hook is no manifest, but a step of `helm uninstall`.
LEFT_OUT = ("--set", "crds.install=false,admission.install=false", "--no-hooks")
_IN_OTHER_FILES = (CHART / "files" / "crds", CHART / "files" / "admission")
_TIMEOUT_SECONDS = 60


def helm(*arguments: str, root: Path = ROOT) -> str:
    """Run helm in the repository, without a cluster. Raises LocalEnvironmentError with what it wrote."""
    command = [str(find("helm")), *arguments]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise LocalEnvironmentError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def template(example: str, *arguments: str, root: Path = ROOT) -> str:
    """Render one example as the release `pilotage` in the namespace `pilotage`. Raises LocalEnvironmentError."""
    values = str(CHART / "examples" / f"{example}.yaml")
    place = ("--namespace", "pilotage", "--kube-version", KUBERNETES_VERSION)
    return helm("template", "pilotage", str(CHART), *place, "--values", values, *arguments, root=root)


def render(example: str, root: Path = ROOT) -> str:
    """Return the text of one manifest, with its digests."""
    text = template(example, *LEFT_OUT, root=root)
    return _head(example, root, text) + text


def stale(root: Path = ROOT) -> tuple[str, ...]:
    """Name the manifests that are missing, were rendered from another chart, or edited by hand."""
    return tuple(str(path) for example in EXAMPLES if not _current(example, root / (path := _manifest(example)), root))


def write(root: Path = ROOT) -> None:
    """Render all. Raises LocalEnvironmentError."""
    for example in EXAMPLES:
        (root / _manifest(example)).write_text(render(example, root), encoding="utf-8")


def _manifest(example: str) -> Path:
    return MANIFESTS / f"{example}.yaml"


def _current(example: str, path: Path, root: Path) -> bool:
    if not path.is_file():
        return False
    head, separator, text = path.read_text(encoding="utf-8").partition("---\n")
    return head == _head(example, root, separator + text)


def _head(example: str, root: Path, text: str) -> str:
    return (
        f"# Rendered from {CHART} with examples/{example}.yaml: edit the chart, then `make manifests`.\n"
        f"# The chart: sha256:{_digest(root)}\n"
        f"# This text: sha256:{hashlib.sha256(text.encode()).hexdigest()}\n"
    )


def _digest(root: Path) -> str:
    """Return one digest of every file of the chart that a manifest is made of."""
    digest = hashlib.sha256()
    for path in sorted(path for path in (root / CHART).rglob("*") if path.is_file()):
        if any(path.is_relative_to(root / other) for other in _IN_OTHER_FILES):
            continue
        name, content = path.relative_to(root).as_posix().encode(), path.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 means that `--check` found stale manifests, or that helm refused the chart."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a manifest is stale")
    if not parser.parse_args(arguments).check:
        try:
            write()
        except LocalEnvironmentError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0
    found = stale()
    for name in found:
        print(f"stale: {name} (run `make manifests`)", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
