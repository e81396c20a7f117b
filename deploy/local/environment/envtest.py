"""Download the official envtest archive: etcd, kube-apiserver and kubectl for one Kubernetes release."""

import hashlib
import io
import platform
import tarfile
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

from deploy.local.environment.toolchain import KUBERNETES

VERSION = "v1.34.1"
"""The newest archive of the minor release that `go.mod` pins."""
# https://book.kubebuilder.io/reference/envtest: what the published index lists for the version. Pinned here, since an
# index that is read together with the archive vouches for nothing.
SHA512 = {
    "darwin-amd64": "d9e0464dc1708c36ab41147b5e364c8b8e201eafc14c299dcbe58ebeaa82c651"
    "b8e834647167a951ded8c6d08c616aadbae1673a54743f9c8fa15a278c78c0c0",
    "darwin-arm64": "43d7c10b74100d20044df7c73be03e26f8243a9cb7c1d3035e581ee7bb0c7ffc"
    "af759b9e182186b5bb2f47d1608835414ca443181a02d9ecb6c9cf04b43e3809",
    "linux-amd64": "c5e7c237ae18a8c65d0df1214b864ecd19aa9ff4f1383dbd477c202546d778c0"
    "f74efe15750ec38f57d8de26ba17cd62f404446cdd3c975399a5d4589de35cdd",
    "linux-arm64": "bf13d2456183e66d084e28e1c9eed6a408fb77a06d8d1fd0461a7d9bc0c90b63"
    "d29ea67870b28f80d1f992acb026007d6f43987753c859c81d6a78bc1ca2c903",
}
ADDRESS = (
    "https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-{version}/"
    "envtest-{version}-{system}.tar.gz"
)
# Short: many networks refuse, and the build needs no help from here.
TIMEOUT_SECONDS = 5.0
ARCHIVE_LIMIT_BYTES = 512 * 1024 * 1024


def download(directory: Path, report: Callable[[str], None]) -> str:
    """Unpack the pinned archive into `directory`; return why it cannot be had, or an empty string."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return _attempt(directory, f"{platform.system().lower()}-{machine}", report)


@cache
def _attempt(directory: Path, system: str, report: Callable[[str], None]) -> str:
    """Return why it failed, or an empty string. Cached: one refusal answers for all three programs."""
    digest = SHA512.get(system)
    if digest is None:
        return f"none is pinned for {system}"
    address = ADDRESS.format(version=VERSION, system=system)
    try:
        archive = _get(address, ARCHIVE_LIMIT_BYTES)
        if hashlib.sha512(archive).hexdigest() != digest:
            return f"the sha512 of {address} is not the pinned one"
        unpack(archive, directory)
    except (OSError, tarfile.TarError, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:160]
    report(f"downloaded {address}")
    return ""


def unpack(archive: bytes, directory: Path) -> None:
    """Write the archive's three programs into `directory`, each complete or not at all; anything else is ignored."""
    programs: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        for member in members:
            name = PurePosixPath(member.name).name
            source = members.extractfile(member) if member.isfile() and name in KUBERNETES.packages else None
            if source is not None:
                programs[name] = source.read()
    if missing := sorted(set(KUBERNETES.packages) - set(programs)):
        raise ValueError(f"the archive misses {', '.join(missing)}")
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
