"""People steer from the pull request: a hold, a release and a re-test by labels and comments, and who may not."""

from collections import defaultdict

from activities.models.promotion import Verb
from activities.models.state_labels import HOLD, RETEST
from activities.models.steering import STATE, Instruction
from activities.models.testing import RunState
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import World, promotion_in
from workflows.identity import PULL_REQUEST_POKE_SIGNAL


def by_label(number: int, label: str, verb: str, by: str = "grace", *, allowed: bool = True) -> Instruction:
    why_not = "" if allowed else "may not write"
    return Instruction(id=f"label-{number}", verb=verb, by=by, allowed=allowed, why_not=why_not, label=label)


def by_comment(number: int, verb: str, by: str = "grace", *, allowed: bool = True, reason: str = "") -> Instruction:
    why_not = "" if allowed else "may not write"
    return Instruction(
        id=f"comment-{number}", verb=verb, by=by, allowed=allowed, why_not=why_not, comment=str(number), reason=reason
    )


def rejected(world: World) -> list[str]:
    """Return the reasons of the events by which commands were refused, oldest first."""
    return [reason for reason in world.events if reason in ("LabelRejected", "CommentRejected")]


async def test_people_hold_release_and_retest_from_the_pull_request_and_each_command_counts_once(
    temporal_server: str,
) -> None:
    async with promotion_in(World, temporal_server) as (world, start):
        world.verdicts = defaultdict(lambda: RunState.FAILED)
        run = await start()
        await world.until(State.TESTS_FAILED)

        async def command(*instructions: Instruction, by: str = "") -> None:
            looks = len(world.asked_for_instructions)
            world.instructions_given = list(instructions)
            await run.handle.signal(PULL_REQUEST_POKE_SIGNAL, by)
            await world.eventually(lambda: len(world.asked_for_instructions) > looks)

        hold = by_label(1, HOLD, "hold")
        await command(hold, by_comment(2, "hold", "eve", allowed=False))
        held = await world.until(State.HELD)
        assert "grace" in str(held.waiting_for)
        await world.eventually(
            lambda: HOLD in world.presented[-1].steering_labels and bool(world.presented[-1].reactions)
        )
        assert [(one.comment, one.agreed) for one in world.presented[-1].reactions] == [("2", False)]
        assert "| hold | eve | ❌ may not write |" in world.presented[-1].comment

        # Our own account's labels are no news, and a command that comes twice counts once.
        looks = len(world.asked_for_instructions)
        await run.handle.signal(PULL_REQUEST_POKE_SIGNAL, "Pilotage-Bot")
        await command(hold, by_comment(3, "release", reason="fixed"))
        await world.until(State.TESTS_FAILED)
        assert len(world.asked_for_instructions) == looks + 1
        assert (world.asked_for_instructions[-1].label_cursor, world.asked_for_instructions[-1].comment_cursor) == (
            "1:9",
            "9:x",
        )
        assert rejected(world) == ["CommentRejected"]

        # A label is not ahead of a test that failed.
        await command(by_label(4, "pilotage/completed", STATE))
        await world.eventually(lambda: rejected(world) == ["CommentRejected", "LabelRejected"])
        assert world.status.state is State.TESTS_FAILED

        world.verdicts = defaultdict(lambda: RunState.PASSED)
        await command(by_label(5, RETEST, "retest"))
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        await world.eventually(lambda: any(RETEST in one.cleared for one in world.presented))
        assert world.status.promotions[0].promoted

        # The command reads the labels at once.
        looks = len(world.asked_for_instructions)
        assert (await run.command(Verb.SYNC)).accepted
        await world.eventually(lambda: len(world.asked_for_instructions) > looks)
        assert (await world.until(State.READY_TO_PROMOTE)).reason == "AwaitingPromote"
