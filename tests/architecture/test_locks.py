"""The locks are complete: they install without resolving anything, on each release and platform that we support."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "deploy" / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("runtime.txt", "cli.txt", "build.txt", "development.txt")
RELEASES = ("3.11.0", "3.11.14", "3.12.0", "3.13.0", "3.14.0")
PLATFORMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64"))


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The pins of one file that hold in one environment."""

    environment: dict[str, str]
    pins: Mapping[str, Requirement]

    def demanded(self, roots: tuple[Requirement, ...]) -> Iterator[tuple[str, Requirement]]:
        """Yield (who asks, what is asked for) of the roots and of each pin with its extras."""
        yield from (("pyproject.toml", root) for root in roots)
        for name, pin in self.pins.items():
            for extra in ("", *sorted(pin.extras)):
                for asked in requirements_of(name):
                    if asked.marker is None or asked.marker.evaluate({**self.environment, "extra": extra}):
                        yield f"{name}[{extra}]" if extra else name, asked

    def unmet(self, roots: tuple[Requirement, ...]) -> list[str]:
        """Return a line for each demand that no pin meets."""
        lines = []
        for who, asked in self.demanded(roots):
            pin = self.pins.get(canonicalize_name(asked.name))
            if pin is None:
                lines.append(f"{who} requires {asked}, which is not locked")
            elif not asked.specifier.contains(version_of(pin), prereleases=True):
                lines.append(f"{who} requires {asked}; {pin} is locked")
            elif missing := asked.extras - pin.extras:
                lines.append(f"{who} requires {asked}; the lock names {pin.name} without {', '.join(sorted(missing))}")
            elif unknown := asked.extras - extras_of(pin.name):
                lines.append(f"{who} requires {asked}, which has no extra {', '.join(sorted(unknown))}")
        return lines


def version_of(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", pin
    return specifier.version


@cache
def requirements_of(name: str) -> tuple[Requirement, ...]:
    return tuple(Requirement(text) for text in metadata.requires(name) or ())


@cache
def extras_of(name: str) -> frozenset[str]:
    return frozenset(metadata.metadata(name).get_all("Provides-Extra") or ())


def pins_of(file: str) -> tuple[Requirement, ...]:
    text = re.sub(r"\s*\\\n", " ", (REQUIREMENTS / file).read_text())
    lines = (line.split(" --hash=")[0].strip() for line in text.splitlines())
    return tuple(Requirement(line) for line in lines if line and not line.startswith("#"))


def environment(release: str, system: str, machine: str) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": release,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": {"linux": "Linux", "darwin": "Darwin"}[system],
        "platform_version": "",
        "python_full_version": release,
        "python_version": release.rpartition(".")[0],
        "sys_platform": system,
    }


def lock_for(pins: tuple[Requirement, ...], place: dict[str, str]) -> Lock:
    held = [pin for pin in pins if pin.marker is None or pin.marker.evaluate({**place, "extra": ""})]
    named: dict[str, Requirement] = {canonicalize_name(pin.name): pin for pin in held}
    assert len(named) == len(held), "a distribution is locked twice"
    return Lock(environment=place, pins=named)


def roots_of(file: str) -> tuple[Requirement, ...]:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    runtime, cli, build = project["dependencies"], project["optional-dependencies"]["cli"], groups["build"]
    demanded: Mapping[str, list[Any]] = {
        "runtime.txt": runtime,
        "cli.txt": [*runtime, *cli],
        "build.txt": [*build, *PROJECT["build-system"]["requires"]],
        "development.txt": [*runtime, *cli, *groups["dev"], *PROJECT["build-system"]["requires"]],
    }
    return tuple(Requirement(text) for text in demanded[file])


@pytest.mark.parametrize("file", LOCKS)
@pytest.mark.parametrize(("release", "platform"), list(product(RELEASES, PLATFORMS)), ids=str)
def test_the_lock_meets_every_requirement_of_every_distribution_in_it(
    file: str, release: str, platform: tuple[str, str]
) -> None:
    lock = lock_for(pins_of(file), environment(release, *platform))
    assert lock.unmet(roots_of(file)) == []


@pytest.mark.parametrize("file", LOCKS)
def test_the_requirements_are_read_from_the_locked_versions(file: str) -> None:
    places = [environment(release, *platform) for release, platform in product(RELEASES, PLATFORMS)]
    held = {name: pin for place in places for name, pin in lock_for(pins_of(file), place).pins.items()}
    assert {name: metadata.version(name) for name in held} == {name: version_of(pin) for name, pin in held.items()}


def test_the_locks_agree_and_each_pin_names_its_hashes() -> None:
    runtime, cli, build, development = ({str(pin) for pin in pins_of(file)} for file in LOCKS)
    assert runtime < cli < development
    assert build < development
    for file in (*LOCKS, "docs.txt", "oldest-pip.txt"):
        logical = re.sub(r"\s*\\\n\s*", " ", (REQUIREMENTS / file).read_text()).splitlines()
        pinned = [line for line in logical if "==" in line and not line.lstrip().startswith("#")]
        assert pinned
        assert [line for line in pinned if not re.search(r" --hash=sha256:[0-9a-f]{64}\b", line)] == []


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        pytest.param(("coverage[toml]", "coverage"), "coverage without toml", id="an extra is dropped"),
        pytest.param(("iniconfig==2.", "removed==2."), "iniconfig", id="a distribution is missing"),
        pytest.param(("pluggy==1.", "pluggy==0."), "pluggy==0.", id="a version is too old"),
    ],
)
def test_an_incomplete_lock_is_found(changed: tuple[str, str], shown: str) -> None:
    before, after = changed
    pins = tuple(Requirement(str(pin).replace(before, after)) for pin in pins_of("development.txt"))
    known = tuple(pin for pin in pins if pin.name != "removed")
    lock = lock_for(known, environment("3.11.0", "linux", "x86_64"))
    assert any(shown in line for line in lock.unmet(roots_of("development.txt")))
