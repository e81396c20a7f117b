import hashlib
import io
import os
import re
import tarfile
from pathlib import Path

import pytest

from deploy.local.environment import binaries, envtest, toolchain
from deploy.local.environment.failures import LocalEnvironmentError


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing installed: an empty PATH, no envtest assets, an empty cache, no network."""
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(envtest, "ADDRESS", "http://127.0.0.1:9/{version}/{system}")
    envtest._attempt.cache_clear()
    return tmp_path


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_first_of_path_assets_and_cache_wins(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = program(machine / "cache" / "pilotage" / toolchain.KUBERNETES_VERSION / "etcd")
    assert binaries.find("etcd") == cached
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine / "assets"))
    assert binaries.find("etcd") == cached
    asset = program(machine / "assets" / "etcd")
    assert binaries.find("etcd") == asset
    on_path = program(machine / "path" / "etcd")
    assert binaries.find("etcd") == on_path


def test_a_file_that_cannot_be_run_is_passed_over(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = program(machine / "cache" / "pilotage" / toolchain.KUBERNETES_VERSION / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine / "assets"))
    program(machine / "assets" / "etcd").chmod(0o644)
    assert binaries.find("etcd") == cached


def test_temporal_is_found_next_to_the_interpreter(machine: Path) -> None:
    assert os.access(binaries.find("temporal"), os.X_OK)


def test_without_network_and_go_one_line_states_what_is_missing_and_names_every_way_out(machine: Path) -> None:
    lines: list[str] = []
    with pytest.raises(LocalEnvironmentError, match=r"put kubectl on PATH.*KUBEBUILDER_ASSETS.*install Go") as raised:
        binaries.find("kubectl", report=lines.append)
    assert lines == []
    assert "\n" not in str(raised.value)
    assert "the envtest archive could not be fetched (" in str(raised.value)


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (
            'example@v1.0.0: Get "http://127.0.0.1:9/@v/v1.0.0.zip": dial tcp 127.0.0.1:9: connect: connection refused',
            r"^the Go modules of etcd could not be fetched: .*GOPROXY.*put etcd on PATH",
        ),
        ("module lookup disabled by GOPROXY=off", r"^the Go modules of etcd could not be fetched: .*GOPROXY"),
        ("verifying example@v1.0.0: checksum mismatch", r"^a Go module of etcd is not the one that go\.sum pins"),
        (
            "go: go.mod requires go >= 1.24.0 (running go 1.22.1; GOTOOLCHAIN=local)",
            r"^`go` is too old to build etcd: install Go 1\.24 or newer",
        ),
    ],
)
def test_what_a_build_cannot_fetch_is_one_line(machine: Path, output: str, advice: str) -> None:
    (machine / "output").write_text(f"go: downloading example v1.0.0\n{output}\n")
    program(
        machine / "path" / "go",
        f'#!/bin/sh\nwhile read -r line; do echo "$line" >&2; done < {machine}/output\nexit 1\n',
    )
    with pytest.raises(LocalEnvironmentError, match=advice) as raised:
        binaries.find("etcd", report=lambda _line: None)
    assert "\n" not in str(raised.value)


def test_a_build_fetches_no_other_compiler(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    program(machine / "path" / "go", f'#!/bin/sh\necho "$GOTOOLCHAIN $GOFLAGS" > {machine}/seen\nexit 1\n')
    with pytest.raises(LocalEnvironmentError):
        binaries.find("etcd", report=lambda _line: None)
    assert (machine / "seen").read_text() == "local -buildvcs=false -mod=readonly\n"


@pytest.mark.parametrize(
    ("folder", "tool", "version"),
    [
        ("", "k8s.io/kubernetes", toolchain.KUBERNETES_VERSION),
        ("helm", "helm.sh/helm/v3", toolchain.HELM_VERSION),
        ("temporal", "go.temporal.io/server", toolchain.TEMPORAL_VERSION),
    ],
)
def test_every_module_of_the_tools_is_pinned_by_hash(folder: str, tool: str, version: str) -> None:
    module = (toolchain.MODULE / folder / "go.mod").read_text()
    sums = {tuple(line.split()[:2]) for line in (toolchain.MODULE / folder / "go.sum").read_text().splitlines()}
    replaced = dict(re.findall(r"^\t(\S+) => \S+ (\S+)$", module, re.MULTILINE))
    required = dict(re.findall(r"^\t(\S+) (v\S+)(?: // indirect)?$", module, re.MULTILINE))
    assert required[tool] == version
    assert [name for name, version in required.items() if (name, replaced.get(name, version)) not in sums] == []


def test_a_machine_without_postgres_is_named_the_package(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_POSTGRES_FOLDER", machine / "postgresql")
    with pytest.raises(LocalEnvironmentError, match=r"`initdb` is neither on PATH nor in .*apt-get install postgresql"):
        binaries.find("initdb")
    older, newer = (program(machine / "postgresql" / release / "bin" / "initdb") for release in ("14", "15"))
    assert older != binaries.find("initdb") == newer


def test_a_program_is_built_when_nothing_else_is_left(machine: Path) -> None:
    # A compiler that writes its arguments to the file named after -o.
    script = '#!/bin/sh\nfor last; do :; done\nwhile [ "$1" != -o ]; do shift; done\necho "$last" > "$2"\n'
    program(machine / "path" / "go", script)
    built = binaries.find("kubectl", report=lambda _line: None)
    assert built == machine / "cache" / "pilotage" / toolchain.KUBERNETES_VERSION / "kubectl"
    assert built.read_text() == "k8s.io/kubernetes/cmd/kubectl\n"
    assert sorted(path.name for path in built.parent.iterdir()) == [".lock", "kubectl"]


def test_a_failed_build_shows_the_compiler_and_leaves_no_file(machine: Path) -> None:
    program(machine / "path" / "go", "#!/bin/sh\necho go.mod is broken >&2\nexit 1\n")
    with pytest.raises(LocalEnvironmentError, match=r"building etcd failed:\ngo\.mod is broken"):
        binaries.find("etcd", report=lambda _line: None)
    assert not (binaries.cache_directory() / "etcd").exists()


@pytest.mark.parametrize("system", ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"])
def test_an_archive_of_the_minor_release_is_pinned_by_hash(system: str) -> None:
    assert envtest.VERSION.rpartition(".")[0] == toolchain.KUBERNETES_VERSION.rpartition(".")[0]
    assert re.fullmatch("[0-9a-f]{128}", envtest.SHA512[system])


def archive(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for name in names:
            entry = tarfile.TarInfo(f"controller-tools/envtest/{name}")
            entry.size = 1
            members.addfile(entry, io.BytesIO(b"x"))
    return buffer.getvalue()


def test_an_archive_fills_the_cache_once_its_digest_is_right(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = archive("etcd", "kube-apiserver", "kubectl")
    answers = {"archive": content}
    monkeypatch.setattr(envtest, "ADDRESS", "archive")
    monkeypatch.setitem(envtest.SHA512, "system", hashlib.sha512(content).hexdigest())
    monkeypatch.setattr(envtest, "_get", lambda address, _limit: answers[address])

    assert envtest._attempt(machine, "system", lambda _line: None) == ""
    assert os.access(machine / "kube-apiserver", os.X_OK)

    envtest._attempt.cache_clear()
    answers["archive"] = content + b"tampered"
    (machine / "etcd").unlink()
    assert "sha512" in envtest._attempt(machine, "system", print)
    assert not (machine / "etcd").exists()


def test_an_archive_without_a_program_is_refused_and_paths_in_it_are_ignored(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the archive misses kubectl"):
        envtest.unpack(archive("etcd", "kube-apiserver"), tmp_path)
    envtest.unpack(archive("etcd", "kube-apiserver", "kubectl", "../../escaped"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etcd", "kube-apiserver", "kubectl"]
