"""Counters of what activities do, kept by the SDK's meter and served by every process on `/metrics`."""

from enum import StrEnum

from temporalio import activity


class Count(StrEnum):
    """The counters; each name is followed by what one unit of it means."""

    TRIGGERS = "pilotage_test_triggers"
    """A test run that was asked for; `result` is `created` or `found`."""
    DUPLICATE_RUNS = "pilotage_duplicate_test_runs"
    """A run that carried a key for the second time, and was cancelled."""
    POLLS = "pilotage_test_polls"
    """A run that was read; `state` is the run's, or `error`."""
    DELIVERIES = "pilotage_delivery_calls"
    """A write or sync of a deployment; `operation` and `outcome` say which and how it ended."""


def count(counter: Count, **attributes: str) -> None:
    """Add one to a counter. Outside an activity nothing is counted."""
    if activity.in_activity():
        activity.metric_meter().create_counter(counter).add(1, attributes)
