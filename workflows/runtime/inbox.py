"""Accepted commands: each waits here for the one transition that carries it out."""

from dataclasses import dataclass, field

from activities.models.promotion import Command, Verb
from activities.models.tracking import Artifact


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Hold a command that was accepted, and what it was about at that moment."""

    command: Command
    artifacts: tuple[Artifact, ...] = ()
    """What its sender was shown; empty = whatever is at hand when the command is carried out."""


@dataclass(kw_only=True)
class Inbox:
    """Keep at most one accepted command per verb; carried over continue-as-new with the state that it is part of.

    Only two things remove a command: `take`, inside the transition that carries it out, and `drop`, whose caller
    publishes why. Nothing else clears it, so that no transition can lose a command that it did not know of.
    """

    waiting: dict[str, Accepted] = field(default_factory=dict)
    """Verb -> what is still to be carried out, in the order of acceptance."""
    under_way: dict[str, Command] = field(default_factory=dict)
    """Verb -> what was taken, and whose effect cannot be seen yet: the same verb again is no second command."""

    def offer(self, verb: Verb, accepted: Accepted) -> None:
        """Keep a command until it is taken. Raises ValueError where another one of its verb still waits."""
        if verb in self.waiting:
            raise ValueError(f"{verb} waits already")
        self.waiting[verb] = accepted

    def get(self, verb: Verb) -> Accepted | None:
        """Return the command that waits, without taking it."""
        return self.waiting.get(verb)

    def take(self, verb: Verb) -> Command | None:
        """Remove the command that waits: the caller's transition carries it out in the same task."""
        accepted = self.waiting.pop(verb, None)
        if accepted is None:
            return None
        self.under_way[verb] = accepted.command
        return accepted.command

    def done(self, *verbs: Verb) -> None:
        """Note that the effect of what was taken can be seen."""
        for verb in verbs:
            self.under_way.pop(verb, None)

    def drop(self, *verbs: Verb) -> list[tuple[Verb, Command]]:
        """Remove commands that cannot be carried out any more and return them: the caller answers each visibly."""
        return [(verb, self.waiting.pop(verb).command) for verb in verbs if verb in self.waiting]
