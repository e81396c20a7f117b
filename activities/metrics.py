"""Counters of what activities do, kept by the SDK's meter and served by every process on `/metrics`."""

from enum import StrEnum

from temporalio import activity

from providers.series import Names


class Count(StrEnum):
    """The counters."""

    TRIGGERS = "pilotage_test_triggers"
    DUPLICATE_RUNS = "pilotage_duplicate_test_runs"
    POLLS = "pilotage_test_polls"
    DELIVERIES = "pilotage_delivery_calls"
    LABEL_SYNCS = "pilotage_label_syncs"
    COMMIT_STATUSES = "pilotage_commit_status_posts"
    INSTRUCTIONS = "pilotage_instructions"
    EVENTS = "pilotage_events"


MEANINGS = {
    Count.TRIGGERS: "Test runs asked for; result is created or found.",
    Count.DUPLICATE_RUNS: "Runs that carried a key for the second time, and were cancelled.",
    Count.POLLS: "Runs read at CI systems; state is the run's, or error.",
    Count.COMMIT_STATUSES: "Commit statuses of Flux events; outcome is what became of each.",
    Count.LABEL_SYNCS: "Looks at a pull request's labels; outcome is consistent, repaired, or why they disagree.",
    Count.INSTRUCTIONS: "Labels and comments by which people steer; outcome is whether they may.",
    Count.EVENTS: "Events of promotions sent to receivers; outcome is Delivered, Suspended, Gone or Failed.",
    Count.DELIVERIES: "Writes and syncs of deployments; outcome is how each ended.",
}


_NAMED = {"runner": Names(), "instance": Names(), "provider": Names(), "sink": Names()}


def count(counter: Count, *, namespace: str, **attributes: str) -> None:
    """Add one to a counter. Outside an activity nothing is counted."""
    if activity.in_activity():
        attributes = {
            "namespace": namespace,
            **{
                key: _NAMED[key].label(namespace, value) if key in _NAMED else value
                for key, value in attributes.items()
            },
        }
        activity.metric_meter().create_counter(counter, MEANINGS[counter]).add(1, attributes)
