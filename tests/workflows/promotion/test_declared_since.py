"""What people declare while a promotion waits is read before it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from temporalio import activity

from activities.models.configuration import (
    EnvironmentView,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
)
from activities.models.delivery import ReadDeploymentsInput, ReadDeploymentsResult
from activities.models.places import Role
from activities.models.promotion import Verb
from activities.models.revisions import ListChangedFilesInput, ListChangedFilesResult
from activities.models.testing import RunState
from activities.models.tracking import Component, PullRequestState
from crds.reasons.vocabulary import Phase, State
from tests.workflows.promotion.world import HOTFIX, MINE, OLD, World, a_test, merged, promotion, promotion_in
from tests.worlds.played import Played
from tests.worlds.refusals import unread


async def test_an_environment_declared_final_ends_the_wait_for_a_policy(played: Played) -> None:
    async with promotion(played) as (world, start):
        del world.policies["dev"]
        run = await start()
        await world.until(State.AWAITING_POLICY)
        world.environments["dev"] = replace(world.environments["dev"], final=True)
        await run.handle.signal("poke")
        assert await run.end() is State.COMPLETED


async def test_a_policy_that_is_created_while_a_change_is_held_is_taken_then(played: Played) -> None:
    async with promotion(played) as (world, start):
        created = world.policies.pop("dev")
        run = await start()
        await world.until(State.AWAITING_POLICY)
        await run.command(Verb.HOLD)
        assert (await world.until(State.HELD)).held_state is State.AWAITING_POLICY
        world.policies["dev"] = created
        await run.handle.signal("poke")
        await world.eventually(lambda: world.status.held_state is State.TESTING)
        assert world.triggers == []
        await run.command(Verb.RELEASE)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_an_environment_declared_final_while_the_hop_to_it_waits_needs_no_policy(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environments["prod"] = replace(world.environments["prod"], final=False)
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        world.environments["prod"] = replace(world.environments["prod"], final=True)
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        assert State.AWAITING_POLICY not in [one.state for one in world.statuses]


async def test_a_retest_takes_the_variables_of_the_source_again(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environments["dev"] = replace(world.environments["dev"], vars={"url": "wrong"})
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        world.environments["dev"] = replace(world.environments["dev"], vars={"url": "right"})
        await run.command(Verb.RETEST)
        await world.eventually(lambda: len(world.triggers) >= 6)
        assert [one.variables["source.vars.url"] for one in world.triggers] == ["wrong"] * 3 + ["right"] * 3


@dataclass
class SilentSelector(World):
    """A world in which the Argo CD of staging does not answer which applications a selector means."""

    silent: bool = True

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        found = await super().read_environment(request)
        if not self.silent or request.environment != "staging" or found.environment is None:
            return found
        one = replace(found.environment.deployments[0], name="web", application="", failure=unread(passing=True))
        return replace(found, environment=replace(found.environment, deployments=(one,)))


async def test_a_target_is_not_written_before_it_is_known_what_its_selectors_stand_for(played: Played) -> None:
    async with promotion_in(SilentSelector, played) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE)
        assert Phase.READY not in {phase for _, phase in _sent(world, "staging")}
        world.silent = False
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE}


@dataclass
class GrowingWorld(World):
    """A repository whose components are declared while the pull request is open."""

    components: tuple[Component, ...] = (Component(name="acme-web"),)

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        found = await super().read_repository(request)
        assert found.repository is not None
        return replace(found, repository=replace(found.repository, components=self.components))

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        return ListChangedFilesResult(components=("web",), files=1)


async def test_components_declared_before_the_merge_count(played: Played) -> None:
    async with promotion_in(GrowingWorld, played) as (world, start):
        world.pull_request = merged(world.pull_request, PullRequestState.OPEN)
        run = await start()
        await world.until(State.AWAITING_MERGE)
        world.components = (Component(name="web", paths=("src/**",)), Component(name="api", paths=("api/**",)))
        world.pull_request = merged(world.pull_request, PullRequestState.MERGED)
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.runs["staging"] == {"web-0": MINE}


def _sent(world: World, place: str) -> Sequence[tuple[str, Phase]]:
    return [(signal.role, signal.phase) for named, signal in world.members if named == place]


async def test_a_target_that_the_policy_names_no_more_is_left(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("qa", OLD)
        world.verdicts["unit"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTS_FAILED)
        world.policy("dev", "qa", tests=(a_test("unit"),))
        world.verdicts["unit"] = RunState.PASSED
        world.slow_syncs = True
        await run.command(Verb.RETEST)
        await world.until(State.PROMOTING)
        assert _sent(world, "staging")[-1] == (Role.TARGET, Phase.GONE)
        # One that begins again asks the members that it knows.
        world.epoch += 1
        sent = len(_sent(world, "staging"))
        await world.publish("staging")
        await world.eventually(lambda: len(_sent(world, "staging")) > sent)
        assert _sent(world, "staging")[-1] == (Role.AHEAD, Phase.GONE)
        assert (Role.TARGET, Phase.HOLDER) in _sent(world, "qa")


@dataclass
class LeavingWorld(World):
    """A world whose applications stay where they are when an environment names them no more."""

    installed: EnvironmentView | None = None

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        declared = self.environments["staging"]
        self.environments["staging"] = self.installed or declared
        try:
            return await super().read_deployments(request)
        finally:
            self.environments["staging"] = declared


async def test_a_deployment_that_diverged_and_is_declared_no_more_stops_no_one(played: Played) -> None:
    async with promotion_in(LeavingWorld, played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.policy("dev", "staging", auto=False, tests=(a_test("unit"),))
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        world.installed = world.environments["staging"]
        world.environments["staging"] = replace(world.installed, deployments=world.installed.deployments[:1])
        # Somebody else's by now.
        world.runs["staging"]["web-1"] = HOTFIX
        await world.publish("staging")
        await run.command(Verb.PROMOTE)
        await world.eventually(lambda: any(one.promoted for one in world.status.promotions))
        assert world.events.count("TargetDiverged") == 1
        assert world.runs["staging"]["web-0"] == MINE
