"""What labels and comments of people mean. Pure: what the host shows of them in, instructions out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from activities.models.promotion import Verb
from activities.models.state_labels import HOLD, RETEST, STATES_BY_LABEL
from activities.models.steering import STATE
from activities.state_labels import LabelNames
from crds.reasons.vocabulary import State
from providers.models import LabelEvent, Person, Remark

COMMAND = "/pilotage"
BY_COMMENT = (Verb.HOLD, Verb.RELEASE, Verb.RETEST, Verb.PROMOTE)


@dataclass(frozen=True, kw_only=True)
class UnjudgedInstruction:
    """What a person asked for, before it is judged whether they may."""

    id: str
    verb: str
    by: Person
    at: datetime
    """When it was written, by the host's clock."""
    label: str = ""
    comment: str = ""
    reason: str = ""
    edited: bool = False
    """Whether a comment was changed before it was read, so that no one is known to have written it."""


def by_labels(names: LabelNames, events: Iterable[LabelEvent], begun: datetime) -> tuple[UnjudgedInstruction, ...]:
    """Return what people asked for by labels, oldest first; our own changes ask for nothing.

    Of what happened before the attempt began only a hold counts that no one took off since: it stands there.
    """
    standing, since = list[UnjudgedInstruction](), list[UnjudgedInstruction]()
    for event in events:
        instruction = _of_label(names.ours(event.label), event)
        if instruction is None:
            continue
        if event.at < begun:
            # Also one that our own account took off, or put there for a person who asked for it elsewhere.
            if instruction.label == HOLD:
                standing = [instruction] if instruction.verb == Verb.HOLD and not event.own else []
        elif not event.own:
            since.append(instruction)
    return (*standing, *since)


def _of_label(label: str, event: LabelEvent) -> UnjudgedInstruction | None:
    if label == HOLD:
        verb = str(Verb.HOLD if event.added else Verb.RELEASE)
    elif label == RETEST and event.added:
        verb = str(Verb.RETEST)
    elif label in STATES_BY_LABEL and event.added:
        # No one moves a change by a label; to ask for its tests again is what the one of Testing can mean.
        verb = STATE if STATES_BY_LABEL[label] is not State.TESTING else str(Verb.RETEST)
    else:
        return None
    return UnjudgedInstruction(id=f"label-{event.id}", verb=verb, by=event.by, at=event.at, label=label)


def by_comments(remarks: Iterable[Remark]) -> tuple[UnjudgedInstruction, ...]:
    """Return what comments that begin with `/pilotage` ask for, oldest first; an edited one is marked as such."""
    return tuple(_instructions(remarks))


def _instructions(remarks: Iterable[Remark]) -> Iterator[UnjudgedInstruction]:
    for remark in remarks:
        command, _, rest = remark.body.lstrip().partition("\n")[0].strip().partition(" ")
        if remark.own or command != COMMAND:
            continue
        verb, _, reason = rest.strip().partition(" ")
        yield UnjudgedInstruction(
            id=f"comment-{remark.id}",
            verb=verb,
            by=remark.by,
            at=remark.at,
            comment=remark.id,
            reason=reason.strip(),
            edited=remark.edited,
        )
