"""What an installation needs, simulated from measured figures."""

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.sizing import Load, Needs, measured, simulate

LOAD = Load(changes=200, waiting=1000, repositories=20)
PAGE = Path(__file__).parents[2] / "docs" / "operate" / "scaling.md"


def needs(load: Load) -> Needs:
    return simulate(load, measured(), random.Random(1))


def test_each_figure_has_the_command_that_shows_it() -> None:
    assert [name for name, part in measured().items() if not part["command"].startswith("make bench")] == []


def test_more_changes_need_more() -> None:
    few, many = needs(LOAD), needs(replace(LOAD, changes=50_000))
    assert many.cores > few.cores
    assert many.processes > few.processes
    assert many.scm_calls_per_hour > few.scm_calls_per_hour


def test_trackers_that_wait_cost_memory_and_looks_by_repository_only() -> None:
    few, many = needs(replace(LOAD, waiting=0)), needs(LOAD)
    assert many.megabytes > few.megabytes
    assert many.scm_calls_per_hour == few.scm_calls_per_hour


def test_a_quiet_installation_has_two_workers() -> None:
    assert needs(Load(changes=0)).processes == 2


@pytest.mark.parametrize("changes", [50, 500, 2000])
def test_the_page_shows_what_the_simulation_shows(changes: int) -> None:
    found = needs(Load(changes=changes, waiting=10 * changes, repositories=max(1, changes // 5)))
    row = re.search(rf"^\| {changes:,} \|.*$", PAGE.read_text(), re.MULTILINE)
    assert row is not None
    cells = [cell.strip() for cell in row.group().strip("|").split("|")]
    assert cells[3:] == [
        f"{found.processes} ({found.cores:.2f})",
        f"{found.megabytes:.0f} MB",
        f"{found.scm_calls_per_hour:,.0f}",
        f"{found.kubernetes_requests_per_second:.1f}",
        f"{found.events_per_second:.0f}",
        f"{found.tracker_megabytes:.0f} MB",
    ]
