"""The killer waits for the moments that are named, reports truly whether it met them, and does not give up soon."""

import itertools
import random
import re
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from deploy.local.environment.assembly import LocalEnvironment
from tests.chaos import kills as chaos_kills
from tests.chaos.kills import MOST_TRIES, Killer
from tests.chaos.proxy import Hold, Moment, Proxy
from tests.chaos.sandbox import ChaosSandbox
from tests.chaos.schedule import NAMED, WORKERS, Point, Strike, Toll
from workflows.promotion.run import EVENTS_BEFORE_CONTINUING

RUN, NEXT_RUN = "run-1", "run-2"


class Outside:
    """All that a killer looks at and kills. `comes` answers for each wait for a moment, from 1, whether it comes."""

    def __init__(self, comes: Callable[[int], bool]) -> None:
        self.killed: list[str] = []
        self.restarted: list[str] = []
        self.run, self.events = RUN, EVENTS_BEFORE_CONTINUING - 20
        self.at_the_kill: Callable[[], None] = lambda: None
        self._comes = comes
        self._waits = itertools.count(1)
        self._rules: list[dict[str, Any]] = []

    def killer(self) -> Killer:
        sandbox = SimpleNamespace(post=self._add_rule, script=lambda: self._rules, remove_rule=lambda _: None)
        return Killer(
            cast(LocalEnvironment, SimpleNamespace(kill=self._kill, restart=self._restart)),
            cast(ChaosSandbox, sandbox),
            cast(Proxy, SimpleNamespace(hold=self._hold, release=lambda _: None)),
            cast(Client, SimpleNamespace(get_workflow_handle=lambda _: self)),
            chance=random.Random(1),
            candidates=lambda: ["promotion"] if self._comes(next(self._waits)) else [],
            report=lambda _: None,
        )

    async def describe(self) -> SimpleNamespace:
        """Answer as the handle of the one workflow that is under way."""
        status = WorkflowExecutionStatus.RUNNING
        return SimpleNamespace(id="promotion", run_id=self.run, history_length=self.events, status=status)

    async def signal(self, _name: str) -> None:
        self.events += 1

    def _kill(self, name: str) -> None:
        self.killed.append(name)
        self.at_the_kill()

    def _restart(self, *names: str) -> None:
        self.restarted += names
        if self.events >= EVENTS_BEFORE_CONTINUING:
            self.continue_as_new()

    def continue_as_new(self) -> None:
        self.run, self.events = NEXT_RUN, 10

    def _add_rule(self, _path: str, rule: dict[str, Any]) -> dict[str, Any]:
        self._rules = [{**rule, "id": 1, "used": int(self._comes(next(self._waits)))}]
        return self._rules[0]

    def _hold(self, method: str, path: str, moment: Moment) -> Hold:
        hold = Hold(method=method, path=re.compile(path), moment=moment)
        if self._comes(next(self._waits)):
            hold.caught.set()
        return hold


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a moment that does not come be over soon."""
    for name in ("POINT_SECONDS", "EDGE_SECONDS"):
        monkeypatch.setattr(chaos_kills, name, 0.05)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait that does not wait for a moment."""
    for name in ("LEAST_GAP_SECONDS", "MOST_GAP_SECONDS", "MOST_DOWN_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(chaos_kills, name, 0.0)


async def toll_of(outside: Outside, *points: Point, done: bool = False) -> Toll:
    killer = outside.killer()
    strikes = [Strike(point=point, names=WORKERS) for point in points]
    await killer.carry_out(strikes, done=lambda: done)
    assert outside.restarted == outside.killed
    return killer.toll


@pytest.mark.parametrize("point", NAMED)
async def test_a_moment_that_comes_is_met(point: Point) -> None:
    outside = Outside(lambda _: True)
    toll = await toll_of(outside, point)
    assert toll.by_point == {point: 2}
    assert outside.killed == list(WORKERS)
    assert (toll.total, toll.postponed.total(), toll.missed.total()) == (2, 0, 0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("point", NAMED)
async def test_a_moment_that_never_comes_is_given_up_after_some_tries_and_made_up_for(point: Point) -> None:
    toll = await toll_of(Outside(lambda _: False), point)
    assert toll.by_point == {Point.RANDOM: 2}
    assert toll.postponed == {point: MOST_TRIES - 1}
    assert toll.missed == {point: 1}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("point", [point for point in NAMED if point is not Point.CONTINUE_AS_NEW])
async def test_a_moment_that_did_not_come_is_awaited_again_after_other_strikes(point: Point) -> None:
    toll = await toll_of(Outside(lambda number: number >= 3), point, *[Point.RANDOM] * 3)
    assert toll.by_point == {Point.RANDOM: 6, point: 2}
    assert toll.postponed[point] >= 2
    assert toll.missed.total() == 0


async def test_the_edge_is_awaited_until_a_promotion_is_under_way() -> None:
    toll = await toll_of(Outside(lambda number: number > 3), Point.CONTINUE_AS_NEW)
    assert toll.by_point == {Point.CONTINUE_AS_NEW: 2}
    assert toll.postponed.total() == 0
    assert toll.continued == 1


@pytest.mark.parametrize("point", NAMED)
async def test_when_all_is_done_no_moment_is_awaited(point: Point) -> None:
    toll = await toll_of(Outside(lambda _: True), point, done=True)
    assert (toll.by_point, toll.postponed, toll.missed) == ({Point.RANDOM: 2}, {}, {point: 1})


@pytest.mark.parametrize("point", [Point.AFTER_POST, Point.AFTER_PATCH])
async def test_a_kill_after_the_request_may_have_been_answered_does_not_count_as_met(
    point: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chaos_kills, "IN_FLIGHT_SECONDS", 1.0)
    outside = Outside(lambda _: True)
    slow = iter([1.1])
    outside.at_the_kill = lambda: time.sleep(next(slow, 0.0))
    toll = await toll_of(outside, point)
    assert toll.by_point == {Point.RANDOM: 2, point: 2}
    assert (toll.total, toll.postponed, toll.missed) == (4, {point: 1}, {})


async def test_a_kill_after_the_run_was_continued_does_not_count_as_met() -> None:
    outside = Outside(lambda _: True)
    outside.at_the_kill = outside.continue_as_new
    toll = await toll_of(outside, Point.CONTINUE_AS_NEW)
    assert toll.by_point[Point.CONTINUE_AS_NEW] == 0
    assert toll.missed == {Point.CONTINUE_AS_NEW: 1}
