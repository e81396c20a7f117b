"""What an image holds: the installation of the locks, run by a user who owns nothing and may write nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import jsonschema
import pytest
from referencing import Registry, Resource

from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.environment.ports import free_port
from tests.conformance.material import package

ROOT = Path(__file__).parents[2]
UNPRIVILEGED = 65534 if os.geteuid() == 0 else None
WITHIN_SECONDS = 120


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that an unprivileged user can reach; pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="pilotage-image-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


def interpreter() -> str:
    """Return a Python that the user may run: one that was built by hand may be in root's own folder."""
    installed = [path for path in ("/usr/local/bin/python3", "/usr/bin/python3") if Path(path).is_file()]
    for path in (str(getattr(sys, "_base_executable", sys.executable)), *installed):
        try:
            subprocess.run([path, "-c", "import ensurepip, venv"], user=UNPRIVILEGED, cwd="/", env={}, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return path
    raise AssertionError("no Python of this machine can be run by a user who owns nothing")


def install(place: Path, *what: str) -> Path:
    target = place / "-".join(("pilotage", *what))
    command = [str(ROOT / "deploy" / "image" / "install.sh"), str(target), *what]
    environment = {**os.environ, "PYTHON": interpreter()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    subprocess.run(["chmod", "-R", "a-w", str(target)], check=True)
    return target


@pytest.fixture(scope="module")
def processes(place: Path) -> Path:
    """The installation of worker, watcher and receiver."""
    return install(place)


@pytest.fixture(scope="module")
def command_line(place: Path) -> Path:
    """The installation of the command line."""
    return install(place, "cli")


def run(target: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(target / "bin" / "pilotage"), *arguments],
        cwd="/",
        env=variables,
        user=UNPRIVILEGED,
        capture_output=True,
        text=True,
        check=False,
    )


def listed(target: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in target.rglob("*")}


def names(lock: str) -> set[str]:
    text = (ROOT / "deploy" / "requirements" / lock).read_text()
    return {match[1] for match in re.finditer(r"^([a-z0-9-]+)(?:\[.*])?==", text, re.MULTILINE)}


@pytest.mark.parametrize("process", ["worker", "watcher", "receiver"])
def test_a_process_becomes_ready_as_an_unprivileged_user_in_a_tree_that_it_cannot_write(
    process: str, processes: Path, place: Path, kubernetes_api: KubernetesAccess, temporal_server: str
) -> None:
    before, port = listed(processes), free_port()
    kubeconfig, log = place / f"kubeconfig-{process}", place / f"{process}.log"
    shutil.copy(kubernetes_api.kubeconfig.with_name(f"kubeconfig-{process}"), kubeconfig)
    authority = place / "ca.crt"
    shutil.copy(kubernetes_api.authority, authority)
    kubeconfig.write_text(kubeconfig.read_text().replace(str(kubernetes_api.authority), str(authority)))
    for path in (kubeconfig, authority):
        path.chmod(0o644)
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "TEMPORAL_ADDRESS": temporal_server,
        "PILOTAGE_INSTALLATION": "image",
        "PILOTAGE_HTTP_HOST": "127.0.0.1",
        "PILOTAGE_HTTP_PORT": str(port),
    }
    command = [str(processes / "bin" / "pilotage"), process]
    with log.open("w") as written:
        started = subprocess.Popen(command, cwd="/", env=environment, user=UNPRIVILEGED, stderr=written)
    try:
        assert ready(f"http://127.0.0.1:{port}/readyz", started), log.read_text()
    finally:
        started.send_signal(signal.SIGTERM)
        code = started.wait(timeout=60)
    assert (code, listed(processes)) == (0, before), log.read_text()


def ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return True
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    return False


def test_the_command_line_s_packages_are_not_where_the_processes_are(processes: Path) -> None:
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    shown = subprocess.run([processes / "bin" / "python", "-c", code], capture_output=True, text=True, check=True)
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in shown.stdout.split()}
    assert names("runtime.txt") | {"pilotage"} >= installed
    assert {"typer", "rich", "cel-python"} & installed == set()
    refused = run(processes, "get")
    assert (refused.returncode, "invalid choice: 'get'" in refused.stderr) == (2, True)


def test_every_command_starts_as_an_unprivileged_user(command_line: Path) -> None:
    before = listed(command_line)
    shown = run(command_line, "--help")
    assert shown.returncode == 0, shown.stderr
    commands = re.findall(r"^  ([a-z][a-z-]+)  ", shown.stdout, re.MULTILINE)
    assert {"worker", "promote", "validate"} <= set(commands)
    failed = {name: done.stderr for name in commands if (done := run(command_line, name, "--help")).returncode}
    assert failed == {}
    assert "kind: CustomResourceDefinition" in run(command_line, "crds").stdout
    assert listed(command_line) == before


@pytest.mark.parametrize("lock", ["runtime.txt", "cli.txt"])
def test_the_bill_of_materials_is_a_cyclonedx_document_of_the_lock(
    lock: str, processes: Path, command_line: Path
) -> None:
    target = processes if lock == "runtime.txt" else command_line
    document = json.loads((target / "share" / "pilotage" / "sbom.cdx.json").read_text())
    assert list(validator("bom-1.6.SNAPSHOT.schema.json").iter_errors(document)) == []
    pins = (ROOT / "deploy" / "requirements" / lock).read_text()
    named = {re.sub(r"[-_.]+", "-", one["name"]).lower(): one for one in document["components"]}
    # Pins of another platform are not installed here.
    assert names(lock) - set(named) <= {"colorama", "tzdata"}
    unpinned = [name for name, one in named.items() if one["hashes"][0]["content"] not in pins]
    assert unpinned == []


def validator(name: str) -> jsonschema.Draft7Validator:
    folder = package("@cyclonedx/cyclonedx-library") / "res" / "schema"
    schemas: Mapping[str, object] = {path.name: json.loads(path.read_text()) for path in folder.glob("*.schema.json")}
    resources = [(f"http://cyclonedx.org/schema/{file}", Resource.from_contents(one)) for file, one in schemas.items()]
    registry: Registry[object] = Registry().with_resources(resources)
    return jsonschema.Draft7Validator(schemas[name], registry=registry)
