"""`pilotage envs` and `pilotage where`."""

import itertools
import json
from typing import Any

import pytest

from crds.reasons.vocabulary import Health
from crds.rules.place_summary import summary_of
from tests.cli.conftest import MERGED, OLDER, Run, tracker_spec
from tests.cli.fake_cluster import FakeCluster


def place(revision: str, **lane: Any) -> dict[str, Any]:
    """Return the status of an environment with one deployment of the repository web."""
    deployment = {"name": "eu", "artifact": {"component": "", "revision": revision}, "health": "Healthy"}
    history = [{"at": "2026-11-20T08:00:00Z", "artifacts": [{"revision": OLDER}], "tracker": "web-411"}]
    return {"repositories": [{"repository": "web", "deployments": [deployment], "lane": lane, "history": history}]}


@pytest.fixture
def places(tracked: FakeCluster) -> FakeCluster:
    """Environments of a change that tests run for in dev, while another one is written to staging."""
    tracked.add("Environment", "dev", spec={}, status=place(MERGED))
    members = [{"tracker": "web-411", "phase": "Holder", "held": True}, {"tracker": "web-412", "phase": "Ready"}]
    tracked.add("Environment", "staging", spec={}, status=place(OLDER, holder="web-411", members=members))
    tracked.add("Environment", "prod", spec={})
    return tracked


def on_to_prod(status: dict[str, Any]) -> dict[str, Any]:
    """Return the status of a change that came to staging, and is on its way to prod."""
    done = {"promoted": True, "result": "Promoted", "source": "dev", "target": "staging", "promotedBy": "autoPromote"}
    hop = {"index": 1, "source": "staging", "target": "prod"}
    return {**status, "promotions": [{**done, "at": "2026-11-21T08:05:00Z"}], "hop": hop}


def cells(text: str) -> list[list[str]]:
    """Return the cells of aligned lines."""
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.splitlines()]


def test_environments_are_listed_with_what_runs_there_and_who_waits(places: FakeCluster, run: Run) -> None:
    head, dev, prod, staging = cells(run("envs").stdout)

    assert head == ["ENV", "REPO", "RUNS", "HEALTH", "SINCE", "LANE", "WAITING"]
    assert dev == ["dev", "web", MERGED[:12], "Healthy", "-", "free", "-"]
    assert prod == ["prod", "-", "not observed yet", "-", "-", "-", "-"]
    assert staging == ["staging", "web", OLDER[:12], "Healthy", "-", "web-411", "web-412"]


def test_the_worst_health_is_the_one_that_kubectl_shows(cluster: FakeCluster, run: Run) -> None:
    for one, other in itertools.combinations(Health, 2):
        deployments = [{"name": health, "health": health} for health in (one, other)]
        status = {"repositories": [{"repository": "web", "deployments": deployments}]}
        cluster.add("Environment", "dev", spec={}, status=status)
        assert cells(run("envs").stdout)[1][3] == summary_of(status["repositories"])["health"]


def test_an_environment_is_shown_with_its_lane_and_its_history(places: FakeCluster, run: Run) -> None:
    found = cells(run("envs", "penv/staging").stdout)

    assert ["web-411", "Holder", "yes"] in found
    assert ["web-412", "Ready", "-"] in found
    assert [OLDER[:12], "web-411"] in [row[1:] for row in found]
    assert run("envs", "nowhere").exit_code == 3


def test_a_pull_request_is_followed_from_environment_to_environment(
    places: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    places.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=on_to_prod(status))

    _, *rows = cells(run("where", "#412").stdout)

    assert [row[1:3] for row in rows] == [
        ["dev", "deployed there first"], ["staging", "Promoted"], ["prod", "not yet: Testing"],
    ]  # fmt: skip
    assert (rows[0][-1], rows[1][-1]) == (MERGED[:12], OLDER[:12])


def test_a_commit_is_found_by_its_tracker_and_where_it_runs_or_ran(places: FakeCluster, run: Run) -> None:
    merged = run("where", MERGED[:7]).stdout
    assert "runs it: eu" in merged
    assert "web-412" in merged
    places.objects["Environment", "shop", "staging"]["status"] = place(MERGED)
    assert "ran it, and runs another one now" in run("where", OLDER[:12]).stdout
    del places.objects["Environment", "shop", "staging"]["status"]["repositories"][0]["deployments"][0]["artifact"]
    assert "ran it, and what runs there now is not known" in run("where", OLDER[:12]).stdout


def test_a_commit_that_is_not_known_is_not_called_not_deployed(places: FakeCluster, run: Run) -> None:
    unknown = run("where", "feedfeed")
    assert (unknown.exit_code, unknown.stdout) == (3, "")
    assert "no tracker names commit feedfeed" in unknown.stderr


def test_before_its_merge_a_change_is_nowhere(places: FakeCluster, status: dict[str, Any], run: Run) -> None:
    open_one = {"state": "AwaitingMerge", "environment": "dev"}
    places.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=open_one)

    assert cells(run("where", "412").stdout)[1][1:3] == ["dev", "not yet: AwaitingMerge"]


def test_an_environment_hold_is_shown_with_its_id(places: FakeCluster, run: Run) -> None:
    hold = {"id": "hold-prod-1", "by": "alice", "since": "2026-11-21T08:00:00Z", "reason": "migration"}
    held = {"holds": [{**hold, "until": "2996-11-21T08:00:00Z"}, {**hold, "until": "2006-11-21T08:00:00Z"}]}
    places.add("Environment", "prod", spec={}, status=held)

    lines = run("envs", "prod").stdout.splitlines()

    assert [line for line in lines if line.startswith("held by alice")] == [lines[0]]
    assert "(hold hold-prod-1): migration" in lines[0]


def test_the_machine_readable_form_holds_what_the_table_shows(
    places: FakeCluster, status: dict[str, Any], run: Run
) -> None:
    places.add("PullRequestTracker", "web-412", spec=tracker_spec(412), status=on_to_prod(status))

    answer = json.loads(run("where", MERGED[:7], "-o", "json").stdout)

    assert [one["metadata"]["name"] for one in answer["items"]] == ["web-412"]
    stops = answer["journey"]
    assert [(one["tracker"], one["environment"], one["result"]) for one in stops] == [
        ("web-412", "dev", "deployed there first"),
        ("web-412", "staging", "Promoted"),
        ("web-412", "prod", "not yet: Testing"),
    ]
    assert [(one["at"], one["by"]) for one in stops][1] == ("2026-11-21T08:05:00Z", "autoPromote")
    assert stops[0]["runsNow"] == [{"deployment": "eu", "artifact": {"component": "", "revision": MERGED}}]
    assert stops[2]["runsNow"] == []
    [seen] = answer["seen"]
    assert (seen["environment"], seen["repository"], seen["deployments"], seen["at"]) == ("dev", "web", ["eu"], None)
    assert run("where", MERGED[:7], "-o", "name").stdout == "pullrequesttracker.pilotage.dev/web-412\n"


def test_where_a_commit_ran_that_no_tracker_names_is_data_too(places: FakeCluster, run: Run) -> None:
    del places.objects["PullRequestTracker", "shop", "web-412"]
    answer = json.loads(run("where", OLDER[:12], "-o", "json").stdout)
    assert (answer["items"], answer["journey"]) == ([], [])
    assert [(one["environment"], one["deployments"], one["at"]) for one in answer["seen"]] == [
        ("dev", [], "2026-11-20T08:00:00Z"),
        ("staging", ["eu"], None),
    ]
    lines = run("where", OLDER[:12]).stdout.splitlines()
    assert lines[0].startswith("ENV")
