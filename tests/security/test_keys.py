"""The promotion key: who knows all that is public must not be able to start a run in advance and have it counted."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import TestSpec
from activities.models.promotion import PromotionInput
from activities.models.tracking import Artifact, Timings, TrackerRef, TrackerSpec
from providers.runs import shows_key
from tests.activities.cluster import shop
from tests.activities.test_configuration import find
from tests.worlds.declared import a_policy
from workflows.promotion.rules.rounds import run_key
from workflows.promotion.state import Hop, Round, TestProgress

HOUR = timedelta(hours=1)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TEST = TestSpec(name="integration", runner="jenkins", job="web/integration", parameters={}, required=True, timeout=HOUR)
REQUEST = PromotionInput(
    installation="local",
    tracker=TrackerRef(namespace="shop", name="web-412", uid="uid-1", attempt=1),
    spec=TrackerSpec(repository="web", number=412, environment="dev"),
    timings=Timings(),
)


def key(nonce: str, number: int = 1) -> str:
    round_ = Round(number=number, artifacts=(Artifact(component="web", revision="a" * 40),), tests=[], started_at=NOON)
    return run_key(REQUEST, Hop(number=0, policy=a_policy(tests=[TEST]), nonce=nonce), round_, TestProgress(spec=TEST))


async def test_to_know_the_key_of_a_coming_round_from_public_facts() -> None:
    first, second = await find(shop()), await find(shop())
    assert first.nonce != second.nonce
    assert min(len(found.nonce) for found in (first, second)) >= 32
    assert key(first.nonce) != key(second.nonce)


async def test_to_know_the_key_of_the_next_round_from_the_one_before() -> None:
    nonce = (await find(shop())).nonce
    keys = {key(nonce, number) for number in range(100)}
    assert len(keys) == 100
    assert all(nonce[:8] not in one for one in keys)


def test_the_same_hop_has_the_same_key_in_every_run_of_its_workflow() -> None:
    assert key("n") == key("n")


@pytest.mark.parametrize(
    ("title", "ours"),
    [
        ("k1", True),
        ("e2e k1", True),
        ("e2e-k1: main", True),
        ("k12", False),
        ("ak1", False),
        ("", False),
        ("K1", False),
    ],
)
def test_to_have_a_longer_key_taken_for_ours(title: str, ours: bool) -> None:
    assert shows_key(title, "k1") is ours
    assert not shows_key(title, "")
