"""Deliveries that last: held between two waves for weeks, or long in events. Old workers must not stay for them."""

import uuid
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Replayer, Worker, WorkerDeploymentConfig

from activities.models.promotion import Verb
from crds.reasons.vocabulary import State
from tests.upgrade.builds import build_of, make_current
from tests.workflows.environment.puppets import eventually
from tests.workflows.promotion.world import FAST, MINE, OLD, Run, Starter, World
from tests.worlds.serving import activities_of, serving_activities
from worker.temporal.conversion import DATA_CONVERTER
from worker.temporal.sandbox import workflow_runner
from workflows.identity import POKE_SIGNAL, Queues
from workflows.promotion.workflow import PromotionWorkflow


@pytest.fixture
async def started(temporal_server: str) -> AsyncIterator[Starter]:
    """A world of dev → staging in two waves, in which MINE runs in dev, without a worker for its workflows."""
    client = await Client.connect(temporal_server, data_converter=DATA_CONVERTER)
    world = World(client=client)
    world.environment("dev", MINE)
    world.environment("staging", OLD, final=True, waves=2)
    world.policy("dev", "staging")
    installation = f"t{uuid.uuid4().hex[:8]}"
    async with serving_activities(client, installation, activities_of(world)):
        yield Starter(world=world, client=client, installation=installation, timings=FAST)


def worker_of(start: Starter, build: str) -> Worker:
    """Return a worker of the workflows, as one build of a deployment of this test's own."""
    version = WorkerDeploymentVersion(deployment_name=start.installation, build_id=build)
    return Worker(
        start.client,
        task_queue=Queues(installation=start.installation).promotions,
        workflows=[PromotionWorkflow],
        workflow_runner=workflow_runner(),
        deployment_config=WorkerDeploymentConfig(
            version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.PINNED
        ),
    )


async def hold_between_waves(start: Starter) -> Run:
    """Promote until the first wave has arrived, with a hold that keeps the second from being written."""
    world = start.world
    world.slow_syncs = True
    run = await start()
    await world.eventually(lambda: world.writes == ["web-staging-0"])
    assert (await run.command(Verb.HOLD)).accepted
    world.slow_syncs = False
    world.runs["staging"]["web-0"] = MINE
    await world.publish("staging")
    assert (await world.until(State.HELD)).held_state is State.PROMOTING
    return run


async def move(start: Starter, run: Run, build: str) -> None:
    """Make a build current and poke until the promotion is on it, held as before."""
    await make_current(start.client, build, deployment=start.installation)

    async def moved() -> bool:
        await run.handle.signal(POKE_SIGNAL)
        return await build_of(start.client, run.handle.id) == build

    async def held() -> bool:
        return (await run.handle.query(PromotionWorkflow.progress)).state is State.HELD

    await eventually(moved)
    await eventually(held)


async def test_a_change_held_between_waves_moves_to_the_new_build_and_goes_on_with_the_next_wave(
    started: Starter,
) -> None:
    world, client = started.world, started.client
    async with worker_of(started, "b"):
        async with worker_of(started, "a"):
            await make_current(client, "a", deployment=started.installation)
            run = await hold_between_waves(started)
            first = (await run.handle.describe()).run_id
            await move(started, run, "b")
        assert world.writes == ["web-staging-0"]
        assert (await run.command(Verb.RELEASE)).accepted
        assert await run.end() is State.COMPLETED
        assert world.writes == ["web-staging-0", "web-staging-1"]
        replayer = Replayer(
            workflows=[PromotionWorkflow], workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER
        )
        for one in (first, None):
            await replayer.replay_workflow(await client.get_workflow_handle(run.handle.id, run_id=one).fetch_history())


async def test_a_change_moves_back_when_the_old_build_is_made_current_again(started: Starter) -> None:
    world, client = started.world, started.client
    async with worker_of(started, "a"):
        async with worker_of(started, "b"):
            await make_current(client, "a", deployment=started.installation)
            run = await hold_between_waves(started)
            await move(started, run, "b")
            await move(started, run, "a")
        assert (await run.command(Verb.RELEASE)).accepted
        assert await run.end() is State.COMPLETED
        assert world.writes == ["web-staging-0", "web-staging-1"]


async def test_a_delivery_that_outgrows_its_history_continues_on_the_new_build(started: Starter) -> None:
    """Temporal takes a run that continues on its old build for one that does not want the new one, ever."""
    world, client = started.world, started.client
    async with worker_of(started, "b"):
        async with worker_of(started, "a"):
            await make_current(client, "a", deployment=started.installation)
            world.slow_syncs = True
            run = await started()
            await world.until(State.PROMOTING)
            await make_current(client, "b", deployment=started.installation)

            async def moved() -> bool:
                await run.handle.signal(POKE_SIGNAL)
                return await build_of(client, run.handle.id) == "b"

            await eventually(moved, seconds=60)
            assert (await run.handle.query(PromotionWorkflow.progress)).state is State.PROMOTING
        world.slow_syncs = False
        world.runs["staging"] = dict.fromkeys(("web-0", "web-1"), MINE)
        await world.publish("staging")
        assert await run.end() is State.COMPLETED
        assert len(set(world.writes)) == len(world.writes)
