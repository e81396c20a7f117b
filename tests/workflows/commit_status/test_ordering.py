"""Which verdict counts: played over every order in which events may arrive, with posts at work meanwhile."""

import itertools
import random
from dataclasses import replace

import pytest

from activities.models.commit_statuses import CommitVerdict
from tests.workflows.commit_status.world import verdict
from workflows.commit_status.ordering import Slot

STATES = ("pending", "success", "failure")


def test_in_whatever_order_events_arrive_the_newest_is_shown_and_nothing_is_sent_twice() -> None:
    for seed in range(3000):
        chance = random.Random(seed)
        events = [verdict(chance.choice(STATES), at=at, description=chance.choice("ab")) for at in range(8)]
        newest = events[-1]
        arriving = [*events, *chance.choices(events, k=4)]
        chance.shuffle(arriving)
        slot, sent = Slot(), list[CommitVerdict]()
        while arriving or slot.wanted is not None:
            if slot.at_work is None and slot.wanted is not None and chance.random() < 0.5:
                slot.begin()
            elif slot.at_work is not None and chance.random() < 0.5:
                if chance.random() < 0.2:
                    slot.failed(unknown=False)
                else:
                    sent.append(slot.at_work)
                    slot.shown()
            elif arriving:
                slot.take(arriving.pop())
        assert newest.posts_the_same(slot.posted), seed
        assert [one.at for one in sent] == sorted(one.at for one in sent), seed
        assert not any(one.posts_the_same(two) for one, two in itertools.pairwise(sent)), seed


@pytest.mark.parametrize(("state", "taken"), [("pending", True), ("success", False), ("failure", False)])
def test_what_may_replace_pending_alone_replaces_nothing_else(state: str, taken: bool) -> None:
    slot = Slot(posted=verdict(state))
    closing = CommitVerdict(at=verdict(state, at=9).at, state="error", description="superseded", over_pending=True)
    assert slot.take(closing) is taken


def test_a_verdict_that_the_host_overtook_is_forgotten_with_what_was_known() -> None:
    slot = Slot(posted=verdict("success"), wanted=verdict("failure", at=1))
    slot.begin()
    slot.dropped(unknown=True)
    assert (slot.posted, slot.wanted) == (None, None)


@pytest.mark.parametrize(
    ("earlier", "later", "taken"),
    [
        # Seconds by the cluster's clock, and by ours.
        ((3600, 0), (30, 30), True),
        ((3600, 0), (3590, 30), False),
        ((3600, 0), (3620, 30), True),
        ((3600, 0), (-3600, 30), False),
        ((3600, 0), (3500, 3400), True),
        ((60, 0), (30, 30), False),
    ],
)
def test_a_clock_that_was_ahead_and_is_put_right_does_not_hide_what_happens_from_then_on(
    earlier: tuple[int, int], later: tuple[int, int], taken: bool
) -> None:
    first, second = (
        replace(verdict(state, at=at), received=verdict("pending", at=received).at)
        for state, (at, received) in (("success", earlier), ("failure", later))
    )
    slot = Slot()
    assert slot.take(first)
    assert slot.take(second) is taken


@pytest.mark.parametrize("posted", [False, True], ids=["waiting", "posted"])
@pytest.mark.parametrize("ended", ["success", "failure"])
def test_of_two_events_of_one_second_the_one_that_ends_a_reconciliation_counts(ended: str, posted: bool) -> None:
    began, over = verdict("pending"), verdict(ended)
    for arriving in itertools.permutations((began, over)):
        slot = Slot()
        for one in arriving:
            slot.take(one)
            if posted and slot.wanted is not None:
                slot.begin()
                slot.shown()
        assert (slot.wanted or slot.posted) == over


def test_what_begins_a_second_later_or_is_of_another_object_is_shown() -> None:
    for arrived in (verdict("pending", at=1), replace(verdict("pending"), object="Kustomization/flux-system/api")):
        slot = Slot(posted=verdict("success"))
        assert slot.take(arrived)
