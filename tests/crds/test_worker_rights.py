"""The shipped ClusterRole of the worker: it makes trackers and monitors, and writes no status."""

from crds.schema.roles import worker_documents

WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}


def test_a_worker_makes_trackers_and_monitors_and_writes_nothing_else_but_events() -> None:
    [role] = worker_documents()
    written = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb in WRITES
    }
    assert written == {
        ("pullrequesttrackers", "create"),
        ("pullrequesttrackers", "delete"),
        ("driftmonitors", "create"),
        ("driftmonitors", "patch"),
        ("events", "create"),
    }
