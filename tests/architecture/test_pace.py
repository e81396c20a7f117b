"""The suite runs in several processes: files stay whole, long folders go first, and each folder has a budget."""

import socket
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.local.environment import ports
from tests import pace

TESTS = Path(__file__).parents[1]


def test_each_folder_of_tests_has_a_budget_and_no_budget_is_left_over() -> None:
    folders = {f"tests/{file.parent.relative_to(TESTS).as_posix()}" for file in TESTS.rglob("test_*.py")}
    assert {pace.folder_of(f"{folder}/test_some.py::test_it") for folder in folders} == set(pace.BUDGET_SECONDS)


def test_a_file_is_taken_whole() -> None:
    assert pace.share_of("tests/watcher/test_proofs.py::test_it[a::b]") == "tests/watcher/test_proofs.py"


def test_the_folders_that_take_longest_go_first_and_files_keep_their_order() -> None:
    ids = [f"tests/{name}" for name in ("architecture/b.py::z", "architecture/b.py::a", "e2e/a.py::a", "odd/a.py::a")]
    items = [cast(pytest.Item, SimpleNamespace(nodeid=one)) for one in ids]
    pace.longest_first(items)
    assert [item.nodeid for item in items] == [ids[2], ids[0], ids[1], ids[3]]


def test_no_two_processes_look_at_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    for process in range(3):
        with monkeypatch.context() as one:
            one.setattr(ports, "FIRST", 20_000)
            one.setattr(ports, "LAST", 20_900)
            pace.own_ports(process, 3)
            taken += range(ports.FIRST, ports.LAST)
    assert taken == list(range(20_000, 20_900))


def test_what_repeats_failed_tests_is_asked_without_a_pause() -> None:
    plugin: Any = import_module("pytest_rerunfailures").SocketDB()
    with closing(plugin.sock):
        pace.answer_at_once(cast(pytest.Config, SimpleNamespace(failures_db=plugin)))
        assert plugin.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    pace.answer_at_once(cast(pytest.Config, SimpleNamespace()))


def test_the_table_counts_each_test_once_and_all_its_seconds() -> None:
    reports: list[Any] = [
        SimpleNamespace(nodeid="tests/replay/test_replay.py::a", duration=duration) for duration in (1.0, 2.0, 4_000.0)
    ]
    _head, line = pace.table(reports)
    assert line.split() == ["tests/replay", "1", "4003", str(pace.BUDGET_SECONDS["tests/replay"]), "over"]
