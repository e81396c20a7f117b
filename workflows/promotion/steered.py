"""What a promotion carries of how people steer it from the pull request: a part of `PromotionState`."""

from dataclasses import dataclass, field
from datetime import datetime

from activities.models.steering import Answered, Reaction

INSTRUCTIONS_SHOWN = 5
STEERING_LABELS_KEPT = 10


@dataclass(kw_only=True)
class SteeredState:
    """Up to where labels and comments were looked at, and what is still owed to those who wrote them."""

    label_cursor: str = ""
    """Up to where the host's list of what happened to labels was looked at."""
    comment_cursor: str = ""
    steering_wanted: bool = False
    """Whether a look at the pull request was asked for that has not been made."""
    steering_looked_at: datetime | None = None
    steering_labels: tuple[str, ...] = ()
    """Labels of the pull request by which people steer, as they were when it was looked at last."""
    scm_account: str = ""
    """Our own account at the host, in lower case; empty until it was looked at."""
    instructions: list[Answered] = field(default_factory=list)
    """The last instructions of people on the pull request."""
    steering_problem: str = ""
    """Why they cannot be read."""
    steering_unsupported: str = ""
    """What people cannot steer by at the host."""
    reactions: list[Reaction] = field(default_factory=list)
    """Answers to comments that are not shown yet."""
    cleared: list[str] = field(default_factory=list)
    """Labels by which people steered that are answered, and still to be taken off."""
