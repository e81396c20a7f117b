"""Serve workflows and instant activities in this process, one worker per queue as the real ones do."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker, WorkflowRunner

from tests.worlds.instant import InstantWorld
from worker.serving.process import WORKFLOW_TASKS
from workflows.identity import Queues

SERVED: Mapping[str, tuple[str, ...]] = {
    "config": (
        "find_policy",
        "read_environment",
        "read_repository",
        "list_trackers",
        "send_view",
        "join_place",
        "send_views",
        "open_hop",
        "take_lane",
    ),
    "scm": (
        "read_pull_request",
        "list_changed_files",
        "compare_revisions",
        "deliver_files",
        "read_instructions",
        "present_on_pull_request",
    ),
    "checks": ("create_drift_monitors",),
    "ci": ("trigger_round", "trigger_test", "poll_tests", "cancel_tests"),
    "delivery": ("read_deployments", "deliver_application", "sync_application"),
    "observation": ("watch_deployments",),
    "kubernetes": ("publish_status", "publish_place"),
}
CACHED_WORKFLOWS, SLOTS = 1500, 200
"""As in worker/settings.py."""

Activity = Callable[..., Any]


@asynccontextmanager
async def serving(
    client: Client,
    installation: str,
    workflows: list[type],
    activities: Mapping[str, list[Activity]],
    runner: WorkflowRunner,
) -> AsyncIterator[None]:
    """Serve the queues of an installation."""
    queues = Queues(installation=installation)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=queues.promotions,
                workflows=workflows,
                workflow_runner=runner,
                max_cached_workflows=CACHED_WORKFLOWS,
                max_concurrent_workflow_tasks=WORKFLOW_TASKS,
            )
        )
        await stack.enter_async_context(serving_activities(client, installation, activities))
        yield


@asynccontextmanager
async def serving_activities(
    client: Client, installation: str, activities: Mapping[str, list[Activity]]
) -> AsyncIterator[None]:
    """Serve the queues of activities alone."""
    queues = Queues(installation=installation)
    async with AsyncExitStack() as stack:
        for queue, functions in activities.items():
            name = getattr(queues, queue)
            await stack.enter_async_context(
                Worker(client, task_queue=name, activities=functions, max_concurrent_activities=SLOTS)
            )
        yield


def activities_of(world: object) -> dict[str, list[Activity]]:
    """Return a world's activities by queue; what it does not have is not served."""
    found = {queue: [getattr(world, name) for name in names if hasattr(world, name)] for queue, names in SERVED.items()}
    return {queue: functions for queue, functions in found.items() if functions}


@dataclass
class Crowd:
    """Many promotions at the same time, each in a world of its own."""

    make: Callable[[], InstantWorld]
    worlds: dict[str, InstantWorld] = field(default_factory=dict)

    def activities(self) -> dict[str, list[Activity]]:
        """Return activities that answer from the world of the workflow that asks."""
        return {
            queue: [self._dispatcher(name) for name in names if hasattr(InstantWorld, name)]
            for queue, names in SERVED.items()
            if queue != "observation"
        }

    def world(self) -> InstantWorld:
        """Return the world of the workflow that asks."""
        identity = activity.info().workflow_id or ""
        if identity not in self.worlds:
            self.worlds[identity] = self.make()
            self.worlds[identity].workflow_id = identity
        return self.worlds[identity]

    def _dispatcher(self, name: str) -> Activity:
        async def answer(request: Any) -> Any:
            return await getattr(self.world(), name)(request)

        # The data converter reads the wire types from here.
        answer.__annotations__ = dict(_wire_types(name))
        return activity.defn(name=name)(answer)


def _wire_types(name: str) -> Iterator[tuple[str, Any]]:
    method = inspect.unwrap(getattr(InstantWorld, name))
    hints = get_type_hints(method)
    for parameter, hint in hints.items():
        yield ("return" if parameter == "return" else "request"), hint
