"""What a person's command means in the state at hand: refused with a reason, or carried out at once."""

from datetime import datetime

from activities.models.promotion import Command, Verb
from activities.models.status import State
from workflows.promotion import comparing, rounds
from workflows.promotion.state import Hold, Hop, Refusal, Story

SHORTEST_REVISION = 7
"""Git's own shortest abbreviation; a shorter one could fit another commit."""

ACCEPTED = {
    Verb.RETEST: "a new round of tests begins",
    Verb.RETRY: "goes on from the first application that is not done",
    Verb.PROMOTE: "will be promoted as soon as the lane is free",
    Verb.HOLD: "held at the next boundary",
    Verb.RELEASE: "goes on",
    Verb.ABORT: "aborted; nothing further is written",
}


def refusal(story: Story, verb: Verb, command: Command) -> str:
    """Return why the command is not carried out; empty when it is."""
    if story.state.terminal:
        return f"the tracker is {story.state}; restart begins a new attempt"
    wanted = story.hop.policy.target if story.hop else story.environment
    if command.target_environment and wanted and command.target_environment != wanted:
        return f"meant for {command.target_environment}, but the hop at hand goes to {wanted}"
    if command.revision and not _names(story, command.revision):
        return f"meant for revision {command.revision[:12]}, but another one is at hand; look again"
    return _out_of_place(story, verb, command)


def _out_of_place(story: Story, verb: Verb, command: Command) -> str:
    hop, state = story.hop, story.state
    match verb:
        case Verb.HOLD if story.hold is not None:
            return f"already held by {story.hold.by}"
        case Verb.RELEASE if story.hold is None:
            return "not held"
        case Verb.RETEST if state not in (State.TESTING, State.TESTS_FAILED, State.READY_TO_PROMOTE):
            return f"retest needs a round of tests, but the tracker is {state}"
        case Verb.RETRY if state is not State.PROMOTION_FAILED:
            return f"retry needs PromotionFailed, but the tracker is {state}"
        case Verb.PROMOTE if state is not State.READY_TO_PROMOTE or hop is None:
            return f"promote needs ReadyToPromote, but the tracker is {state}"
        case Verb.PROMOTE if hop is not None and hop.refusal is Refusal.DIVERGED and not command.reason:
            return f"the target diverged ({hop.refusal_message}); promoting it anyway needs a reason"
        case Verb.PROMOTE if hop is not None and hop.refusal is Refusal.DIVERGED and not _saw(hop, command):
            now = "; ".join(f"{name} holds {held}" for name, held in comparing.held_revisions(hop.refused).items())
            if command.seen:
                return f"the target is not what you saw: {now}; look again, then `pilotage promote --reason`"
            return f"the target diverged: {now}; `pilotage promote --reason` names it, as status.hop.diverged shows it"
        case Verb.PROMOTE if hop is not None and hop.approved_by and hop.refusal is not Refusal.DIVERGED:
            return f"already approved by {hop.approved_by}; it waits for the lane"
        case _:
            return ""


def carry_out(story: Story, verb: Verb, command: Command, *, now: datetime) -> None:
    """Change the story as the command says; abort is the caller's."""
    hop = story.hop
    match verb:
        case Verb.RETEST:
            story.retest = True
        case Verb.RETRY:
            story.retry = True
            if hop is not None:
                hop.approved_by = command.actor
        case Verb.PROMOTE if hop is not None:
            hop.approved_by = command.actor
            if hop.refusal is Refusal.DIVERGED:
                hop.override = hop.refused
        case Verb.HOLD:
            story.hold = Hold(by=command.actor, since=now, reason=command.reason)
        case Verb.RELEASE if story.hold is not None:
            if hop is not None and hop.round is not None:
                # A round may have begun while held.
                rounds.shift(hop.round, now - max(story.hold.since, hop.round.started_at))
            story.hold = None
        case _:
            pass


def _saw(hop: Hop, command: Command) -> bool:
    """Tell whether a person saw what an override would replace: all that diverged, as it is now."""
    return command.seen == comparing.held_revisions(hop.refused)


def _names(story: Story, revision: str) -> bool:
    """Tell whether a person may have seen this revision: the merge commit, the head, or an artifact of the hop."""
    known = [artifact.revision for artifact in (story.hop.round.artifacts if story.hop and story.hop.round else ())]
    if story.pull_request is not None:
        known += [story.pull_request.head_sha, story.pull_request.merge_sha or ""]
    return len(revision) >= SHORTEST_REVISION and any(one.startswith(revision) for one in known)
