"""Pure: what people read of the labels on the pull request."""

from activities.models.bounds import together
from activities.models.label_sync import LabelsReason, SyncResult
from activities.models.status import ConditionStatus

STAYS_OFF = "the state's label was taken off twice, and stays off until the state changes: add it to see it again"


def labels_condition(found: SyncResult, *, problem: str = "") -> ConditionStatus:
    """Return the condition `LabelsInSync` of the newest look at the labels; `problem` is why people cannot steer."""
    notes = [*([problem] if problem else []), *(f"means nothing, and is left alone: {name}" for name in found.ignored)]
    match found.reason:
        case LabelsReason.REMOVED_BY_USER:
            message = together([STAYS_OFF, *notes])
            return ConditionStatus(type="LabelsInSync", status="False", reason="RemovedByUser", message=message)
        case LabelsReason.NAME_TOO_LONG:
            message = together([f"the host has no room for {name}: shorten it" for name in found.too_long] + notes)
            return ConditionStatus(type="LabelsInSync", status="False", reason="NameTooLong", message=message)
        case LabelsReason.IN_SYNC:
            return ConditionStatus(type="LabelsInSync", status="True", reason="InSync", message=together(notes))
