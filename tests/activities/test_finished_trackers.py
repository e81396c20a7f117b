"""Trackers that ended long ago go, their records first."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.finished_trackers import TRIED_AT_ONCE
from activities.models.repository_sync import TidyRepositoryInput, TidyRepositoryResult
from activities.record_sinks import FileSink, RecordLine, RecordSink
from activities.repository_sync import RepositorySyncs
from crds.api.ports import ApiForbidden, ApiResource
from crds.fields import format_time
from tests.activities.cluster import Cluster, shop
from tests.activities.fakes import NOON, FakeOpener, FakeReceivers, FakeSink

WEEK = timedelta(days=7)
RECORD = {"promoted": True, "result": "Promoted", "source": "dev", "target": "staging", "at": format_time(NOON - WEEK)}


@dataclass
class Refusing(Cluster):
    """A cluster that lets no one delete some trackers."""

    kept: set[str] = field(default_factory=set)

    async def delete(self, resource: ApiResource, namespace: str | None, name: str, **seen: Any) -> None:
        if name in self.kept:
            raise ApiForbidden(f"admission webhook denied the request: {name}", status=403)
        await super().delete(resource, namespace, name, **seen)


@pytest.fixture
def cluster() -> Cluster:
    return shop()


def track(cluster: Cluster, number: int, *, state: str = "Completed", ago: timedelta = WEEK, **status: Any) -> None:
    since = format_time(NOON - ago)
    spec = {"repositoryRef": {"name": "web"}, "number": number, "environment": "dev", "attempt": 1}
    whole = {"state": state, "attempt": 1, "stateSince": since, "promotions": [RECORD], **status}
    cluster.add("PullRequestTracker", f"web-{number}", spec, status=whole)


async def tidy(cluster: Cluster, sink: RecordSink, *, after: str = "") -> TidyRepositoryResult:
    syncs = RepositorySyncs(cluster.port(), FakeOpener(), FakeReceivers(), sink, clock=lambda: NOON)
    request = TidyRepositoryInput(namespace="shop", repository="web", uid="uid-web", after=after)
    result: TidyRepositoryResult = await ActivityEnvironment().run(syncs.tidy_repository, request)
    return result


def left(cluster: Cluster) -> set[str]:
    return {name for kind, _, name in cluster.objects if kind == "PullRequestTracker"}


async def test_what_ended_a_week_ago_is_exported_and_removed_and_nothing_else(cluster: Cluster) -> None:
    track(cluster, 1)
    track(cluster, 2, state="Aborted")
    track(cluster, 3, ago=WEEK - timedelta(seconds=1))
    track(cluster, 4, state="Testing", ago=10 * WEEK)
    track(cluster, 5, ago=10 * WEEK, attempt=2)
    sink = FakeSink()
    result = await tidy(cluster, sink)
    assert (result.removed, result.needed) == (2, True)
    assert left(cluster) == {"web-3", "web-4", "web-5"}
    assert [one.record["tracker"] for one in sink.lines] == ["web-1", "web-1", "web-2", "web-2"]
    assert sink.lines[1].record["promotion"] == RECORD
    assert sink.lines[2].record["end"]["state"] == "Aborted"


async def test_how_long_it_stays_is_declared(cluster: Cluster) -> None:
    track(cluster, 1, ago=timedelta(hours=2))
    cluster.objects["GitRepository", "shop", "web"]["spec"]["ttlAfterFinished"] = "1h"
    result = await tidy(cluster, FakeSink())
    assert (result.removed, result.needed, left(cluster)) == (1, False, set())


async def test_a_tracker_whose_records_were_not_kept_stays(cluster: Cluster) -> None:
    track(cluster, 1)
    track(cluster, 2)
    sink = FakeSink(errors=[OSError("no space left")])
    result = await tidy(cluster, sink)
    assert (result.removed, [one.object for one in result.failures]) == (1, ["web-1"])
    assert left(cluster) == {"web-1"}


async def test_those_that_can_never_be_removed_keep_none_from_its_turn(cluster: Cluster) -> None:
    kept, others = range(1000, 1000 + TRIED_AT_ONCE + 1), range(2000, 2003)
    for number in (*kept, *others):
        track(cluster, number)
    refusing = Refusing(objects=cluster.objects, secrets=cluster.secrets, kept={f"web-{number}" for number in kept})
    first = await tidy(refusing, FakeSink())
    assert (first.removed, first.tried_to) == (0, f"web-{kept[TRIED_AT_ONCE - 1]}")
    second = await tidy(refusing, FakeSink(), after=first.tried_to)
    # At the end of the list all have their turn again.
    assert (second.removed, second.tried_to, second.needed) == (len(others), "", True)
    assert left(cluster) == refusing.kept


class RestartedMeanwhile(FakeSink):
    """A sink that takes so long that a person restarts the tracker whose records it keeps."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    async def write(self, lines: Sequence[RecordLine]) -> None:
        await super().write(lines)
        restarted = copy.deepcopy(self._cluster.objects["PullRequestTracker", "shop", "web-1"])
        restarted["spec"]["attempt"] = 2
        restarted["metadata"]["resourceVersion"] = "2"
        self._cluster.objects["PullRequestTracker", "shop", "web-1"] = restarted


async def test_a_tracker_that_is_restarted_as_it_is_to_go_stays_and_its_repository_is_needed(cluster: Cluster) -> None:
    track(cluster, 1)
    result = await tidy(cluster, RestartedMeanwhile(cluster))
    assert (left(cluster), result.removed, result.needed) == ({"web-1"}, 0, True)


async def test_records_are_lines_of_json_in_a_file(cluster: Cluster, tmp_path: Path) -> None:
    track(cluster, 1)
    track(cluster, 2)
    path = tmp_path / "records.jsonl"
    path.write_text("{}\n")
    await tidy(cluster, FileSink(str(path)))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("key") for line in lines] == [
        None,
        "uid-web-1/1/0",
        "uid-web-1/1/1",
        "uid-web-2/1/0",
        "uid-web-2/1/1",
    ]


async def test_a_repository_is_needed_for_its_discovery_alone(cluster: Cluster) -> None:
    assert not (await tidy(cluster, FakeSink())).needed
    discovery = {"baseBranches": [{"baseBranch": "main", "environment": "dev"}]}
    cluster.objects["GitRepository", "shop", "web"]["spec"]["discovery"] = discovery
    assert (await tidy(cluster, FakeSink())).needed
