"""How old a pull request is that a look could not follow up: it is judged as it was listed, however late it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from activities.models.repository_sync import ListCursor
from crds.api.live_trackers import TRACKERS
from crds.api.ports import ApiError, ApiResource, Document
from providers.models import ChangeState
from providers.pull_request_lists import ListedPullRequest
from tests.activities.cluster import shop
from tests.activities.fakes import NOON
from tests.activities.test_repository_sync import DAY, HOUR, Mortal, Scene, listed


@dataclass
class Failing(Mortal):
    """A cluster that answers no question about a tracker for a while."""

    away: bool = True

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        if self.away and resource == TRACKERS:
            raise ApiError("etcd is away", status=503)
        return await super().get(resource, namespace, name)


@pytest.fixture
def scene() -> Scene:
    cluster = shop()
    found = Scene(cluster=Failing(objects=cluster.objects, secrets=cluster.secrets), cursor=ListCursor())
    found.discover(mergedWithin="24h")
    return found


def dated(one: ListedPullRequest, *, by_host: bool) -> ListedPullRequest:
    """Return what a host lists; one that dates merges shows the time by itself as well."""
    return replace(one, change=replace(one.change, merged_at=one.merged_at if by_host else None))


async def looks(scene: Scene, one: ListedPullRequest, *, later: Mapping[str, Any] | None = None) -> None:
    """Look while the API server is away, and again once it is back."""
    scene.show(one)
    first = await scene.look()
    assert (first.remembered.later, len(first.failures)) == ((one.change.number,), 1)
    assert isinstance(scene.cluster, Failing)
    # As of when it was seen first, whatever the API server takes to come back.
    scene.cluster.away, scene.now = False, NOON + 3 * DAY
    scene.scm.change = replace(one.change, **(later or {}))
    await scene.look()
    assert scene.remembered.later == ()


@pytest.mark.parametrize("by_host", [True, False])
async def test_an_old_merge_gets_no_tracker_after_a_look_that_failed(scene: Scene, by_host: bool) -> None:
    await looks(scene, dated(listed(7, ago=400 * DAY), by_host=by_host))
    assert scene.trackers == set()


@pytest.mark.parametrize("by_host", [True, False])
async def test_a_young_merge_gets_its_tracker_after_a_look_that_failed(scene: Scene, by_host: bool) -> None:
    await looks(scene, dated(listed(7), by_host=by_host))
    assert scene.trackers == {7}


async def test_an_open_one_that_is_merged_meanwhile_gets_its_tracker(scene: Scene) -> None:
    one = listed(7, ChangeState.OPEN, ago=400 * DAY)
    await looks(scene, one, later={"state": ChangeState.MERGED})
    assert scene.trackers == {7}


async def test_what_waits_for_room_grows_not_too_old(scene: Scene) -> None:
    assert isinstance(scene.cluster, Failing)
    scene.cluster.away = False
    scene.discover(mergedWithin="24h", maxTrackers=1)
    scene.show(dated(listed(1), by_host=True), dated(listed(2), by_host=True))
    await scene.look()
    assert (scene.trackers, scene.remembered.later, scene.remembered.matched) == ({1}, (2,), (2,))
    scene.now = NOON + 30 * HOUR
    scene.track(1, state="Completed")
    scene.scm.change = dated(listed(2), by_host=True).change
    await scene.look()
    assert scene.trackers == {1, 2}
