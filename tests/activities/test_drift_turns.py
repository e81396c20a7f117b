"""Looks at more than one answer has room or time for: what cannot go on keeps no other one from its turn."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.drift import looks, reading
from activities.models.drift import LookForDriftResult, WatchedDeployment
from crds.fields import format_time
from crds.reasons.vocabulary import Drift
from providers.application_models import ApplicationRef, ApplicationState
from providers.errors import ProviderUnavailable
from tests.activities.fakes import FakeDeployments, application
from tests.activities.test_drift import WEB, World

READINGS = 10
"""Applications that one answer has room for, here."""
HANGING = 0.01
ENOUGH = timedelta(seconds=3 * HANGING)
LOOKS = 200
"""Chance gives the turns: far more looks than any of them has to wait for."""


@dataclass
class Slow(FakeDeployments):
    """An Argo CD that gives no answer about some projects, and about some applications."""

    hangs: set[str] = field(default_factory=set)

    async def fingerprints(self, project: str) -> Mapping[str, str]:
        await self._hang(project)
        return await super().fingerprints(project)

    async def get(self, ref: ApplicationRef, *, refresh: bool = False) -> ApplicationState:
        await self._hang(ref.name)
        return await super().get(ref, refresh=refresh)

    async def _hang(self, name: str) -> None:
        if name in self.hangs:
            await asyncio.sleep(HANGING)
            raise ProviderUnavailable("no answer", status=504)


def several(count: int, *, projects: int = 1) -> list[WatchedDeployment]:
    """Return applications of as many projects, in turn."""
    return [
        replace(WEB, application=f"web-{number:03}", project=f"shop-{number % projects:02}" if projects > 1 else "shop")
        for number in range(count)
    ]


async def watched(deployments: list[WatchedDeployment]) -> World:
    """Return a world in which they run what was promoted, and that is shown."""
    world = World(argocd=Slow())
    for one in deployments:
        world.argocd.applications[one.application] = application(one.application, project=one.project)
    await world.create(*deployments)
    await world.show()
    return world


async def degraded(*, hanging: set[str]) -> World:
    """Return a world of twelve projects with one application each, all of which became degraded."""
    world = await watched(several(12, projects=12))
    assert isinstance(world.argocd, Slow)
    world.argocd.hangs = hanging
    for name in list(world.argocd.applications):
        world.change(name, health="Degraded")
    return world


def checked(world: World, name: str, at: datetime) -> None:
    world.monitor(name)["status"]["lastCheckedAt"] = format_time(at)


@pytest.fixture
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "DRIFT_READINGS", READINGS)


@pytest.mark.usefixtures("_room")
async def test_the_time_that_was_written_longest_ago_is_written_first_whatever_stays_unknown() -> None:
    world = await watched(several(3))
    gone = [replace(WEB, deployment=f"gone-{number:02}", application="web-000") for number in range(2 * READINGS)]
    await world.create(*gone)
    ours = sorted(one for (_, _, one) in world.kubernetes.objects if one.startswith("staging-web-"))
    now = datetime.now(UTC)
    for age, name in enumerate(ours):
        checked(world, name, now - timedelta(hours=2 + age))
    found = await world.look()
    renewed = [one.monitor for one in found.readings if one.verdict.kind is None]
    # Fewer than are old: the least recent ones.
    assert renewed == list(reversed(ours))[: READINGS // 5]
    assert len(found.readings) == READINGS


@pytest.mark.usefixtures("_room")
async def test_what_is_suspicious_at_each_look_keeps_no_other_one_from_its_turn() -> None:
    world = await watched(several(2 * READINGS))
    for name in list(world.argocd.applications):
        world.change(name, health="Degraded")
    names = sorted(one.monitor for one in (await world.look()).readings)
    flapping = (await world.look(cursor=names[-1])).readings
    found = await world.look(first=tuple(one.monitor for one in flapping))
    assert len({one.monitor for one in found.readings} - {one.monitor for one in flapping}) == READINGS // 2
    assert found.cursor


async def test_projects_that_are_shown_as_silent_keep_no_other_one_from_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(looks, "LISTING", timedelta(seconds=30))
    world = await watched(several(60, projects=60))
    assert isinstance(world.argocd, Slow)
    world.argocd.hangs = {f"shop-{number:02}" for number in range(60)}
    shown: set[str] = set()
    for _ in range(2):
        found: LookForDriftResult = await world.look()
        await world.publish(silent=found.silent)
        shown |= {one.project for one in found.silent}
    assert shown == world.argocd.hangs
    ours = [one for (_, _, name), one in world.kubernetes.objects.items() if name.startswith("staging-web-")]
    assert {one["status"]["kind"] for one in ours} == {"Unknown"}


async def test_projects_that_hang_make_no_other_one_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "LISTING", ENOUGH)
    monkeypatch.setattr(looks, "_PROJECTS_AT_ONCE", 1)
    hanging = {f"shop-{number:02}" for number in range(4)}
    world = await degraded(hanging=hanging)
    read: set[str] = set()
    for _ in range(LOOKS):
        found = await world.look()
        answered = [one for one in found.readings if one.verdict.kind is Drift.UNHEALTHY]
        read |= {one.monitor for one in answered}
        # Where any answered, those that had no turn are not called silent.
        assert not answered or {one.project for one in found.silent} <= hanging
        if len(read) == 8:
            return
    raise AssertionError(f"never read: {8 - len(read)}")


async def test_applications_that_hang_keep_no_other_one_from_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READING", ENOUGH)
    monkeypatch.setattr(reading, "_AT_ONCE", 1)
    world = await degraded(hanging={f"web-{number:03}" for number in range(6)})
    read: set[str] = set()
    for _ in range(LOOKS):
        found = await world.look()
        read |= {one.monitor for one in found.readings if one.verdict.kind is Drift.UNHEALTHY}
        if len(read) == 6:
            return
    raise AssertionError(f"never read: {6 - len(read)}")
