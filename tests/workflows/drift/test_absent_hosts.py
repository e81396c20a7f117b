"""Hosts that hang keep an instance from no look, and what a person deleted goes from its pull request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from activities.models.delivery import WriteResult
from activities.models.drift import (
    DriftReading,
    GoneTracker,
    LookForDriftInput,
    LookForDriftResult,
    PresentDriftInput,
    PresentDriftResult,
    SyncDriftedInput,
    Verdict,
)
from activities.models.failures import Failure
from activities.models.revisions import (
    PAIRS_PER_CALL,
    CompareRevisionsInput,
    CompareRevisionsResult,
    RevisionPair,
)
from activities.models.tracking import Timings
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Drift
from tests.workflows.drift.test_workflow import INSTANCE, READING, World
from tests.worlds.played import Played, connected, served
from tests.worlds.serving import Activity
from workflows.drift.workflow import DriftWorkflow
from workflows.identity import drift_workflow_id

HANGING = timedelta(seconds=25)
"""What it takes to give a call up."""
MANY = 40


@dataclass
class Absent(World):
    """Many monitors of two repositories drift at once; the hosts of some hang."""

    readings: tuple[DriftReading, ...] = ()
    hangs: set[str] = field(default_factory=set)
    """Beginnings of the trackers, or whole repositories, whose host gives no answer."""
    looked_at: list[float] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    failure: FailureKind = FailureKind.UNAVAILABLE
    gone: bool = False
    """Whether there is no such instance."""
    compared: list[RevisionPair] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Commits that the host compares with none."""

    @activity.defn
    async def look_for_drift(self, request: LookForDriftInput) -> LookForDriftResult:
        self.looked_at.append(asyncio.get_running_loop().time())
        if self.gone:
            return LookForDriftResult(gone=True)
        found = self.readings if len(self.looked_at) <= 2 else ()
        return LookForDriftResult(monitors=self.monitors, readings=found)

    @activity.defn
    async def compare_revisions(self, request: CompareRevisionsInput) -> CompareRevisionsResult:
        await self._ask(request.repository)
        self.compared += request.pairs
        refused = tuple(place for place, one in enumerate(request.pairs) if one.head in self.refused)
        why = Failure(kind=FailureKind.UNAVAILABLE, message="HTTP 500") if refused else None
        relations = (self.relation,) * len(request.pairs)
        return CompareRevisionsResult(relations=relations, unanswered=refused, failure=why)

    @activity.defn
    async def present_drift(self, request: PresentDriftInput) -> PresentDriftResult:
        await self._ask(request.tracker)
        self.presented.append(request.tracker)
        return PresentDriftResult()

    @activity.defn
    async def sync_drifted(self, request: SyncDriftedInput) -> WriteResult:
        await self._ask(request.monitor)
        return await super().sync_drifted(request)

    async def _ask(self, name: str) -> None:
        self.tried.append(name)
        if any(name.startswith(one) for one in self.hangs):
            await asyncio.sleep(HANGING.total_seconds())
            raise ApplicationError("no answer", type=self.failure, non_retryable=True)

    @property
    def pauses(self) -> list[float]:
        """Seconds from look to look."""
        return [after - before for before, after in zip(self.looked_at, self.looked_at[1:], strict=False)]

    async def passed(self, looks: int) -> None:
        """Let so many looks pass."""
        while len(self.looked_at) < looks:  # noqa: ASYNC110 activities bring it about
            await asyncio.sleep(1)


@asynccontextmanager
async def playing(played: Played) -> AsyncIterator[Absent]:
    client = await connected(played)
    world = Absent(client)
    activities: dict[str, list[Activity]] = {
        "checks": [world.look_for_drift, world.present_drift, world.sync_drifted],
        "scm": [world.compare_revisions],
        "kubernetes": [world.publish_drift],
    }
    async with served(played, client, world.installation, [DriftWorkflow], activities):
        yield world


def drifted(repository: str, number: int, kind: Drift = Drift.UNHEALTHY) -> DriftReading:
    name = f"{repository}-{number}"
    return replace(
        READING,
        monitor=f"m-{name}",
        uid=f"uid-{name}",
        tracker=name,
        shown_tracker=name,
        repository=repository,
        verdict=Verdict(kind=kind, observed="x"),
    )


def soon() -> float:
    """Return within how many seconds a look follows another one, whatever hangs meanwhile."""
    timings = Timings()
    return (timings.drift_interval * 1.2 + timings.drift_confirm + 2 * HANGING).total_seconds()


async def test_a_host_that_hangs_keeps_an_instance_from_no_look_and_another_repository_from_no_presentation(
    played: Played,
) -> None:
    async with playing(played) as world:
        world.hangs = {"web"}
        both = [drifted(repository, number) for number in range(MANY) for repository in ("web", "api")]
        world.readings = tuple(both)
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(4)
        assert max(world.pauses) < soon()
        assert sorted(world.presented) == sorted(one.tracker for one in both if one.repository == "api")
        world.hangs = set()
        await world.passed(6)
        assert len(set(world.presented)) == len(world.presented) == 2 * MANY


async def test_of_what_hangs_each_look_tries_another_one(played: Played) -> None:
    async with playing(played) as world:
        world.hangs = {"web"}
        world.readings = tuple(drifted("web", number) for number in range(MANY))
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(6)
        assert len(set(world.tried)) == len(world.tried) >= 4


async def test_many_repositories_of_a_host_that_hangs_are_left_alone_after_a_while(played: Played) -> None:
    async with playing(played) as world:
        world.hangs = {"repository"}
        world.readings = tuple(drifted(f"repository{number}", 1) for number in range(MANY))
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(5)
        assert max(world.pauses) < soon()


async def test_what_people_must_fix_keeps_no_other_tracker_waiting(played: Played) -> None:
    async with playing(played) as world:
        world.hangs, world.failure = {"web-0"}, FailureKind.UNAUTHORIZED
        world.readings = tuple(drifted("web", number) for number in (0, 11, 12))
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(3)
        assert world.presented == ["web-11", "web-12"]


async def test_deleted_trackers_of_a_host_that_hangs_keep_an_instance_from_no_look(played: Played) -> None:
    async with playing(played) as world:
        world.hangs = {"web"}
        for number in range(MANY):
            gone = GoneTracker(name=f"web-{number}", repository="web", number=number)
            await world.port(Timings()).clear(INSTANCE, gone)
        await world.passed(4)
        assert max(world.pauses) < soon()
        world.hangs = set()
        await world.passed(6)
        assert sorted(world.presented) == sorted(f"web-{number}" for number in range(MANY))


async def test_an_argo_cd_that_hangs_is_requested_one_sync_at_a_time(played: Played) -> None:
    async with playing(played) as world:
        world.hangs = {"m-web"}
        found = [replace(drifted("web", number, Drift.OUT_OF_SYNC), syncs=True) for number in range(MANY)]
        world.readings = tuple(found)
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(4)
        assert max(world.pauses) < soon()
        world.hangs = set()
        await world.passed(6)
        assert len(set(world.synced)) == MANY


async def test_a_repository_whose_commits_cannot_be_compared_is_asked_after_the_others(played: Played) -> None:
    async with playing(played) as world:
        world.hangs = {"repository1", "repository2"}
        moved = Verdict(kind=Drift.REVISION_MOVED, observed="b")
        pair = RevisionPair(base="a" * 40, head="b" * 40)
        world.readings = tuple(
            replace(drifted(f"repository{number}", 1), moved=moved, pair=replace(pair, head=f"{number}" * 40))
            for number in range(1, 6)
        )
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(3)
        first, second = world.tried[:2], world.tried[2:5]
        assert first == ["repository1", "repository2"]
        assert second == ["repository3", "repository4", "repository5"]


async def test_a_tracker_whose_last_monitor_a_person_deleted_is_presented_before_the_workflow_ends(
    played: Played,
) -> None:
    async with playing(played) as world:
        world.monitors, world.hangs = 0, {"web"}
        await world.port(Timings()).present(INSTANCE, "web-412")
        await world.passed(3)
        assert (world.presented, set(world.tried)) == ([], {"web-412"})
        world.hangs = set()
        await world.handle.result()
        assert world.presented == ["web-412"]


async def test_where_nothing_is_watched_a_refusal_that_people_must_fix_keeps_no_workflow(played: Played) -> None:
    async with playing(played) as world:
        world.monitors, world.hangs, world.failure = 0, {"web"}, FailureKind.UNAUTHORIZED
        await world.port(Timings()).present(INSTANCE, "web-412")
        await world.handle.result()
        assert (world.presented, world.tried) == ([], ["web-412"])
        assert (await world.handle.describe()).status is WorkflowExecutionStatus.COMPLETED


@pytest.mark.parametrize("uid", [INSTANCE.uid, ""])
async def test_what_pull_requests_show_of_an_instance_that_is_gone_is_presented_before_the_workflow_ends(
    played: Played, uid: str
) -> None:
    async with playing(played) as world:
        instance = replace(INSTANCE, uid=uid)
        world.gone, world.hangs = True, {"web"}
        await world.port(Timings()).present(instance, "web-412")
        await world.port(Timings()).clear(instance, GoneTracker(name="web-413", repository="web", number=413))
        await world.passed(3)
        assert (world.presented, set(world.tried)) == ([], {"web-412", "web-413"})
        world.hangs = set()
        identity = drift_workflow_id(world.installation, INSTANCE.namespace, INSTANCE.name, uid)
        await world.client.get_workflow_handle(identity).result()
        assert sorted(world.presented) == ["web-412", "web-413"]


async def test_where_an_instance_is_gone_nothing_is_synced_and_a_refusal_that_people_must_fix_keeps_no_workflow(
    played: Played,
) -> None:
    async with playing(played) as world:
        world.readings = (replace(drifted("web", 1, Drift.OUT_OF_SYNC), syncs=True),)
        world.hangs, world.failure = {"m-web"}, FailureKind.UNAVAILABLE
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(2)
        world.gone, world.hangs, world.failure = True, {"web", "m-web"}, FailureKind.UNAUTHORIZED
        await world.port(Timings()).present(INSTANCE, "web-2")
        await world.handle.result()
        assert world.tried[-1] == "web-2"


async def test_commits_that_a_host_cannot_compare_keep_no_others_from_being_compared(played: Played) -> None:
    async with playing(played) as world:
        heads = [f"{number:040x}" for number in range(PAIRS_PER_CALL + 2)]
        world.refused = {*heads[:2]}
        moved = Verdict(kind=Drift.REVISION_MOVED, observed="b")
        world.readings = tuple(
            replace(drifted("web", number), moved=moved, pair=RevisionPair(base="a" * 40, head=head))
            for number, head in enumerate(heads)
        )
        await world.port(Timings()).poke(INSTANCE)
        await world.passed(2)
        # All in one look; what the host refused comes behind the others in the next one.
        assert {one.head for one in world.compared[: len(heads)]} == {*heads}
        await world.passed(3)
        kinds = {one.monitor: one.verdict.kind for request in world.published for one in request.changes}
        assert kinds == {f"m-web-{number}": Drift.REVISION_MOVED for number in range(2, len(heads))}
