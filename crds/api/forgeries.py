"""Show that somebody else wrote a status: the condition that stands for a day, and its message. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from crds.conditions import Condition, ConditionType, find_condition, make_condition
from crds.model import Definition
from crds.reasons.conditions import ConditionReason

SHOWN_FOR = timedelta(days=1)
"""How long the condition stands: the first write after it leaves it out."""


def distrust(
    definition: Definition, present: Iterable[Condition], forged: int, generation: int | None, now: datetime
) -> tuple[Condition, ...]:
    """Return the condition of a sequence that is replaced now, or the one of an earlier one while it is to stand."""
    if forged:
        return (
            make_condition(
                ConditionType.STATUS_TRUSTED,
                status=False,
                reason=ConditionReason.SEQUENCE_FORGED,
                message=forgery_message(definition, forged),
                now=now,
                observed_generation=generation,
            ),
        )
    known = find_condition(present, ConditionType.STATUS_TRUSTED)
    if known is None or abs(now - known.last_transition_time) >= SHOWN_FOR:
        return ()
    return (known,)


def forgery_message(definition: Definition, forged: int) -> str:
    """Return what was replaced, and where to look."""
    return (
        f"the status had the sequence {forged}, far ahead of the clock, which no workflow writes: it kept later "
        f"statuses out, and was replaced. See who may update {definition.plural}/status"
    )
