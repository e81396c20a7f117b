"""What an instruction on the pull request does: a command, or nothing, with the reason. Pure.

A look may come hours after an instruction was written: no webhook came, the host was down, or a run continued as new.
What begins something, or lets something go on, counts only for the state that its author saw: `promote` and `retest`
for the hop and the round at hand, `release` for the hold that lasts. `hold` counts whenever it is read.
"""

from dataclasses import dataclass
from datetime import timedelta

from activities.models.promotion import Command, Verb
from activities.models.state_labels import HOLD, RETEST, STATES_BY_LABEL
from activities.models.steering import STATE, Instruction
from crds.reasons.vocabulary import State
from workflows.promotion.state import PromotionState

MOVES_NOTHING = "a label moves no change; Pilotage restores the label of the tracker's state"
RETESTED = (State.TESTS_FAILED, State.READY_TO_PROMOTE)
"""States in which the label of Testing, set by a person, asks for the tests again."""
OF_ONE_HOP = (Verb.PROMOTE, Verb.RETEST)
CLOCKS_DIFFER_BY = timedelta(seconds=5)
"""A host's clock may be behind ours, and its times have no parts of a second. Only a `retest` is given that much: it
approves nothing. For `promote` and `release` a moment may lie between two hops, or two holds: who was first is not
known then, and the author repeats it."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The hop that a look is about: whose target names the teams by which instructions are judged."""

    hop: int | None = None
    target: str = ""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What an instruction does."""

    verb: Verb | None = None
    """The command that it gives; None for none."""
    why_not: str = ""


def subject(story: PromotionState) -> Subject:
    """Return what a look that begins now is about."""
    return Subject() if story.hop is None else Subject(hop=story.hop.number, target=story.hop.policy.target)


def meaning(story: PromotionState, instruction: Instruction, about: Subject) -> Meaning:
    """Return what an instruction does in the current state; whether the command fits is judged like any other."""
    if not instruction.allowed:
        return Meaning(why_not=instruction.why_not)
    if instruction.verb == STATE or (instruction.label in STATES_BY_LABEL and story.state not in RETESTED):
        return Meaning(why_not=MOVES_NOTHING)
    verb = Verb(instruction.verb)
    if earlier := _earlier(story, verb, instruction, about):
        return Meaning(why_not=f"it was written before {earlier} began; look at the status, then give it again")
    return Meaning(verb=verb)


def _earlier(story: PromotionState, verb: Verb, instruction: Instruction, about: Subject) -> str:
    """Return what began after an instruction was written, and what it is therefore not about; empty where nothing."""
    at, hop, hold = instruction.at, story.hop, story.hold
    if verb is Verb.RELEASE and hold is not None:
        # By the host's clock where the hold was written there too: one look may find that a label came and went.
        return f"{hold.by}'s hold" if at is not None and at < (hold.written_at or hold.since) else ""
    if verb not in OF_ONE_HOP or hop is None:
        return ""
    if hop.number != about.hop:
        return "this hop"
    if at is None:
        return ""
    latest = at + CLOCKS_DIFFER_BY if verb is Verb.RETEST else at
    if hop.began_at is not None and latest < hop.began_at:
        return "this hop"
    round_began = hop.round.began_at if hop.round is not None else None
    return "this round of tests" if round_began is not None and latest < round_began else ""


def command(instruction: Instruction, about: Subject) -> Command:
    """Return an instruction as a command. One for a hop names the target by whose teams its author was judged."""
    return Command(
        request_id=instruction.id,
        actor=instruction.by,
        target_environment=about.target if instruction.verb in OF_ONE_HOP else "",
        revision="",
        reason=instruction.reason,
        keep_refusal=True,
    )


def note_hold(story: PromotionState, instruction: Instruction) -> None:
    """Keep when a hold that this instruction gave was written: its release may come before the look that finds both."""
    if instruction.verb == Verb.HOLD and story.hold is not None:
        story.hold.written_at = instruction.at


def outdated(story: PromotionState, instruction: Instruction, *, accepted: bool) -> str:
    """Return the label that an instruction leaves behind and that is to go; empty where it may stay.

    `pilotage/hold` stands exactly while the change is held, no matter who held it.
    """
    refused_hold = instruction.label == HOLD and not accepted and story.hold is None
    return instruction.label if instruction.label == RETEST or refused_hold else ""
