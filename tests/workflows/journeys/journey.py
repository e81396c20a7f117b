"""Live through one random story of several pull requests, then through calm until everybody has ended.

Many stories: `python -m tests.workflows.journeys.journey FIRST COUNT [KIND]` names the seeds that break something.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from tests.workflows.environment.facts import Broken
from tests.workflows.journeys.chaos import Chaos
from tests.workflows.journeys.moods import Kind
from tests.workflows.journeys.oracle import Oracle
from tests.workflows.journeys.world import World
from tests.worlds.stage import playing
from workflows.environment.members import Roster

STEP = 2.0
FIXED_EVERY = 20.0


def run(
    seed: int, *, kind: Kind | None = None, travellers: int = 4, seconds: float = 500, calm_seconds: float = 3000
) -> Oracle:
    """Raise Broken as soon as the story breaks a guarantee, or when somebody waits for nothing in the end."""
    world = World(seed)
    chaos = Chaos(world, kind or tuple(Kind)[seed % len(Kind)])
    with world.stage.playing(), _watching_grants(world):
        world.stage.loop.run_until_complete(_live(chaos, travellers, seconds, calm_seconds))
    return world.oracle


async def _live(chaos: Chaos, travellers: int, seconds: float, calm_seconds: float) -> None:
    world, clock = chaos.world, chaos.world.stage.loop
    chaos.declare()
    chaos.set_out(travellers)
    while clock.time() < seconds:
        await _pass(world, STEP)
        chaos.happen()
    chaos.settle()
    until = clock.time() + calm_seconds
    while any(not one.over for one in world.travellers.values()):
        if clock.time() > until:
            left = [f"{one.ref.name}: {one.status}" for one in world.travellers.values() if not one.over]
            raise Broken("nothing keeps them, yet they wait:\n" + "\n".join(left))
        await _pass(world, FIXED_EVERY)
        chaos.fix()
    world.oracle.commands.close(world.travellers.values())


async def _pass(world: World, seconds: float) -> None:
    await asyncio.sleep(seconds)
    if world.stage.errors:
        raise world.stage.errors[0]


@contextmanager
def _watching_grants(world: World) -> Iterator[None]:
    give = Roster.give

    def watched(self: Roster, uid: str, now: datetime) -> None:
        place: Any = playing().workflow
        environment = place._start.environment
        candidate = next(one for one in self.members if one.tracker.uid == uid)
        components = {artifact.component for artifact in candidate.artifacts}
        seen = {one.application: one.runs for one in place._observer.observed.observations}
        stale = any(
            seen.get(one.spec.application) != one.truth().runs for one in world.applications.of(environment, components)
        )
        world.oracle.granted(environment, candidate, stale)
        give(self, uid, now)

    with patch.object(Roster, "give", watched):
        yield


def main(first: int, count: int, kind: Kind | None = None) -> int:
    """Live through many stories; print which of them break what, and return how many do."""
    broken = 0
    for seed in range(first, first + count):
        try:
            run(seed, kind=kind)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is to be reported with its seed
            broken += 1
            print(f"{seed}: {type(error).__name__}: {str(error)[:500]}", flush=True)
    print(f"{count} stories, {broken} broken")
    return broken


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]), Kind(sys.argv[3]) if len(sys.argv) > 3 else None)))
