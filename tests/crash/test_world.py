"""The world of a chaos run, and the schedule of its kills."""

import random
from collections import Counter

import pytest

from tests.chaos.schedule import NAMED, Point, schedule
from tests.chaos.world import LOST_REPLIES, REFUSALS, World, faults


@pytest.mark.parametrize("promotions", [1, 2, 6, 60, 1000])
def test_every_change_has_a_commit_of_its_own_that_names_its_place(promotions: int) -> None:
    world = World(promotions=promotions)
    changes = list(world.changes())
    places = [world.position(world.merge_sha(change)) for change in changes]
    assert places == [(change.repository, change.number) for change in changes]
    assert len(set(places)) == promotions


def test_changes_that_can_never_pass_are_followed_by_one_that_carries_them() -> None:
    world = World(promotions=60)
    failing = [change for change in world.changes() if world.fails(change)]
    assert failing
    assert all(change.number < world.pulls(change.repository) for change in failing)


@pytest.mark.parametrize("kills", [1, 6, 40, 1000])
def test_a_schedule_has_the_kills_that_were_asked_for(kills: int) -> None:
    strikes = schedule(kills, random.Random(7))
    assert kills <= sum(len(strike.names) for strike in strikes) <= kills + 1


def test_strikes_at_random_hit_one_process_or_two_different_ones() -> None:
    strikes = [strike.names for strike in schedule(300, random.Random(7)) if strike.point is Point.RANDOM]
    sizes = Counter(map(len, strikes))
    assert sizes[2] > sizes[1] > 0
    assert set(sizes) == {1, 2}
    assert [names for names in strikes if len(set(names)) < len(names)] == []


def test_a_schedule_of_forty_hits_every_named_moment_and_every_kind_of_process() -> None:
    strikes = schedule(40, random.Random(7))
    kinds = Counter(name.rpartition("-")[0] for strike in strikes for name in strike.names)
    assert {strike.point for strike in strikes} == {*NAMED, Point.RANDOM}
    assert set(kinds) == {"worker", "watcher", "temporal", "kube-apiserver"}
    assert min(kinds.values()) >= 3


def test_named_moments_come_while_promotions_are_under_way() -> None:
    for seed in range(50):
        for kills in (1, 6, 40, 1000):
            strikes = schedule(kills, random.Random(seed))
            last = max(place for place, strike in enumerate(strikes) if strike.point is not Point.RANDOM)
            assert len(strikes) - last > min(int(len(strikes) * 0.4), 20)


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(40, random.Random(5)) == schedule(40, random.Random(5))
    assert schedule(40, random.Random(5)) != schedule(40, random.Random(6))


def test_one_accepted_trigger_in_ten_loses_its_reply_and_one_call_in_twenty_is_refused() -> None:
    rules = faults(1)
    assert LOST_REPLIES == 0.10
    assert sum(REFUSALS.values()) == pytest.approx(0.05, abs=0.002)
    assert {rule["status"] for rule in rules if rule["action"] == "status"} == {429, 500, 502}


def test_strikes_at_temporal_hit_each_of_its_processes_in_turn() -> None:
    parts = ("postgres-1", "temporal-1", "temporal-history-1")
    struck = Counter(name for strike in schedule(40, random.Random(7), parts) for name in strike.names)
    alone = Counter(name for strike in schedule(40, random.Random(7)) for name in strike.names)
    assert sum(struck[part] for part in parts) == alone["temporal-1"]
    assert max(struck[part] for part in parts) - min(struck[part] for part in parts) <= 1
