"""`pilotage history`, on recorded histories, and `pilotage export`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.fake_cluster import FakeCluster
from tests.histories.corpus import read_story
from worker.cli import histories
from worker.cli.findings import show, well
from worker.cli.histories import Entry, HistoryReader
from worker.cli.options import read_output
from worker.temporal.conversion import DATA_CONVERTER

Run = Callable[..., Result]


async def entries(story: str) -> list[Entry]:
    """Return what the promotion of a recorded story shows."""
    reader = HistoryReader(DATA_CONVERTER)
    found: list[Entry] = []
    for run in read_story(story):
        if run.kind == "PromotionWorkflow":
            found += await reader.read(list(run.history.events))
    return found


async def test_a_finished_promotion_is_explained_by_its_states_in_order_and_its_end() -> None:
    found = await entries("promotion-a-merged-change-is-tested-promoted-and-completed")
    states = [one.text.split()[0].rstrip(":") for one in found if one.kind == "state"]
    assert [one for one in ("Testing", "Promoting", "Completed") if one in states] == [
        "Testing",
        "Promoting",
        "Completed",
    ]
    assert states.index("Testing") < states.index("Promoting") < states.index("Completed")
    assert (found[0].text, found[-1].text) == ("the promotion begins", "the promotion ended")
    assert [one.at for one in found] == sorted(one.at for one in found)


async def test_commands_are_named_with_who_gave_them_and_how_they_were_answered() -> None:
    found = await entries(
        "promotion-a-command-for-another-hop-or-revision-is-refused-and-a-repeated-one-answered-alike"
    )
    commands = [one.text for one in found if one.kind == "command"]
    assert commands == ["ada: promote: accepted, will be promoted as soon as the lane is free"]


async def test_a_tracker_that_was_deleted_is_reported_as_such() -> None:
    found = await entries("promotion-a-deleted-tracker-ends-its-workflow")
    assert "the tracker was deleted" in [one.text for one in found]


def test_the_history_of_a_tracker_without_a_workflow_is_not_found(cluster: FakeCluster, run: Run) -> None:
    cluster.add("PullRequestTracker", "web-1", spec=spec(1), status={})
    done = run("history", "#1")
    assert (done.exit_code, "web-1" in done.stderr) == (3, True)


def test_a_history_needs_a_tracker_or_a_workflow_and_a_workflow_needs_no_tracker(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("history")
    assert (refused.exit_code, "--workflow-id" in refused.output) == (2, True)
    read: list[str] = []

    async def recount(workflow_id: str) -> tuple[()]:
        read.append(workflow_id)
        return ()

    monkeypatch.setattr(histories, "recount", recount)
    run("history", "--workflow-id", "promotion/east/shop/web-412/1/abc")
    assert read == ["promotion/east/shop/web-412/1/abc"]


@pytest.mark.parametrize("form", ["table", "wide"])
def test_a_format_for_people_that_is_named_is_the_one_without_a_name(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    async def recount(_workflow: str) -> list[Entry]:
        return [Entry(at="12:00:00", kind="state", text="Testing")]

    monkeypatch.setattr(histories, "recount", recount)
    assert run("history", "--workflow-id", "promotion/x", "-o", form).stdout == "12:00:00  state    Testing\n"
    show([well("cluster", "the API server answers alice")], read_output(form))
    assert capsys.readouterr().out.startswith("✓ the API server answers alice\n")


def test_an_export_is_a_line_for_each_promotion_and_one_for_the_end(cluster: FakeCluster, run: Run) -> None:
    promoted = {"promoted": True, "result": "Promoted", "source": "dev", "target": "staging"}
    status = {"state": "Completed", "environment": "prod", "promotions": [promoted, {**promoted, "target": "prod"}]}
    cluster.add("PullRequestTracker", "web-412", spec=spec(412), status=status)
    cluster.objects["PullRequestTracker", "shop", "web-412"]["metadata"]["uid"] = "u-1"
    lines = [json.loads(line) for line in run("export").stdout.splitlines()]
    assert [line["key"] for line in lines] == ["u-1/1/0", "u-1/1/1", "u-1/1/2"]
    assert lines[0]["end"]["state"] == "Completed"
    assert [line["promotion"]["target"] for line in lines[1:]] == ["staging", "prod"]


def spec(number: int) -> dict[str, Any]:
    return {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev"}
