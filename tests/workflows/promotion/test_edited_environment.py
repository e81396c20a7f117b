"""An Environment that is edited between a failure and `retry`: nothing is shown as promoted that is not deployed."""

import asyncio
from dataclasses import dataclass, replace

from temporalio import activity

from activities.models.configuration import (
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
)
from activities.models.delivery import Observation
from activities.models.promotion import Verb
from activities.models.revisions import ListChangedFilesInput, ListChangedFilesResult
from activities.models.testing import RunState
from activities.models.tracking import Component
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, MINE, OLD, Run, Starter, World, promotion_in
from tests.worlds.played import Played


@dataclass
class TwoComponents(World):
    """A world of the components `web` and `api`; the place of staging is behind what is declared there."""

    touched: tuple[str, ...] = ("web", "api")
    declares_api: bool = True
    reads: int = 0
    """How often staging was read."""

    def install(self) -> None:
        """Deploy `api` next to `web` everywhere."""
        for name, view in self.environments.items():
            web = view.deployments[0]
            api = replace(web, name="api-0", component="api", application=f"api-{name}-0")
            self.environments[name] = replace(view, deployments=(web, api))
            self.runs[name]["api-0"] = self.runs[name]["web-0"]

    def observations(self, environment: str) -> tuple[Observation, ...]:
        components = {one.name: one.component for one in self.environments[environment].deployments}
        return tuple(replace(one, component=components[one.deployment]) for one in super().observations(environment))

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        found = await super().read_repository(request)
        assert found.repository is not None
        components = tuple(Component(name=name, paths=(f"{name}/**",)) for name in ("web", "api"))
        return replace(found, repository=replace(found.repository, components=components))

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        return ListChangedFilesResult(components=self.touched, files=1)

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        found = await super().read_environment(request)
        if request.environment != "staging":
            return found
        self.reads += 1
        assert found.environment is not None
        kept = tuple(one for one in found.environment.deployments if self.declares_api or one.component != "api")
        return replace(found, environment=replace(found.environment, deployments=kept))


async def _retried_without_api(world: TwoComponents, start: Starter) -> Run:
    """Have the delivery of `api` fail, remove it from the Environment, and retry."""
    world.install()
    world.sync_fails = "api-staging-0"
    run = await start()
    await world.until(State.PROMOTION_FAILED)
    world.declares_api = False
    assert (await run.command(Verb.RETRY, target="staging")).accepted
    return run


async def test_a_component_that_is_declared_no_more_is_named_and_not_left_out(played: Played) -> None:
    async with promotion_in(TwoComponents, played) as (world, start):
        run = await _retried_without_api(world, start)
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetUnreadable")
        assert "staging does not deploy api" in status.message
        assert status.waiting_for is not None
        assert status.waiting_for.unblock_with.endswith("describe environment.pilotage.dev staging")
        assert [one.result for one in status.promotions] == ["Failed"]
        assert world.runs["staging"] == {"web-0": MINE, "api-0": OLD}
        # Declared again, it is delivered.
        world.declares_api, world.sync_fails = True, ""
        await run.handle.signal("poke")
        await world.eventually(lambda: any(one.promoted for one in world.status.promotions))
        assert world.runs["staging"] == {"web-0": MINE, "api-0": MINE}


async def test_a_change_whose_only_component_is_declared_no_more_waits_quietly(played: Played) -> None:
    async with promotion_in(TwoComponents, played) as (world, start):
        world.touched = ("api",)
        await _retried_without_api(world, start)
        await world.until(State.READY_TO_PROMOTE, reason="TargetUnreadable")
        reads, sent = world.reads, len(world.members)
        await asyncio.sleep(10)
        looks = 10 / FAST.reference_maximum.total_seconds()
        assert reads < world.reads <= reads + looks + 1
        assert len(world.members) <= sent + 1


async def test_a_component_that_was_declared_since_counts_once_the_place_shows_it(played: Played) -> None:
    async with promotion_in(TwoComponents, played) as (world, start):
        world.install()
        world.declares_api = False
        world.verdicts["unit"] = RunState.FAILED
        await start()
        await world.until(State.TESTS_FAILED)
        await world.deploy("staging", MINE)
        await asyncio.sleep(10)
        assert [one.result for one in world.status.promotions] == []
        world.declares_api = True
        await world.publish("staging")
        await world.eventually(lambda: [one.result for one in world.status.promotions] == ["AlreadyContained"])
        (record,) = world.status.promotions
        assert {one.deployment for one in record.applications} == {"web-0", "api-0"}
