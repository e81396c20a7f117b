"""What people are shown does not change because a run continued as new."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from activities.models.configuration import FindPolicyResult, PolicyOutcome
from activities.models.delivery import Observation
from activities.models.promotion import Verb
from activities.models.status import TrackerStatus
from activities.models.testing import RunState
from activities.models.tracking import PullRequestState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_continued import Length, continued
from tests.workflows.promotion.world import FAST, HOTFIX, OLD, World, merged, promotion_in
from tests.worlds.played import Played
from tests.worlds.refusals import missing, unread


@dataclass
class BlindWorld(World):
    """A world in which an environment's applications may not be readable."""

    blind: str = ""

    def observations(self, environment: str) -> tuple[Observation, ...]:
        found = super().observations(environment)
        hidden = (replace(one, failure=unread("answered 401")) for one in found)
        return tuple(hidden) if environment == self.blind else found


def _open(world: BlindWorld) -> None:
    world.pull_request = merged(world.pull_request, PullRequestState.OPEN)


def _unread_repository(world: BlindWorld) -> None:
    world.repository_failure = missing("GitRepository/web")


def _not_deployed(world: BlindWorld) -> None:
    world.environment("dev", OLD)


def _unread_source(world: BlindWorld) -> None:
    world.blind = "dev"


def _unread_target(world: BlindWorld) -> None:
    world.blind = "staging"


def _no_policy(world: BlindWorld) -> None:
    world.policies["dev"] = FindPolicyResult(outcome=PolicyOutcome.NOT_FOUND)


def _running(world: BlindWorld) -> None:
    world.verdicts["unit"] = RunState.RUNNING


def _refused(world: BlindWorld) -> None:
    world.trigger_error = "ProviderNotFound"


def _failed(world: BlindWorld) -> None:
    world.verdicts["unit"] = RunState.FAILED


def _blocked(world: BlindWorld) -> None:
    world.grants, world.blocked_by = False, "web-411"


def _diverged(world: BlindWorld) -> None:
    world.environment("staging", HOTFIX)


def _slow(world: BlindWorld) -> None:
    world.slow_syncs = True


def _failing_sync(world: BlindWorld) -> None:
    world.sync_fails = "web-staging-0"


def _pausing(world: BlindWorld) -> None:
    world.environment("staging", OLD, waves=2)
    world.environments["staging"] = replace(world.environments["staging"], wave_pause=timedelta(minutes=5))


def _unpresented(world: BlindWorld) -> None:
    world.present_fails = True
    _running(world)


def _text(status: TrackerStatus) -> str:
    return f"{status.reason} {status.message} {status.waiting_for}"


@pytest.mark.parametrize(
    ("arrange", "state", "shown", "wait"),
    [
        (_unread_repository, State.PENDING, "does not exist", "repository: try again"),
        (_open, State.AWAITING_MERGE, "", "look for the merge"),
        (_not_deployed, State.AWAITING_SYNC, "runs 0000000", "await dev"),
        (_unread_source, State.AWAITING_SYNC, "ArgoCDInstance/argocd", "await dev"),
        (_no_policy, State.AWAITING_POLICY, "no policy leaves", "await a policy"),
        (_running, State.TESTING, "unit Running", "poll unit"),
        (_unpresented, State.TESTING, "unit Running", "poll unit"),
        (_refused, State.TESTING, "job not found", "trigger"),
        (_failed, State.TESTS_FAILED, "unit", "await retest"),
        (_blocked, State.READY_TO_PROMOTE, "web-411", "await the lane of staging"),
        (_diverged, State.READY_TO_PROMOTE, "TargetDiverged", "await the lane of staging"),
        (_unread_target, State.READY_TO_PROMOTE, "ArgoCDInstance/argocd", "await the lane of staging"),
        (_slow, State.PROMOTING, "web-0", "deliver to staging"),
        (_pausing, State.PROMOTING, "pause between waves", "pause between waves"),
        (_failing_sync, State.PROMOTION_FAILED, "image not found", "await retry"),
    ],
)
@pytest.mark.parametrize("held", [False, True])
async def test_a_status_is_the_same_before_and_after_a_run_continued(
    played: Played,
    monkeypatch: pytest.MonkeyPatch,
    arrange: Callable[[BlindWorld], None],
    state: State,
    shown: str,
    wait: str,
    held: bool,
) -> None:
    length = Length(monkeypatch)
    timings = replace(FAST, listing_lag=timedelta(seconds=2))
    async with promotion_in(BlindWorld, played, timings=timings) as (world, start):
        arrange(world)
        run = await start()
        await world.until(state)
        await world.eventually(lambda: world.status.state is state and shown in _text(world.status))
        if held:
            await run.command(Verb.HOLD, reason="freeze")
            await world.eventually(lambda: "CommandHold" in world.events)
        # A pause between waves is cut by no poke, but places that begin again are answered in it.
        before = await continued(run, length, poked=False)
        last = _essence([one for one in world.statuses if one.workflow and one.workflow.run_id == before][-1])
        await world.eventually(lambda: any(wait in one for one in played.summaries(run.handle.id)))
        await run.handle.signal("poke")
        await world.publish("dev")
        await run.handle.query("progress")
        await run.command(Verb.ABORT)
        await world.until(State.ABORTED)
        later = [one for one in world.statuses if one.workflow and one.workflow.run_id != before]
        news = [_essence(one) for one in later if one.state is not State.ABORTED]
        assert news
        for one in news:
            assert one == last


def _essence(status: TrackerStatus) -> TrackerStatus:
    return replace(status, sequence=0, workflow=None)
