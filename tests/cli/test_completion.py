"""The shell's completion, asked as the shells' own scripts ask."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crds.api.ports import ApiForbidden, ApiUnavailable
from tests.cli.conftest import tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli.main import app
from worker.cli.options import ClusterTarget

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete() -> Complete:
    """Press the tab key in bash at the end of this line."""

    def press_tab(line: str) -> list[str]:
        # Bash's cursor stands on the last part, which is empty after a space.
        parts = line.split(" ")
        asked = {"_PILOTAGE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(parts) - 1)}
        done = CliRunner().invoke(app, [], env=asked, prog_name="pilotage", catch_exceptions=False)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout.split()

    return press_tab


@pytest.fixture
def shops(cluster: FakeCluster) -> FakeCluster:
    """Trackers in the context's own namespace and in another one."""
    for namespace, name in (("shop", "web-412"), ("shop", "api-7"), ("other", "web-9")):
        cluster.add("PullRequestTracker", name, namespace=namespace, spec=tracker_spec(int(name.rpartition("-")[2])))
        cluster.add("Namespace", namespace, namespace="")
    return cluster


def test_commands_are_completed(cluster: FakeCluster, complete: Complete) -> None:
    assert complete("pilotage pro") == ["promote"]
    assert complete("pilotage -n shop re") == [
        "retest", "retry", "refresh", "restart", "release", "receiver", "release-finalizers",
    ]  # fmt: skip
    assert cluster.targets == []


def test_options_are_completed(cluster: FakeCluster, complete: Complete) -> None:
    assert complete("pilotage promote --rea") == ["--reason"]
    assert cluster.targets == []


@pytest.mark.parametrize("command", ["get", "show", "why", "watch", "retest", "promote", "hold", "abort", "restart"])
def test_names_of_trackers_are_completed(shops: FakeCluster, complete: Complete, command: str) -> None:
    assert complete(f"pilotage {command} w") == ["web-412"]
    assert complete(f"pilotage {command} ") == ["api-7", "web-412"]
    assert shops.created == []


@pytest.mark.parametrize("line", ["pilotage -n other promote w", "pilotage promote -n other w"])
def test_a_namespace_before_or_after_the_command_is_where_trackers_are_sought(
    shops: FakeCluster, complete: Complete, line: str
) -> None:
    assert complete(line) == ["web-9"]
    assert shops.targets == [ClusterTarget(namespace="other")]


def test_the_cluster_of_both_places_is_asked_and_the_later_option_wins(shops: FakeCluster, complete: Complete) -> None:
    complete("pilotage --context outer --kubeconfig config -n shop show --context inner w")

    assert shops.targets == [ClusterTarget(namespace="shop", kubeconfig=Path("config"), context="inner")]


@pytest.mark.parametrize("line", ["pilotage -n o", "pilotage show -n o", "pilotage -n shop show --namespace o"])
def test_namespaces_are_completed_before_and_after_the_command(
    shops: FakeCluster, complete: Complete, line: str
) -> None:
    assert complete(line) == ["other"]
    assert shops.created == []


@pytest.mark.parametrize("failure", [ApiUnavailable("refused"), ApiForbidden("may not list", status=403)])
@pytest.mark.parametrize("line", ["pilotage show w", "pilotage -n s"])
def test_a_cluster_that_does_not_answer_completes_to_nothing(
    shops: FakeCluster, complete: Complete, line: str, failure: ApiUnavailable | ApiForbidden
) -> None:
    shops.failure = failure

    assert complete(line) == []
