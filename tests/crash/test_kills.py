"""Promotions under SIGKILLs on real servers, judged from the stand-ins' journal and the resources alone."""

import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.environment.binaries import report_to_stderr
from tests.chaos.judgement import Verdict, judge
from tests.chaos.report import lines
from tests.chaos.run import Outcome, Plan, roomy_directory, run_chaos
from tests.chaos.schedule import NAMED

PROMOTIONS, KILLS = 36, 24
pytestmark = pytest.mark.timeout(Plan(promotions=PROMOTIONS, kills=KILLS, seed=0).limit_seconds + 120)
MOST_MISSED = 2


@pytest.fixture(scope="module")
def outcome() -> Iterator[Outcome]:
    """One run for all tests here; its seed is printed, and `make chaos N=36 KILLS=24 SEED=…` repeats it."""
    seed = random.SystemRandom().randrange(1_000_000)
    print(f"chaos seed {seed}", file=sys.stderr)
    directory = Path(tempfile.mkdtemp(prefix="pilotage-crash-", dir=roomy_directory()))
    try:
        plan = Plan(promotions=PROMOTIONS, kills=KILLS, seed=seed)
        yield asyncio.run(run_chaos(plan, directory, report_to_stderr))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def verdicts(outcome: Outcome) -> list[Verdict]:
    judged = judge(outcome.evidence)
    print(*lines(outcome, judged), sep="\n")
    return judged


def test_every_promise_is_kept_under_kills(verdicts: list[Verdict]) -> None:
    assert {verdict.promise: verdict.broken for verdict in verdicts if not verdict.kept} == {}


def test_the_kills_were_spread_over_every_kind_of_process(outcome: Outcome) -> None:
    assert outcome.toll.total >= KILLS
    assert set(outcome.toll.by_process) == {"worker", "watcher", "temporal", "kube-apiserver"}


def test_every_named_moment_was_met(outcome: Outcome) -> None:
    toll = outcome.toll
    assert [point for point in NAMED if not toll.by_point[point]] == []
    assert toll.missed.total() <= MOST_MISSED


def test_there_was_something_to_judge(outcome: Outcome) -> None:
    evidence = outcome.evidence
    assert len(evidence.trackers) == PROMOTIONS
    assert len(evidence.builds) > PROMOTIONS
    # Changes that a newer one carries along need no write of their own.
    assert len(evidence.writes) >= PROMOTIONS // 3
    assert {"accept then drop", "answered 429", "answered 500", "answered 502"} <= set(evidence.faults)
