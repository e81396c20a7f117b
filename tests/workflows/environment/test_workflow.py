"""The place on a real Temporal server, with puppets for trackers."""

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.models.places import Role
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN, Tracker, eventually
from tests.workflows.environment.world import CALM, place
from tests.worlds.played import Played
from tests.worlds.refusals import missing
from workflows.environment.workflow import EnvironmentWorkflow

EVENTS_PER_ARRIVAL = 37


async def test_a_member_learns_what_the_place_runs_and_gets_a_free_lane(temporal_server: str) -> None:
    async with place(temporal_server) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        first = await one.receives(lambda signal: signal.observed_at is not None)
        assert [seen.runs for seen in first.observed] == [MAIN[0]]
        ready = await one.send(Phase.READY)
        granted = await one.receives(lambda signal: signal.grant is not None)
        assert granted.grant is not None
        assert granted.grant.answers.n >= ready.counter.n
        assert granted.holder == one.name
        await one.takes(granted)
        await eventually(lambda: "watch_deployments" in world.calls)
        world.moves("web", MAIN[1])
        arrived = await one.receives(lambda signal: signal.observed[0].runs == MAIN[1])
        assert arrived.moved_by == {"web": one.name}
        await one.send(Phase.ARRIVED)
        await eventually(lambda: world.statuses and not world.statuses[-1].lane.members)
        assert world.statuses[-1].lane.holder == ""
        assert [(kept.artifacts[0].revision, kept.tracker) for kept in world.statuses[-1].history] == [
            (MAIN[1], one.name),
            (MAIN[0], ""),
        ]
        sequences = [status.sequence for status in world.statuses]
        assert sequences == sorted(set(sequences))
        assert await world.replays()


async def test_an_arrival_costs_few_history_events(temporal_server: str) -> None:
    # However slow the machine is, what arrives here takes but moments.
    async with place(temporal_server, timings=replace(CALM, publish_within=CALM.watch)) as world:
        first = await world.tracker(1, MAIN[1])
        await first.send(Phase.WORKING)
        await first.receives(lambda signal: signal.observed_at is not None)
        before = await eventually(world.events_at_rest)
        one = await world.tracker(2, MAIN[2])
        joined = await one.calls(Phase.WORKING)
        assert joined is not None
        assert [seen.runs for seen in joined.observed] == [MAIN[0]]
        granted = await one.calls(Phase.READY, takes=True)
        assert granted is not None
        assert granted.grant is not None
        await eventually(lambda: "watch_deployments" in world.calls)
        world.moves("web", MAIN[2])
        arrived = await one.receives(lambda signal: signal.observed[0].runs == MAIN[2])
        assert await one.received() == [arrived]
        await one.calls(Phase.ARRIVED, takes=False)
        await eventually(lambda: world.statuses[-1].history[1:])
        spent = await world.spent_on(one)
        # What runs now; what arrived, with the lane free.
        assert spent <= Counter(signals=1, publish_place=1, watch_deployments=1), spent
        assert (world.statuses[-1].lane.holder, len(world.statuses[-1].lane.members)) == ("", 1)
        cost = await eventually(world.events_at_rest) - before
        assert cost <= EVENTS_PER_ARRIVAL
        assert await world.replays()


async def test_a_delivery_that_lasts_is_published_as_it_begins_and_as_it_ends(played: Played) -> None:
    async with place(played) as world:
        one = await world.joined(1, MAIN[1])
        assert await one.calls(Phase.READY, takes=True) is not None
        await eventually(lambda: world.statuses[-1].lane.holder == one.name)
        await eventually(lambda: [watch.duration for watch in world.watches] == [CALM.watch])
        assert world.calls.count("watched in vain") == 1
        world.moves("web", MAIN[1])
        await one.receives(lambda signal: signal.observed[0].runs == MAIN[1])
        await one.calls(Phase.ARRIVED, takes=False)
        await eventually(lambda: world.statuses[-1].lane.holder == "")
        assert [holder for holder, _ in itertools.groupby(world.statuses, lambda status: status.lane.holder)] == [
            "",
            one.name,
            "",
        ]


async def test_a_lane_that_is_handed_back_while_a_delivery_begins_is_published_at_once(played: Played) -> None:
    timings = replace(CALM, publish_within=timedelta(seconds=20))
    async with place(played, timings=timings) as world:
        one = await world.joined(1, MAIN[1])
        assert await one.calls(Phase.READY, takes=True) is not None
        await eventually(lambda: world.watches)
        await one.send(Phase.FAILED, takes=False)
        await eventually(lambda: world.statuses[-1].lane.members)
        assert (world.statuses[-1].lane.holder, len(world.watches)) == ("", 1)


async def test_who_lost_the_answer_to_its_call_is_granted_again_by_a_call_or_a_signal(played: Played) -> None:
    async with place(played) as world:
        one = await world.joined(1, MAIN[1])
        first = await one.calls(Phase.READY)
        second = await one.repeats()
        assert first is not None
        assert second is not None
        assert (second.grant, second.counter.n > first.counter.n) == (first.grant, True)
        assert all(signal.grant is None for signal in await one.received())
        await world.place.signal(EnvironmentWorkflow.member, one.view)
        assert (await one.receives(lambda signal: signal.grant is not None)).grant == first.grant


async def test_a_call_before_the_first_look_is_answered_by_a_signal(played: Played) -> None:
    async with place(played) as world:
        one = await world.tracker(1, MAIN[1])
        assert await one.calls(Phase.WORKING) is None
        await one.receives(lambda signal: signal.observed_at is not None)


async def test_a_holder_that_stays_is_published_as_arrived_with_the_next_look(played: Played) -> None:
    timings = replace(CALM, observe_initial=timedelta(seconds=1), observe_maximum=timedelta(seconds=1))
    async with place(played, timings=timings) as world:
        one = await world.joined(1, MAIN[1])
        await one.send(Phase.READY)
        await one.takes(await one.receives(lambda signal: signal.grant is not None))
        await eventually(lambda: world.statuses and world.statuses[-1].lane.holder == one.name)
        world.moves("web", MAIN[1])
        shown = await eventually(lambda: world.statuses[-1] if world.statuses[-1].history[1:] else None)
        assert shown.lane.holder == one.name


async def test_a_place_whose_members_only_test_looks_seldom_and_soon_again_for_one_that_waits_here(
    temporal_server: str,
) -> None:
    timings = replace(CALM, observe_initial=timedelta(milliseconds=100), observe_maximum=timedelta(hours=1))
    async with place(temporal_server, timings=timings) as world:
        one, other = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await one.send(Phase.WORKING)
        await one.receives(lambda signal: signal.observed_at is not None)
        armed = [
            event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
            for event in (await world.place.fetch_history()).events
            if event.HasField("timer_started_event_attributes")
        ]
        assert armed[-1] > timedelta(minutes=1)
        assert world.calls.count("read_deployments") == 1
        await other.send(Phase.WORKING, role=Role.SOURCE)
        await eventually(lambda: world.calls.count("read_deployments") >= 3)


async def test_another_holder_is_followed_by_a_watch_of_its_own(played: Played) -> None:
    async with place(played) as world:
        one, other = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        for member in (one, other):
            await member.send(Phase.WORKING)
            await member.receives(lambda signal: signal.observed_at is not None)
        await one.send(Phase.READY)
        await one.takes(await one.receives(lambda signal: signal.grant is not None))
        await eventually(lambda: [watch.artifacts for watch in world.watches] == [one.view.artifacts])
        await other.send(Phase.READY)
        await other.receives(lambda signal: signal.blocked_by is not None)
        await one.send(Phase.FAILED)
        await other.takes(await other.receives(lambda signal: signal.grant is not None))
        await eventually(lambda: [watch.artifacts for watch in world.watches] == [other.view.artifacts])
        assert one.view.artifacts != other.view.artifacts


async def test_the_newest_ready_member_goes_first_and_the_older_learns_for_whom_it_waits(played: Played) -> None:
    async with place(played) as world:
        older, newer, late = [await world.tracker(number, MAIN[number]) for number in (1, 2, 3)]
        for one in (older, newer, late):
            await one.send(Phase.WORKING)
            await one.receives(lambda signal: signal.observed_at is not None)
        await late.send(Phase.READY)
        granted = await late.receives(lambda signal: signal.grant is not None)
        await late.takes(granted)
        await older.send(Phase.READY)
        blocked = await older.receives(lambda signal: signal.blocked_by is not None)
        assert blocked.blocked_by is not None
        assert (blocked.blocked_by.tracker, blocked.blocked_by.reason) == (late.name, "holds the lane")
        await newer.send(Phase.READY)
        await newer.receives(lambda signal: signal.blocked_by is not None)
        await late.send(Phase.FAILED)
        await newer.receives(lambda signal: signal.grant is not None)
        assert all(signal.grant is None for signal in await older.received())


async def test_a_held_change_stops_a_newer_one_that_contains_it(played: Played) -> None:
    async with place(played) as world:
        held, newer = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await held.send(Phase.WORKING, role=Role.AHEAD, held=True)
        await newer.send(Phase.WORKING)
        await newer.receives(lambda signal: signal.observed_at is not None)
        await newer.send(Phase.READY)
        blocked = await newer.receives(lambda signal: signal.blocked_by is not None)
        assert blocked.blocked_by is not None
        assert (blocked.blocked_by.tracker, blocked.blocked_by.reason) == (held.name, "is held")
        await eventually(lambda: "compare_revisions" in world.calls)
        await held.receives(lambda signal: signal.asks)
        await held.send(Phase.GONE, role=Role.AHEAD, held=False)
        await newer.receives(lambda signal: signal.grant is not None)


async def test_a_commit_that_the_host_did_not_know_is_asked_for_again_at_a_poke(played: Played) -> None:
    async with place(played) as world:
        # The held change is the newer one, so that its hold does not concern the older once the host knows it.
        held, older = await world.tracker(2, MAIN[2]), await world.tracker(1, MAIN[1])
        world.unknown = {MAIN[2]}
        await held.send(Phase.WORKING, role=Role.AHEAD, held=True)
        await older.send(Phase.WORKING)
        await older.receives(lambda signal: signal.observed_at is not None)
        await older.send(Phase.READY)
        await older.receives(lambda signal: signal.blocked_by is not None and signal.blocked_by.reason == "is held")
        world.unknown = set()
        await world.place.signal("poke")
        granted = await older.receives(lambda signal: signal.grant is not None)
        assert granted.blocked_by is None


async def test_a_vanished_tracker_s_hold_ends_at_once(played: Played) -> None:
    async with place(played) as world:
        held, newer = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await held.send(Phase.WORKING, role=Role.AHEAD, held=True)
        await newer.send(Phase.WORKING)
        await newer.receives(lambda signal: signal.observed_at is not None)
        await held.receives(lambda signal: signal.asks)
        await held.vanishes()
        await newer.send(Phase.READY)
        granted = await newer.receives(lambda signal: signal.grant is not None)
        assert granted.blocked_by is None


async def test_the_lane_of_a_vanished_holder_is_free_only_when_its_writes_must_have_ended(played: Played) -> None:
    timings = replace(CALM, activity_start_to_close=timedelta(seconds=4))
    async with place(played, timings=timings) as world:
        holder, waiting = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await holder.send(Phase.WORKING)
        await waiting.send(Phase.WORKING)
        await waiting.receives(lambda signal: signal.observed_at is not None)
        await holder.send(Phase.READY)
        await holder.takes(await holder.receives(lambda signal: signal.grant is not None))
        await eventually(lambda: "watch_deployments" in world.calls)
        await holder.vanishes()
        await waiting.send(Phase.READY)
        blocked = await waiting.receives(
            lambda signal: signal.blocked_by is not None and "vanished" in signal.blocked_by.reason
        )
        granted = await waiting.receives(lambda signal: signal.grant is not None)
        assert granted.counter.n - blocked.counter.n >= 3500


async def test_a_place_without_memory_asks_every_live_tracker_before_it_grants(played: Played) -> None:
    async with place(played) as world:
        held, newer = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await held.send(Phase.WORKING, held=True)
        first = await held.receives(lambda signal: signal.observed_at is not None)
        await world.place.terminate("lost its memory")
        await newer.send(Phase.READY)
        asked = await held.receives(lambda signal: signal.asks and signal.counter.epoch > first.counter.epoch)
        blocked = await newer.receives(
            lambda signal: signal.blocked_by is not None and signal.blocked_by.reason == "is held"
        )
        assert blocked.counter.epoch == asked.counter.epoch
        assert all(signal.grant is None for signal in await newer.received())


async def test_a_live_tracker_that_does_not_answer_keeps_the_lane_closed_by_name(played: Played) -> None:
    async with place(played) as world:
        silent, ready = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await ready.send(Phase.READY)
        blocked = await ready.receives(
            lambda signal: signal.blocked_by is not None and signal.blocked_by.tracker == silent.name
        )
        assert blocked.blocked_by is not None
        assert "restarted" in blocked.blocked_by.reason
        assert (await silent.receives(lambda signal: signal.asks)).environment == "staging"


async def test_older_and_repeated_member_signals_change_nothing(played: Played) -> None:
    async with place(played) as world:
        one = await world.joined(1, MAIN[1])
        await one.send(Phase.READY, n=5)
        await one.send(Phase.READY, n=one.view.counter.n)
        await one.send(Phase.FAILED)
        await eventually(lambda: world.statuses and world.statuses[-1].lane.members[0].phase == Phase.FAILED)
        assert all(signal.grant is None for signal in await one.received())


async def test_what_a_place_knows_survives_continue_as_new(temporal_server: str) -> None:
    async with place(temporal_server, history_limit=60) as world:
        holder, waiting = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        await holder.send(Phase.WORKING)
        await waiting.send(Phase.WORKING)
        await waiting.receives(lambda signal: signal.observed_at is not None)
        first = (await world.place.describe()).run_id
        await holder.send(Phase.READY)
        await holder.takes(await holder.receives(lambda signal: signal.grant is not None))
        await waiting.send(Phase.READY)

        async def continued() -> bool:
            await waiting.send(Phase.READY)
            return (await world.place.describe()).run_id != first

        await eventually(continued)
        progress = await world.progress()
        assert (progress.holder, progress.members) == (holder.name, 2)
        epochs = {signal.counter.epoch for signal in await waiting.received()}
        assert len(epochs) == 1
        await holder.send(Phase.FAILED)
        await waiting.receives(lambda signal: signal.grant is not None)
        assert await world.replays()
        sequences = [status.sequence for status in world.statuses]
        assert sequences == sorted(set(sequences))


async def test_a_place_whose_watcher_is_away_continues_as_new_and_grants(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.runtime.publishing.GRACE", timedelta(seconds=0.5))
    async with place(played, history_limit=40) as world:
        world.watcher_is_there.clear()
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        first = (await world.place.describe()).run_id

        async def continued() -> bool:
            await one.send(Phase.WORKING)
            return (await world.place.describe()).run_id != first

        await eventually(continued)
        await one.send(Phase.READY)
        await one.receives(lambda signal: signal.grant is not None)
        assert world.statuses == []
        world.watcher_is_there.set()
        await eventually(lambda: world.statuses)


async def test_a_missing_reference_is_sent_and_the_place_goes_on_once_it_is_there(played: Played) -> None:
    timings = replace(CALM, reference_initial=timedelta(milliseconds=200), reference_maximum=timedelta(seconds=1))
    async with place(played, timings=timings) as world:
        world.failure = missing("ArgoCDInstance/argocd")
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        sent = await one.receives(lambda signal: signal.problem != "")
        assert sent.problem == "ArgoCDInstance/argocd: does not exist"
        world.failure = None
        seen = await one.receives(lambda signal: signal.problem == "" and signal.observed_at is not None)
        assert seen.observed[0].runs == MAIN[0]


async def test_an_argo_cd_that_is_restarted_is_no_problem_until_it_has_lasted(played: Played) -> None:
    soon, lasting = timedelta(milliseconds=200), timedelta(seconds=3)
    timings = replace(CALM, observe_initial=soon, observe_maximum=timedelta(seconds=1), passing=lasting)
    async with place(played, timings=timings) as world:
        world.runs["api"] = MAIN[0]
        world.components["api"] = "web"
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await one.receives(lambda signal: len(signal.observed) == 2)
        world.lost.add("web")
        world.runs["api"] = MAIN[1]
        # The other one is observed meanwhile.
        seen = await one.receives(lambda signal: any(found.runs == MAIN[1] for found in signal.observed))
        assert not any(found.problem for found in seen.observed)
        sent = await one.receives(lambda signal: any(found.problem for found in signal.observed))
        assert [found.problem for found in sent.observed if found.deployment == "web"] == ["503"]
        world.lost.clear()
        await one.receives(lambda signal: not any(found.problem for found in signal.observed))


async def test_a_poke_has_the_place_look_again(played: Played) -> None:
    async with place(played) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await one.receives(lambda signal: signal.observed_at is not None)
        world.runs["web"] = MAIN[1]
        await world.place.signal("poke")
        seen = await one.receives(lambda signal: bool(signal.observed) and signal.observed[0].runs == MAIN[1])
        assert seen.moved_by == {"web": one.name}
        assert "list_trackers" not in world.calls


async def learns_of(one: Tracker, revision: str) -> None:
    """Wait until a tracker learns that a revision runs."""
    await one.receives(lambda signal: bool(signal.observed) and signal.observed[0].runs == revision)


async def test_each_poke_has_the_place_look_again_whatever_the_gap_between_looks(played: Played) -> None:
    hours = timedelta(hours=4)
    rare = replace(CALM, observe_initial=hours, observe_maximum=hours, poll_gap=hours, poke_gap=timedelta(0))
    async with place(played, timings=rare) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await one.receives(lambda signal: signal.observed_at is not None)
        for revision in (MAIN[1], MAIN[2]):
            world.runs["web"] = revision
            await world.place.signal("poke")
            await learns_of(one, revision)
        assert world.calls.count("read_deployments") >= 3


async def test_a_place_without_members_ends_and_a_later_member_starts_it_again(played: Played) -> None:
    async with place(played, linger=timedelta(seconds=1)) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await one.receives(lambda signal: signal.observed_at is not None)
        await one.send(Phase.GONE, role=Role.SOURCE)

        async def ended() -> bool:
            return await world.ended() is WorkflowExecutionStatus.COMPLETED

        await eventually(ended)
        assert not world.statuses[-1].lane.members
        world.runs["web"] = MAIN[1]
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await one.receives(lambda signal: bool(signal.observed) and signal.observed[0].runs == MAIN[1])


async def test_what_an_idle_place_saw_before_is_no_answer_to_a_member_that_joins(played: Played) -> None:
    timings = replace(CALM, observe_initial=timedelta(seconds=1))
    async with place(played, timings=timings) as world:
        one, two = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[1])
        await one.send(Phase.WORKING)
        await one.receives(lambda signal: signal.observed_at is not None)
        await one.send(Phase.GONE)
        # Somebody sets the place back while no member needs to know what runs there.
        world.runs["web"] = MAIN[2]
        await asyncio.sleep(5)
        assert await two.calls(Phase.WORKING) is None
        await two.receives(lambda signal: signal.observed_at is not None)
        assert [seen.runs for signal in await two.received() for seen in signal.observed] == [MAIN[2]]


async def test_the_page_of_a_place_names_members_and_what_they_wait_for(played: Played) -> None:
    async with place(played) as world:
        holder, waiting = await world.tracker(1, MAIN[1]), await world.tracker(2, MAIN[2])
        for one in (holder, waiting):
            await one.send(Phase.WORKING)
        await holder.send(Phase.READY)
        await holder.takes(await holder.receives(lambda signal: signal.grant is not None))
        await waiting.send(Phase.READY)
        await waiting.receives(lambda signal: signal.blocked_by is not None)
        details = (await world.progress()).details
        assert f"lane held by {holder.name}" in details
        assert f"- #2 {waiting.name} comes here next: Ready; waits, since {holder.name} holds the lane" in details


async def test_a_poke_that_comes_while_the_environment_is_read_has_it_read_again_at_once(played: Played) -> None:
    async with place(played) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await one.receives(lambda signal: signal.observed_at is not None)
        before = world.calls.count("read_environment")
        world.declared.clear()
        await world.place.signal("poke")
        await eventually(lambda: world.calls.count("read_environment") == before + 1)
        # It is edited once the read has seen it.
        await world.place.signal("poke")
        world.declared.set()
        await eventually(lambda: world.calls.count("read_environment") > before + 1)
        assert world.calls.count("read_environment") == before + 2


async def test_a_poke_that_comes_while_revisions_are_compared_has_what_is_unknown_asked_again(played: Played) -> None:
    async with place(played) as world:
        held, older = await world.tracker(2, MAIN[2]), await world.tracker(1, MAIN[1])
        world.unknown = {MAIN[2]}
        await held.send(Phase.WORKING, role=Role.AHEAD, held=True)
        await older.send(Phase.WORKING)
        await older.receives(lambda signal: signal.observed_at is not None)
        world.compared.clear()
        await older.send(Phase.READY)
        await eventually(lambda: world.calls.count("compare_revisions") == 1)
        # Whether the place misses the held change, and then whether the other one contains it.
        world.compared.set()
        world.compared.clear()
        await eventually(lambda: world.calls.count("compare_revisions") == 2)
        # The host learns of the commit after it was asked.
        world.unknown = set()
        await world.place.signal("poke")
        world.compared.set()
        granted = await older.receives(lambda signal: signal.grant is not None)
        assert granted.blocked_by is None
