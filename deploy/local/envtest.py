"""Download the official envtest archive: etcd, kube-apiserver and kubectl for one Kubernetes release."""

import hashlib
import io
import platform
import tarfile
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deploy.local.toolchain import KUBERNETES_VERSION, PACKAGES

# https://book.kubebuilder.io/reference/envtest: the index names each archive with its sha512.
INDEX = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/HEAD/envtest-releases.yaml"
# Short: many networks refuse, and the build needs no help from here.
TIMEOUT_SECONDS = 5.0
INDEX_LIMIT_BYTES = 4 * 1024 * 1024
ARCHIVE_LIMIT_BYTES = 512 * 1024 * 1024


def download(directory: Path, report: Callable[[str], None]) -> bool:
    """Unpack the newest archive of the pinned minor release into `directory`; False when it cannot be had."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    reason = _attempt(directory, f"{platform.system().lower()}-{machine}", report)
    if reason:
        report(f"no envtest archive ({reason}); building from source instead")
    return not reason


@cache
def _attempt(directory: Path, system: str, report: Callable[[str], None]) -> str:
    """Return why it failed, or an empty string. Cached: one refusal answers for all three programs."""
    try:
        found = select(YAML(typ="safe").load(_get(INDEX, INDEX_LIMIT_BYTES)), system)
        if found is None:
            return f"none listed for {KUBERNETES_VERSION} on {system}"
        address, digest = found
        report(f"downloading {address}")
        archive = _get(address, ARCHIVE_LIMIT_BYTES)
        if hashlib.sha512(archive).hexdigest() != digest:
            return "its sha512 does not match the index"
        unpack(archive, directory)
    except (OSError, YAMLError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:160]
    return ""


def select(index: Any, system: str) -> tuple[str, str] | None:
    """Return address and sha512 of the newest archive of the pinned minor release for `linux-amd64` and the like."""
    minor = KUBERNETES_VERSION.rsplit(".", 1)[0] + "."
    versions = [version for version in index["releases"] if version.startswith(minor) and "-" not in version]
    for version in sorted(versions, key=lambda one: int(one.rsplit(".", 1)[1]), reverse=True):
        entry = index["releases"][version].get(f"envtest-{version}-{system}.tar.gz")
        if entry:
            return entry["selfLink"], entry["hash"]
    return None


def unpack(archive: bytes, directory: Path) -> None:
    """Write the archive's three programs into `directory`, each complete or not at all; anything else is ignored."""
    programs: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        for member in members:
            name = PurePosixPath(member.name).name
            source = members.extractfile(member) if member.isfile() and name in PACKAGES else None
            if source is not None:
                programs[name] = source.read()
    if missing := sorted(set(PACKAGES) - set(programs)):
        raise ValueError(f"the archive lacks {', '.join(missing)}")
    for name, content in programs.items():
        partial = directory / f".{name}.part"
        partial.write_bytes(content)
        partial.chmod(0o755)
        partial.replace(directory / name)


def _get(address: str, limit_bytes: int) -> bytes:
    with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response:
        content: bytes = response.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise ValueError(f"{address} is larger than {limit_bytes} bytes")
    return content
