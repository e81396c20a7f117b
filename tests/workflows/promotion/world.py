"""A world around one PromotionWorkflow: fake activities over plain state, and places that answer at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from temporalio.client import Client, WorkflowHandle

from activities.models.drift import DriftNotice
from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.status import TrackerStatus
from activities.models.tracking import PullRequest, PullRequestState, Timings, TrackerRef, TrackerSpec
from crds.reasons.vocabulary import State
from tests.worlds.declared import FAST, HOTFIX, MINE, NEWER, OLD, a_test
from tests.worlds.instant import InstantWorld
from tests.worlds.played import Server, connected, served
from tests.worlds.serving import activities_of
from workflows.identity import Queues, promotion_workflow_id
from workflows.promotion.state import PromotionStart
from workflows.promotion.workflow import PromotionWorkflow

__all__ = [
    "FAST",
    "HOTFIX",
    "LOOKS",
    "MINE",
    "NEWER",
    "OLD",
    "Run",
    "Starter",
    "World",
    "a_test",
    "merged",
    "pauses",
    "promotion",
    "promotion_in",
]


LOOKS = 1200
"""One each 50 ms: what never happens is noticed after a minute, since a busy machine takes its time."""
FIRST_PAUSE_SECONDS, PAUSES_GROW_BY, PAUSES = 0.05, 1.1, 50
"""The last one is 5 s, and all are a minute."""


async def pauses() -> AsyncIterator[None]:
    """Yield before pauses that grow, for who sends something at each look.

    A run whose signals come faster than a busy server carries out its tasks never gives way to the next.
    """
    pause = FIRST_PAUSE_SECONDS
    for _ in range(PAUSES):
        yield
        await asyncio.sleep(pause)
        pause *= PAUSES_GROW_BY


@dataclass
class World(InstantWorld):
    """What the outside does; tests change it while the workflow runs, and ask."""

    @property
    def status(self) -> TrackerStatus:
        """The newest status published."""
        return self.statuses[-1]

    async def eventually(self, holds: Callable[[], bool]) -> None:
        """Return once it holds."""
        for _ in range(LOOKS):
            # No status is published yet where one is missing.
            with suppress(IndexError):
                if holds():
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never held; state {self.statuses[-1].state if self.statuses else None}")

    async def until(self, state: State, *, reason: str = "") -> TrackerStatus:
        """Return the status once it shows the state (and reason)."""
        for _ in range(LOOKS):
            if self.statuses and self.status.state is state and reason in ("", self.status.reason):
                return self.status
            await asyncio.sleep(0.05)
        seen = [(one.state, one.reason, one.message) for one in self.statuses[-5:]]
        raise AssertionError(f"never {state} {reason}: {seen}")


@dataclass
class Run:
    """One promotion under test."""

    world: World
    handle: WorkflowHandle[PromotionWorkflow, State]

    async def command(
        self, verb: Verb, *, target: str = "", reason: str = "", request_id: str = "", keep_refusal: bool = False
    ) -> CommandAnswer:
        """Send a command as the watcher would: with what the status shows that an override would replace."""
        identity = request_id or str(uuid.uuid4())
        hop = self.world.status.hop if self.world.statuses else None
        command = Command(
            request_id=identity,
            actor="ada",
            target_environment=target,
            revision="",
            reason=reason,
            seen=(hop.diverged or {}) if hop and verb is Verb.PROMOTE and reason else {},
            keep_refusal=keep_refusal,
        )
        answer: CommandAnswer = await self.handle.execute_update(
            verb.value, command, id=identity, result_type=CommandAnswer
        )
        return answer

    async def id(self) -> str:
        """Return the id of the run that is at work."""
        return (await self.handle.describe()).run_id or ""

    async def end(self) -> State:
        """Return the final state."""
        return await asyncio.wait_for(self.handle.result(), 60)


AnyWorld = TypeVar("AnyWorld", bound=World)


def promotion(server: Server, *, timings: Timings = FAST) -> AbstractAsyncContextManager[tuple[World, "Starter"]]:
    """Serve a world of dev → staging → prod, in which MINE runs in dev and OLD elsewhere."""
    return promotion_in(World, server, timings=timings)


@asynccontextmanager
async def promotion_in(
    world: type[AnyWorld], server: Server, *, timings: Timings = FAST
) -> AsyncIterator[tuple[AnyWorld, "Starter"]]:
    """Serve such a world of a given kind."""
    client = await connected(server)
    made = world(client=client)
    made.environment("dev", MINE)
    made.environment("staging", OLD)
    made.environment("prod", OLD, final=True)
    made.policy("dev", "staging", tests=(a_test("unit"), a_test("e2e"), a_test("look", required=False)))
    made.policy("staging", "prod", auto=False, tests=(a_test("smoke"),))
    installation = f"t{uuid.uuid4().hex[:8]}"
    async with served(server, client, installation, [PromotionWorkflow], activities_of(made)):
        yield made, Starter(world=made, client=client, installation=installation, timings=timings)


@dataclass
class Starter:
    """Start the promotion of the world's pull request."""

    world: World
    client: Client
    installation: str
    timings: Timings
    drift: DriftNotice = field(default_factory=DriftNotice)
    """What the monitors of an attempt before it report."""

    async def __call__(self) -> Run:
        tracker = TrackerRef(namespace="shop", name="web-412", uid=uuid.uuid4().hex, attempt=1)
        request = PromotionStart(
            installation=self.installation,
            tracker=tracker,
            spec=TrackerSpec(repository="web", number=412, environment="dev"),
            timings=self.timings,
            drift=self.drift,
        )
        identity = promotion_workflow_id(self.installation, "shop", "web-412", tracker.uid, 1)
        self.world.workflow_id = identity
        handle = await self.client.start_workflow(
            PromotionWorkflow.run,
            request,
            id=identity,
            task_queue=Queues(installation=self.installation).promotions,
        )
        return Run(world=self.world, handle=handle)


def merged(pull_request: PullRequest, state: PullRequestState) -> PullRequest:
    """Return the pull request in another state."""
    return replace(pull_request, state=state, merge_sha=MINE if state is PullRequestState.MERGED else None)
