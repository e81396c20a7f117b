"""The way out of a wait: what a person does, with a command line that can be pasted. Pure.

What is done outside of Pilotage, such as a fix at a host, has the command that shows what is meant.
"""

import re
from typing import Protocol

from activities.models.status import NO_ACTION, Waiting

COMMAND = re.compile(r"(?:^|[ `])(?:pilotage|kubectl) ")
"""The name of the program; in a sentence it has a capital."""
_NAMED = re.compile(
    r"\b(ArgoCDInstance|ClusterScmProvider|Environment|GitRepository|PromotionPolicy|ScmProvider|Secret|TestRunner)/"
    r"([a-z0-9][a-z0-9.-]*[a-z0-9]|[a-z0-9])"
)
_DOCTOR = ("Pilotage's worker", "Kubernetes API")
"""What is meant where it is Pilotage's own: `pilotage doctor` shows what is wrong with it."""


class CommandLine(Protocol):
    """Turn a verb into the command line that a person can paste."""

    def __call__(self, verb: str, tracker: str = "", /) -> str:
        """Return the command for the promotion at hand, or for another object of its namespace."""


def with_command(unblock: str, what: Waiting, *, object_: str, environment: str, command: CommandLine) -> str:
    """Return a way out that names a command: its own, or one that shows what it is about."""
    if not unblock or unblock == NO_ACTION or COMMAND.search(unblock):
        return unblock
    return f"{unblock}: {_shown_by(unblock, what, object_, environment, command)}"


def _shown_by(unblock: str, what: Waiting, object_: str, environment: str, command: CommandLine) -> str:
    if what is Waiting.MERGE:
        return command("open")
    if any(one in unblock for one in _DOCTOR):
        return "pilotage doctor"
    if (named := _NAMED.search(unblock) or _NAMED.search(object_)) is not None:
        return _kubectl(f"describe {named[1].lower()}", named[2], command)
    if what is Waiting.POLICY:
        return _kubectl("get", "promotionpolicies", command)
    return command("envs", environment)


def _kubectl(verb: str, name: str, command: CommandLine) -> str:
    """Return a command line of kubectl for the namespace of the promotion."""
    return f"kubectl{command(verb, name).removeprefix('pilotage')}"
