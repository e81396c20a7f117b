"""SIGKILLs: at random moments, and at the moments where one would hurt most."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from deploy.local.environment.assembly import LocalEnvironment
from deploy.local.environment.coroutines import to_the_end
from tests.chaos.proxy import Moment, Proxy
from tests.chaos.sandbox import ChaosSandbox
from tests.chaos.schedule import Point, Strike, Toll
from workflows.identity import POKE_SIGNAL
from workflows.promotion.run import EVENTS_BEFORE_CONTINUING

IN_FLIGHT_SECONDS = 1.5
"""How long a request is held by the stand-ins, so that the kill meets it in flight."""
POINT_SECONDS = 30.0
EDGE_SECONDS = 45.0
"""Longer: a history has to grow first."""
MOST_TRIES = 10
TRY_AGAIN_AFTER = 2
"""How many other strikes come between two tries of one."""
CANDIDATES = 40
"""Enough to find a history again that a try before has made long."""
LOOK_SECONDS = 0.05
LEAST_GAP_SECONDS, MOST_GAP_SECONDS = 0.2, 2.0
MOST_DOWN_SECONDS = 1.0
# Near enough that signals sent at once, an event each, take the history over the limit.
NEAR_THE_LIMIT = EVENTS_BEFORE_CONTINUING - 60
POKES_AT_ONCE = 20
# The server refuses to continue a workflow as new while signals arrive that it has not read.
POKES_TOO_MANY = 20


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
        report: Callable[[str], None],
    ) -> None:
        """`candidates` names workflows that are under way."""
        self._environment = environment
        self._sandbox = sandbox
        self._proxy = proxy
        self._client = client
        self._chance = chance
        self._candidates = candidates
        self._report = report
        self._edges: dict[str, str] = {}
        self.toll = Toll()

    async def carry_out(self, strikes: list[Strike], *, done: Callable[[], bool]) -> None:
        """Strike after strike with random gaps.

        A named moment that does not come is awaited again a little later; given up, it is made up for at random.
        """
        waiting = deque(strikes)
        while waiting:
            strike = waiting.popleft()
            await asyncio.sleep(self._chance.uniform(LEAST_GAP_SECONDS, MOST_GAP_SECONDS))
            hit = await self._hit(strike, done)
            if hit is not strike.point:
                if strike.tries + 1 < MOST_TRIES and not done():
                    self.toll.postponed[strike.point] += 1
                    again = Strike(point=strike.point, names=strike.names, tries=strike.tries + 1)
                    waiting.insert(min(TRY_AGAIN_AFTER, len(waiting)), again)
                    self._report(f"{strike.point} {'did not come' if hit is None else 'was over'}, to be tried again")
                else:
                    self.toll.missed[strike.point] += 1
                    if hit is None:
                        hit = await self._kill(strike.names, Point.RANDOM)
            if hit is None:
                continue
            self.toll.by_point[hit] += len(strike.names)
            self._report(f"killed {' and '.join(strike.names)}, {hit}")
            await asyncio.sleep(self._chance.uniform(0.0, MOST_DOWN_SECONDS))
            await to_the_end(partial(self._environment.restart, *strike.names))
            await self._look_at_edges()

    async def _hit(self, strike: Strike, done: Callable[[], bool]) -> Point | None:
        """Wait for the strike's moment and kill in it.

        Returns the point that was hit: at random where the moment was over before the kill, None where it did not come
        in time, and nothing was killed.
        """
        if strike.point is Point.RANDOM:
            return await self._kill(strike.names, Point.RANDOM)
        if done():
            return None
        match strike.point:
            case Point.AFTER_POST:
                return await self._in_flight(strike, "jenkins", "POST /buildWithParameters")
            case Point.AFTER_PATCH:
                return await self._in_flight(strike, "argocd", "PATCH /applications/")
            case Point.BEFORE_PUBLISH:
                return await self._at_the_proxy(strike, Moment.BEFORE)
            case Point.MIDDLE_OF_APPLY:
                return await self._at_the_proxy(strike, Moment.AFTER)
            case _:
                return await self._on_the_edge(strike, done)

    async def _in_flight(self, strike: Strike, system: str, match: str) -> Point | None:
        """Kill while a request is held by the stand-in, which carries it out when its sender is gone."""
        rule = {"system": system, "match": match, "action": "delay", "seconds": IN_FLIGHT_SECONDS, "times": 1}
        free_at = time.monotonic()
        deadline = free_at + POINT_SECONDS
        number = (await asyncio.to_thread(self._sandbox.post, "/_script", rule))["id"]
        try:
            while (looked := time.monotonic()) < deadline:
                rules = await asyncio.to_thread(self._sandbox.script)
                if any(one["id"] == number and one["used"] for one in rules):
                    await self._kill(strike.names, strike.point)
                    # It was not held yet at the look before, which bounds how long it was held at the kill.
                    return strike.point if time.monotonic() - free_at < IN_FLIGHT_SECONDS else Point.RANDOM
                free_at = looked
                await asyncio.sleep(LOOK_SECONDS)
            return None
        finally:
            await asyncio.to_thread(self._sandbox.remove_rule, number)

    async def _at_the_proxy(self, strike: Strike, moment: Moment) -> Point | None:
        hold = self._proxy.hold("PATCH", r"/pullrequesttrackers/[^/]+/status$", moment)
        try:
            await asyncio.wait_for(hold.caught.wait(), POINT_SECONDS)
            return await self._kill(strike.names, strike.point)
        except TimeoutError:
            return None
        finally:
            self._proxy.release(hold)

    async def _on_the_edge(self, strike: Strike, done: Callable[[], bool]) -> Point | None:
        """Signal a workflow until its history is about to be continued, then signal and kill at once."""
        deadline = time.monotonic() + EDGE_SECONDS
        while time.monotonic() < deadline and not done():
            for identifier in await self._longest():
                handle = self._client.get_workflow_handle(identifier)
                try:
                    run, missing = await self._grow(handle, deadline)
                except RPCError:
                    # It ended, or the server is just coming back: the next one.
                    continue
                if run:
                    await self._kill_amid_signals(handle, missing, strike)
                    if not await self._due(handle, run):
                        return Point.RANDOM
                    self._edges[identifier] = run
                    return strike.point
            # So early, or for a moment, nothing is under way.
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def _kill_amid_signals(self, handle: WorkflowHandle[object, object], missing: int, strike: Strike) -> None:
        """Kill once all missing signals have arrived, while more are under way."""
        signals = [asyncio.create_task(handle.signal(POKE_SIGNAL)) for _ in range(missing + POKES_TOO_MANY)]
        try:
            for number, arrival in enumerate(asyncio.as_completed(signals), start=1):
                await arrival
                if number == missing:
                    break
        except RPCError:
            # What it has read by now is seen afterwards.
            pass
        await self._kill(strike.names, strike.point)
        await asyncio.gather(*signals, return_exceptions=True)

    async def _due(self, handle: WorkflowHandle[object, object], run: str) -> bool:
        """Return whether a run that no worker works on any more is due to be continued, and is not."""
        try:
            seen = await handle.describe()
        except RPCError:
            return False
        running = seen.status is WorkflowExecutionStatus.RUNNING and seen.run_id == run
        return running and seen.history_length >= EVENTS_BEFORE_CONTINUING

    async def _longest(self) -> list[str]:
        """Return a few workflows under way, those with the longest history first."""
        candidates = self._candidates()
        sample = self._chance.sample(candidates, min(len(candidates), CANDIDATES))
        handles = [self._client.get_workflow_handle(identifier) for identifier in sample]
        seen = await asyncio.gather(*(handle.describe() for handle in handles), return_exceptions=True)
        lengths = {one.id: one.history_length for one in seen if not isinstance(one, BaseException)}
        return sorted(lengths, key=lambda identifier: -lengths[identifier])

    async def _grow(self, handle: WorkflowHandle[object, object], deadline: float) -> tuple[str, int]:
        """Signal until the history is near its limit; returns the run and what is missing, or no run."""
        while time.monotonic() < deadline:
            seen = await handle.describe()
            missing = EVENTS_BEFORE_CONTINUING - seen.history_length
            if seen.status is not WorkflowExecutionStatus.RUNNING or missing <= 0:
                # More signals would only keep one that is due from being continued.
                break
            if missing <= EVENTS_BEFORE_CONTINUING - NEAR_THE_LIMIT:
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

    async def _kill(self, names: tuple[str, ...], point: Point) -> Point:
        for name in names:
            await to_the_end(partial(self._environment.kill, name))
            self.toll.by_process[name.rpartition("-")[0]] += 1
        return point
