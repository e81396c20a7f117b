"""SIGKILLs: at random moments, and at the moments where one would hurt most."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from deploy.local.chaos_proxy import Moment, Proxy
from deploy.local.chaos_sandbox import ChaosSandbox
from deploy.local.environment import LocalEnvironment
from workflows.identity import POKE_SIGNAL
from workflows.promotion.context import EVENTS_BEFORE_CONTINUING

WORKERS = ("worker-1", "worker-2")
WATCHERS = ("watcher-1", "watcher-2")
IN_FLIGHT_SECONDS = 1.5
"""How long a request is held by the stand-ins, so that the kill meets it in flight."""
POINT_SECONDS = 30.0
EDGE_SECONDS = 45.0
"""Longer: a history has to grow first."""
CANDIDATES = 8
LOOK_SECONDS = 0.05
MOST_GAP_SECONDS = 2.0
# Near enough that signals sent at once, an event each, take the history over the limit.
NEAR_THE_LIMIT = EVENTS_BEFORE_CONTINUING - 60
POKES_AT_ONCE = 20


class Point(StrEnum):
    """Where a kill hits."""

    RANDOM = "at random"
    AFTER_POST = "after POST (trigger), before its reply"
    AFTER_PATCH = "after PATCH (write), before its reply"
    BEFORE_PUBLISH = "before a status is published"
    MIDDLE_OF_APPLY = "in the middle of a status apply"
    CONTINUE_AS_NEW = "between a signal and continue-as-new"


NAMED = tuple(point for point in Point if point is not Point.RANDOM)


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One entry of the schedule: what is killed, and when."""

    point: Point
    names: tuple[str, ...]


@dataclass(kw_only=True)
class Toll:
    """The kills so far."""

    by_process: Counter[str] = field(default_factory=Counter)
    by_point: Counter[Point] = field(default_factory=Counter)
    missed: Counter[Point] = field(default_factory=Counter)
    continued: int = 0
    """Workflows that were killed on the edge of continue-as-new and seen in a new run afterwards."""

    @property
    def total(self) -> int:
        return self.by_process.total()


def schedule(kills: int, chance: random.Random) -> list[Strike]:
    """Return strikes that add up to `kills` or one more: every named point as often, the rest at random."""
    rounds = max(1, kills // 40)
    named = [
        Strike(point=point, names=WATCHERS if point in (Point.BEFORE_PUBLISH, Point.MIDDLE_OF_APPLY) else WORKERS)
        for point in NAMED
        for _ in range(rounds)
    ]
    chance.shuffle(named)
    named = named[: max(1, kills // 3)]
    left = kills - sum(len(strike.names) for strike in named)
    # Each process in turn, so that even a short run spreads its kills; the order is random.
    everyone = ["temporal-1", "worker-1", "worker-2", "temporal-1", "watcher-1", "kube-apiserver-1"]
    everyone += ["worker-2", "temporal-1", "worker-1", "watcher-2"]
    single = [Strike(point=Point.RANDOM, names=(everyone[number % len(everyone)],)) for number in range(max(0, left))]
    strikes = [*named, *single]
    chance.shuffle(strikes)
    return strikes


class Killer:
    """Carries out the schedule. Only one strike at a time; all that was killed is started again."""

    def __init__(
        self,
        environment: LocalEnvironment,
        sandbox: ChaosSandbox,
        proxy: Proxy,
        client: Client,
        *,
        chance: random.Random,
        candidates: Callable[[], list[str]],
        say: Callable[[str], None],
    ) -> None:
        """`candidates` names workflows that are under way."""
        self._environment = environment
        self._sandbox = sandbox
        self._proxy = proxy
        self._client = client
        self._chance = chance
        self._candidates = candidates
        self._say = say
        self._edges: dict[str, str] = {}
        self.toll = Toll()

    async def carry_out(self, strikes: list[Strike], *, done: Callable[[], bool]) -> None:
        """Strike after strike with random gaps; a named moment that does not come is made up for at random."""
        for strike in strikes:
            await asyncio.sleep(self._chance.uniform(0.2, MOST_GAP_SECONDS))
            point = strike.point
            if point is not Point.RANDOM and not (not done() and await self._await_moment(strike)):
                self.toll.missed[point] += 1
                point = Point.RANDOM
            if point is Point.RANDOM:
                await self._kill(strike.names)
            self.toll.by_point[point] += len(strike.names)
            self._say(f"killed {' and '.join(strike.names)}, {point}")
            await asyncio.sleep(self._chance.uniform(0.0, 1.0))
            await asyncio.to_thread(self._environment.restart, *strike.names)
            await self._look_at_edges()

    async def _await_moment(self, strike: Strike) -> bool:
        """Wait for the strike's moment and kill in it; False where it does not come in time."""
        match strike.point:
            case Point.AFTER_POST:
                return await self._in_flight("jenkins", "POST /buildWithParameters", strike.names)
            case Point.AFTER_PATCH:
                return await self._in_flight("argocd", "PATCH /applications/", strike.names)
            case Point.BEFORE_PUBLISH:
                return await self._at_the_proxy(Moment.BEFORE, strike.names)
            case Point.MIDDLE_OF_APPLY:
                return await self._at_the_proxy(Moment.AFTER, strike.names)
            case _:
                return await self._on_the_edge(strike.names)

    async def _in_flight(self, system: str, match: str, names: tuple[str, ...]) -> bool:
        """Kill while a request is held by the stand-in, which carries it out when nobody listens any more."""
        rule = {"system": system, "match": match, "action": "delay", "seconds": IN_FLIGHT_SECONDS, "times": 1}
        number = (await asyncio.to_thread(self._sandbox.post, "/_script", rule))["id"]

        async def used() -> bool:
            rules = await asyncio.to_thread(self._sandbox.script)
            return any(one["id"] == number and one["used"] for one in rules)

        try:
            return await _within(POINT_SECONDS, used) and await self._kill(names)
        finally:
            await asyncio.to_thread(self._sandbox.remove_rule, number)

    async def _at_the_proxy(self, moment: Moment, names: tuple[str, ...]) -> bool:
        hold = self._proxy.hold("PATCH", r"/pullrequesttrackers/[^/]+/status$", moment)
        try:
            await asyncio.wait_for(hold.caught.wait(), POINT_SECONDS)
            return await self._kill(names)
        except TimeoutError:
            return False
        finally:
            self._proxy.release(hold)

    async def _on_the_edge(self, names: tuple[str, ...]) -> bool:
        """Signal a workflow until its history is about to be continued, then signal and kill at once."""
        deadline = time.monotonic() + EDGE_SECONDS
        for identifier in await self._longest():
            try:
                run, missing = await self._grow(identifier, deadline)
                if run:
                    handle = self._client.get_workflow_handle(identifier)
                    await asyncio.gather(*(handle.signal(POKE_SIGNAL) for _ in range(missing)))
                    await self._kill(names)
                    self._edges[identifier] = run
                    return True
            except RPCError:
                # It ended, or the server is just coming back: the next one.
                continue
        return False

    async def _longest(self) -> list[str]:
        """Return a few workflows under way, those with the longest history first."""
        candidates = self._candidates()
        sample = self._chance.sample(candidates, min(len(candidates), CANDIDATES))
        handles = [self._client.get_workflow_handle(identifier) for identifier in sample]
        seen = await asyncio.gather(*(handle.describe() for handle in handles), return_exceptions=True)
        lengths = {one.id: one.history_length for one in seen if not isinstance(one, BaseException)}
        return sorted(lengths, key=lambda identifier: -lengths[identifier])

    async def _grow(self, identifier: str, deadline: float) -> tuple[str, int]:
        """Signal until the history is near its limit; returns the run and what is missing, or no run."""
        handle = self._client.get_workflow_handle(identifier)
        while time.monotonic() < deadline:
            seen = await handle.describe()
            missing = EVENTS_BEFORE_CONTINUING - seen.history_length
            if seen.status is not WorkflowExecutionStatus.RUNNING:
                break
            if 0 < missing <= EVENTS_BEFORE_CONTINUING - NEAR_THE_LIMIT:
                return seen.run_id, missing
            # A poke costs one event, and the task that it wakes some more.
            pokes = max(1, min(POKES_AT_ONCE, missing // 8))
            await asyncio.gather(*(handle.signal(POKE_SIGNAL) for _ in range(pokes)))
        return "", 0

    async def _look_at_edges(self) -> None:
        for identifier, run in list(self._edges.items()):
            try:
                if (await self._client.get_workflow_handle(identifier).describe()).run_id != run:
                    self.toll.continued += 1
                    del self._edges[identifier]
            except RPCError:
                continue

    async def _kill(self, names: tuple[str, ...]) -> bool:
        for name in names:
            await asyncio.to_thread(self._environment.kill, name)
            self.toll.by_process[name.rpartition("-")[0]] += 1
        return True


async def _within(seconds: float, holds: Callable[[], Awaitable[bool]]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await holds():
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


def describe(toll: Toll) -> dict[str, Any]:
    """Return the kills as numbers by process and by point."""
    return {
        "kills": toll.total,
        "by_process": dict(sorted(toll.by_process.items())),
        "by_point": {str(point): toll.by_point[point] for point in Point},
        "moments_missed": toll.missed.total(),
        "continued_as_new_at_the_kill": toll.continued,
    }
