"""Why events give no status: each namespace has its share of what is shown, and no clock runs ahead of ours."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from activities.flux.events import FluxEvent, InvolvedObject
from activities.flux.matching import Subscription
from activities.flux.planning import StatusPlan
from activities.flux.subscriptions import ALERT, COMMIT_STATUS
from activities.models.commit_statuses import SubscriptionFault
from tests.watcher.fakes import until
from worker.receiver.flux_faults import Faults

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Shown:
    """Remember what was shown, by namespace and name."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str, SubscriptionFault]] = []

    async def show(self, namespace: str, name: str, fault: SubscriptionFault) -> None:
        self.faults.append((namespace, name, fault))


def wrong(namespace: str, number: int = 0, *, kind: str = COMMIT_STATUS) -> StatusPlan:
    """Return the plan of a subscription that an event gives no status."""
    subscription = Subscription(kind=kind, namespace=namespace, name=f"status-{number}", provider="github", sources=())
    return StatusPlan(subscription=subscription, target=None, matched=True, reason="no commit", fault=True)


async def test_a_namespace_with_many_that_are_wrong_keeps_no_other_from_its_own() -> None:
    shown = Shown()
    faults = Faults(shown.show, limit=20)
    event = FluxEvent(timestamp=NOON)
    faults.add(event, [wrong("many", number) for number in range(30)])
    faults.add(event, [wrong("one")])
    await until(lambda: any(namespace == "one" for namespace, _, _ in shown.faults))
    assert Counter(namespace for namespace, _, _ in shown.faults) == {"many": 15, "one": 1}
    await faults.close()


async def test_what_was_shown_gives_its_place_back() -> None:
    shown = Shown()
    faults = Faults(shown.show, gap_seconds=0, limit=1)
    for number in range(3):
        faults.add(FluxEvent(timestamp=NOON), [wrong("shop", number)])
        await until(lambda: not faults._at_work)
    assert [name for _, name, _ in shown.faults] == ["status-0", "status-1", "status-2"]
    await faults.close()


async def test_a_fault_of_a_clock_that_is_ahead_is_of_now() -> None:
    shown = Shown()
    faults = Faults(shown.show, gap_seconds=0, clock=lambda: NOON)
    for at in (NOON + timedelta(days=3650), NOON - timedelta(minutes=1)):
        faults.add(FluxEvent(timestamp=at), [wrong("shop")])
        await until(lambda: not faults._at_work)
    assert [fault.at for _, _, fault in shown.faults] == [NOON, NOON - timedelta(minutes=1)]
    await faults.close()


async def test_a_fault_of_an_alert_of_flux_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    shown = Shown()
    faults = Faults(shown.show, gap_seconds=0)
    involved = InvolvedObject(kind="HelmRelease", namespace="shop", name="db")
    with caplog.at_level("WARNING"):
        faults.add(FluxEvent(timestamp=NOON, involved=involved), [wrong("shop", kind=ALERT), wrong("shop")])
        await until(lambda: not faults._at_work)
    assert [record.getMessage() for record in caplog.records] == [
        "Alert shop/status-0 gives no commit status of HelmRelease/shop/db: no commit"
    ]
    assert len(shown.faults) == 1
    await faults.close()
