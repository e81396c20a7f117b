"""Record the histories of each story: `python -m tests.histories.record [--check | STORY …]`, `make record-histories`.

The stories are tests on a real Temporal server, over outside worlds made of plain state, and one
promotion by our own processes from the first apply to Completed.
"""

import asyncio
import inspect
import json
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.workflow import _Definition as WorkflowDefinition

from deploy.local.environment.assembly import PIECES, LocalEnvironment
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import SANDBOX_ARGUMENTS, TIMINGS
from tests.e2e.shop import Shop
from tests.histories.corpus import kind_of, path_of, recorded_stories, write_story
from worker.serving.registry import WORKFLOWS
from worker.temporal.starts import Starts
from workflows.identity import ENVIRONMENT_WORKFLOW

STORIES_IN = {
    "promotion": (
        "tests.workflows.promotion.test_stories",
        "tests.workflows.promotion.test_stories_firsts",
        "tests.workflows.promotion.test_interruptions",
        "tests.workflows.promotion.test_corners",
        "tests.workflows.promotion.test_files_written",
        "tests.workflows.promotion.test_branch_merged",
        "tests.workflows.promotion.test_steering",
    ),
    "place": ("tests.workflows.environment.test_workflow",),
    "together": ("tests.workflows.environment.test_with_promotions",),
    "connection": ("tests.workflows.credential_check.test_workflow",),
    "list": ("tests.workflows.repository.test_workflow",),
    "drift": ("tests.workflows.drift.test_workflow",),
    "commit-status": ("tests.workflows.commit_status.test_workflow",),
    "events": ("tests.workflows.event_sink.test_stories",),
}
"""Prefix of a story -> the modules whose tests are such stories, if they need nothing but a server."""
SERVED = (("temporal_server",), ("played",))
"""What a story may need: a server, or what stands for one, for which a server does as well."""
END_TO_END = "end-to-end"
OURS = frozenset(WorkflowDefinition.must_from_class(workflow).name for workflow in WORKFLOWS)
AT_ONCE = 6
"""Stories played side by side: two cores bear no more without missing their own deadlines."""
ATTEMPTS = 3

Story = Callable[[str], Awaitable[None]]

_started: ContextVar[list[str] | None] = ContextVar("_started", default=None)
"""The workflows that the story at hand has started; whatever it starts tasks for inherits the list."""


def stories() -> dict[str, Story]:
    """Return the tests that are stories, by name."""
    found: dict[str, Story] = {}
    for prefix, modules in STORIES_IN.items():
        for module in modules:
            for name, played in vars(import_module(module)).items():
                if name.startswith("test_") and tuple(inspect.signature(played).parameters) in SERVED:
                    found[f"{prefix}-{name.removeprefix('test_').replace('_', '-')}"] = played
    return found


class _Noting(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 - the SDK's name
        noted = _started.get()
        if noted is not None and input.id not in noted:
            noted.append(input.id)
        return await super().start_workflow(input)


class Noting(Interceptor):
    """Note each workflow that a story starts."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        return _Noting(next)


async def record(address: str, played: dict[str, Story]) -> list[str]:
    """Play the stories and write what they left behind; return the names of those that failed."""
    client = await Client.connect(address)
    at_once = asyncio.Semaphore(AT_ONCE)
    connect = partial(Client.connect, interceptors=[Noting(), Starts()])

    async def one(story: str) -> str:
        async with at_once:
            for attempt in range(1, ATTEMPTS + 1):
                _started.set([])
                try:
                    await played[story](address)
                    break
                except Exception as failure:  # noqa: BLE001 - the others are still to be played
                    _report(f"{story}: attempt {attempt}: {failure!r}"[:300])
            else:
                return story
            runs = await runs_of(client, _started.get() or ())
            _report(f"{story}: {len(runs)} runs, {write_story(story, runs)} bytes")
            return ""

    with patch("temporalio.client.Client.connect", connect):
        failed = await asyncio.gather(*(asyncio.create_task(one(story)) for story in played))
    return [story for story in failed if story]


async def runs_of(client: Client, identifiers: Iterable[str]) -> list[WorkflowHistory]:
    """Fetch every run of the workflows that are ours, the oldest first."""
    found: list[WorkflowHistory] = []
    for identifier in identifiers:
        listed = [one async for one in client.list_workflows(f"WorkflowId = '{identifier}'")]
        newest = (await client.get_workflow_handle(identifier).describe()).run_id
        known = {one.run_id for one in listed} | {newest}
        histories = [await client.get_workflow_handle(identifier, run_id=run).fetch_history() for run in known]
        found += sorted(
            (history for history in histories if kind_of(history) in OURS),
            key=lambda history: history.events[0].event_time.ToJsonString(),
        )
    return found


def promote_end_to_end(environment: LocalEnvironment) -> None:
    """Have our own processes promote one change from the first apply to Completed."""
    environment.start(*PIECES, workers=1, watchers=1)
    cluster = Cluster(environment.kubernetes)
    try:
        shop = Shop("recorded", environment, cluster).open()
        # Paths, so that the changed files are asked for.
        component = {"name": "web", "paths": ["src/**"]}
        shop.document("GitRepository", "web")["spec"]["components"] = [component]
        for place in ("dev", "staging", "prod"):
            for deployment in shop.document("Environment", place)["spec"]["deployments"]:
                deployment["component"] = component["name"]
        shop.apply_all()
        shop.until_waiting("PromoteCommand")
        shop.pilotage("promote", "web-412")
        shop.until_state("Completed")
        # The last presentation on the pull request comes after the last status.
        shop.temporal("workflow", "result", "--workflow-id", shop.status()["workflow"]["id"])
    finally:
        cluster.close()


async def record_all_runs(address: str, story: str) -> None:
    """Write whatever ran on a server as one story."""
    client = await Client.connect(address)
    found = [one.id async for one in client.list_workflows()]
    runs = await runs_of(client, dict.fromkeys(found))
    places = sum(kind_of(run) == ENVIRONMENT_WORKFLOW for run in runs)
    _report(f"{story}: {len(runs)} runs, {places} of places, {write_story(story, runs)} bytes")


def check() -> int:
    """Return 0 if every story is recorded; `tests/replay` checks that the recordings replay."""
    missing = {END_TO_END, *stories()} - set(recorded_stories())
    if missing:
        _report(f"not recorded: {', '.join(sorted(missing))}; run `make record-histories` (under two minutes)")
    return 1 if missing else 0


def main(arguments: Sequence[str]) -> int:
    """Record the named stories, or all, and drop the recordings of stories that are no longer there."""
    if list(arguments) == ["--check"]:
        return check()
    began = time.monotonic()
    _silence()
    played = stories()
    wanted = set(arguments) or {END_TO_END, *played}
    unknown = wanted - {END_TO_END, *played}
    if unknown:
        _report(f"no such stories: {', '.join(sorted(unknown))}")
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="pilotage-histories-") as directory,
        LocalEnvironment(
            Path(directory),
            temporal_in_memory=True,
            process_environment={"PILOTAGE_TIMINGS": json.dumps(TIMINGS)},
            sandbox_arguments=SANDBOX_ARGUMENTS,
        ) as environment,
    ):
        environment.start("temporal")
        if END_TO_END in wanted:
            promote_end_to_end(environment)
            asyncio.run(record_all_runs(environment.temporal_address, END_TO_END))
            for name in ("worker-1", "watcher-1", "kube-apiserver-1", "etcd-1", "sandbox-1"):
                environment.terminate(name)
        failed = asyncio.run(
            record(environment.temporal_address, {name: one for name, one in played.items() if name in wanted})
        )
    if not arguments:
        for path in path_of("x").parent.glob("*.json.gz"):
            if path.name.partition(".")[0] not in wanted:
                path.unlink()
    _report(f"{len(wanted) - len(failed)} stories in {time.monotonic() - began:.0f} s")
    if failed:
        _report(f"not recorded, since they failed: {', '.join(failed)}")
    return 1 if failed else 0


def _silence() -> None:
    """Keep what stories provoke on purpose, such as refused activities, out of the report."""
    logging.disable(logging.CRITICAL)
    quiet = LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF"))
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=quiet)))


def _report(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
