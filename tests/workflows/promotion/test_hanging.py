"""What is known is shown while an activity hangs, whichever it is: its attempts may take minutes."""

import asyncio
from dataclasses import dataclass, field

import pytest
from temporalio import activity

from activities.models.configuration import (
    FindPolicyInput,
    FindPolicyResult,
    ReadEnvironmentInput,
    ReadEnvironmentResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
)
from activities.models.delivery import (
    ReadDeploymentsInput,
    ReadDeploymentsResult,
    SyncApplicationInput,
    UpdateApplicationInput,
    WriteResult,
)
from activities.models.places import SendViewInput
from activities.models.revisions import (
    CompareRevisionsInput,
    CompareRevisionsResult,
    ListChangedFilesInput,
    ListChangedFilesResult,
)
from activities.models.tracking import Component, RepositoryView
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import World, promotion_in
from tests.worlds.played import Played


@dataclass
class HangingWorld(World):
    """A world in which one activity gives no answer until a test lets it."""

    hangs: str = ""
    at: str = ""
    """Where it hangs; everywhere if empty."""
    hanging: bool = False
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def _hang(self, name: str, environment: str = "") -> None:
        if name == self.hangs and self.at in ("", environment):
            self.hanging = True
            await self.goes_on.wait()

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        components = (Component(name="web", paths=("web/**",)),)
        view = RepositoryView(name="web", owner="acme", repository="web", full_name="acme/web", components=components)
        return ReadRepositoryResult(repository=view)

    @activity.defn
    async def list_changed_files(self, request: ListChangedFilesInput) -> ListChangedFilesResult:
        await self._hang("list_changed_files")
        return await super().list_changed_files(request)

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        await self._hang("find_policy")
        return await super().find_policy(request)

    @activity.defn
    async def read_environment(self, request: ReadEnvironmentInput) -> ReadEnvironmentResult:
        await self._hang("read_environment", request.environment)
        return await super().read_environment(request)

    @activity.defn
    async def send_view(self, request: SendViewInput) -> None:
        await self._hang("send_view", request.environment)
        await super().send_view(request)

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        await self._hang("compare_revisions")
        return await super().compare_revisions(request)

    @activity.defn
    async def read_deployments(self, request: ReadDeploymentsInput) -> ReadDeploymentsResult:
        await self._hang("read_deployments", "dev" if "-dev-" in request.deployments[0].application else "staging")
        return await super().read_deployments(request)

    @activity.defn
    async def update_application(self, request: UpdateApplicationInput) -> WriteResult:
        await self._hang("update_application")
        return await super().update_application(request)

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        await self._hang("sync_application")
        return await super().sync_application(request)


@pytest.mark.parametrize(
    ("activity_name", "at", "state", "waiting"),
    [
        ("list_changed_files", "", State.AWAITING_MERGE, "merged; not read yet"),
        ("read_environment", "dev", State.AWAITING_SYNC, "web-0 runs aaaa"),
        ("send_view", "dev", State.AWAITING_SYNC, "not observed yet"),
        ("find_policy", "", State.SYNCED, "it runs in dev; not read yet"),
        ("read_environment", "staging", State.SYNCED, "it runs in dev; not read yet"),
        ("send_view", "staging", State.SYNCED, "it runs in dev; not read yet"),
        ("compare_revisions", "", State.SYNCED, "staging is not observed yet"),
        ("read_deployments", "dev", State.TESTING, "unit Queued"),
        ("read_deployments", "staging", State.PROMOTING, "no arrival seen yet"),
        ("update_application", "", State.PROMOTING, "web-0"),
        ("sync_application", "", State.PROMOTING, "web-0"),
    ],
)
async def test_what_is_known_is_shown_while_an_activity_hangs(
    played: Played, activity_name: str, at: str, state: State, waiting: str
) -> None:
    async with promotion_in(HangingWorld, played) as (world, start):
        world.hangs, world.at = activity_name, at
        run = await start()
        await world.eventually(lambda: world.hanging)
        await world.until(state)
        await world.eventually(lambda: waiting in str(world.status.waiting_for))
        world.goes_on.set()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert waiting not in str(world.status.waiting_for)
        await run.handle.terminate()
