from datetime import UTC, datetime, timedelta

from crds.conditions import (
    MESSAGE_LIMIT,
    Condition,
    ConditionStatus,
    ConditionType,
    find_condition,
    make_condition,
    merge_conditions,
    set_condition,
)
from crds.reasons.conditions import ConditionReason
from crds.schema.enum_docs import member_documents

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def ready(status: bool | None, *, minutes: int = 0, reason: str = "CredentialAccepted") -> Condition:
    return make_condition(ConditionType.READY, status=status, reason=reason, now=NOON + timedelta(minutes=minutes))


def test_a_condition_whose_status_stays_keeps_its_transition_time() -> None:
    merged = set_condition([ready(True)], ready(True, minutes=5, reason="RateLimited"))
    assert [(c.reason, c.last_transition_time) for c in merged] == [("RateLimited", NOON)]


def test_a_condition_whose_status_changes_takes_the_new_time() -> None:
    merged = set_condition([ready(True)], ready(False, minutes=5))
    assert merged[0].last_transition_time == NOON + timedelta(minutes=5)


def test_conditions_of_other_types_stay_in_their_order() -> None:
    valid = make_condition(ConditionType.VALID, status=True, reason="Valid", now=NOON)
    merged = merge_conditions([valid, ready(True)], [ready(False), valid])
    assert [c.type for c in merged] == ["Valid", "Ready"]


def test_a_type_appears_once_even_if_it_was_there_twice() -> None:
    assert len(set_condition([ready(True), ready(False)], ready(True))) == 1


def test_a_long_message_is_cut_to_the_limit_of_the_api() -> None:
    condition = make_condition(ConditionType.READY, status=False, reason="Failed", now=NOON, message="x" * 5000)
    assert len(condition.message) == MESSAGE_LIMIT
    assert condition.message.endswith("…")


def test_no_status_is_written_as_unknown() -> None:
    assert ready(None).status is ConditionStatus.UNKNOWN


def test_a_condition_is_found_by_its_type() -> None:
    assert find_condition([ready(True)], "Ready") == ready(True)
    assert find_condition([ready(True)], "Valid") is None


def test_times_are_written_as_kubernetes_writes_them() -> None:
    assert ready(True).to_wire()["lastTransitionTime"] == "2026-11-20T12:00:00Z"


def test_every_type_is_documented_for_the_reference() -> None:
    assert [value for value, _ in member_documents(ConditionType)] == [each.value for each in ConditionType]


def test_reasons_are_names_that_the_api_accepts() -> None:
    assert all(reason.value.isalnum() and len(reason.value) <= 64 for reason in ConditionReason)
