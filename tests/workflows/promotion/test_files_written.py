"""Deployments that are written through files: together, under one key, and with a pull request that is waited for."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.configuration import GitEditSpec, GitWriteSpec, WriteKind, WriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.git_delivery import DeliverFilesInput, DeliverFilesResult, FilesWritten, Proposal
from activities.models.status import AwaitedPullRequest
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import MINE, OLD, World, promotion_in
from tests.worlds.played import Played
from tests.worlds.stage import now

GIT = GitWriteSpec(repository="config", branch="main", edits=(GitEditSpec(file="a.yaml", image="acme/web"),))
FILES = WriteSpec(kind=WriteKind.GIT, git=GIT)
OPENED = Proposal(key="opened", number=7, head_sha="e" * 40)
WAITS = "pull request https://example.com/7 waits to be merged"


@dataclass
class Filed(World):
    """A world whose staging is written through files, as a test answers."""

    asked: list[DeliverFilesInput] = field(default_factory=list)
    answers: list[WriteResult | ApplicationError] = field(default_factory=list)
    """Answers to come; the last one stays, none means that all is written."""
    proposal: Proposal | None = None
    prepared: list[DeliverFilesInput] = field(default_factory=list)
    """What was to be shown while tests ran."""

    def filed(self, count: int, *, seconds: float = 20, write: WriteSpec = FILES) -> None:
        """Declare so many deployments of one wave, and how long they may take."""
        self.environment("staging", OLD, waves=count)
        view = self.environments["staging"]
        deployments = tuple(replace(one, wave=0, write=write) for one in view.deployments)
        timeout = timedelta(seconds=seconds)
        self.environments["staging"] = replace(view, deployments=deployments, delivery_timeout=timeout)

    @activity.defn
    async def deliver_files(self, request: DeliverFilesInput) -> DeliverFilesResult:
        if request.prepares:
            self.prepared.append(request)
            return DeliverFilesResult(written=(), proposal=self.proposal)
        self.asked.append(request)
        answer: WriteResult | ApplicationError = WriteResult(outcome=WriteOutcome.DONE)
        if self.answers:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ApplicationError):
            raise answer
        if answer.stands:
            await self.deploy("staging", MINE)
        written = tuple(FilesWritten(deployment=one.name, result=answer) for one in request.deployments)
        return DeliverFilesResult(written=written, proposal=self.proposal)


async def test_all_of_a_wave_is_written_at_once_and_nothing_is_synced(played: Played) -> None:
    async with promotion_in(Filed, played) as (world, start):
        world.filed(3)
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        [asked] = world.asked
        assert [one.name for one in asked.deployments] == ["web-0", "web-1", "web-2"]
        assert asked.variables["targetEnvironment"] == "staging"
        assert asked.variables["promotion.key"] == asked.key
        assert (world.writes, world.keys) == ([], {})
        assert {one.result for one in world.status.promotions[0].applications} == {"Promoted"}


async def test_a_pull_request_that_waits_stops_the_deadline_and_keeps_its_key(played: Played) -> None:
    async with promotion_in(Filed, played) as (world, start):
        world.filed(1, seconds=2)
        world.proposal = OPENED
        world.answers = [WriteResult(outcome=WriteOutcome.AWAITED, message=WAITS)]
        run = await start()
        await world.eventually(lambda: "MergeAwaited" in world.events)
        status = await world.until(State.PROMOTING)
        assert status.waiting_for is not None
        assert WAITS in status.waiting_for.observed
        assert "merge the pull request" in status.waiting_for.unblock_with
        assert status.hop is not None
        assert status.hop.pull_requests == (AwaitedPullRequest(repository="config", number=7),)
        began = now()
        while now() - began < timedelta(seconds=2.5):
            tried = len(world.asked)
            await run.handle.signal("poke")
            await world.eventually(lambda tried=tried: len(world.asked) > tried)  # type: ignore[misc]
        assert world.status.state is State.PROMOTING
        assert {(one.key, one.proposal) for one in world.asked[1:]} == {("opened", OPENED)}
        world.answers.clear()
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].result == "Promoted"


async def test_files_that_are_refused_fail_the_wave_with_the_reason(played: Played) -> None:
    async with promotion_in(Filed, played) as (world, start):
        world.filed(2)
        world.answers = [WriteResult(outcome=WriteOutcome.REFUSED, message="a.yaml does not exist")]
        await start()
        status = await world.until(State.PROMOTION_FAILED)
        assert "a.yaml does not exist" in status.message
        assert [one.result for one in status.promotions[0].applications] == ["Failed", "Failed"]


async def test_a_host_that_gives_no_answer_is_asked_again(played: Played) -> None:
    async with promotion_in(Filed, played) as (world, start):
        world.filed(1)
        refused = ApplicationError("no answer", type="ProviderUnavailable", non_retryable=True)
        world.answers = [refused, WriteResult(outcome=WriteOutcome.DONE)]
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert len({one.key for one in world.asked}) == 1
        assert len(world.asked) == 2
