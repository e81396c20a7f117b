"""The way out of a wait: what a person does, with a command line that can be pasted. Pure.

What is done outside of Pilotage, such as a fix at a host, has the command that shows what is meant: the object that is
to be fixed, Pilotage itself, or the environment at hand.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from activities.models.bounds import cut, together
from activities.models.budgets import TEXT_BYTES
from activities.models.status import NO_ACTION
from workflows.promotion.state import PromotionState

PILOTAGE = "Pilotage"
"""What a fix is about where it is Pilotage's own: `pilotage doctor` shows what is wrong with it."""
_DESCRIBED = frozenset(
    {
        "ArgoCDInstance",
        "ClusterScmProvider",
        "Environment",
        "GitRepository",
        "PromotionPolicy",
        "ScmProvider",
        "Secret",
        "TestRunner",
    }
)
"""Kinds of the cluster at hand; what others name, such as a pull request, kubectl does not show."""


class CommandLine(Protocol):
    """Turn a verb into the command line that a person can paste."""

    def __call__(self, verb: str, tracker: str = "", /) -> str:
        """Return the command for the promotion at hand, or for another object of its namespace."""


@dataclass(frozen=True)
class Fix:
    """What a person does, and the objects that it is about, such as `TestRunner/ci`, the one to look at first."""

    text: str
    about: tuple[str, ...] = ()


NOTHING = Fix(NO_ACTION)
"""The fix of what ends without a person."""


@dataclass(frozen=True, kw_only=True)
class WayOut:
    """What a person does to end a wait, as it is shown."""

    text: str
    command: str = ""
    """The command line that the text is, or ends with; empty where it ends with none."""

    @classmethod
    def by(cls, command: str) -> "WayOut":
        """Return the way out that is a command line alone."""
        return cls(text=command, command=command)

    @classmethod
    def shown_by(cls, text: str, command: str) -> "WayOut":
        """Return a sentence with the command that shows what it is about."""
        return cls(text=ending(text, f": {command}"), command=command)


BY_ITSELF = WayOut(text=NO_ACTION)
"""The way out of a wait that ends without a person."""


def joined(fixes: Iterable[Fix]) -> Fix:
    """Return what persons do, each once; NOTHING where that is nothing."""
    asked = [fix for fix in fixes if fix.text != NO_ACTION]
    if not asked:
        return NOTHING
    texts = dict.fromkeys(fix.text for fix in asked)
    return Fix(together(texts), tuple(object_ for fix in asked for object_ in fix.about))


def ending(text: str, end: str) -> str:
    """Return a text with an end that is never cut: half a command is of no use."""
    return f"{cut(text, TEXT_BYTES - len(end.encode()))}{end}"


@dataclass(frozen=True, kw_only=True)
class WaysOut:
    """Complete what persons do for one promotion."""

    command: CommandLine
    environment: str
    """Where it goes next, or runs."""

    @classmethod
    def of(cls, story: PromotionState, command: CommandLine) -> "WaysOut":
        """Return the ways out of a promotion's waits."""
        return cls(command=command, environment=story.hop.policy.target if story.hop is not None else story.environment)

    def show(self, fix: Fix) -> WayOut:
        """Return a fix with the command that shows what it is about; where that is no object, what runs."""
        if fix.text == NO_ACTION:
            return BY_ITSELF
        return WayOut.shown_by(fix.text, self._shown_by(fix))

    def _shown_by(self, fix: Fix) -> str:
        for one in fix.about:
            kind, _, name = one.partition("/")
            if one == PILOTAGE:
                return "pilotage doctor"
            if name and kind in _DESCRIBED:
                return self.kubectl(f"describe {in_full(kind)}", name)
        return self.command("envs", self.environment)

    def kubectl(self, verb: str, name: str) -> str:
        """Return a command line of kubectl for the namespace of the promotion."""
        return f"kubectl{self.command(verb, name).removeprefix('pilotage')}"


def in_full(kind: str) -> str:
    """Return a kind of the cluster as kubectl takes it for no other: Flux, too, has a kind GitRepository."""
    return "secret" if kind == "Secret" else f"{kind.lower()}.pilotage.dev"
