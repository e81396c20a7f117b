"""`pilotage drift`."""

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

from tests.cli.fake_cluster import FakeCluster

Run = Callable[..., Result]


def monitor(cluster: FakeCluster, name: str, *, namespace: str = "shop", **status: Any) -> None:
    """Put a monitor there that shows this."""
    spec = {
        "trackerRef": {"name": "web-412"},
        "environment": "staging",
        "deployment": "web",
        "application": "web-staging",
        "project": "shop",
        "instanceRef": {"name": "argocd"},
        "repositoryRef": {"name": "web"},
        "revision": "a" * 40,
        "promotedAt": "2026-11-21T08:00:00Z",
    }
    checked = {"lastCheckedAt": "2026-11-21T08:05:00Z", **status} if status else {}
    cluster.add("DriftMonitor", name, namespace=namespace, spec=spec, status=checked)


def test_what_drifted_comes_first_then_what_is_not_known(cluster: FakeCluster, run: Run) -> None:
    monitor(cluster, "in-place", drifted=False)
    monitor(cluster, "unknown", kind="Unknown", observed="no answer")
    monitor(cluster, "drifted", drifted=True, kind="RevisionMoved", observed="bbb")
    monitor(cluster, "new")
    shown = [line.split() for line in run("drift").stdout.splitlines()]
    assert [one[0] for one in shown] == ["NAME", "drifted", "new", "unknown", "in-place"]
    assert shown[1][3:5] == ["yes", "RevisionMoved"]
    assert "APPLICATION" not in shown[0]
    assert [line.split()[-1] for line in run("drift", "-o", "wide").stdout.splitlines()][:2] == [
        "APPLICATION",
        "web-staging",
    ]


def test_one_monitor_shows_what_was_expected_and_observed(cluster: FakeCluster, run: Run) -> None:
    monitor(cluster, "drifted", drifted=True, kind="OutOfSync", expected="Synced", observed="OutOfSync")
    result = run("drift", "drifted")
    found = dict(line.split(":", 1) for line in result.stdout.splitlines() if ":" in line)
    assert (found["Drifted"].strip(), found["Expected"].strip()) == ("yes", "Synced")
    assert result.exit_code == 0


def test_as_json_it_is_the_documents_as_they_are_and_one_by_itself(cluster: FakeCluster, run: Run) -> None:
    monitor(cluster, "drifted", drifted=True, kind="OutOfSync")
    document = cluster.objects["DriftMonitor", "shop", "drifted"]
    assert json.loads(run("drift", "-o", "json").stdout)["items"] == [document]
    assert json.loads(run("drift", "drifted", "-o", "json").stdout) == document


def test_all_namespaces_are_named_first_and_one_without_monitors_is_noted(cluster: FakeCluster, run: Run) -> None:
    assert "No drift monitors found in namespace shop" in run("drift").stderr
    monitor(cluster, "far", namespace="other", drifted=False)
    assert run("drift", "-A").stdout.splitlines()[1].split()[0] == "other"


def test_a_monitor_that_is_not_there_is_not_found(cluster: FakeCluster, run: Run) -> None:
    assert run("drift", "absent").exit_code == 3
