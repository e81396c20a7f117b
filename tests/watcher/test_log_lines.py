"""Every line about a tracker or a command names tracker, workflow and run."""

import asyncio
import json
import logging
from typing import Any

import pytest

from crds.api.ports import Document
from tests.watcher import test_commands, test_controller
from tests.watcher.fakes import command_document, running_status, tracker_document, until
from tests.watcher.test_controller import KEY
from worker.logs import configure_logs
from worker.temporal.outcomes import WorkflowState

WORKFLOW = "promotion/east/shop/web-412/uid-1/1"
IDS = {"tracker": "shop/web-412", "workflow_id": WORKFLOW, "run_id": "run-1"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def ids(line: dict[str, Any]) -> dict[str, str]:
    return {name: line[name] for name in IDS if name in line}


async def test_a_line_of_the_controller_names_tracker_workflow_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    scene = test_controller.Scene()
    scene.promotions.states[test_controller.attempt()] = WorkflowState.FAILED
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    (line,) = lines(capsys)
    assert "failed" in line["event"]
    assert ids(line) == IDS


async def test_the_queue_s_line_about_a_failed_key_names_them_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    scene = test_controller.Scene()
    scene.promotions.away = True
    scene.show(tracker_document(status=running_status()))
    running = asyncio.create_task(scene.controller.queue.run())
    await until(lambda: scene.controller.queue.depth == 0)
    await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    line = lines(capsys)[0]
    assert "is tried again: Temporal is away" in line["event"]
    assert ids(line) == IDS


async def test_no_line_bears_the_names_of_the_key_before(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    scene = test_controller.Scene()
    scene.show(tracker_document(status=running_status()))
    await scene.controller.reconcile(KEY)
    scene.show(tracker_document(attempt=2, status=running_status()))
    scene.promotions.away = True
    with pytest.raises(ConnectionError):
        await scene.controller.reconcile(KEY)
    logging.getLogger("crds").warning("noted")
    # The run belongs to the attempt before, whose status is still there.
    assert ids(lines(capsys)[-1]) == {"tracker": "shop/web-412", "workflow_id": f"{WORKFLOW[:-1]}2"}


async def test_a_line_about_a_command_names_its_tracker_s_workflow_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    scene = test_commands.Scene()
    command: Document = command_document("promote")
    await scene.run(command)
    (line,) = lines(capsys)
    assert (line["command"], ids(line)) == ("shop/promote-cmd-1", IDS)


async def test_a_command_for_a_tracker_that_is_not_there_names_the_tracker(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style="json", level="info")
    scene = test_commands.Scene()
    scene.kubernetes.objects.clear()
    await scene.run(command_document("promote"))
    (line,) = lines(capsys)
    assert (line["command"], line["tracker"]) == ("shop/promote-cmd-1", "shop/web-412")
