"""Writes and syncs that are lost, forbidden for a while, or left undone: repeated within limits, and always shown."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from temporalio import activity

from activities.models.delivery import Observation, SyncApplicationInput, WriteOutcome, WriteResult
from activities.models.places import MemberSignal, PlaceSignal
from activities.models.status import NO_ACTION, ConditionStatus, TrackerStatus
from crds.reasons.vocabulary import State
from tests.workflows.promotion.world import FAST, MINE, OLD, World, promotion_in
from tests.worlds.played import Played
from tests.worlds.refusals import unread
from tests.worlds.stage import now

STAGED = "web-staging-0"
WINDOW = "the sync of web-staging-0 is forbidden by a sync window: deny window `0 22 * * *` of 8h"
UNTIL = datetime(2030, 1, 1, 6, tzinfo=UTC)


@dataclass
class Contested(World):
    """A world in which syncs are answered as a test declares, and writes may be set back."""

    answers: list[WriteResult] = field(default_factory=list)
    """Answers to the syncs to come; the last one stays, none means that they are accepted."""
    set_back: int = 0
    """How many of the syncs to come end with the old revision in the spec and running."""
    owner: str = ""
    operation_shown: str = ""
    """What Argo CD shows of its operation; the place sends nothing of it."""
    idle_until_asked: bool = False
    """Whether auto-sync never begins, so that a sync has to be insisted on."""
    synced: list[str] = field(default_factory=list)

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        self.synced.append(request.deployment.application)
        if self.idle_until_asked and not request.insist:
            return WriteResult(outcome=WriteOutcome.ALREADY, message="left to Argo CD's auto-sync")
        if self.answers:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if self.set_back:
            self.set_back -= 1
            self.written[request.deployment.application] = OLD
            return WriteResult(outcome=WriteOutcome.DONE)
        return await super().sync_application(request)

    def observations(self, environment: str) -> tuple[Observation, ...]:
        return tuple(
            replace(one, owner=self.owner, message=self.operation_shown, operation_message="")
            for one in super().observations(environment)
        )

    def hurry(self, seconds: float) -> None:
        """Give a delivery to staging so long."""
        view = self.environments["staging"]
        self.environments["staging"] = replace(view, delivery_timeout=timedelta(seconds=seconds))


async def test_a_write_that_was_set_back_is_written_again_and_shown(played: Played) -> None:
    async with promotion_in(Contested, played) as (world, start):
        world.set_back = 1
        await start()
        await world.eventually(lambda: world.synced == [STAGED])
        await world.publish("staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.writes == [STAGED, STAGED]
        assert world.events.count("WriteReverted") == 1
        assert world.runs["staging"] == {"web-0": MINE}


async def test_a_write_that_is_always_set_back_fails_with_to_what_and_by_whom(played: Played) -> None:
    async with promotion_in(Contested, played) as (world, start):
        world.set_back, world.owner = 100, "Application/apps"
        await start()
        for times in range(1, 5):
            await world.eventually(lambda times=times: len(world.synced) == times)  # type: ignore[misc]
            await world.publish("staging")
        status = await world.until(State.PROMOTION_FAILED)
        assert f"set back to {OLD} by its owner Application/apps" in status.message
        assert len(world.writes) == 4


async def test_a_sync_window_is_waited_for_and_stops_the_deadline(played: Played) -> None:
    async with promotion_in(Contested, played) as (world, start):
        world.hurry(3)
        world.answers = [WriteResult(outcome=WriteOutcome.BLOCKED, message=WINDOW, until=UNTIL)]
        run = await start()
        await world.eventually(lambda: "SyncWindow" in world.events)
        status = await world.until(State.PROMOTING)
        assert status.waiting_for is not None
        assert WINDOW in status.waiting_for.observed
        assert status.waiting_for.until == UNTIL
        assert (status.waiting_for.reason_code, status.waiting_for.unblock_with) == ("SyncWindow", NO_ACTION)
        began = now()
        # Longer than the deadline: each poke has the sync tried again, and none of them fails the wave.
        while now() - began < timedelta(seconds=3.5):
            tried = len(world.synced)
            await run.handle.signal("poke")
            await world.eventually(lambda tried=tried: len(world.synced) > tried)  # type: ignore[misc]
        assert world.status.state is State.PROMOTING
        world.answers.clear()
        await run.handle.signal("poke")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.status.promotions[0].result == "Promoted"


@dataclass
class Dark(Contested):
    """A world whose target cannot be read for a while, which begins with our sync."""

    away: bool = False

    @activity.defn
    async def sync_application(self, request: SyncApplicationInput) -> WriteResult:
        if not self.synced:
            self.away = True
        return await super().sync_application(request)

    def observations(self, environment: str) -> tuple[Observation, ...]:
        found = super().observations(environment)
        if not self.away or environment != "staging":
            return found
        return tuple(replace(one, failure=unread("answered 503", passing=True)) for one in found)


async def test_the_deadline_stands_still_while_argocd_is_away_and_nothing_claims_that_it_works(played: Played) -> None:
    async with promotion_in(Dark, played) as (world, start):
        world.hurry(3)
        await start()
        await world.eventually(lambda: world.away)
        await world.publish("staging")
        began = now()
        while now() - began < timedelta(seconds=8):
            await asyncio.sleep(0.5)
            await world.publish("staging")
        waiting = world.status.waiting_for
        assert waiting is not None
        assert (world.status.state, waiting.reason_code, waiting.until) == (State.PROMOTING, "Unavailable", None)
        assert "503" in waiting.observed
        world.away = False
        await world.publish("staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert [one.result for one in world.status.promotions] == ["Promoted"]


@dataclass
class DarkAtFirst(Dark):
    """A world whose place still shows what it read before, as it does until a failure has lasted."""

    known: bool = False

    def view_of(self, environment: str, *, answers: MemberSignal | None = None) -> PlaceSignal:
        found = super().view_of(environment, answers=answers)
        if self.known or not self.away or environment != "staging":
            return found
        return replace(found, observed=tuple(replace(one, runs=OLD, failure=None) for one in found.observed))


async def test_what_the_place_cannot_read_any_more_is_shown_although_we_saw_it_before(played: Played) -> None:
    async with promotion_in(DarkAtFirst, played) as (world, start):
        await start()
        await world.eventually(lambda: world.away and "503" in world.status.message)
        waiting = world.status.waiting_for
        assert waiting is not None
        assert waiting.reason_code == "Delivering"
        world.known = True
        await world.publish("staging")
        await world.eventually(lambda: resolved(world.status).status == "False")
        waiting = world.status.waiting_for
        assert waiting is not None
        assert waiting.reason_code == "Unavailable"
        assert "kubectl -n shop describe argocdinstance.pilotage.dev argocd" in waiting.unblock_with
        world.away = False
        await world.publish("staging")
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")


def resolved(status: TrackerStatus) -> ConditionStatus:
    return next(one for one in status.conditions if one.type == "ReferencesResolved")


async def test_what_is_written_and_never_synced_is_recorded_as_such_with_the_reason(played: Played) -> None:
    async with promotion_in(Contested, played) as (world, start):
        world.hurry(3)
        world.answers = [WriteResult(outcome=WriteOutcome.BUSY, message="an operation that is not ours runs")]
        await start()
        status = await world.until(State.PROMOTION_FAILED)
        (application,) = status.promotions[0].applications
        assert application.result == "WrittenNotSynced"
        assert "an operation that is not ours runs" in application.message


async def test_a_sync_that_auto_sync_does_not_begin_is_insisted_on(played: Played) -> None:
    timings = replace(FAST, delivery_refresh=timedelta(milliseconds=200), delivery_unsynced=timedelta(seconds=1))
    async with promotion_in(Contested, played, timings=timings) as (world, start):
        world.idle_until_asked = True
        await start()
        await world.until(State.READY_TO_PROMOTE, reason="AwaitingPromote")
        assert world.synced == [STAGED, STAGED]
        assert world.writes == [STAGED]
        assert "WriteReverted" not in world.events


async def test_what_argo_cd_shows_is_refreshed_while_it_works_without_a_signal_of_the_place(played: Played) -> None:
    timings = replace(FAST, delivery_refresh=timedelta(milliseconds=200))
    async with promotion_in(Contested, played, timings=timings) as (world, start):
        world.slow_syncs = True
        await start()
        await world.eventually(lambda: world.synced == [STAGED])
        signals = world.counter
        for shown in ("PreSync hook Job shop/migrate runs", "Deployment shop/web is Degraded: no such image"):
            world.operation_shown = shown
            await world.eventually(lambda shown=shown: shown in world.status.message)  # type: ignore[misc]
        assert world.counter == signals
        assert world.status.state is State.PROMOTING
