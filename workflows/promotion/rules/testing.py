"""Decide what is to be done next for a round of tests. Pure.

The Testing step asks this at every turn and carries out exactly one act, then looks at everything again: whatever came
meanwhile (a command, a hold, a poke, a verdict) is part of the next decision, and no act builds on what was true before
it awaited something. Each act makes the next decision a different one, so that turns end in a wait.

The order is the policy: what is late ends before anything is sent; a round is confirmed (the source read after the
newest trigger) before it is judged; and a hold stops what we do, not what we see.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from activities.models.configuration import PolicySnapshot
from workflows.promotion.rules import rounds
from workflows.promotion.rules.aggregate import may_retry, round_over
from workflows.promotion.state import Round, TestProgress


class Step(StrEnum):
    READ_SOURCE = "ReadSource"
    """Read a source again that could not be read, although nothing may be done now."""
    END = "End"
    """End tests by their deadline."""
    POLL_LATE = "PollLate"
    """Look whether runs that are late have their verdict."""
    RETRY = "Retry"
    """Give failed tests their next run."""
    DECLARE = "Declare"
    """Read the source's declaration, whose variables are the tests' parameters."""
    TRIGGER = "Trigger"
    CONFIRM = "Confirm"
    """Read the source after the newest trigger: it must still run what the round is about."""
    JUDGE = "Judge"
    """Read the source and judge the round, all of whose deciding tests are final."""
    POLL = "Poll"
    WAIT = "Wait"


@dataclass(frozen=True, kw_only=True)
class Act:
    """Name one step, and the tests that it is about."""

    step: Step
    tests: Sequence[TestProgress] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Hold what is known besides the round."""

    policy: PolicySnapshot
    last_look: timedelta
    """How long a CI system may fail after a deadline before its verdict is waited for no more."""
    held: bool = False
    declared: bool = True
    """Whether the source's declaration is known."""
    unread: bool = False
    """Whether a read of the source failed and is still to be tried again."""
    may_read: bool = True
    """Whether the source may be read now, or its last failure asks for a pause."""
    poll_due: bool = False


def decide(round_: Round, facts: Facts, now: datetime) -> Act:
    """Return the next act."""
    if facts.held:
        if facts.unread and facts.may_read:
            return Act(step=Step.READ_SOURCE)
    elif (act := _at_work(round_, facts, now)) is not None:
        return act
    return Act(step=Step.POLL if facts.poll_due else Step.WAIT)


def decide_late(round_: Round, facts: Facts, now: datetime) -> Act | None:
    """Return what is to be done for tests whose deadline has passed; None where none is late, or a look is not due.

    No worker may have been there to look in time, so that the last look at a run must succeed once, which our own
    bounds or a busy host may refuse; `rounds.given_up` decides for how long.
    """
    late = rounds.late(round_, facts.policy, now)
    over = [test for test in late if rounds.given_up(round_, facts.policy, test, now, facts.last_look)]
    if over:
        return Act(step=Step.END, tests=over)
    if any(rounds.next_look(test, rounds.deadline(round_, facts.policy, test)) <= now for test in late):
        return Act(step=Step.POLL_LATE)
    return None


def _at_work(round_: Round, facts: Facts, now: datetime) -> Act | None:
    if (act := decide_late(round_, facts, now)) is not None:
        return act
    timed_out = rounds.is_timed_out(round_, facts.policy, now)
    retried = [] if timed_out else [test for test in round_.tests if may_retry(test)]
    if retried:
        return Act(step=Step.RETRY, tests=retried)
    if due := rounds.due(round_, now):
        if facts.declared:
            return Act(step=Step.TRIGGER, tests=due)
        if facts.may_read:
            return Act(step=Step.DECLARE)
    if not facts.may_read:
        return None
    if not round_.confirmed:
        return Act(step=Step.CONFIRM)
    return Act(step=Step.JUDGE) if round_over(round_.tests, timed_out=timed_out) else None
