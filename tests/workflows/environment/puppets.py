"""Puppets that stand where trackers' workflows would, and what a test does with them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.exceptions import FailureError

from activities.models.places import (
    Counter,
    EnvironmentInput,
    MemberSignal,
    PlaceSignal,
    SendViewInput,
)
from crds.reasons.vocabulary import Phase
from worker.temporal.connect import TemporalPlaces
from workflows.identity import ENVIRONMENT_WORKFLOW, MEMBER_SIGNAL, PLACE_SIGNAL, Queues

if TYPE_CHECKING:
    from tests.workflows.environment.world import World

MAIN = [f"{number}" * 40 for number in range(8)]
"""Commits of the main line, oldest first."""


@workflow.defn(sandboxed=False)
class Puppet:
    """Stand where a tracker's workflow would: keep what the place sends and answer when it asks."""

    def __init__(self) -> None:
        self.received: list[PlaceSignal] = []
        self.view: MemberSignal | None = None
        self.place = ""
        self.done = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)

    @workflow.signal(name=PLACE_SIGNAL)
    async def receive(self, signal: PlaceSignal) -> None:
        self.received.append(signal)
        if signal.asks and self.view is not None:
            counter = replace(self.view.counter, n=self.view.counter.n + 1)
            self.view = replace(self.view, counter=counter, received=signal.counter)
            # A place that lost its memory since is not there; the one that follows asks for itself.
            with suppress(FailureError):
                await workflow.get_external_workflow_handle(self.place).signal(MEMBER_SIGNAL, self.view)

    @workflow.signal
    def become(self, view: MemberSignal, place: str) -> None:
        self.view, self.place = view, place

    @workflow.signal
    def leave(self) -> None:
        self.done = True

    @workflow.query
    def signals(self) -> list[PlaceSignal]:
        return self.received


@dataclass
class Tracker:
    """One tracker as a place sees it."""

    world: "World"
    view: MemberSignal

    @property
    def name(self) -> str:
        return self.view.tracker.name

    @property
    def puppet(self) -> WorkflowHandle[Puppet, None]:
        return self.world.client.get_workflow_handle_for(Puppet.run, self.view.workflow_id)

    async def send(self, phase: Phase, *, n: int | None = None, **changes: Any) -> MemberSignal:
        """Send the place a view with the next counter, or with the one given."""
        counter = Counter(epoch=1, n=self.view.counter.n + 10 if n is None else n)
        signal = replace(self.view, counter=counter, phase=phase, **changes)
        if n is None:
            self.view = signal
            if self.view.tracker in self.world.live:
                await self.puppet.signal(Puppet.become, args=[signal, self.world.place_id])
        world = self.world
        await world.client.start_workflow(
            ENVIRONMENT_WORKFLOW,
            EnvironmentInput(
                installation=world.installation,
                namespace="shop",
                environment="staging",
                repository="web",
                timings=world.timings,
                history_limit=world.history_limit,
                linger=world.linger,
            ),
            id=world.place_id,
            task_queue=Queues(installation=world.installation).promotions,
            start_signal=MEMBER_SIGNAL,
            start_signal_args=[signal],
        )
        return signal

    async def calls(self, phase: Phase, **changes: Any) -> PlaceSignal | None:
        """Send the place a view with the next counter as a promotion does; return what it answers in the call."""
        await self.becomes(phase, **changes)
        return await self.repeats()

    async def becomes(self, phase: Phase, **changes: Any) -> MemberSignal:
        """Return a view with the next counter, which the place does not have yet."""
        counter = Counter(epoch=1, n=self.view.counter.n + 10)
        self.view = replace(self.view, counter=counter, phase=phase, **changes)
        await self.puppet.signal(Puppet.become, args=[self.view, self.world.place_id])
        return self.view

    async def repeats(self) -> PlaceSignal | None:
        """Send the same view once more, as a caller that lost the answer does."""
        request = SendViewInput(
            namespace="shop",
            environment="staging",
            repository="web",
            signal=self.view,
            timings=self.world.timings,
        )
        return await TemporalPlaces(self.world.client, self.world.installation).send(request)

    async def received(self) -> list[PlaceSignal]:
        return await self.puppet.query(Puppet.signals)

    async def receives(self, fits: Callable[[PlaceSignal], bool]) -> PlaceSignal:
        """Return the newest signal once it fits."""

        async def newest() -> PlaceSignal | None:
            signals = await self.received()
            return next((one for one in reversed(signals) if fits(one)), None)

        found = await eventually(newest, describe=self.received)
        assert isinstance(found, PlaceSignal)
        return found

    async def takes(self, grant: PlaceSignal) -> None:
        """Take a grant that was received."""
        await self.send(Phase.HOLDER, received=grant.counter)

    async def vanishes(self) -> None:
        await self.puppet.terminate("vanished")


async def eventually(read: Callable[[], Any], *, describe: Callable[[], Any] | None = None, seconds: float = 60) -> Any:
    """Return the first true answer."""
    for _ in range(int(seconds / 0.05)):
        answer = read()
        answer = await answer if asyncio.iscoroutine(answer) else answer
        if answer:
            return answer
        await asyncio.sleep(0.05)
    shown = await describe() if describe is not None else ""
    raise AssertionError(f"never happened: {shown}")
