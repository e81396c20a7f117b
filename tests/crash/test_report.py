"""The report shows what was met, and explains what was broken."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploy.local.environment.failures import LocalEnvironmentError
from tests.chaos.evidence import Evidence
from tests.chaos.judgement import judge
from tests.chaos.report import lines, require_place, write_section
from tests.chaos.run import Outcome, Plan
from tests.chaos.schedule import Point, Toll
from tests.crash.flawless import evidence, tracker


def outcome_of(found: Evidence) -> Outcome:
    toll = Toll(by_process=Counter(worker=2), postponed=Counter({Point.AFTER_POST: 2}))
    return Outcome(plan=Plan(promotions=3, kills=2, seed=1), evidence=found, toll=toll, seconds=5.0)


def report(fields: dict[str, Any], **changes: Any) -> list[str]:
    found = evidence(fields, troubles={"seldom": 1, "often": 9}, **changes)
    return list(lines(outcome_of(found), judge(found)))


def test_a_flawless_run_is_reported_without_what_the_logs_complain_of(flawless: dict[str, Any]) -> None:
    lines = report(flawless)
    assert sum(line.startswith("✓") for line in lines) == len(judge(evidence(flawless)))
    assert lines[-1].startswith("✓")
    assert any(line.endswith("awaited again: 2 (after POST (trigger), before its reply 2)") for line in lines)
    assert any(line.endswith("given up, made up for at random: 0") for line in lines)


def test_a_broken_promise_is_followed_by_its_cases_and_the_logs_worst_complaints(flawless: dict[str, Any]) -> None:
    lines = report(flawless, trackers=[*flawless["trackers"][:2], tracker(3, state="Testing")])
    assert lines[lines.index("✗ every promotion is Completed") + 1].startswith("    app1-3: Testing")
    assert lines[-2:] == ["    9 times: often", "    1 times: seldom"]


def test_a_report_makes_its_file_replaces_its_section_and_leaves_the_rest(
    flawless: dict[str, Any], tmp_path: Path
) -> None:
    found = evidence(flawless)
    path = tmp_path / "reports" / "run.md"
    require_place(path)
    write_section(path, outcome_of(found), judge(found), command="make chaos N=3")
    path.write_text(f"# Before\n{path.read_text()}after\n")
    write_section(path, outcome_of(found), judge(found), command="make chaos N=4")
    text = path.read_text()
    assert (text.startswith("# Before\n"), text.endswith("after\n")) == (True, True)
    assert ("make chaos N=3" in text, "make chaos N=4" in text) == (False, True)


def test_a_file_without_a_place_for_the_report_is_refused_before_the_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n")
    with pytest.raises(LocalEnvironmentError, match="no place for the report"):
        require_place(page)
    assert page.read_text() == "# A page\n"
