"""What people ask for on a pull request: by labels, and by comments that begin with `/pilotage`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from activities.models.bounds import Bounded, First, Line, Short

INSTRUCTIONS_KEPT = 20
"""Instructions that one look returns; those of people who may steer come before the others."""
PROMOTE = "promote"
STATE = "state"
"""The verb of a label that stands for a state: it moves nothing, but `pilotage/testing` may be a `retest`."""


@dataclass(frozen=True, kw_only=True)
class Instruction(Bounded):
    """One instruction of one person. Its id is that of the label's event or of the comment, so that it counts once."""

    id: Short
    verb: Short
    """A Verb, STATE, or anything else that somebody wrote in the place of one."""
    by: Line
    allowed: bool
    """Whether that person may ask for it, as the host shows it."""
    why_not: Line = ""
    label: Short = ""
    """The label by which it was given; empty for a comment."""
    comment: Short = ""
    """The comment by which it was given; empty for a label."""
    reason: Line = ""
    at: datetime | None = None
    """When it was written, by the host's clock; None of a worker that does not read that yet."""


@dataclass(frozen=True, kw_only=True)
class ReadInstructionsInput:
    namespace: str
    repository: str
    number: int
    begun: datetime
    """When the attempt began: what was written before is not for it, and of labels only a hold that still stands."""
    label_cursor: str = ""
    comment_cursor: str = ""
    teams: dict[str, str] = field(default_factory=dict)
    """Verb -> team of the host whose members may give it by a comment, as the Environment that it is about allows."""


@dataclass(frozen=True, kw_only=True)
class ReadInstructionsResult(Bounded):
    instructions: Annotated[tuple[Instruction, ...], First(INSTRUCTIONS_KEPT)] = ()
    """Oldest first."""
    label_cursor: Short = ""
    comment_cursor: Short = ""
    left_out: int = 0
    """Instructions beyond those that one look returns; their authors have to repeat them."""
    account: Short = ""
    """Our own account's name at the host, in lower case; empty where that is not known."""
    unsupported: Line = ""
    """What people cannot steer by at this host, and how they do instead; empty where they can by both."""


@dataclass(frozen=True, kw_only=True)
class Answered(Bounded):
    """An instruction and what became of it, as the summary comment shows it."""

    verb: Short
    by: Line
    accepted: bool
    message: Line


@dataclass(frozen=True, kw_only=True)
class Reaction(Bounded):
    """The answer to a comment by a reaction."""

    comment: Short
    agreed: bool
