"""Pokes: merged, at most one at a time for each workflow, tried again, and sent once more where they came too early."""

import asyncio
from datetime import timedelta

import pytest

from crds.api import backoff
from providers.webhooks.events import PullRequestNotice, RepositoryName
from tests.receiver.world import RUN_URL, World, shop, tracker, waiting_for_run
from tests.watcher.fakes import until
from worker.receiver import pokes as module
from worker.receiver.again import OF_NAMESPACE, Again
from worker.receiver.hooks import Hook
from worker.receiver.index import Place, Target
from worker.receiver.pokes import Pokes
from worker.temporal.outcomes import WorkflowsUnavailable

DEV, PROD = (Place(namespace="shop", environment=name, repository="web") for name in ("dev", "prod"))
REPOSITORY = Hook(namespace="shop", kind="GitRepository", name="web")
MERGE = PullRequestNotice(repository=RepositoryName(full_name="acme/web"), number=412, ended=True)
AT_ONCE = (timedelta(milliseconds=5), timedelta(milliseconds=5))


class Sender:
    """Send when the test allows it."""

    def __init__(self) -> None:
        self.sent: list[Target] = []
        self.results: list[str] = []
        self.failures = 0
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, target: Target) -> bool:
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise WorkflowsUnavailable("Temporal is away")
        self.sent.append(target)
        return True


async def test_pokes_that_come_while_one_is_on_its_way_are_one_more() -> None:
    sender = Sender()
    sender.open.clear()
    pokes = Pokes(sender.send, gap=timedelta(milliseconds=1), on_sent=sender.results.append)
    for _ in range(50):
        pokes.add(DEV)
        await asyncio.sleep(0)
    pokes.add(PROD)
    sender.open.set()
    await until(lambda: len(sender.sent) == 3, seconds=10)
    await until(lambda: not pokes._at_work, seconds=10)
    assert sorted(one.environment for one in sender.sent if isinstance(one, Place)) == ["dev", "dev", "prod"]
    assert sender.results == ["sent"] * 3


async def test_pokes_within_the_gap_wait_for_its_end_and_are_one() -> None:
    sender = Sender()
    pokes = Pokes(sender.send, gap=timedelta(hours=1))
    pokes.add(DEV)
    await until(lambda: bool(sender.sent), seconds=10)
    for _ in range(50):
        pokes.add(DEV)
    pokes.add(PROD)
    await until(lambda: PROD in sender.sent, seconds=10)
    assert (sender.sent.count(DEV), pokes.depth) == (1, 1)
    await pokes.close()


async def test_a_poke_that_cannot_be_sent_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STANDARD", backoff.Backoff(initial=timedelta(0)))
    sender = Sender()
    sender.failures = 3
    pokes = Pokes(sender.send, gap=timedelta(0), on_sent=sender.results.append)
    pokes.add(DEV)
    await until(lambda: bool(sender.results), seconds=10)
    assert (sender.sent, sender.results) == ([DEV], ["sent"])


async def test_a_poke_that_never_can_be_sent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STANDARD", backoff.Backoff(initial=timedelta(0)))
    sender = Sender()
    sender.failures = 1000
    pokes = Pokes(sender.send, gap=timedelta(0), on_sent=sender.results.append)
    pokes.add(DEV)
    await until(lambda: bool(sender.results), seconds=10)
    assert sender.results == ["given up"]
    sender.failures = 0
    await until(lambda: not pokes._at_work, seconds=10)
    pokes.add(DEV)
    await until(lambda: sender.sent == [DEV], seconds=10)


async def test_what_waits_is_bounded_and_what_waits_already_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENDING_LIMIT", 1)
    pokes = Pokes(Sender().send, gap=timedelta(hours=1))
    assert [pokes.add(one) for one in (DEV, DEV, PROD)] == [True, True, False]
    await pokes.close()


def again(world: World) -> tuple[Again, list[Target]]:
    poked: list[Target] = []
    return Again(world.index, poked.append, after=AT_ONCE), poked


async def test_a_merge_that_its_workflow_does_not_see_is_looked_for_again() -> None:
    world = shop()
    looking, poked = again(world)
    looking.add(REPOSITORY, (MERGE,))
    await until(lambda: len(poked) == len(AT_ONCE), seconds=10)
    assert not looking._timers


async def test_what_a_status_shows_to_have_ended_is_not_looked_at_again() -> None:
    world = shop()
    looking, poked = again(world)
    looking.add(REPOSITORY, (MERGE,))
    world.apply(tracker(412, status=waiting_for_run(url=RUN_URL)))
    await until(lambda: not looking._timers, seconds=10)
    assert poked == []


async def test_a_change_that_ends_nothing_is_looked_at_once() -> None:
    looking, _ = again(shop())
    looking.add(REPOSITORY, (PullRequestNotice(repository=MERGE.repository, number=412),))
    assert not looking._timers


async def test_looks_of_one_namespace_keep_no_other_from_its_own() -> None:
    looking = Again(shop().index, lambda target: None, after=(timedelta(hours=1),))
    for _ in range(2 * OF_NAMESPACE):
        looking.add(REPOSITORY, (MERGE,))
    assert len(looking._timers) == OF_NAMESPACE
    looking.add(Hook(namespace="docs", kind="GitRepository", name="web"), (MERGE,))
    assert len(looking._timers) == OF_NAMESPACE + 1
    looking.close()


async def test_looks_that_are_waited_for_are_bounded() -> None:
    looking = Again(shop().index, lambda target: None, after=(timedelta(hours=1),), limit=2)
    for _ in range(5):
        looking.add(REPOSITORY, (MERGE,))
    assert len(looking._timers) == 2
    looking.close()
