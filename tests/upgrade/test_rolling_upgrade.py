"""Build A is replaced by build B while promotions wait for everything that a promotion can wait for."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from crds.reasons.vocabulary import State, Waiting
from deploy.local.environment.assembly import INSTALLATION, LocalEnvironment
from tests.e2e.cluster import Cluster
from tests.e2e.shop import Shop
from tests.upgrade.builds import DEPLOYMENT, SERVER_ARGUMENTS, Build, ask, build_of, drainage, make_current, open_runs
from tests.upgrade.stations import DELIVERY, LANE, STATIONS, WAVES, Station
from worker.cli.versions import poke_older
from worker.serving.registry import WORKFLOWS
from worker.temporal.conversion import DATA_CONVERTER
from workflows.identity import ENVIRONMENT_WORKFLOW, PROGRESS_QUERY, PROMOTION_WORKFLOW

# Calm: a dozen promotions share two cores with both builds.
TIMINGS = {
    "poll_initial": 1.0,
    "poll_maximum": 3.0,
    "poll_gap": 0.5,
    "merge_initial": 1.0,
    "merge_maximum": 3.0,
    "reference_initial": 1.0,
    "reference_maximum": 3.0,
    "observe_initial": 1.0,
    "observe_maximum": 3.0,
    "delivery_refresh": 3.0,
    "list_initial": 0.5,
    "list_maximum": 5.0,
    "settling": 0.3,
    "activity_start_to_close": 20.0,
    "listing_lag": 2.0,
}
SANDBOX_ARGUMENTS = ("--list-lag", "1", "--run-seconds", "0.8", "--argocd-sync-seconds", "0.3")
PATIENCE_SECONDS = 120.0
POKE_SECONDS = 1.0
POKES_PER_SECOND = 100
in_one_loop = pytest.mark.asyncio(loop_scope="module")
"""The upgrade is played once, and its client belongs to the loop that it was played in."""
BEFORE, SIDE_BY_SIDE, AFTER = "before", "while both builds run", "after A is gone"
METADATA_QUERY = "__temporal_workflow_metadata"
DESCRIBED = (PROMOTION_WORKFLOW, ENVIRONMENT_WORKFLOW)
"""Workflows that show their progress in texts of our own."""
BREATH_SECONDS = 0.1
"""Between two queries, so that those who ask do not slow down those who work."""


@dataclass
class Upgrade:
    """What was seen on the way from A to B."""

    client: Client
    shops: dict[Station, Shop]
    answered: dict[str, set[str]] = field(default_factory=dict)
    """Moment -> the types of workflows that were open then; all of them answered."""
    asked: int = 0
    """Queries that were answered between these moments, all the time from the first promotion to the last."""
    unanswered: list[str] = field(default_factory=list)
    left_on_a: list[str] = field(default_factory=list)
    """Promotions still pinned to A when all others had moved."""
    drainage: list[str] = field(default_factory=list)
    """What the server answered about A: while promotions were left on it, and when its workers were stopped."""
    left: set[str] = field(default_factory=set)
    """Processes of A that ended after SIGTERM and by themselves."""
    waited: dict[str, dict[Station, tuple[str, str]]] = field(default_factory=dict)
    """Moment -> state of each tracker, and what it waits for."""
    builds: dict[Station, str] = field(default_factory=dict)
    """The build that each promotion was on once A was gone."""

    def workflow(self, station: Station) -> str:
        """Return the id of the promotion at a station."""
        return str(self.shops[station].status(station.tracker)["workflow"]["id"])

    def waits(self, station: Station) -> tuple[str, str]:
        """Return the state of the tracker at a station, and what it waits for."""
        status = self.shops[station].status(station.tracker)
        return str(status.get("state")), str((status.get("waitingFor") or {}).get("what"))

    async def look(self, moment: str) -> None:
        """Query every open workflow, and note what the trackers show."""
        found = await open_runs(self.client)
        for one in found:
            await self._query(one)
        self.answered[moment] = {str(one.workflow_type) for one in found}
        self.waited[moment] = await asyncio.to_thread(lambda: {one: self.waits(one) for one in STATIONS})

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Query open workflows without end, whatever happens meanwhile."""
        task = asyncio.create_task(self._ask_without_end())
        try:
            yield
            assert not task.done(), task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _ask_without_end(self) -> None:
        while True:
            for one in await open_runs(self.client):
                try:
                    await self._query(one)
                except (RPCError, AssertionError) as silence:
                    self.unanswered.append(f"{one.id}: {silence!r}")
                self.asked += 1
                await asyncio.sleep(BREATH_SECONDS)
            await asyncio.sleep(BREATH_SECONDS)

    async def _query(self, one: WorkflowExecution) -> None:
        assert await ask(self.client, one.id, METADATA_QUERY), one.id
        if one.workflow_type in DESCRIBED:
            assert (await ask(self.client, one.id, PROGRESS_QUERY))["details"], one.id

    async def poke(self) -> None:
        """Have every run of another build look again, as `pilotage upgrade-waiting` does."""
        await poke_older(self.client, INSTALLATION, DEPLOYMENT, rate=POKES_PER_SECOND)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgrade(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Upgrade]:
    """Play the whole upgrade once."""
    async with AsyncExitStack() as stack:
        environment = stack.enter_context(
            LocalEnvironment(
                tmp_path_factory.mktemp("upgrade"),
                temporal_in_memory=True,
                temporal_arguments=SERVER_ARGUMENTS,
                process_environment={"PILOTAGE_TIMINGS": json.dumps(TIMINGS)},
                sandbox_arguments=SANDBOX_ARGUMENTS,
            )
        )
        await asyncio.to_thread(environment.start, "temporal", "kubernetes", "resources", "sandbox")
        cluster = stack.enter_context(closing(Cluster(environment.kubernetes)))
        old, new = (stack.enter_context(closing(Build(environment, name))) for name in ("a", "b"))
        shops = {one: Shop(one.name, environment, cluster) for one in STATIONS if one is not LANE}
        shops[LANE] = shops[DELIVERY]
        client = await Client.connect(environment.temporal_address, data_converter=DATA_CONVERTER)
        played = Upgrade(client, shops)

        await asyncio.to_thread(old.start)
        await make_current(client, old.id)
        async with played.asking():
            await asyncio.to_thread(_arrive, played)
            await played.look(BEFORE)
            await _replace(played, old, new)
            await asyncio.to_thread(_go_on, played, [one for one in STATIONS if one.moves])
            await asyncio.to_thread(_complete, played)
        yield played


async def _replace(played: Upgrade, old: Build, new: Build) -> None:
    """Go from A to B, step by step as docs/operate/compatibility.md asks of operators."""
    client = played.client
    await asyncio.to_thread(new.start)
    played.left |= await asyncio.to_thread(old.stop, "watcher", "activities")
    await make_current(client, new.id)
    await _move(played, old, [one for one in STATIONS if one.moves])
    played.left_on_a = [one.id for one in await open_runs(client, old) if one.workflow_type == PROMOTION_WORKFLOW]
    await played.look(SIDE_BY_SIDE)
    played.drainage.append(await drainage(client, old.id))

    await asyncio.to_thread(_go_on, played, [one for one in STATIONS if not one.moves])
    await _drain(played, old)
    played.drainage.append(await drainage(client, old.id))
    played.left |= await asyncio.to_thread(old.stop, "workflows")
    await played.look(AFTER)
    played.builds = {one: await build_of(client, played.workflow(one)) for one in STATIONS}


def _arrive(played: Upgrade) -> None:
    """Bring each promotion to its station; they are on their way side by side."""
    for one in STATIONS:
        one.arrive(played.shops[one])
    for one in STATIONS:
        played.shops[one].until_waiting(one.waits_for, tracker=one.tracker, seconds=PATIENCE_SECONDS)


def _go_on(played: Upgrade, stations: list[Station]) -> None:
    for one in stations:
        one.go_on(played.shops[one])


def _complete(played: Upgrade) -> None:
    for one in STATIONS:
        played.shops[one].until_state("Completed", tracker=one.tracker, seconds=PATIENCE_SECONDS)


async def _move(played: Upgrade, old: Build, moving: list[Station]) -> None:
    """Poke until every promotion that may move has moved."""
    identifiers = {played.workflow(one) for one in moving}

    async def moved() -> bool:
        return not identifiers & {one.id for one in await open_runs(played.client, old)}

    await _poke_until(moved, played, old)


async def _drain(played: Upgrade, old: Build) -> None:
    """Poke until nothing at all is pinned to the old build, and the server confirms it."""

    async def drained() -> bool:
        return not await open_runs(played.client, old) and await drainage(played.client, old.id) == "DRAINED"

    await _poke_until(drained, played, old)


async def _poke_until(done: Callable[[], Awaitable[bool]], played: Upgrade, old: Build) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await done():
        left = [(one.id, one.workflow_type) for one in await open_runs(played.client, old)]
        assert time.monotonic() < deadline, f"still on the old build: {left}"
        await played.poke()
        await asyncio.sleep(POKE_SECONDS)


def test_every_thing_that_a_tracker_may_wait_for_has_a_promotion() -> None:
    assert {one.waits_for for one in STATIONS} == set(Waiting)


@in_one_loop
async def test_promotions_wait_in_every_state_that_lasts(upgrade: Upgrade) -> None:
    passing = {State.SYNCED}
    assert {state for state, _ in upgrade.waited[BEFORE].values()} == {
        str(state) for state in State if not state.terminal and state not in passing
    }


@in_one_loop
async def test_waiting_promotions_move_to_the_new_build_and_a_delivery_ends_where_it_began(upgrade: Upgrade) -> None:
    assert set(upgrade.left_on_a) == {upgrade.workflow(DELIVERY), upgrade.workflow(WAVES)}
    assert set(upgrade.builds.values()) == {"b"}


@in_one_loop
async def test_the_old_workers_leave_when_the_server_confirms_that_they_have_drained(upgrade: Upgrade) -> None:
    assert upgrade.drainage == ["DRAINING", "DRAINED"]
    assert upgrade.left == {"watcher", "activities", "workflows"}


@in_one_loop
async def test_what_a_tracker_waits_for_survives_the_move(upgrade: Upgrade) -> None:
    before, between, after = (upgrade.waited[moment] for moment in (BEFORE, SIDE_BY_SIDE, AFTER))
    assert between == before
    moved = {one for one in STATIONS if one.moves and one is not LANE}
    assert {one: after[one] for one in moved} == {one: before[one] for one in moved}


@in_one_loop
async def test_every_open_workflow_answers_queries_before_during_and_after(upgrade: Upgrade) -> None:
    # Nothing here sends events of Flux, and no sink is declared.
    others = {"CommitStatusWorkflow", "SubscriptionFaultWorkflow", "EventSinkWorkflow"}
    kinds = {workflow.__name__ for workflow in WORKFLOWS} - others
    assert upgrade.answered == dict.fromkeys((BEFORE, SIDE_BY_SIDE, AFTER), kinds)
    assert upgrade.unanswered == []
    assert upgrade.asked > 100


@in_one_loop
async def test_all_promotions_complete_and_nothing_is_done_twice(upgrade: Upgrade) -> None:
    for station, shop in upgrade.shops.items():
        assert shop.status(station.tracker)["state"] == "Completed", station
        assert set(shop.triggers().values()) <= {1}, station
        written = shop.patches()
        assert len(written) == len(set(written)), (station, written)
        assert tuple(dict.fromkeys(place for place, _ in written)) == station.writes, station


@in_one_loop
async def test_no_workflow_failed_or_got_stuck(upgrade: Upgrade) -> None:
    failed = [
        (one.id, one.status)
        async for one in upgrade.client.list_workflows(
            "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated', 'Canceled')"
        )
    ]
    assert failed == []
