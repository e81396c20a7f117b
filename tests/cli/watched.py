"""`pilotage` as a program of its own on a terminal, with one tracker whose status stands in a file.

Run as `python -m tests.cli.watched STATUS-FILE ARGUMENT...`, in a session of its own, the terminal as standard input.
"""

import fcntl
import json
import signal
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from crds.api.ports import ApiResource, ApiUnavailable, Document
from tests.cli.conftest import tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli import session
from worker.cli.main import main


class Watched(FakeCluster):
    """Read the tracker's status again at each look; without the file there is no API server."""

    def __init__(self, status: Path) -> None:
        super().__init__()
        self._status = status

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        try:
            status = json.loads(self._status.read_text())
        except FileNotFoundError:
            raise ApiUnavailable("the API server cannot be reached: connection refused") from None
        self.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status)
        return await super().get(resource, namespace, name)


def _run(status: Path, program: Callable[[], None]) -> None:
    # Ctrl-C comes from the terminal that controls the session; inherited may be that SIGINT is ignored.
    fcntl.ioctl(sys.stdin.fileno(), termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    session.opener = Watched(status).open
    program()


if __name__ == "__main__":
    path = Path(sys.argv.pop(1))
    _run(path, main)
