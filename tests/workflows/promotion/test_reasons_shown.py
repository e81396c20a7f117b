"""Why a change does not go on is shown where people look, with what they can do about it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.configuration import (
    FindPolicyInput,
    FindPolicyResult,
    ReadRepositoryInput,
    ReadRepositoryResult,
)
from activities.models.promotion import Verb
from activities.models.revisions import CompareRevisionsInput, CompareRevisionsResult, Relation
from activities.models.status import NO_ACTION
from activities.models.tracking import PullRequest, PullRequestState
from crds.reasons.vocabulary import State, Waiting
from tests.workflows.promotion.world import HOTFIX, MINE, NEWER, OLD, World, promotion, promotion_in
from tests.worlds.declared import a_policy
from tests.worlds.played import Played
from workflows.promotion.state import Hop, PromotionState
from workflows.promotion.view.pull_request import SHOWN_AFTER, moment
from workflows.promotion.view.waiting import waiting_for

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def command(verb: str, tracker: str = "", /) -> str:
    return f"pilotage {verb} {tracker or 'web-412'}"


async def test_a_merge_into_a_branch_that_is_not_deployed_shows_that_and_what_helps(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.pull_request = replace(world.pull_request, base_branch="feature/login")
        world.environment("dev", HOTFIX)
        await start()
        await world.eventually(lambda: bool(world.statuses) and "another line of history" in world.status.message)
        status, waiting = world.status, world.status.waiting_for
        assert (status.state, waiting and waiting.what) == (State.AWAITING_SYNC, Waiting.SYNC)
        assert waiting is not None
        assert "#412 merged into feature/login" in waiting.observed
        assert "deploy feature/login" in waiting.unblock_with
        assert "`pilotage -n shop abort web-412`" in waiting.unblock_with
        await world.eventually(
            lambda: bool(world.presented) and "another line of history" in world.presented[-1].comment
        )
        # It was only not merged there yet.
        await world.deploy("dev", NEWER)
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


async def test_a_change_that_is_only_not_deployed_yet_is_on_no_other_line(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("dev", OLD)
        await start()
        await world.eventually(lambda: bool(world.statuses) and "runs 000000000000" in world.status.message)
        waiting = world.status.waiting_for
        assert waiting is not None
        assert "another line" not in waiting.observed
        assert waiting.unblock_with == "deploy aaaaaaaaaaaa to dev: pilotage -n shop envs dev"


@dataclass
class Unknowing(World):
    """A host that knows no commit."""

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        return CompareRevisionsResult(relations=tuple(Relation.UNKNOWN for _ in request.pairs))


async def test_a_commit_that_the_host_does_not_know_is_named_with_what_helps(played: Played) -> None:
    async with promotion_in(Unknowing, played) as (world, start):
        world.environment("dev", HOTFIX)
        await start()
        await world.eventually(lambda: bool(world.statuses) and "acme/web does not know" in world.status.message)
        waiting = world.status.waiting_for
        assert waiting is not None
        assert "push both commits to acme/web" in waiting.unblock_with


async def test_a_pull_request_that_was_closed_shows_how_it_is_taken_up_again(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.pull_request = replace(world.pull_request, state=PullRequestState.CLOSED, merge_sha=None)
        run = await start()
        assert await run.end() is State.CLOSED
        assert "`pilotage -n shop restart web-412`" in world.status.message
        assert "`pilotage -n shop restart web-412`" in world.presented[-1].comment


async def test_the_pause_between_waves_and_its_end_are_shown(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.environment("staging", OLD, waves=2)
        world.environments["staging"] = replace(world.environments["staging"], wave_pause=timedelta(minutes=10))
        await start()
        await world.eventually(lambda: bool(world.statuses) and "pause between waves" in str(world.status.waiting_for))
        waiting = world.status.waiting_for
        assert waiting is not None
        assert (world.status.state, waiting.what) == (State.PROMOTING, Waiting.DELIVERY)
        assert waiting.until is not None
        assert f"{waiting.until:%H:%M:%S} UTC" in waiting.observed
        assert world.writes == ["web-staging-0"]


@dataclass
class Refusing(World):
    """An API server that refuses to show some kinds, each time."""

    refused: str = ""

    @activity.defn
    async def read_repository(self, request: ReadRepositoryInput) -> ReadRepositoryResult:
        self._refuse("repository")
        return await super().read_repository(request)

    @activity.defn
    async def find_policy(self, request: FindPolicyInput) -> FindPolicyResult:
        self._refuse("policy")
        return await super().find_policy(request)

    def _refuse(self, what: str) -> None:
        if self.refused == what:
            raise ApplicationError(
                f"may not get {what}", type="ApiForbidden", next_retry_delay=timedelta(milliseconds=10)
            )


@pytest.mark.parametrize(("refused", "named"), [("repository", "GitRepository/web"), ("policy", "PromotionPolicy")])
async def test_an_api_error_that_repeats_is_shown_and_nothing_is_shown_as_read(
    played: Played, refused: str, named: str
) -> None:
    async with promotion_in(Refusing, played) as (world, start):
        world.refused = refused
        await start()
        await world.eventually(lambda: bool(world.statuses) and world.status.reason == "WaitingForReference")
        waiting = world.status.waiting_for
        assert waiting is not None
        assert (waiting.what, waiting.object) == (Waiting.REFERENCE, named)
        assert f"may not get {refused}" in waiting.observed
        assert waiting.unblock_with != NO_ACTION
        world.refused = ""
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


def a_story(state: State, *, merged: bool = True, hop: Hop | None = None) -> PromotionState:
    pull_request = PullRequest(
        number=412,
        title="Add a button",
        author="ada",
        url="https://scm.example/412",
        state=PullRequestState.MERGED if merged else PullRequestState.OPEN,
        head_sha="d" * 40,
        merge_sha=MINE if merged else None,
    )
    return PromotionState(environment="dev", state=state, started_at=NOON, pull_request=pull_request, hop=hop)


def a_hop() -> Hop:
    return Hop(number=1, policy=a_policy())


@pytest.mark.parametrize(
    ("story", "what", "object_", "never"),
    [
        (PromotionState(state=State.PENDING, started_at=NOON), Waiting.REFERENCE, "the pull request", "being read"),
        (a_story(State.AWAITING_MERGE), Waiting.REFERENCE, "the changed files of #412", "merge the pull request"),
        (a_story(State.SYNCED), Waiting.POLICY, "the policy that leaves dev", "deploy"),
        (a_story(State.SYNCED, hop=a_hop()), Waiting.TARGET, "staging", "deploy"),
    ],
)
def test_while_what_is_needed_next_is_not_read_no_one_is_asked_to_do_what_is_done(
    story: PromotionState, what: Waiting, object_: str, never: str
) -> None:
    waiting = waiting_for(story, source=None, target=None, command=command)
    assert waiting is not None
    assert (waiting.what, waiting.object, waiting.unblock_with) == (what, object_, NO_ACTION)
    assert never not in f"{waiting.observed} {waiting.unblock_with}"


def test_an_open_pull_request_waits_for_its_merge() -> None:
    waiting = waiting_for(a_story(State.AWAITING_MERGE, merged=False), source=None, target=None, command=command)
    assert waiting is not None
    assert (waiting.what, waiting.unblock_with) == (
        Waiting.MERGE,
        "merge the pull request: pilotage open web-412",
    )


@pytest.mark.parametrize(
    ("relation", "news"), [(Relation.DIVERGED, True), (Relation.BEHIND, False), (Relation.AHEAD, False)]
)
def test_what_may_never_arrive_is_presented_also_after_another_reason_was(relation: Relation, news: bool) -> None:
    story = a_story(State.AWAITING_SYNC)
    story.since = NOON
    story.message = "dev/web-0 (web): runs ffffffffffff, wanted aaaaaaaaaaaa, OutOfSync, Healthy"
    before = moment(story, State.AWAITING_SYNC, NOON)
    assert before is None
    lasting = moment(story, State.AWAITING_SYNC, NOON + SHOWN_AFTER)
    assert lasting is not None
    story.relations[f"{HOTFIX}...{MINE}"] = relation
    assert (moment(story, State.AWAITING_SYNC, NOON) is not None) is news
    assert (moment(story, State.AWAITING_SYNC, NOON + SHOWN_AFTER) != lasting) is news


async def test_a_diverged_target_that_waits_for_approval_shows_the_command_that_is_accepted(played: Played) -> None:
    async with promotion(played) as (world, start):
        world.policy("dev", "staging", auto=False)
        world.environment("staging", HOTFIX)
        run = await start()
        status = await world.until(State.READY_TO_PROMOTE, reason="TargetDiverged")
        assert status.waiting_for is not None
        assert status.waiting_for.reason_code == "TargetDiverged"
        assert status.waiting_for.unblock_with == 'pilotage -n shop promote web-412 --reason "…"'
        assert "WaitsForApproval" not in world.events
        assert (await run.command(Verb.PROMOTE, target="staging", reason="the hotfix is obsolete")).accepted
        await world.eventually(lambda: world.runs["staging"] == {"web-0": MINE})
