"""Each command that is printed asks the cluster that was meant: pasting it does the same thing in the same shell."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from crds.api.ports import ApiNotFound, ApiUnavailable
from tests.cli.conftest import Run, tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli.options import ClusterTarget

HERE = ["--kubeconfig", "/my configs/far", "--context", "far"]
PRINTED = re.compile(r"(?<![\w/.-])(pilotage|kubectl) (?=[-a-z])([^`\n|;]*)")
ELSEWHERE = ("crds", "setup")
"""Commands that ask no cluster."""
UNBLOCK = "check it: kubectl -n shop describe argocdinstance.pilotage.dev argocd"
RETEST = "fix the job; or fix PromotionPolicy/dev-to-staging, then pilotage -n shop retest web-412"
HELD = {"type": "WorkflowAvailable", "status": "False", "lastTransitionTime": "2026-11-21T08:00:01Z"}


@pytest.fixture(autouse=True)
def no_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    """`doctor` asks Temporal too."""
    monkeypatch.setenv("PILOTAGE_INSTALLATION", "tests")


def commands(run: Run, *arguments: str) -> Iterator[list[str]]:
    """Yield the arguments of each command that a call prints, without the options of the cluster, which each has."""
    answer = run(*HERE, "-n", "shop", *arguments)
    printed = f"{answer.stdout}\n{answer.stderr.rpartition('for help.')[2]}"
    found = [(one[1], shlex.split(one[2])) for one in PRINTED.finditer(printed)]
    assert found, f"{answer.stdout}\n{answer.stderr}"
    for program, parts in found:
        if parts[0] not in ELSEWHERE:
            assert parts[: len(HERE)] == HERE, (program, parts)
            yield [program, *parts[len(HERE) :]]


@pytest.mark.parametrize("command", ["why", "show"])
@pytest.mark.parametrize("text", [UNBLOCK, RETEST, "pilotage -n shop promote web-412", "start it: pilotage doctor"])
def test_the_way_out_of_a_status(
    cluster: FakeCluster, status: dict[str, Any], run: Run, text: str, command: str
) -> None:
    status["waitingFor"]["unblockWith"] = text
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status)
    found = list(commands(run, command, "web-412"))
    parts = text.rpartition(": ")[2].rpartition("then ")[2].split()
    assert parts in found


@pytest.mark.parametrize(
    ("reason", "way"), [("Lost", ["-n", "shop", "restart", "web-412"]), ("WorkflowStalled", ["doctor"])]
)
def test_what_starts_a_promotion_again(
    cluster: FakeCluster, status: dict[str, Any], run: Run, reason: str, way: list[str]
) -> None:
    status["conditions"] = [HELD | {"reason": reason}]
    cluster.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status)
    for command in ("why", "show"):
        assert ["pilotage", *way] in commands(run, command, "web-412")


def test_the_command_of_a_refusal(tracked: FakeCluster, run: Run) -> None:
    fits = "the hop at hand goes to staging: `pilotage -n shop promote web-412`"
    tracked.answer_command = lambda _command: {"accepted": False, "message": fits}
    assert list(commands(run, "promote", "web-412")) == [["pilotage", "-n", "shop", "promote", "web-412"]]
    tracked.answer_command = lambda _command: {"accepted": False, "message": "no"}
    assert list(commands(run, "abort", "412")) == [["pilotage", "-n", "shop", "why", "web-412"]]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["show", "web-9"], ["pilotage", "get", "-A"]),
        (["why", "9"], ["pilotage", "-n", "shop", "track", "9"]),
        (["envs", "prod"], ["pilotage", "-n", "shop", "envs"]),
        (["drift", "web"], ["pilotage", "-n", "shop", "drift"]),
        (["track", "9", "-r", "api"], ["kubectl", "-n", "shop", "get", "gitrepository.pilotage.dev"]),
        (["track", "9"], ["pilotage", "-n", "shop", "init", "HOST", "OWNER/NAME"]),
        (["open", "web-412", "--workflow"], ["pilotage", "-n", "shop", "why", "web-412"]),
        (["release", "-e", "prod"], ["pilotage", "-n", "shop", "envs", "prod"]),
    ],
    ids=" ".join,
)
def test_what_finds_an_object_that_is_not_there(
    tracked: FakeCluster, status: dict[str, Any], run: Run, arguments: list[str], command: list[str]
) -> None:
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=status | {"workflow": {"id": "w"}})
    assert command in list(commands(run, *arguments))


def test_what_shows_why_a_cluster_does_not_answer(cluster: FakeCluster, run: Run) -> None:
    cluster.failure = ApiUnavailable("connection refused")
    assert list(commands(run, "get")) == [["kubectl", "cluster-info"]]
    assert ["kubectl", "cluster-info"] in commands(run, "doctor")
    cluster.failure = ApiNotFound("the server could not find the requested resource", status=404)
    [(program, *parts)] = commands(run, "get")
    assert (program, parts[0]) == ("kubectl", "apply")


def test_what_fixes_an_installation(cluster: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    refused = {"type": "Reachable", "status": "False", "reason": "Unauthorized", "message": "401"}
    cluster.add(
        "ScmProvider",
        "github",
        spec={"github": {}, "secretRef": {"name": "token"}},
        status={"conditions": [{**refused, "lastTransitionTime": "2026-01-02T12:00:00Z"}]},
    )
    found = list(commands(run, "doctor"))
    assert ["kubectl", "-n", "shop", "describe", "scmprovider.pilotage.dev", "github"] in found
    assert any(parts[:5] == ["kubectl", "-n", "shop", "create", "secret"] for parts in found)
    assert any(parts[:2] == ["kubectl", "apply"] for parts in found)


@pytest.mark.parametrize(
    "text",
    [
        "docs: kubectl plugin",
        "deploy: kubectl rollout failed",
        "labels pilotage/hold",
        "pilotage is late",
        "",
        "kubectl",
    ],
)
def test_what_is_no_command_of_pilotage_stays(text: str) -> None:
    assert ClusterTarget(context="far").pasted(text) == text


def test_without_options_nothing_is_added_and_with_them_nothing_twice() -> None:
    assert ClusterTarget(namespace="shop").pasted(UNBLOCK) == UNBLOCK
    once = ClusterTarget(context="far").pasted(UNBLOCK)
    assert once == "check it: kubectl --context far -n shop describe argocdinstance.pilotage.dev argocd"
    assert ClusterTarget(context="far").pasted(once) == once
