"""What a person's command means in the state at hand: refused with a reason, carried out, or kept for its step."""

from dataclasses import replace
from datetime import datetime

from activities.models.promotion import Command, Verb
from activities.models.state_labels import HOLD
from activities.models.tracking import TrackerRef
from crds.reasons.vocabulary import State
from crds.texts.plain import short_revision
from workflows.promotion.rules import comparison, rounds
from workflows.promotion.state import Hold, Hop, PromotionState, Refusal
from workflows.runtime.inbox import Accepted

SHORTEST_REVISION = 7
"""Git's own shortest abbreviation; a shorter one could fit another commit."""

ACCEPTED = {
    Verb.RETEST: "a new round of tests begins",
    Verb.RETRY: "goes on from the first application that is not done",
    Verb.PROMOTE: "will be promoted as soon as the lane is free",
    Verb.HOLD: "held at the next boundary",
    Verb.RELEASE: "goes on",
    Verb.ABORT: "aborted; nothing further is written",
    Verb.SYNC: "Pilotage reads the pull request now, and writes what it should show",
}
KEPT_BY_HOLD = (Verb.RETEST, Verb.RETRY, Verb.PROMOTE)

DONE = {
    Verb.RETEST: "had the tests run again",
    Verb.RETRY: "had the promotion tried again",
    Verb.PROMOTE: "approved the promotion",
    Verb.HOLD: "held the change",
    Verb.RELEASE: "released the change",
    Verb.ABORT: "aborted the promotion",
    Verb.SYNC: "had the pull request looked at",
}


def acceptance(story: PromotionState, verb: Verb) -> str:
    """Return what becomes of a command that was carried out or kept; while a hold lasts nothing is begun."""
    held = "; not before it is released" if story.hold is not None and verb in KEPT_BY_HOLD else ""
    return f"{ACCEPTED[verb]}{held}"


def sentence(verb: Verb, command: Command) -> str:
    """Return who gave the command and why, as a sentence."""
    to = f" to {command.target_environment}" if verb is Verb.PROMOTE and command.target_environment else ""
    why = f": {command.reason}" if command.reason else ""
    return f"{command.actor} {DONE[verb]}{to}{why}"


def refusal(tracker: TrackerRef, story: PromotionState, verb: Verb, command: Command) -> str:
    """Return why the command does not fit the state at hand; empty when it may be executed.

    A command for a hop or revision that is past names how to give it for the one at hand: the status that the person
    read may be behind.
    """
    if story.state.terminal:
        return f"the tracker is {story.state}; restart starts a new attempt"
    wanted = story.hop.policy.target if story.hop else story.environment
    if command.target_environment and wanted and command.target_environment != wanted:
        at_hand = f"the hop at hand goes to {wanted}" if story.hop else f"the change is at {wanted}, between two hops"
        return f"meant for {command.target_environment}, but {at_hand}: `{_for_now(tracker, story, verb, wanted)}`"
    if command.revision and not _names(story, command.revision):
        now = _for_now(tracker, story, verb, wanted)
        return f"meant for revision {short_revision(command.revision)}, but another one is at hand: `{now}`"
    return "" if repeats(story, verb) else _out_of_place(tracker, story, verb, command)


def repeats(story: PromotionState, verb: Verb) -> str:
    """Return why the command is no second one: the same verb was accepted, and its effect cannot be seen yet.

    Two people, or two clicks, give the same command within moments. The second is refused by name and never kept:
    later it would act on a state that its sender had not seen.
    """
    if verb is Verb.SYNC and story.sync_request:
        return "another sync is being carried out; give this one again once its result is shown"
    waiting = story.inbox.get(verb)
    command = waiting.command if waiting is not None else story.inbox.under_way.get(verb)
    if verb not in (Verb.RETEST, Verb.RETRY) or command is None:
        return ""
    return f"the {verb} of {command.actor} is being carried out; this one adds nothing"


def _out_of_place(tracker: TrackerRef, story: PromotionState, verb: Verb, command: Command) -> str:
    hop, state = story.hop, story.state
    match verb:
        case Verb.HOLD if story.hold is not None:
            return f"already held by {story.hold.by}"
        case Verb.RELEASE if story.hold is None:
            return "not held"
        case Verb.RETEST if not _may_retest(story):
            return f"retest needs a round of tests, but the tracker is {state}"
        case Verb.RETRY if state is not State.PROMOTION_FAILED:
            return f"retry needs PromotionFailed, but the tracker is {state}"
        case Verb.PROMOTE if hop is None or not _may_promote(story):
            return f"promote needs ReadyToPromote, but the tracker is {state}"
        case Verb.PROMOTE if hop is not None and hop.refusal is Refusal.DIVERGED and not command.reason:
            return f"the target diverged ({hop.refusal_message}); promoting it anyway needs a reason"
        case Verb.PROMOTE if hop is not None and hop.refusal is Refusal.DIVERGED and not _saw(hop, command):
            now = "; ".join(f"{name} holds {held}" for name, held in comparison.held_revisions(hop.refused).items())
            promote = f'`{tracker.command_line(verb)} --reason "…"`'
            if command.seen:
                return f"the target is not what you saw: {now}; look again, then {promote}"
            return f"the target diverged: {now}; {promote} names it, as status.hop.diverged shows it"
        case Verb.PROMOTE if (by := approver(story)) and hop is not None and hop.refusal is not Refusal.DIVERGED:
            return f"already approved by {by}; it waits for the lane"
        case _:
            return ""


def _may_retest(story: PromotionState) -> bool:
    if story.state is State.PROMOTING:
        return story.hop is not None and story.hop.untouched
    return story.state in (State.TESTING, State.TESTS_FAILED, State.READY_TO_PROMOTE)


def _may_promote(story: PromotionState) -> bool:
    """Return whether an approval has its place: before the lane, or while a `retest` has not begun its round yet.

    The status shows ReadyToPromote until then; a command that answers it counts for the round to come.
    """
    between = story.hop is not None and story.hop.round is None and Verb.RETEST in story.inbox.under_way
    return story.state is State.READY_TO_PROMOTE or between


def approver(story: PromotionState) -> str:
    """Return who approved the hop: whose `promote` was carried out or waits for the lane, or `autoPromote`."""
    if story.hop is not None and story.hop.approved_by:
        return story.hop.approved_by
    accepted = story.inbox.get(Verb.PROMOTE)
    return accepted.command.actor if accepted is not None else ""


def command_waits(story: PromotionState) -> bool:
    """Return whether the step at hand is to carry out a command before anything else; hold keeps some of them."""
    free, retest = story.hold is None, story.inbox.get(Verb.RETEST) is not None
    match story.state:
        case State.TESTING:
            return retest
        case State.TESTS_FAILED | State.READY_TO_PROMOTE:
            return retest and free
        case State.PROMOTING:
            return retest and story.hop is not None and story.hop.untouched
        case State.PROMOTION_FAILED:
            return free and story.inbox.get(Verb.RETRY) is not None
        case _:
            return False


def carry_out(story: PromotionState, verb: Verb, command: Command, *, now: datetime) -> None:
    """Hold and release at once, and keep in the inbox what a step's transition carries out; abort is the caller's."""
    hop = story.hop
    if verb is not Verb.PROMOTE or hop is None or hop.refusal is not Refusal.DIVERGED:
        # It overrides nothing, and its size is the sender's; where the target diverged it is exactly what that holds.
        command = replace(command, seen={})
    match verb:
        case Verb.RETEST | Verb.RETRY:
            story.inbox.offer(verb, Accepted(command=command))
        case Verb.PROMOTE if hop is not None:
            artifacts = hop.round.artifacts if hop.round is not None else hop.voided
            story.inbox.offer(verb, Accepted(command=command, artifacts=artifacts))
        case Verb.HOLD:
            story.hold = Hold(by=command.actor, since=now, reason=command.reason)
            story.cleared = [label for label in story.cleared if label != HOLD]
        case Verb.RELEASE if story.hold is not None:
            if hop is not None and hop.round is not None:
                # A round may have begun while held.
                rounds.shift(hop.round, now - max(story.hold.since, hop.round.started_at))
            story.hold = None
            # It stands while the change is held, no matter who released it.
            story.cleared = [*story.cleared, HOLD]
        case _:
            pass


def outdated_approval(story: PromotionState) -> str:
    """Return why an approval that waits does not fit the hop at hand; empty when it does, or none waits."""
    accepted, hop = story.inbox.get(Verb.PROMOTE), story.hop
    if accepted is None or hop is None:
        return ""
    wanted = accepted.command.target_environment
    if wanted and wanted != hop.policy.target:
        return f"it was meant for {wanted}, but the hop goes to {hop.policy.target} now"
    if hop.round is not None and accepted.artifacts:
        now = {(one.component, one.revision) for one in hop.round.artifacts}
        if {(one.component, one.revision) for one in accepted.artifacts} != now:
            return f"it was meant for another revision than {hop.policy.source} runs now; look again"
    return ""


def _for_now(tracker: TrackerRef, story: PromotionState, verb: Verb, environment: str) -> str:
    revision = next(reversed(_revisions(story)), "")
    named = f" --revision {short_revision(revision)}" if revision else ""
    return f"{tracker.command_line(verb)} --environment {environment}{named}"


def _saw(hop: Hop, command: Command) -> bool:
    """Return whether a person saw what an override would replace: all that diverged, as it is now."""
    return command.seen == comparison.held_revisions(hop.refused)


def _names(story: PromotionState, revision: str) -> bool:
    """Return whether a person may have seen this revision: the merge commit, the head, or an artifact of the hop."""
    return len(revision) >= SHORTEST_REVISION and any(one.startswith(revision) for one in _revisions(story))


def _revisions(story: PromotionState) -> list[str]:
    """Return the revisions that name the change, the one that is promoted last."""
    known: list[str] = []
    if story.pull_request is not None:
        known += [story.pull_request.head_sha, story.pull_request.merge_sha or ""]
    hop = story.hop
    artifacts = (hop.round.artifacts if hop.round else hop.voided) if hop is not None else ()
    known += [artifact.revision for artifact in artifacts]
    return [revision for revision in known if revision]
