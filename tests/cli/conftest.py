"""A cluster and a command line that reaches it."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.cli.fake_cluster import FakeCluster
from worker.cli import session
from worker.cli.main import app

Run = Callable[..., Result]
MERGED = "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"
OLDER = "77c077c077c077c077c077c077c077c077c077c0"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """An empty cluster that the command line reaches."""
    fake = FakeCluster()
    monkeypatch.setattr(session, "opener", fake.open)
    for name in ("TEMPORAL_ADDRESS", "TEMPORAL_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return fake


@pytest.fixture
def run() -> Run:
    """Run `pilotage` with these arguments, in a pipe."""
    runner = CliRunner()

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return runner.invoke(app, list(arguments), input=stdin, catch_exceptions=False)

    return invoke


@pytest.fixture
def status() -> dict[str, Any]:
    """The status of a tracker whose tests run in dev."""
    return {
        "state": "Testing",
        "reason": "TestsRunning",
        "environment": "dev",
        "revision": MERGED,
        "attempt": 1,
        "sequence": 1,
        "hop": {"index": 0, "source": "dev", "target": "staging"},
        "waitingFor": {
            "what": "Verdict",
            "object": "dev-to-staging",
            "wanted": "integration, e2e",
            "observed": "integration Passed, e2e Running",
            "since": "2026-11-21T08:01:00Z",
            "unblockWith": "nothing; the tests run",
        },
        "pullRequest": {
            "number": 412,
            "title": "Add a basket",
            "author": "alice",
            "url": "https://github.com/acme/web/pull/412",
            "state": "Merged",
            "mergeSHA": MERGED,
            "headSHA": OLDER,
        },
        "tests": [
            {
                "name": "integration",
                "runner": "jenkins",
                "required": True,
                "state": "Passed",
                "url": "https://jenkins.example.com/job/web/1/",
                "number": "1",
                "startedAt": "2026-11-21T08:01:00Z",
                "finishedAt": "2026-11-21T08:03:30Z",
            },
            {"name": "e2e", "runner": "jenkins", "required": True, "state": "Running", "number": "2"},
            {"name": "lighthouse", "runner": "jenkins", "required": False, "state": "Failed", "message": "score 41"},
        ],
        "workflow": {"id": "promotion/local/shop/web-412/u/1", "url": "http://127.0.0.1:8233/w"},
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "lastTransitionTime": "2026-11-21T08:00:01Z",
            }
        ],
    }


@pytest.fixture
def tracked(cluster: FakeCluster, status: dict[str, Any]) -> FakeCluster:
    """A cluster with the tracker web-412."""
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status)
    return cluster


def tracker_spec(number: int) -> dict[str, Any]:
    """Return the spec of a tracker of the repository web."""
    return {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev", "attempt": 1}
