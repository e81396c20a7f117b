"""A place that Flux deploys to: what was reported is kept for every tracker, and reaches waiting members at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.models.places import Role
from activities.models.reconciliations import FluxReport, Reconciled
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Phase
from tests.workflows.environment.puppets import MAIN, eventually
from tests.workflows.environment.world import World, place
from tests.worlds.played import Played
from tests.worlds.refusals import missing
from workflows.environment.reports import CHECK, KEPT

AT = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


def report(revision: str, *, minute: int = 0, phase: Reconciled = Reconciled.APPLIED, **changes: Any) -> FluxReport:
    values: dict[str, Any] = {
        "kustomization": "flux-system/web",
        "at": AT + timedelta(minutes=minute),
        "phase": phase,
        "revision": revision,
        "reason": "HealthCheckFailed" if phase is Reconciled.FAILED else phase.value,
        "message": f"text of {phase.value}",
        **changes,
    }
    return FluxReport(**values)


async def send(world: World, one: FluxReport) -> None:
    await world.reports.report("shop", "staging", "web", one)


async def kept(world: World) -> list[str]:
    return [one.newest.kustomization for one in await world.reports.reconciliations("shop", "staging", "web")]


async def test_an_event_that_came_before_its_tracker_shows_that_what_runs(temporal_server: str) -> None:
    async with place(temporal_server, flux=True, history_limit=10) as world:
        gone = await world.tracker(2, MAIN[2])
        await gone.send(Phase.GONE)
        for number in range(12):
            # Each is a success of the same revision, as at each interval, and the last of another one.
            await send(world, report(MAIN[0] if number < 11 else MAIN[1], minute=number))
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        view = await one.receives(lambda view: view.observed_at is not None)
        assert [(seen.runs, seen.settled) for seen in view.observed] == [(MAIN[1], True)]
        # It was handed from run to run meanwhile.
        described = await world.place.describe()
        assert described.raw_description.workflow_execution_info.first_run_id != described.run_id
        assert await world.replays()


async def test_a_member_learns_of_an_event_at_once_and_an_older_one_changes_nothing(played: Played) -> None:
    async with place(played, flux=True) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        nothing = await one.receives(lambda view: view.observed_at is not None)
        assert [seen.failure.kind if seen.failure else None for seen in nothing.observed] == [FailureKind.UNREPORTED]
        began = played.loop.time()
        await send(world, report(MAIN[1], minute=5))
        news = await one.receives(lambda view: any(seen.runs == MAIN[1] for seen in view.observed))
        assert news.observed[0].settled
        # Long before the next look, which is a minute away.
        assert played.loop.time() - began < 10
        await send(world, report(MAIN[0], minute=4))
        await send(world, report(MAIN[2], minute=6, phase=Reconciled.FAILED))
        failed = await one.receives(lambda view: view.observed[0].runs == MAIN[1] and not view.observed[0].settled)
        assert (failed.observed[0].runs, failed.observed[0].message) == (MAIN[1], "HealthCheckFailed: text of Failed")


async def test_the_holder_learns_at_once_that_what_it_brought_was_applied(played: Played) -> None:
    async with place(played, flux=True) as world:
        await send(world, report(MAIN[0]))
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.send(Phase.READY)
        await one.takes(await one.receives(lambda view: view.grant is not None))
        await eventually(lambda: "watch_deployments" in world.calls)
        await send(world, report(MAIN[1], minute=1))
        arrived = await one.receives(lambda view: view.observed[0].runs == MAIN[1])
        assert arrived.moved_by == {"web": one.name}
        assert "watched in vain" not in world.calls


async def test_a_report_during_a_read_is_read_after_it(played: Played) -> None:
    async with place(played, flux=True) as world:
        await send(world, report(MAIN[0]))
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING, role=Role.SOURCE)
        await eventually(lambda: "read_deployments" in world.calls)
        # The read has asked already, and its answer is on its way.
        await send(world, report(MAIN[1], minute=1))
        began = played.loop.time()
        await one.receives(lambda view: any(seen.runs == MAIN[1] for seen in view.observed))
        assert played.loop.time() - began < 10


async def test_a_place_keeps_what_was_reported_until_its_environment_names_it_no_more(played: Played) -> None:
    async with place(played, flux=True, linger=timedelta(seconds=1)) as world:
        await send(world, report(MAIN[0]))
        await send(world, report(MAIN[0], kustomization="flux-system/other"))
        await asyncio.sleep(CHECK.total_seconds() - 60)
        assert await kept(world) == ["flux-system/web", "flux-system/other"]
        await asyncio.sleep(120)
        assert await kept(world) == ["flux-system/web"]
        world.failure = missing("Environment/staging")
        await asyncio.sleep(CHECK.total_seconds() + 60)
        assert await world.ended() is WorkflowExecutionStatus.COMPLETED


async def test_what_is_declared_and_reported_while_the_environment_is_read_is_kept(played: Played) -> None:
    async with place(played, flux=True, linger=timedelta(seconds=1)) as world:
        await send(world, report(MAIN[0]))
        await send(world, report(MAIN[0], kustomization="flux-system/other"))
        world.declared.clear()
        await asyncio.sleep(CHECK.total_seconds() + 1)
        assert "read_environment" in world.calls
        await send(world, report(MAIN[0], kustomization="flux-system/new"))
        world.declared.set()
        await asyncio.sleep(1)
        assert await kept(world) == ["flux-system/web", "flux-system/new"]


@pytest.mark.parametrize("what", ["GitRepository/web"])
async def test_what_cannot_be_read_for_a_while_is_not_forgotten(played: Played, what: str) -> None:
    async with place(played, flux=True, linger=timedelta(seconds=1)) as world:
        await send(world, report(MAIN[0]))
        world.failure = missing(what)
        await asyncio.sleep(CHECK.total_seconds() * 2)
        assert await kept(world) == ["flux-system/web"]


async def test_more_than_an_environment_can_name_is_not_kept(played: Played) -> None:
    async with place(played, flux=True) as world:
        one = await world.tracker(1, MAIN[1])
        await one.send(Phase.WORKING)
        await one.receives(lambda view: view.observed_at is not None)
        await send(world, report(MAIN[0]))
        for number in range(KEPT + 5):
            await send(world, report(MAIN[0], kustomization=f"flux-system/k-{number}"))
        found = await kept(world)
        assert len(found) == KEPT
        # What the Environment names is never the one to go.
        assert "flux-system/web" in found
