"""A hold on the older of two changes, from the command to the end of both, by the workflows themselves."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from activities.models.configuration import TestSpec
from activities.models.promotion import Verb
from crds.reasons.vocabulary import State
from tests.workflows.environment.facts import ENVIRONMENTS
from tests.workflows.journeys.traveller import Traveller
from tests.workflows.journeys.world import World
from tests.worlds.declared import a_policy

STORIES = 20
UNIT = TestSpec(name="unit", runner="ci", job="unit", parameters={}, required=True, timeout=timedelta(minutes=2))
LONGEST = 600.0
"""Seconds that anything may take."""
LONG = 180.0
"""Seconds in which a place that believed the hold over would have granted its lane."""


@dataclass
class Two:
    """Two changes of one component, both merged and deployed to dev."""

    world: World
    older: Traveller = field(init=False)
    newer: Traveller = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        world.losses = 0.0
        for environment in ENVIRONMENTS:
            world.applications.add(environment, "api-0", "api", 0, world.commits.first)
        for source, target in pairwise(ENVIRONMENTS):
            world.policies[source] = a_policy(
                source, target, auto=source != "dev", timeout=timedelta(seconds=300), tests=(UNIT,)
            )
        self.older, self.newer = (world.travel(("api",)) for _ in range(2))
        self.older.merge()
        self.newer.merge()
        [dev] = world.applications.of("dev")
        world.applications.deploy(dev, world.commits.main)

    def runs(self, environment: str) -> str | None:
        """Return what an environment runs."""
        [one] = self.world.applications.of(environment)
        return one.truth().runs

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once it holds."""
        until = self.world.stage.loop.time() + LONGEST
        while not holds():
            assert self.world.stage.loop.time() < until, [one.status for one in (self.older, self.newer)]
            await self.passes(0.5)

    async def passes(self, seconds: float) -> None:
        """Let time pass; whatever broke a guarantee meanwhile is raised."""
        await asyncio.sleep(seconds)
        if self.world.stage.errors:
            raise self.world.stage.errors[0]

    async def live(self) -> None:
        """Hold the older one before the newer one is promoted, release it after long, and see both to their ends."""
        older, newer = self.older, self.newer
        for one in (older, newer):
            await self.until(lambda one=one: one.story.state is State.READY_TO_PROMOTE)  # type: ignore[misc]
        assert older.command(Verb.HOLD)
        await self.until(lambda: {"staging", "prod"} <= {place for (place, _), view in self.holds_sent() if view})
        assert newer.command(Verb.PROMOTE)
        await self.passes(LONG)
        assert newer.status is not None
        assert newer.status.reason == "BlockedBy"
        assert newer.status.waiting_for is not None
        assert older.ref.name in f"{newer.status.waiting_for.object} {newer.status.waiting_for.observed}"
        assert {self.runs("staging"), self.runs("prod")} == {self.world.commits.first}
        assert older.command(Verb.RELEASE)
        await self.until(lambda: older.over and newer.over)

    def holds_sent(self) -> list[tuple[tuple[str, str], bool]]:
        """Return which places know of which tracker, and whether as held."""
        return [(key, view.held) for key, view in self.world.delivered.items() if key[1] == self.older.ref.uid]


def live(seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the hops of the older and of the newer change."""
    world = World(seed)
    with world.stage.playing():
        two = Two(world)
        world.stage.loop.run_until_complete(two.live())
    assert {two.runs("staging"), two.runs("prod")} == {world.commits.main}
    ends = []
    for one in (two.older, two.newer):
        assert one.status is not None
        ends.append([(record.target, record.result) for record in one.status.promotions])
    return ends[0], ends[1]


def test_a_held_older_change_stops_the_newer_and_once_released_each_place_is_promoted_to_once() -> None:
    first_to_prod = set()
    for seed in range(STORIES):
        older, newer = live(seed)
        assert (older[0], newer[0]) == (("staging", "AlreadyContained"), ("staging", "Promoted"))
        assert sorted([older[1], newer[1]]) == [("prod", "AlreadyContained"), ("prod", "Promoted")]
        first_to_prod.add("older" if older[1][1] == "Promoted" else "newer")
    # Both go on with what staging runs: the first that is Ready writes it, and no hold is in anybody's way.
    assert first_to_prod == {"older", "newer"}
