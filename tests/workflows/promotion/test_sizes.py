"""What a promotion keeps, publishes and carries has a size in bytes, however many applications fail how often."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from activities.models.budgets import LINE_BYTES, RECORDS_BYTES, STATUS_BYTES, VALUE_BYTES
from activities.models.delivery import Observation
from activities.models.promotion import Verb
from activities.models.status import ApplicationResult, PolicyRef, PromotionRecord
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Health, State
from tests.workflows.promotion.world import MINE, OLD, World, promotion_in
from workflows.promotion.rules.carrying import kept_records
from workflows.promotion.state import RECORDS_KEPT
from workflows.sizes import encoded_size

APPLICATIONS = 200


def record(applications: int, result: str, number: int = 0) -> PromotionRecord:
    artifact = Artifact(component="web", revision=MINE, image="registry.example.com/" + "i" * 200, tag="t" * 40)
    return PromotionRecord(
        promoted=False,
        result="Failed",
        source="dev",
        target="staging",
        policy=PolicyRef(name="dev-to-staging", generation=number),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        artifacts=(artifact,),
        applications=tuple(
            ApplicationResult(
                deployment=f"web/cluster-{one:03d}",
                application=f"cluster-{one:03d}",
                result=result,
                artifact=artifact,
                message="m" * LINE_BYTES,
            )
            for one in range(applications)
        ),
        error="not delivered",
    )


def test_the_newest_record_keeps_its_detail_and_older_ones_lose_theirs_first() -> None:
    found = kept_records([record(APPLICATIONS, "NotArrived", one) for one in range(30)])

    assert sum(encoded_size(one) for one in found) <= RECORDS_BYTES
    assert [one.policy.generation for one in found] == list(range(30 - RECORDS_KEPT, 30))
    assert len(found[-1].applications) == APPLICATIONS
    assert found[-1].applications[0].message
    for one in found:
        assert len(one.applications) + (one.applications_omitted or 0) == APPLICATIONS
        assert one.error == "not delivered"


def test_what_arrived_is_left_out_before_what_failed() -> None:
    mixed = record(APPLICATIONS, "Promoted")
    mixed = replace(mixed, applications=(*mixed.applications[:-1], replace(mixed.applications[-1], result="Failed")))
    found = kept_records([mixed], limit=10_000)

    assert [one.result for one in found[-1].applications] == ["Failed"]
    assert found[-1].applications_omitted == APPLICATIONS - 1


def test_records_within_their_budget_stay_as_they_are() -> None:
    records = [record(2, "Promoted", one) for one in range(3)]
    assert kept_records(records) == records


@dataclass
class Ill(World):
    """A world whose staging is many applications, each of which turns Degraded with a long message once written."""

    def observations(self, environment: str) -> tuple[Observation, ...]:
        found = super().observations(environment)
        if environment != "staging":
            return found
        return tuple(
            replace(one, settled=False, health=Health.DEGRADED, sync_status="OutOfSync", message="x" * 1000)
            if self.written.get(one.application) and one.runs != MINE
            else one
            for one in found
        )


async def test_two_hundred_applications_that_all_fail_thrice_are_recorded_each_with_its_own_line(
    temporal_server: str,
) -> None:
    async with promotion_in(Ill, temporal_server) as (world, start):
        world.slow_syncs = True
        staging = world.environments["staging"]
        (one,) = staging.deployments
        world.environments["staging"] = replace(
            staging,
            delivery_timeout=timedelta(seconds=8),
            deployments=tuple(
                replace(one, name=f"web-{each}", application=f"web-staging-{each}") for each in range(APPLICATIONS)
            ),
        )
        world.runs["staging"] = {each.name: OLD for each in world.environments["staging"].deployments}
        run = await start()
        for failures in (1, 2, 3):
            await world.eventually(
                lambda failures=failures: (  # type: ignore[misc]
                    bool(world.statuses)
                    and world.status.state is State.PROMOTION_FAILED
                    and len(world.status.promotions) == failures
                )
            )
            newest = world.status.promotions[-1]
            assert {each.deployment for each in newest.applications} == set(world.runs["staging"])
            assert all(each.message.startswith(f"{each.deployment}: ") for each in newest.applications)
            assert encoded_size(world.status) < STATUS_BYTES
            if failures < 3:
                assert (await run.command(Verb.RETRY, target="staging")).accepted
        history = await run.handle.fetch_history()
        assert max(len(event.SerializeToString()) for event in history.events) < VALUE_BYTES
        assert (await run.command(Verb.ABORT, reason="enough")).accepted
        assert await run.end() is State.ABORTED
