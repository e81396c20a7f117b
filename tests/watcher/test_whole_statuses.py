"""A status full of the longest and oddest texts is taken whole by the API server, under the schema that we ship."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from itertools import cycle
from typing import Any

import pytest

from activities.models.status import PublishPlaceInput, PublishStatusInput, TrackerStatus
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from tests.architecture.largest import WIDE, largest
from tests.watcher.samples import ENVIRONMENTS, ref_of, tracker
from tests.watcher.test_any_text import TEXTS
from tests.watcher.test_emptied_fields import SPECS
from tests.watcher.test_refused_status import Counting
from worker.watcher.trackers import TRACKERS
from workflows.environment.presentation import newest_sets
from workflows.promotion.rules.carrying import kept_records


def filled(value: Any, texts: Iterator[str]) -> Any:
    """Put the texts, one after the other, wherever a value holds text of others, as long as that may be."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        # What is cut where it is made is as long as any may be, and made of this.
        return (next(texts) * len(value))[: len(value)] if value.startswith(WIDE) else value
    if isinstance(value, tuple | list):
        return type(value)(filled(one, texts) for one in value)
    if isinstance(value, Mapping):
        return {key: filled(one, texts) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: filled(getattr(value, one.name), texts) for one in fields(value)})
    return value


@pytest.mark.parametrize("texts", [tuple(TEXTS.values()), (WIDE,)], ids=["any", "wide"])
async def test_every_text_of_a_status_may_be_any_text_and_as_long_as_it_is_allowed(
    api: KubernetesApi, namespace: str, texts: Sequence[str]
) -> None:
    created = await api.create(TRACKERS, namespace, tracker())
    observer = Counting()
    status: TrackerStatus = filled(largest(TrackerStatus), cycle(texts))
    status = replace(
        status,
        attempt=1,
        sequence=1,
        # Of one type there is one.
        conditions=status.conditions[:1],
        promotions=tuple(kept_records(status.promotions)),
    )
    resources = KubernetesResources(kubernetes=api, observer=observer)
    answer = await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=status))
    written = (await api.get(TRACKERS, namespace, "web-412"))["status"]
    assert (answer.written, observer.refused) == (True, [])
    assert len(written["tests"]) == len(status.tests)
    assert all(one["message"] for one in written["tests"])


async def test_the_largest_status_of_a_place_is_taken_whole(api: KubernetesApi, namespace: str) -> None:
    await api.create(ENVIRONMENTS, namespace, {"metadata": {"name": "dev"}, "spec": SPECS["variables"][1]})
    observer = Counting()
    request = largest(PublishPlaceInput)
    status = replace(request.status, repository="web", sequence=1, history=newest_sets(request.status.history))
    resources = KubernetesResources(kubernetes=api, observer=observer)
    answer = await resources.publish_place(replace(request, namespace=namespace, environment="dev", status=status))
    assert (answer.written, observer.refused) == (True, [])
