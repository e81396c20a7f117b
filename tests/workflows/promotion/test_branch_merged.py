"""A branch is merged into another: shown while tests run, merged as it was tested, and not once others pushed."""

from activities.models.configuration import BranchWriteSpec, WriteKind, WriteSpec
from activities.models.delivery import WriteOutcome, WriteResult
from activities.models.promotion import Verb
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.test_files_written import OPENED, Filed
from tests.workflows.promotion.world import promotion_in
from tests.worlds.played import Played

BRANCH = BranchWriteSpec(repository="config", source="next", target="staging", auto_merge=True)
MERGED = WriteSpec(kind=WriteKind.BRANCH, branch=BRANCH)
MOVED = WriteResult(outcome=WriteOutcome.HEAD_MOVED, message="`next` is at 333, and 222 was tested")


async def test_what_was_shown_while_tests_ran_is_what_may_be_merged(played: Played) -> None:
    async with promotion_in(Filed, played) as (world, start):
        world.filed(2, write=MERGED)
        world.proposal = OPENED
        world.answers = [MOVED, WriteResult(outcome=WriteOutcome.DONE)]
        run = await start()
        status = await world.until(State.PROMOTION_FAILED, reason="HeadMoved")
        assert "222 was tested" in status.message
        [shown], [asked] = world.prepared, world.asked
        assert {gate.name for gate in shown.gates} == {"unit", "e2e", "look"}
        assert all(gate.pending for gate in shown.gates)
        assert (asked.proposal, asked.retried, len(asked.deployments)) == (OPENED, False, 2)
        assert {gate.name for gate in asked.gates if gate.passed} >= {"unit", "e2e"}
        assert (await run.command(Verb.RETRY)).accepted
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        # A person takes the branch as it is then.
        assert [(one.proposal, one.retried) for one in world.asked[1:]] == [(None, True)]
        assert world.status.promotions[-1].result == "Promoted"


async def test_tests_that_failed_are_shown_where_they_were_pending(played: Played) -> None:
    async with promotion_in(Filed, played) as (world, start):
        world.filed(1, write=MERGED)
        world.proposal = OPENED
        world.verdicts["unit"] = RunState.FAILED
        await start()
        await world.until(State.TESTS_FAILED)
        await world.eventually(lambda: len(world.prepared) == 2)
        failed = {gate.name for gate in world.prepared[-1].gates if not (gate.passed or gate.pending)}
        assert (failed, world.prepared[-1].proposal, world.asked) == ({"unit"}, OPENED, [])
