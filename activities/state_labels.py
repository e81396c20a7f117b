"""What is to be changed so that a pull request's labels show the tracker's state. Pure: labels in, labels out.

The tracker's state wins over state labels; others' labels are never touched. A state label that people took off comes
back once; taken off again it stays off until the state changes, and the condition states it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from activities.models.label_sync import LabelsLeft, LabelsReason
from activities.models.state_labels import DRIFTED, HOLD, PLACE_PREFIX, PREFIX, RETEST, STATES_BY_LABEL
from crds.reasons.vocabulary import State

REMOVALS_UNDERSTOOD = 2
"""A label that was taken off so often while its state lasted is not wanted there."""
_OTHERS = (HOLD, RETEST, DRIFTED)


@dataclass(frozen=True, kw_only=True)
class LabelNames:
    """Names of our labels as one repository's host has them."""

    prefix: str = PREFIX
    case: bool = True
    """Whether names that differ in case alone are two labels."""
    limit: int = 50
    """Characters of a name."""

    def at_host(self, label: str) -> str:
        """Return one of our labels with the repository's prefix."""
        return f"{self.prefix}{label.removeprefix(PREFIX)}"

    def key(self, name: str) -> str:
        """Return what the host compares names by."""
        return name if self.case else name.lower()

    def ours(self, name: str) -> str:
        """Return the label of ours that a name of the host means, as written here; empty where it means none."""
        key = self.key(name)
        if not key.startswith(self.key(self.prefix)):
            return ""
        return f"{PREFIX}{key[len(self.prefix) :]}"

    def fits(self, name: str) -> bool:
        """Return whether the host has room for a name."""
        return len(name) <= self.limit


@dataclass(frozen=True, kw_only=True)
class LabelReading:
    """What a pull request's labels show."""

    states: tuple[State, ...] = ()
    """In the order of a change's way."""
    ignored: tuple[str, ...] = ()
    """Labels of our prefix that mean nothing."""

    @property
    def state(self) -> State | None:
        """The state that the labels show: the earliest of several, None where there is none."""
        return next(iter(self.states), None)


@dataclass(frozen=True, kw_only=True)
class WantedLabels:
    """What a pull request is to show; our own labels as written here, those of policies as declared."""

    state: str
    """Empty for none."""
    place: str = ""
    steering_labels: tuple[str, ...] = ()
    """Labels by which people steer, such as `pilotage/hold` while held."""
    cleared: tuple[str, ...] = ()
    """Labels by which people steered and that were answered."""
    stay: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelPlan:
    """What to add, then what to remove: interrupted between both, the next pass removes."""

    wanted: tuple[str, ...]
    """All that are to be there, as the host has them; what is there already among them."""
    add: tuple[str, ...]
    remove: tuple[str, ...]
    left: LabelsLeft
    reading: LabelReading
    too_long: tuple[str, ...] = ()

    @property
    def reason(self) -> LabelsReason:
        """Why labels and tracker agree once the plan is carried out, or do not."""
        if self.left.removals >= REMOVALS_UNDERSTOOD:
            return LabelsReason.REMOVED_BY_USER
        return LabelsReason.NAME_TOO_LONG if self.too_long else LabelsReason.IN_SYNC


def shows_the_way(names: LabelNames, name: str) -> bool:
    """Return whether a label shows the state or the place of a change: who promotes it puts it there."""
    ours = names.ours(name)
    return ours in STATES_BY_LABEL or ours.startswith(PLACE_PREFIX)


def read_labels(names: LabelNames, there: Iterable[str]) -> LabelReading:
    """Return the states that labels stand for, and what of our prefix means nothing."""
    found = {ours: name for name in there if (ours := names.ours(name))}
    return LabelReading(
        states=tuple(state for label, state in STATES_BY_LABEL.items() if label in found),
        ignored=tuple(name for ours, name in found.items() if _means_nothing(ours)),
    )


def _means_nothing(ours: str) -> bool:
    return ours not in STATES_BY_LABEL and ours not in _OTHERS and not ours.startswith(PLACE_PREFIX)


def names_of(names: LabelNames, wanted: WantedLabels) -> tuple[str, ...]:
    """Return all that are wanted as the host has them, the state label first; each once, the too long ones as well."""
    own = [names.at_host(label) for label in (wanted.state, wanted.place, *wanted.steering_labels) if label]
    found = {names.key(name): name for name in reversed((*own, *wanted.stay))}
    return tuple(reversed(found.values()))


def plan_labels(names: LabelNames, wanted: WantedLabels, there: Sequence[str], left: LabelsLeft) -> LabelPlan:
    """Return what makes labels show what is wanted, from what is there and what our last look left."""
    present = {names.key(name) for name in there}
    state = names.at_host(wanted.state) if wanted.state else ""
    removals = _removals(state, left, there=names.key(state) in present)
    all_wanted = names_of(names, wanted)
    kept = [name for name in all_wanted if name != state or removals < REMOVALS_UNDERSTOOD]
    fitting = tuple(name for name in kept if names.fits(name))
    keys = {names.key(name) for name in all_wanted}
    return LabelPlan(
        wanted=fitting,
        add=tuple(name for name in fitting if names.key(name) not in present),
        remove=tuple(name for name in there if names.key(name) not in keys and _is_to_go(names, wanted, name)),
        left=LabelsLeft(state=state, removals=removals),
        reading=read_labels(names, there),
        too_long=tuple(name for name in kept if not names.fits(name)),
    )


def _removals(state: str, left: LabelsLeft, *, there: bool) -> int:
    """Count how often people took the state label off; one who puts it back wants it again."""
    if left.state != state:
        return 0
    if there:
        return left.removals % REMOVALS_UNDERSTOOD
    return min(left.removals + 1, REMOVALS_UNDERSTOOD)


def _is_to_go(names: LabelNames, wanted: WantedLabels, name: str) -> bool:
    return shows_the_way(names, name) or names.ours(name) in wanted.cleared
