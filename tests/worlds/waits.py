"""What every wait must give a person: a documented reason, a state, and a way out."""

import re

from activities.models.status import NO_ACTION, WaitingFor
from crds.reasons.trackers import WaitingReason

COMMAND = re.compile(r"(?:^|[ `])(?:pilotage|kubectl) ")
"""The name of the program; in a sentence it has a capital."""
IMPERATIVES = (
    "add",
    "approve",
    "check",
    "create",
    "delete",
    "deploy",
    "fix",
    "give",
    "kubectl",
    "let",
    "merge",
    "pilotage",
    "push",
    "set",
    "sync",
)
"""How a way out begins: a command line, or what a person does."""


def actionable(waiting: WaitingFor) -> bool:
    """Return whether a wait has a documented reason, and either a command line to paste or no need of one."""
    known = waiting.reason_code in {str(one) for one in WaitingReason}
    ends = waiting.unblock_with.endswith(waiting.command)
    begins = waiting.unblock_with.partition(" ")[0] in IMPERATIVES
    return (
        known
        and ends
        and ((begins and bool(COMMAND.search(waiting.unblock_with))) or waiting.unblock_with == NO_ACTION)
    )
