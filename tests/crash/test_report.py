"""The report says what was met, and explains what was broken."""

from collections import Counter
from typing import Any

from tests.chaos.judgement import judge
from tests.chaos.report import lines
from tests.chaos.run import Outcome, Plan
from tests.chaos.schedule import Point, Toll
from tests.crash.flawless import evidence, tracker


def report(fields: dict[str, Any], **changes: Any) -> list[str]:
    found = evidence(fields, troubles={"seldom": 1, "often": 9}, **changes)
    toll = Toll(by_process=Counter(worker=2), postponed=Counter({Point.AFTER_POST: 2}))
    outcome = Outcome(plan=Plan(promotions=3, kills=2, seed=1), evidence=found, toll=toll, seconds=5.0)
    return list(lines(outcome, judge(found)))


def test_a_flawless_run_is_reported_without_what_the_logs_complain_of(flawless: dict[str, Any]) -> None:
    said = report(flawless)
    assert sum(line.startswith("✓") for line in said) == len(judge(evidence(flawless)))
    assert said[-1].startswith("✓")
    assert any(line.endswith("awaited again: 2 (after POST (trigger), before its reply 2)") for line in said)
    assert any(line.endswith("given up, made up for at random: 0") for line in said)


def test_a_broken_promise_is_followed_by_its_cases_and_the_logs_worst_complaints(flawless: dict[str, Any]) -> None:
    said = report(flawless, trackers=[*flawless["trackers"][:2], tracker(3, state="Testing")])
    assert said[said.index("✗ every promotion is Completed") + 1].startswith("    app1-3: Testing")
    assert said[-2:] == ["    9 times: often", "    1 times: seldom"]
