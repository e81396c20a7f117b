"""What looks at a pull request's labels leave, find and change."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from activities.models.bounds import Bounded, First, Line, Short

LABELS_CHANGED = 10
"""Labels that one result names."""


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
    request: Short = ""
    """The `sync` command that asked for it; empty where none did."""
    reason: LabelsReason = LabelsReason.IN_SYNC
    ignored: Annotated[tuple[Short, ...], First(LABELS_CHANGED)] = ()
    """Labels of our prefix that mean nothing to us."""
    too_long: Annotated[tuple[Short, ...], First(LABELS_CHANGED)] = ()
    """Labels that the host has no room for; they are left out."""

    @property
    def consistent(self) -> bool:
        """Whether labels and tracker agreed before anything was changed."""
        return not (self.labels_added or self.labels_removed or self.errors) and self.reason is LabelsReason.IN_SYNC
