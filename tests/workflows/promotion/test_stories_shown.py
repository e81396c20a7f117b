"""What the Temporal UI and the `progress` query show of a promotion, at every stop on its way."""

from temporalio.api.sdk.v1 import WorkflowMetadata

from activities.models.promotion import Verb
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import Run, promotion
from workflows.promotion.workflow import PromotionWorkflow

METADATA_QUERY = "__temporal_workflow_metadata"
"""What the Temporal UI asks for the current details of a workflow."""


async def shown(run: Run) -> list[str]:
    """Return the lines that both queries show alike."""
    metadata = await run.handle.query(METADATA_QUERY, result_type=WorkflowMetadata)
    progress = await run.handle.query(PromotionWorkflow.progress)
    assert metadata.current_details == progress.details
    assert progress.details.startswith(f"**{progress.state}**")
    return progress.details.splitlines()


async def test_while_testing_state_wait_and_a_row_per_test_are_shown(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        world.verdicts["unit"] = RunState.RUNNING
        world.verdicts["look"] = RunState.FAILED
        run = await start()
        await world.until(State.TESTING)
        await world.eventually(
            lambda: (
                {one.name: str(one.state) for one in world.status.tests}
                == {"unit": "Running", "e2e": "Passed", "look": "Failed"}
            )
        )
        lines = await shown(run)
        assert lines[0] == "**Testing** · dev → staging (policy dev-to-staging)"
        (wait,) = [line for line in lines if line.startswith("**Waits for ")]
        assert wait.startswith("**Waits for Verdict** ")
        assert "since 20" in wait
        link = "[run 7](https://ci.example/1)"
        assert [line for line in lines if " at ci" in line] == [
            f"- 🔄 Running: unit at ci, {link}",
            f"- ✅ Passed: e2e at ci, {link}",
            f"- ❌ Failed: look at ci, optional, {link}",
        ]


async def test_while_a_person_is_awaited_the_command_and_the_hop_before_are_shown(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        lines = await shown(run)
        assert lines[0] == "**ReadyToPromote** · AwaitingPromote · staging → prod (policy staging-to-prod)"
        assert any(line.startswith("**Waits for PromoteCommand** ") for line in lines)
        assert "- next: `pilotage -n shop promote web-412`" in lines
        assert [line for line in lines if " smoke at " in line] == [
            "- ✅ Passed: smoke at ci, [run 7](https://ci.example/1)"
        ]
        (record,) = [line for line in lines if "dev → staging: " in line]
        assert record.startswith("- 20")
        assert record.endswith(" UTC, dev → staging: Promoted by autoPromote")


async def test_at_the_end_the_records_are_shown_and_no_wait(temporal_server: str) -> None:
    async with promotion(temporal_server) as (world, start):
        run = await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await run.command(Verb.PROMOTE, target="prod")
        assert await run.end() is State.COMPLETED
        lines = await shown(run)
        assert lines[0].startswith("**Completed**")
        assert not [line for line in lines if "Waits for" in line]
        assert [line.partition(" UTC, ")[2].partition(" by ")[0] for line in lines if " UTC, " in line] == [
            "dev → staging: Promoted",
            "staging → prod: Promoted",
        ]
