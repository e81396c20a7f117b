"""The labels by which a pull request shows where its change is, and by which people steer it.

Names are written here with the prefix that a GitRepository has unless it declares another one (`spec.labels.prefix`);
the activity puts the declared one in its place where it speaks with the host.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from activities.models.bounds import Bounded, First, Line, Short
from activities.models.status import State

PREFIX = "pilotage/"
HOLD = f"{PREFIX}hold"
"""Stands exactly while the change is held: adding it holds, removing it releases."""
RETEST = f"{PREFIX}retest"
"""Asks for a new round of tests, and is taken off once that was heard."""
DRIFTED = f"{PREFIX}drifted"
PLACE_PREFIX = f"{PREFIX}env/"
LABELS_CHANGED = 10
"""Labels that one result names."""


def state_label(state: State) -> str:
    """Return the label of a state, such as `pilotage/tests-failed`."""
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in state.value).lstrip("-")
    return f"{PREFIX}{words}"


def place_label(environment: str) -> str:
    """Return the label of the environment that a change is in, such as `pilotage/env/staging`."""
    return f"{PLACE_PREFIX}{environment}"


STATES_BY_LABEL = {state_label(state): state for state in State}
"""In the order of a change's way: of several states the earliest holds."""


@dataclass(frozen=True, kw_only=True)
class LabelsLeft:
    """What our last look left of the state label, so that a person who takes it off again is understood."""

    state: str = ""
    """The label, as the host has it."""
    removals: int = 0
    """How often it was found taken off by others while its state lasted."""


class LabelsReason(StrEnum):
    """Why labels and tracker agree, or do not."""

    IN_SYNC = "InSync"
    REMOVED_BY_USER = "RemovedByUser"
    NAME_TOO_LONG = "NameTooLong"


@dataclass(frozen=True, kw_only=True)
class SyncResult(Bounded):
    """What one look at a pull request's labels found and changed."""

    initial_state: Short = ""
    """The State that the labels showed before; empty for none. Of several it is the earliest."""
    final_state: Short = ""
    """The State that they show now."""
    labels_added: Annotated[tuple[Short, ...], First(LABELS_CHANGED)] = ()
    labels_removed: Annotated[tuple[Short, ...], First(LABELS_CHANGED)] = ()
    errors: Annotated[tuple[Line, ...], First(LABELS_CHANGED)] = ()
    sync_time: datetime
    reason: LabelsReason = LabelsReason.IN_SYNC
    ignored: Annotated[tuple[Short, ...], First(LABELS_CHANGED)] = ()
    """Labels of our prefix that mean nothing to us."""
    too_long: Annotated[tuple[Short, ...], First(LABELS_CHANGED)] = ()
    """Labels that the host has no room for; they are left out."""

    @property
    def consistent(self) -> bool:
        """Whether labels and tracker agreed before anything was changed."""
        return not (self.labels_added or self.labels_removed or self.errors) and self.reason is LabelsReason.IN_SYNC
