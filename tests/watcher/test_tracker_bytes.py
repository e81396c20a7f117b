"""A finished tracker stays for long, and many do: what it takes in etcd is bounded."""

from dataclasses import replace
from typing import Any

from activities.models.status import PublishStatusInput
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.reasons.vocabulary import State
from crds.rules.status_budget import size_of
from tests.watcher.samples import Quiet, ref_of, tracker
from tests.watcher.test_emptied_fields import recorded
from worker.watcher.trackers import TRACKERS

FINISHED_BYTES = 7_500
"""Of a tracker with two hops of three tests each, with all that the API server keeps of who wrote what."""


def empty_lists(value: Any, path: str = "status") -> list[str]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in empty_lists(inner, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for inner in value for found in empty_lists(inner, f"{path}[]")] if value else [path]
    return []


async def test_a_finished_tracker_of_two_hops_stays_small(api: KubernetesApi, namespace: str) -> None:
    statuses = [
        one.status
        for one in recorded("publish_status", PublishStatusInput)
        if one.status.state is State.COMPLETED and len(one.status.promotions) == 2
    ]
    largest = max(statuses, key=lambda one: sum(len(record.tests) for record in one.promotions))
    first, second = largest.promotions
    assert len(first.tests) == 3
    second = replace(second, tests=first.tests, aggregate=first.aggregate)
    whole = replace(largest, promotions=(first, second), tests=first.tests, aggregate=first.aggregate)
    created = await api.create(TRACKERS, namespace, tracker())
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    testing = replace(whole, state=State.TESTING, promotions=(first,), sequence=1)
    for status in (testing, replace(whole, sequence=2, attempt=1)):
        request = PublishStatusInput(tracker=ref_of(created), status=replace(status, attempt=1))
        assert (await resources.publish_status(request)).written
    found = await api.get(TRACKERS, namespace, "web-412")
    assert found["status"]["promotions"][1]["tests"]
    assert empty_lists(found["status"]) == []
    assert size_of(found) <= FINISHED_BYTES
