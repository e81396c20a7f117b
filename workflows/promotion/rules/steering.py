"""What an instruction on the pull request does: a command, or nothing, with the reason. Pure."""

from dataclasses import dataclass

from activities.models.promotion import Command, Verb
from activities.models.state_labels import HOLD, RETEST, STATES_BY_LABEL
from activities.models.status import State
from activities.models.steering import STATE, Instruction
from workflows.promotion.state import PromotionState

MOVES_NOTHING = "a label moves no change; Pilotage restores the label of the tracker's state"
RETESTED = (State.TESTS_FAILED, State.READY_TO_PROMOTE)
"""States in which the label of Testing, set by a person, asks for the tests again."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an instruction does."""

    verb: Verb | None = None
    """The command that it gives; None for none."""
    why_not: str = ""


def meaning(story: PromotionState, instruction: Instruction) -> Meaning:
    """Return what an instruction does in the current state; whether the command fits is judged like any other."""
    if not instruction.allowed:
        return Meaning(why_not=instruction.why_not)
    if instruction.verb == STATE or (instruction.label in STATES_BY_LABEL and story.state not in RETESTED):
        return Meaning(why_not=MOVES_NOTHING)
    return Meaning(verb=Verb(instruction.verb))


def command(story: PromotionState, instruction: Instruction) -> Command:
    """Return an instruction as a command for the current hop: its author saw no other."""
    target = story.hop.policy.target if story.hop is not None else ""
    return Command(
        request_id=instruction.id,
        actor=instruction.by,
        target_environment=target,
        revision="",
        reason=instruction.reason,
        keep_refusal=True,
    )


def outdated(story: PromotionState, instruction: Instruction, *, accepted: bool) -> str:
    """Return the label that an instruction leaves behind and that is to go; empty where it may stay.

    `pilotage/hold` stands exactly while the change is held, no matter who held it.
    """
    refused_hold = instruction.label == HOLD and not accepted and story.hold is None
    return instruction.label if instruction.label == RETEST or refused_hold else ""
