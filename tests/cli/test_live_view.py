"""`pilotage watch` on a terminal: a view that redraws itself, and a terminal that is as before when it ends."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import CTRL_C, Terminal


class Status:
    """The tracker's status, as the watching program reads it."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self.path = path
        self._content = content
        self.become()

    def become(self, **changes: Any) -> None:
        """Change some of it."""
        self._content.update(changes)
        partial = self.path.with_suffix(".part")
        partial.write_text(json.dumps(self._content))
        partial.replace(self.path)


@pytest.fixture
def written(tmp_path: Path, status: dict[str, Any]) -> Status:
    """A tracker whose tests run in dev."""
    return Status(tmp_path / "status.json", status)


@pytest.fixture
def terminal(written: Status) -> Iterator[Terminal]:
    """A terminal on which `pilotage watch web-412` runs."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    command = [sys.executable, "-m", "tests.cli.watched", str(written.path), "watch", "web-412"]
    with Terminal(command, kept) as started:
        yield started


def test_the_view_is_redrawn_in_place_and_ends_with_the_promotion(terminal: Terminal, written: Status) -> None:
    terminal.await_text("Testing")
    assert "waits for Verdict on dev-to-staging" in "\n".join(terminal.screen())
    written.become(state="ReadyToPromote", waitingFor={"what": "PromoteCommand", "unblockWith": "pilotage promote"})
    terminal.await_text("unblock with: pilotage promote")
    written.become(state="Completed", environment="prod", waitingFor=None)

    assert terminal.await_end() == 0
    rows = [line.split() for line in terminal.screen() if line.startswith(("NAME", "web-412"))]
    assert [row[0] for row in rows] == ["NAME", "web-412"], "drawn once more below, not in place"
    assert "Completed" in rows[1]
    assert "Testing" not in "\n".join(terminal.screen())
    assert "waits for" not in "\n".join(terminal.screen())
    assert terminal.as_before()


def test_an_api_server_that_goes_away_is_noted_above_the_view(terminal: Terminal, written: Status) -> None:
    terminal.await_text("Testing")
    written.path.unlink()
    terminal.await_text("the API server cannot be reached: connection refused; watching goes on")
    written.become(state="Completed", waitingFor=None)

    assert terminal.await_end() == 0
    shown = [line.split()[0] for line in terminal.screen() if line.startswith(("NAME", "web-412", "the API"))]
    assert shown == ["the", "NAME", "web-412"]
    assert terminal.as_before()


def test_a_promotion_that_was_aborted_stays_on_the_screen(terminal: Terminal, written: Status) -> None:
    terminal.await_text("Testing")
    written.become(state="Aborted", waitingFor=None)

    assert terminal.await_end() == 1
    assert any(line.startswith("web-412") and "Aborted" in line for line in terminal.screen())
    assert terminal.as_before()


def test_ctrl_c_ends_the_view_with_130_and_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.await_text("Testing")
    assert not terminal.as_before(), "the view hides the cursor while it is drawn"

    terminal.press(CTRL_C)

    assert terminal.await_end() == 130
    assert terminal.as_before()
    assert "Traceback" not in terminal.written
    assert sum(line.startswith("NAME") for line in terminal.screen()) == 1


def test_a_terminal_gets_colours_and_a_link_on_a_line_of_its_own(terminal: Terminal) -> None:
    terminal.await_text("integration: https://jenkins.example.com/job/web/1/")

    assert "\x1b[36mTesting" in terminal.written
    assert max(map(len, terminal.screen())) <= 100


def test_nothing_is_lost_beyond_the_edge_of_the_terminal(terminal: Terminal, written: Status) -> None:
    terminal.await_text("Testing")
    observed = " ".join(f"test{number} Running;" for number in range(20)) + " the end"
    written.become(waitingFor={"what": "Verdict", "object": "dev-to-staging", "observed": observed})
    link = f"https://jenkins.example.com/{'/job/deep' * 12}/1/"
    written.become(tests=[{"name": "e2e", "runner": "jenkins", "required": True, "state": "Running", "url": link}])

    terminal.await_text("the end")

    assert max(map(len, terminal.screen())) <= 100
    assert link in "".join(terminal.screen())
