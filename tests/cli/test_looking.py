"""`pilotage get`, `show` and `watch`."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from ruamel.yaml import YAML
from typer.testing import Result

from crds.api.ports import ApiError, ApiForbidden, ApiNotFound, ApiUnauthorized, ApiUnavailable
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from tests.cli.conftest import tracker_spec
from tests.cli.fake_cluster import FakeCluster
from worker.cli import watching

Run = Callable[..., Result]


def test_get_prints_one_aligned_line_per_tracker_in_a_pipe(tracked: FakeCluster, run: Run) -> None:
    tracked.add("PullRequestTracker", "web-7", spec=tracker_spec(7))

    result = run("get")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == ["NAME", "PR", "ENV", "STATE", "WAITING-FOR", "AGE", "TITLE"]
    assert lines[1].startswith("web-412   412   dev   Testing   Verdict")
    assert lines[2].split()[:5] == ["web-7", "7", "dev", "New", "-"]


def test_get_of_all_namespaces_names_the_namespace_first(tracked: FakeCluster, run: Run) -> None:
    tracked.add("PullRequestTracker", "web-9", namespace="other", spec=tracker_spec(9))

    result = run("get", "-A")

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["NAMESPACE", "other", "shop"]


def test_get_filters_by_state_and_refuses_an_unknown_one(tracked: FakeCluster, run: Run) -> None:
    tracked.add("PullRequestTracker", "web-7", spec=tracker_spec(7), status={"state": "Completed"})

    assert "web-412" not in run("get", "--state", "completed").stdout
    refused = run("get", "--state", "Done")
    assert refused.exit_code == 2
    assert "`Done` is not a state" in refused.stderr


def test_get_as_json_is_a_list_of_the_documents_as_they_are(tracked: FakeCluster, run: Run) -> None:
    listed = json.loads(run("get", "-o", "json").stdout)

    assert listed["kind"] == "List"
    assert listed["items"] == [tracked.objects["PullRequestTracker", "shop", "web-412"]]


def test_get_notes_on_stderr_that_nothing_was_found(cluster: FakeCluster, run: Run) -> None:
    result = run("get")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "No trackers found in namespace shop." in result.stderr
    assert cluster.created == []


def test_the_cluster_options_work_before_and_after_the_command(tracked: FakeCluster, run: Run) -> None:
    run("-n", "shop", "--context", "outer", "show", "web-412")
    run("--context", "outer", "show", "web-412", "-n", "shop", "--context", "inner")

    assert [(target.namespace, target.context) for target in tracked.targets] == [("shop", "outer"), ("shop", "inner")]


def test_show_prints_state_wait_tests_and_conditions(tracked: FakeCluster, run: Run) -> None:
    result = run("show", "web-412")

    assert result.exit_code == 0
    text = result.stdout
    assert "State:        Testing (TestsRunning)" in text
    assert "Hop:          dev -> staging" in text
    assert "Verdict on dev-to-staging: wanted integration, e2e, observed integration Passed, e2e Running" in text
    integration = next(line for line in text.splitlines() if line.startswith("integration"))
    assert integration.split() == [
        "integration", "jenkins", "#1", "yes", "Passed", "-", "1", "2m30s", "-", "https://jenkins.example.com/job/web/1/",
    ]  # fmt: skip
    assert "Accepted    True" in text


@pytest.mark.parametrize(("required", "verdict"), [(True, "all required ones passed"), (False, "none is required")])
def test_show_calls_no_test_passed_that_was_not_required(
    tracked: FakeCluster, status: dict[str, Any], run: Run, required: bool, verdict: str
) -> None:
    test = {"name": "e2e", "runner": "jenkins", "required": required, "state": "Passed"}
    aggregate = {"all_passed": True, "any_failed": False, "any_running": False, "any_timeout": False, "results": {}}
    tracked.add(
        "PullRequestTracker",
        "web-412",
        spec=tracker_spec(412),
        status={**status, "tests": [test], "aggregate": aggregate},
    )

    assert f"Tests: {verdict}\n" in run("show", "web-412").stdout


def test_show_prints_finished_promotions(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    record = {
        "promoted": True,
        "result": "Promoted",
        "source": "dev",
        "target": "staging",
        "policy": {"name": "dev-to-staging", "generation": 3},
        "at": "2026-11-21T08:05:00Z",
        "artifacts": [{"component": "", "revision": "ab12" * 10}],
        "promotedBy": "autoPromote",
    }
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "promotions": [record]})

    text = run("show", "web-412").stdout

    assert "dev    staging   Promoted   dev-to-staging   ab12ab12ab12   autoPromote" in text


def test_show_as_yaml_is_the_document(tracked: FakeCluster, run: Run) -> None:
    shown = YAML(typ="safe").load(run("show", "web-412", "-o", "yaml").stdout)

    assert shown["status"]["state"] == "Testing"
    assert shown["metadata"]["name"] == "web-412"
    assert tracked.created == []


def test_a_missing_tracker_exits_3_and_names_where_it_was_sought(cluster: FakeCluster, run: Run) -> None:
    result = run("show", "web-1")

    assert result.exit_code == 3
    assert 'PullRequestTracker "web-1" not found in namespace "shop"' in result.stderr
    assert cluster.targets[0].namespace is None


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ApiUnavailable("the API server cannot be reached: refused"), 5),
        (ApiUnauthorized("Unauthorized", status=401), 5),
        (ApiForbidden("user bob cannot list", status=403), 1),
        (ApiNotFound("the server could not find the requested resource", status=404), 3),
    ],
)
def test_errors_of_the_api_server_become_exit_codes_without_a_traceback(
    cluster: FakeCluster, run: Run, failure: Exception, code: int
) -> None:
    assert isinstance(failure, ApiError)
    cluster.failure = failure

    result = run("get")

    assert result.exit_code == code
    assert result.stderr.startswith(f"error: {failure.message}")


def test_a_document_of_a_newer_version_is_named_not_a_traceback(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "state": "Dreaming"})

    result = run("show", "web-412")

    assert result.exit_code == 1
    assert "status.state" in result.stderr
    assert run("show", "web-412", "-o", "json").exit_code == 0


def test_watch_prints_changes_and_ends_with_the_promotion(
    tracked: FakeCluster, status: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    status["tests"][1]["retry"] = 1
    states = iter([status, status, {**status, "state": "Completed", "waitingFor": None, "environment": "prod"}])
    read = tracked.get

    async def get(*arguments: Any) -> dict[str, Any]:
        tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=next(states))
        return await read(*arguments)

    monkeypatch.setattr(tracked, "get", get)
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.0)

    result = run("watch", "web-412")

    assert result.exit_code == 0
    lines = [line.split(" ", 2)[2] for line in result.stdout.splitlines()]
    assert lines[0] == "Testing dev: waits for Verdict on dev-to-staging"
    assert "test e2e (try 2): Running" in lines
    assert lines[-1] == "Completed prod"
    assert len(lines) == len(set(lines))


def test_watch_notes_once_that_the_api_server_is_away_and_goes_on(
    tracked: FakeCluster, status: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([status, None, None, None, {**status, "state": "Completed", "waitingFor": None}])
    read = tracked.get

    async def get(*arguments: Any) -> dict[str, Any]:
        found = next(looks)
        if found is None:
            raise ApiUnavailable("the API server cannot be reached: refused")
        tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=found)
        return await read(*arguments)

    monkeypatch.setattr(tracked, "get", get)
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.0)

    result = run("watch", "web-412")

    assert (result.exit_code, result.stderr) == (0, "the API server cannot be reached: refused; watching goes on\n")


def test_watch_ends_at_once_where_no_api_server_was_ever_reached(
    tracked: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    async def get(*arguments: Any) -> dict[str, Any]:
        looks.append(arguments)
        raise ApiUnavailable("the API server cannot be reached: refused")

    monkeypatch.setattr(tracked, "get", get)
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.0)

    result = run("watch", "web-412")

    assert (result.exit_code, len(looks)) == (5, 1)
    assert result.stderr.startswith("error: the API server cannot be reached: refused")


def test_watch_exits_1_when_the_promotion_was_aborted(tracked: FakeCluster, status: dict[str, Any], run: Run) -> None:
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "state": "Aborted"})

    assert run("watch", "web-412").exit_code == 1


def test_watch_waits_for_the_new_attempt_after_a_restart(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    spec = {**tracker_spec(412), "attempt": 2}
    tracked.add("PullRequestTracker", "web-412", spec=spec, status={**status, "state": "Completed"})

    assert run("watch", "web-412", "--timeout", "0.1").exit_code == 4


def test_watch_gives_up_with_exit_code_4(tracked: FakeCluster, run: Run) -> None:
    result = run("watch", "web-412", "--timeout", "0.1")

    assert result.exit_code == 4
    assert "web-412 has not ended after 0.1 s" in result.stderr
    assert tracked.created == []


def test_a_terminals_table_fits_eighty_columns_and_keeps_links_whole(status: dict[str, Any]) -> None:
    tracker = PullRequestTracker.from_wire(
        {"metadata": {"name": "web-412"}, "spec": tracker_spec(412), "status": status}
    )
    stream = io.StringIO()

    Console(file=stream, width=80).print(watching.render(tracker))

    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("integration" in line and "Passed" in line for line in lines)
    assert "integration: https://jenkins.example.com/job/web/1/" in [line.rstrip() for line in lines]
    assert "ROUND" not in stream.getvalue()


def test_show_lists_the_applications_of_a_promotion_that_failed(
    tracked: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    record = {"promoted": False, "result": "Failed", "source": "dev", "target": "staging", "at": "2026-11-21T08:05:00Z"}
    moved = {"deployment": "eu", "application": "web-eu", "result": "Promoted", "artifact": {"revision": "ab12" * 10}}
    failed = {"deployment": "us", "application": "web-us", "result": "Failed", "message": "Degraded: no such image"}
    record |= {"applications": [moved, failed], "applicationsOmitted": 3}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "promotions": [record]})
    lines = run("show", "412").stdout.splitlines()
    at = lines.index("Applications of staging (of 5)")
    cells = [[cell.strip() for cell in one.split("   ") if cell.strip()] for one in lines[at + 1 : at + 4]]
    assert cells == [
        ["DEPLOYMENT", "APPLICATION", "RESULT", "RUNS", "MESSAGE"],
        ["eu", "web-eu", "Promoted", "ab12ab12ab12", "-"],
        ["us", "web-us", "Failed", "nothing known", "Degraded: no such image"],
    ]
    done = {**record, "promoted": True, "result": "Promoted"}
    tracked.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status={**status, "promotions": [done]})
    assert "Applications of" not in run("show", "412").stdout
