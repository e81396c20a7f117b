"""Drift of one promotion after another: what is shown, reported and requested of each, and of none before it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from activities.models.delivery import WriteOutcome
from activities.models.drift import GoneTracker
from activities.models.revisions import Relation
from activities.models.state_labels import DRIFTED
from activities.models.tracking import TrackerRef
from crds.api.ports import ApiUnavailable
from crds.api.recent import RecentWrites
from providers.errors import ProviderBlocked, ProviderUnavailable
from tests.activities.fakes import NEW, OLD, OTHER
from tests.activities.test_drift import (
    LATER,
    MONITORS,
    NAME,
    TRACKER,
    WEB,
    World,
    finished,
    present,
    remediated,
    rolled_back,
    sync,
)
from tests.watcher.fakes import FakeKubernetes

AGAIN = replace(TRACKER, uid="uid-again")
SOON = timedelta(hours=1)


class ServerThatLoses(FakeKubernetes):
    """Lose some of the next events."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = 0

    async def post_event(self, *asked: Any, **named: Any) -> bool:
        if self.losses:
            self.losses -= 1
            raise ApiUnavailable("503", status=503)
        return await super().post_event(*asked, **named)


async def test_a_later_attempt_of_a_tracker_is_rolled_back_by_its_own_right() -> None:
    world = World()
    await world.watched()
    await rolled_back(world)
    at = datetime.now(UTC) + SOON
    await world.create(WEB, tracker=replace(TRACKER, attempt=2), at=at)

    await world.show(at=at + timedelta(minutes=2))

    assert world.rollbacks.reported == [(NAME, OTHER)] * 2
    assert world.status["since"] > world.monitor()["spec"]["promotedAt"]
    await world.show(at=at + timedelta(minutes=3))
    assert len(world.rollbacks.reported) == 2


async def test_what_people_set_on_a_monitor_makes_no_promotion_of_it() -> None:
    world = World()
    await world.watched()
    await rolled_back(world)
    since = world.status["since"]
    world.monitor()["spec"]["autoRemediate"] = "sync"
    world.monitor()["metadata"]["generation"] = 2
    found = await world.found()
    assert (found.current, found.earlier) == (False, False)

    await world.show(at=datetime.now(UTC) + SOON)

    assert (world.rollbacks.reported, world.status["since"]) == ([(NAME, OTHER)], since)


async def test_the_same_drift_of_a_later_promotion_is_an_event_of_its_own_and_no_drift_is_none() -> None:
    world = World()
    await world.watched(health="Degraded")
    await world.show()
    at = datetime.now(UTC) + SOON
    await world.create(WEB, tracker=replace(TRACKER, attempt=2), at=at)
    assert (await world.found()).earlier
    await world.show(at=at + timedelta(minutes=2))
    assert [reason for _, reason, _ in world.kubernetes.events.values()] == ["Unhealthy", "Unhealthy"]
    assert world.observer.shown == ["Unhealthy", "Unhealthy"]

    calm = World()
    await calm.watched()
    await calm.create(WEB, tracker=replace(TRACKER, attempt=2), at=at)
    await calm.show(at=at + timedelta(minutes=2))
    assert calm.kubernetes.events == {}


async def test_an_outage_does_not_make_an_earlier_attempts_rollback_one_of_this_attempt() -> None:
    world = World()
    await world.watched()
    await rolled_back(world)
    at = datetime.now(UTC) + SOON
    await world.create(WEB, tracker=replace(TRACKER, attempt=2), at=at)
    world.argocd.errors["fingerprints"] = [ProviderUnavailable("no answer", status=504)]
    await world.publish(silent=(await world.look()).silent, at=at + timedelta(minutes=2))
    assert "rolledBackTo" not in world.status
    await world.show(at=at + timedelta(minutes=4))
    assert world.rollbacks.reported == [(NAME, OTHER)] * 2


async def test_nothing_is_reported_of_a_promotion_that_was_replaced_though_the_one_before_is_kept_in_memory() -> None:
    world = World()
    await world.watched()
    writes = RecentWrites(world.kubernetes)
    world.change(health="Degraded")
    await world.show(through=writes)
    world.change(health="Healthy")
    world.ancestry.learn(OLD, OTHER, Relation.BEHIND)
    world.change(target_revisions=(OTHER,), synced_revisions=(OTHER,), deployed_revisions=(OTHER,))
    look = await world.look()
    # By a worker, whose write this process has not seen yet.
    await world.create(replace(WEB, revision=NEW), tracker=LATER, at=datetime.now(UTC) + SOON)
    events = dict(world.kubernetes.events)

    assert await world.show(look, through=writes) == 0

    assert (world.rollbacks.reported, world.kubernetes.events) == ([], events)


async def test_an_event_that_the_api_server_did_not_take_is_posted_by_the_next_try() -> None:
    kubernetes = ServerThatLoses()
    world = World(kubernetes=kubernetes)
    await world.watched(health="Degraded")
    found = await world.look()
    kubernetes.losses = 1
    at = datetime.now(UTC)
    with pytest.raises(ApplicationError):
        await world.show(found, at=at)

    for _ in range(2):
        await world.show(found, at=at)

    assert [reason for _, reason, _ in world.kubernetes.events.values()] == ["Unhealthy"]
    assert world.observer.shown == ["Unhealthy"]


async def test_an_outage_whose_event_was_lost_is_reported_by_the_next_try() -> None:
    kubernetes = ServerThatLoses()
    world = World(kubernetes=kubernetes)
    await world.watched()
    world.argocd.errors["fingerprints"] = [ProviderUnavailable("no answer", status=504)]
    silent = (await world.look()).silent
    kubernetes.losses = 1
    with pytest.raises(ApplicationError):
        await world.publish(silent=silent)
    await world.publish(silent=silent)
    assert [reason for _, reason, _ in world.kubernetes.events.values()] == ["Unknown"]


async def test_no_sync_is_requested_once_people_want_none_any_more() -> None:
    world = World()
    await remediated(world, sync_status="OutOfSync")
    world.argocd.errors["sync"] = [ProviderBlocked("a sync window")]
    assert (await sync(world)).outcome is WriteOutcome.BLOCKED
    del world.monitor()["spec"]["autoRemediate"]

    refused = await sync(world)

    assert (refused.outcome, "asks for no sync" in refused.message) == (WriteOutcome.REFUSED, True)
    assert world.argocd.syncs == []


async def test_a_sync_that_was_owed_to_one_monitor_is_not_requested_for_the_next_of_its_name() -> None:
    world = World()
    await remediated(world, sync_status="OutOfSync")
    assert (await sync(world, uid="uid-of-another")).outcome is WriteOutcome.REFUSED
    assert world.argocd.syncs == []
    assert (await sync(world, uid=world.monitor()["metadata"]["uid"])).outcome is WriteOutcome.DONE


async def test_a_tracker_that_was_created_again_takes_over_the_monitor_of_the_one_before() -> None:
    world = World()
    await world.create()
    assert await world.create(WEB, tracker=AGAIN, at=datetime.now(UTC)) == (NAME,)
    assert world.monitor()["metadata"]["labels"] == {"pilotage.dev/tracker-uid": AGAIN.uid}


@pytest.mark.parametrize("known", [TRACKER.uid, ""], ids=["known", "unknown"])
async def test_clearing_what_a_deleted_tracker_showed_leaves_what_its_successor_shows(known: str) -> None:
    world = World()
    finished(world)
    await made_again(world, AGAIN)
    await present(world)
    before = world.scm.stored_comments[0].body
    gone = GoneTracker(name=TRACKER.name, repository="web", number=412, uid=known)

    await present(world, gone=gone)

    assert (world.scm.label_names, world.scm.stored_comments[0].body) == ([DRIFTED], before)
    assert "Drift" in before


async def test_what_a_deleted_tracker_showed_on_another_pull_request_goes() -> None:
    world = World()
    finished(world)
    await made_again(world, AGAIN)
    await present(world)
    await present(world, gone=GoneTracker(name=TRACKER.name, repository="web", number=7, uid=TRACKER.uid))
    assert world.scm.label_names == []


async def made_again(world: World, tracker: TrackerRef) -> None:
    """Have another tracker of the name finish, and drift."""
    document = world.kubernetes.objects["pullrequesttrackers", "shop", tracker.name]
    document["metadata"]["uid"] = tracker.uid
    await world.create(WEB, tracker=tracker)
    await world.show()
    world.change(health="Degraded")
    await world.show()


async def test_a_monitor_that_a_person_deleted_is_shown_no_more() -> None:
    world = World()
    finished(world)
    await world.watched(health="Degraded")
    await world.show()
    await present(world)
    del world.kubernetes.objects[MONITORS.plural, "shop", NAME]

    await present(world)

    assert (world.scm.label_names, "Drift" in world.scm.stored_comments[0].body) == ([], False)
