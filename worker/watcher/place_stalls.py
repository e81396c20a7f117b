"""Show on an Environment that the workflow of one of its repositories runs and does not go on.

A promotion that waits for such a place shows only that it waits. Nothing of this is kept: after a restart the resources
themselves show which are to be taken back.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.client import Client

from crds.api.ports import ABOUT_ONE_OBJECT, ApiError, ApiNotFound, Document, Kubernetes, resource_of
from crds.api.publishing import WantedCondition, conditions_of, publish_conditions
from crds.api.reflector import Key
from crds.conditions import ConditionStatus, ConditionType, find_condition
from crds.reasons.conditions import ConditionReason
from crds.v1alpha1.environment import Environment
from worker.temporal.calls import CALL_TIMEOUT
from worker.temporal.stalls import ACTIVITY, LISTED, REPORTED_PROBLEMS, WORKFLOW, Stalls, version_of
from workflows.identity import ENVIRONMENT_WORKFLOW, Queues, place_of

ENVIRONMENTS = resource_of(Environment.definition)
STALLS_MANAGER = "pilotage-stalls"
"""Field manager of this condition alone."""
NAMED = 5
"""Repositories, and causes, that a message names."""
_VERSION = "TemporalWorkerDeploymentVersion"

Stalled = Mapping[Key, str]
"""Environment -> which repositories' workflows do not go on, and why."""


class FindStalled(Protocol):
    """Find the environments whose workflows do not go on."""

    async def __call__(self) -> Stalled:
        """Raises RPCError."""


class Pollers(Protocol):
    """Know who polls a queue."""

    async def pollers(self, queue: str, kind: TaskQueueType.ValueType) -> Sequence[PollerInfo]:
        """Raises RPCError."""


class PlaceStalls:
    """Write `WorkflowAvailable` of Environments: False while a workflow does not go on, True afterwards."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        find: FindStalled,
        *,
        namespaces: Sequence[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._kubernetes = kubernetes
        self._find = find
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._clock = clock
        self._shown: set[Key] | None = None
        """Environments that show a stall; None = not read yet."""

    async def look(self) -> None:
        """Show what is so now. Raises RPCError and ApiError; the next look does what is left."""
        if self._shown is None:
            self._shown = await self._showing()
        found = await self._find()
        ours = {key: stall for key, stall in found.items() if self._sees(key.namespace)}
        refusal: ApiError | None = None
        for key, stall in {**ours, **dict.fromkeys(self._shown - set(found), "")}.items():
            try:
                await self._publish(key, stall)
            except ABOUT_ONE_OBJECT as error:
                refusal = refusal or error
                continue
            if stall:
                self._shown.add(key)
            else:
                self._shown.discard(key)
        if refusal is not None:
            raise refusal

    def _sees(self, namespace: str) -> bool:
        return None in self._namespaces or namespace in self._namespaces

    async def _showing(self) -> set[Key]:
        pages = [await self._kubernetes.list_all(ENVIRONMENTS, namespace) for namespace in self._namespaces]
        return {_key(one) for page in pages for one in page.items if _shows(one)}

    async def _publish(self, key: Key, stall: str) -> None:
        try:
            document = await self._kubernetes.get(ENVIRONMENTS, key.namespace, key.name)
        except ApiNotFound:
            return
        wanted = WantedCondition(
            type=ConditionType.WORKFLOW_AVAILABLE,
            status=not stall,
            reason=ConditionReason.WORKFLOW_STALLED if stall else ConditionReason.RUNNING,
            message=f"workflows do not go on: {stall}; `pilotage doctor` checks the workers" if stall else "",
        )
        await publish_conditions(
            self._kubernetes,
            Environment.definition,
            namespace=key.namespace,
            name=key.name,
            uid=document["metadata"]["uid"],
            wanted=(wanted,),
            now=self._clock(),
            field_manager=STALLS_MANAGER,
        )


def find_stalled(client: Client, installation: str) -> FindStalled:
    """Return how to find the stalled places of an installation at Temporal."""
    stalls = Stalls(client)

    async def find() -> Stalled:
        found: defaultdict[Key, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        async for one in client.list_workflows(await suspects(stalls, installation), page_size=LISTED, limit=LISTED):
            place = place_of(one.id)
            if place is None or place.installation != installation:
                continue
            handle = client.get_workflow_handle(one.id, run_id=one.run_id)
            if stall := await stalls.find(await handle.describe(rpc_timeout=CALL_TIMEOUT)):
                found[Key(place.namespace, place.environment)][stall].append(place.repository)
        return {key: _text(repositories) for key, repositories in found.items()}

    return find


async def suspects(stalls: Pollers, installation: str) -> str:
    """Return which workflows are worth a look of their own: all, only while a queue has no worker.

    The server reports the problems of tasks that fail, and none of a task that no worker takes.
    """
    queues = Queues(installation=installation)
    running = " AND ".join(
        (
            f"WorkflowType = '{ENVIRONMENT_WORKFLOW}'",
            "ExecutionStatus = 'Running'",
            f"TaskQueue = '{queues.promotions}'",
        )
    )
    serving = await stalls.pollers(queues.promotions, WORKFLOW)
    used = (queues.config, queues.delivery, queues.observation, queues.scm, queues.kubernetes)
    if not serving or not all([await stalls.pollers(queue, ACTIVITY) for queue in used]):
        return running
    reasons = [REPORTED_PROBLEMS]
    # A run that is pinned to a version waits for workers of that version, while others poll the same queue.
    if versions := sorted({version_of(one) for one in serving} - {""}):
        quoted = ", ".join(f"'{one}'" for one in versions)
        reasons.append(f"({_VERSION} IS NOT NULL AND {_VERSION} NOT IN ({quoted}))")
    return f"{running} AND ({' OR '.join(reasons)})"


def _text(repositories: Mapping[str, Sequence[str]]) -> str:
    """Return why which workflows do not go on, within the bounds of a message."""
    parts: list[str] = []
    for stall, names in sorted(repositories.items()):
        named, left = sorted(names)[:NAMED], len(names) - NAMED
        more = f" and {left} more" if left > 0 else ""
        subject = "that of repository" if len(names) == 1 else "those of repositories"
        parts.append(f"{subject} {', '.join(named)}{more}: {stall}")
    return "; ".join(parts[:NAMED])


def _key(document: Document) -> Key:
    return Key(document["metadata"]["namespace"], document["metadata"]["name"])


def _shows(document: Document) -> bool:
    condition = find_condition(conditions_of(document), ConditionType.WORKFLOW_AVAILABLE)
    return condition is not None and condition.status is ConditionStatus.FALSE
