"""How the suite is spread over processes, and what each folder may cost.

Processes share nothing: each starts the servers that its tests ask for, and takes whole files, since a file's fixtures
are opened once. The folders that take longest go first, so that none is left alone at the end.
"""

import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import pytest

from deploy.local.environment import ports

BUDGET_SECONDS: Mapping[str, int] = {
    "tests/conformance": 120,
    "tests/crash": 240,
    "tests/e2e": 1100,
    "tests/upgrade": 120,
    "tests/watcher": 200,
    "tests/receiver": 130,
    "tests/workflows/environment": 150,
    "tests/workflows/promotion": 120,
    "tests/workflows/journeys": 100,
    "tests/workflows/credential_check": 30,
    "tests/workflows/drift": 20,
    "tests/workflows/repository": 30,
    "tests/workflows/commit_status": 30,
    "tests/workflows/runtime": 5,
    "tests/workflows": 10,
    "tests/worker": 100,
    "tests/cli": 120,
    "tests/docs": 30,
    "tests/local": 120,
    "tests/crds": 90,
    "tests/chart": 40,
    "tests/sandbox": 60,
    "tests/security": 160,
    "tests/providers": 140,
    "tests/replay": 30,
    "tests/mutants": 20,
    "tests/architecture": 60,
    "tests/activities": 30,
}
"""Seconds of tests by folder, added over three processes on two idle cores; they start in this order."""
FRUGAL: Mapping[str, str] = {"GOMAXPROCS": "1"}
"""Variables of the servers of tests, which are written in Go: several share two cores, and a second thread of one only
looks for work that another process could do."""


def folder_of(nodeid: str) -> str:
    """Return the folder of a test for which there is a budget; the folder of its file when there is none."""
    folder = PurePosixPath(nodeid.partition("::")[0]).parent
    named = [str(one) for one in (folder, *folder.parents) if str(one) in BUDGET_SECONDS]
    return named[0] if named else str(folder)


def share_of(nodeid: str) -> str:
    """Return what one process takes as a whole: the file of a test."""
    return nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Order tests by their folders' budgets; files stay whole and in their order."""
    places = {folder: place for place, folder in enumerate(BUDGET_SECONDS)}
    items.sort(key=lambda item: places.get(folder_of(item.nodeid), len(places)))


def own_ports(process: int, processes: int) -> None:
    """Have the servers of this process take ports that no other process of the run looks at."""
    width = (ports.LAST - ports.FIRST) // processes
    ports.FIRST += process * width
    ports.LAST = ports.FIRST + width


def answer_at_once(config: pytest.Config) -> None:
    """Have the process that repeats failed tests answer each test of this one without a pause.

    The plugin sends two messages before each test, of which only the second is answered: the kernel keeps it back until
    the first one is acknowledged, which takes 40 ms.
    """
    connection = getattr(getattr(config, "failures_db", None), "sock", None)
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def table(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return a line for each folder that ran: tests, seconds over all processes, budget."""
    tests: dict[str, set[str]] = defaultdict(set)
    seconds: dict[str, float] = defaultdict(float)
    for report in reports:
        folder = folder_of(report.nodeid)
        tests[folder].add(report.nodeid)
        seconds[folder] += report.duration
    lines = [f"{'folder':<32}{'tests':>6}{'seconds':>9}{'budget':>8}"]
    for folder in sorted(seconds, key=lambda name: -seconds[name]):
        budget = BUDGET_SECONDS.get(folder, 0)
        over = "  over" if seconds[folder] > budget else ""
        lines.append(f"{folder:<32}{len(tests[folder]):>6}{seconds[folder]:>9.0f}{budget:>8}{over}")
    return lines
