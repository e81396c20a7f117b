"""What a run that continues as new owes to what was commanded before."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity

from activities.models.configuration import ReadEnvironmentInput, ReadEnvironmentResult
from activities.models.promotion import Verb
from activities.models.status import PublishStatusInput, PublishStatusResult
from activities.models.testing import RunState
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import Run, World, merged, pauses, promotion, promotion_in
from tests.worlds.refusals import missing


class Length:
    """How long a history may grow; a test makes every run give way to the next.

    A run ends at the length that its history has now: one that a busy machine replays decides as it did before.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    async def end(self, run: Run) -> None:
        """Have the run continue as new at its next step."""
        self.allow((await run.handle.describe()).history_length + 1)

    def allow(self, events: int) -> None:
        """Have a run continue as new at so many events."""
        self._patch.setattr("workflows.promotion.run.EVENTS_BEFORE_CONTINUING", events)


@pytest.fixture
def length(monkeypatch: pytest.MonkeyPatch) -> Length:
    """Let histories end when a test allows it."""
    return Length(monkeypatch)


@dataclass
class UnheardWorld(World):
    """A world whose watcher may be away, so that no status is written."""

    there: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn
    async def publish_status(self, request: PublishStatusInput) -> PublishStatusResult:
        await self.there.wait()
        return await super().publish_status(request)


async def continued(run: Run, length: Length, *, poked: bool = True) -> str:
    """Have the run give way to the next, which is not to end soon; return the id of the one before.

    Its waits are cut by pokes, or else by places that begin again and are to be answered.
    """
    before = await run.id()
    await length.end(run)
    async for _ in pauses():
        if await run.id() != before:
            length.allow(10_000)
            return before
        if poked:
            await run.handle.signal("poke")
        else:
            run.world.epoch += 1
            await run.world.publish("dev")
    raise AssertionError("never continued as new")


LONG = timedelta(minutes=5)
"""For the last write of a run: a test lets it come through."""


async def gives_way(run: Run) -> None:
    """Return once the run waits for its last write before it continues as new."""
    async for _ in pauses():
        summaries = [event.user_metadata.summary.data async for event in run.handle.fetch_history_events()]
        if any(b"write the last status" in one for one in summaries):
            return
        await run.handle.signal("poke")
    raise AssertionError("never gives way")


async def test_a_hold_given_while_a_run_gives_way_to_the_next_is_sent_ahead(
    temporal_server: str, length: Length, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.runtime.publishing.GRACE", LONG)
    async with promotion_in(UnheardWorld, temporal_server) as (world, start):
        world.there.set()
        world.verdicts["unit"] = RunState.RUNNING
        world.policies["dev"] = replace(world.policies["dev"], ahead=("staging", "prod"))
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await world.until(State.TESTING)
        before = await run.id()
        world.there.clear()
        await length.end(run)
        await run.handle.signal("poke")
        await gives_way(run)
        await run.command(Verb.HOLD)
        assert not any(signal.held for _, signal in world.members)
        length.allow(10_000)
        world.there.set()
        await world.eventually(lambda: {place for place, signal in world.members if signal.held} >= {"dev", "prod"})
        assert await run.id() != before
        await run.command(Verb.RELEASE)
        world.verdicts["unit"] = RunState.PASSED
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert not [signal for place, signal in world.members if place == "prod"][-1].held


async def test_a_run_gives_way_to_the_next_although_no_watcher_writes_its_status(
    temporal_server: str, length: Length, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.runtime.publishing.GRACE", timedelta(seconds=0.5))
    async with promotion_in(UnheardWorld, temporal_server) as (world, start):
        world.there.set()
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await world.until(State.TESTING)
        world.there.clear()
        world.verdicts["unit"] = RunState.PASSED
        await run.command(Verb.HOLD, reason="freeze")
        await run.command(Verb.RELEASE)
        await continued(run, length)
        await world.eventually(lambda: world.writes == ["web-staging-0"])
        world.there.set()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        # What the run before could not write is written by the one after it.
        assert {"CommandHold", "CommandRelease", "Promoted"} <= set(world.events)


async def test_a_run_that_continues_needs_no_place_before_its_step_does(temporal_server: str, length: Length) -> None:
    async with promotion(temporal_server) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        del world.environments["dev"]
        await continued(run, length)
        world.pull_request = merged(world.pull_request, PullRequestState.CLOSED)
        await run.handle.signal("poke")
        assert await run.end() is State.CLOSED


async def test_tests_triggered_after_a_run_was_continued_get_the_variables_of_the_source(
    temporal_server: str, length: Length
) -> None:
    async with promotion(temporal_server) as (world, start):
        world.environments["dev"] = replace(world.environments["dev"], vars={"region": "eu"})
        world.verdicts["unit"] = RunState.RUNNING
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await world.until(State.TESTING)
        await continued(run, length)
        await run.command(Verb.RETEST, target="staging")
        await world.eventually(lambda: len(world.triggers) == 6)
        assert {one.variables.get("source.vars.region") for one in world.triggers} == {"eu"}


@dataclass
class UndeclaredWorld(World):
    """A world in which an environment may be declared no more."""

    undeclared: str = ""

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        if request.environment == self.undeclared:
            return ReadEnvironmentResult(failure=missing(f"Environment/{self.undeclared}"))
        return await super().read_environment(request)


async def test_a_trigger_waits_for_the_source_s_variables_and_for_no_deadline(
    temporal_server: str, length: Length
) -> None:
    async with promotion_in(UndeclaredWorld, temporal_server) as (world, start):
        found = world.policies["dev"]
        assert found.policy is not None
        tests = tuple(replace(test, retries=1) for test in found.policy.tests)
        policy = replace(found.policy, timeout=timedelta(seconds=6), tests=tests)
        world.policies["dev"] = replace(found, policy=policy)
        world.verdicts |= {"unit": RunState.RUNNING, "e2e": RunState.RUNNING, "look": RunState.RUNNING}
        run = await start()
        await world.eventually(lambda: len(world.triggers) == 3)
        await world.until(State.TESTING)
        world.undeclared = "dev"
        await continued(run, length)
        world.verdicts["e2e"] = RunState.FAILED
        await world.eventually(lambda: world.status.reason == "WaitingForReference")
        await run.command(Verb.HOLD)
        await world.until(State.HELD)
        world.undeclared = ""
        await run.handle.signal("poke")
        await asyncio.sleep(1)
        assert len(world.triggers) == 3
        world.undeclared = "dev"
        await run.command(Verb.RELEASE)
        await world.eventually(lambda: len(world.cancelled) >= 2)
        assert len(world.triggers) <= 4
