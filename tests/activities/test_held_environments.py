"""An environment that a person holds: nothing is written or synced there, which is looked at before each write."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.deployments import ArgoCDActivities
from activities.models.delivery import DeliverApplicationInput, SyncApplicationInput, WriteOutcome
from activities.models.git_delivery import DeliverFilesInput
from activities.models.tracking import Artifact
from activities.pull_requests import ScmHostActivities
from crds.v1alpha1.environment_status import EnvironmentHold
from providers.http import HttpClients, HttpOptions
from tests.activities.cluster import shop
from tests.activities.fakes import NEW, OLD, FakeDeployments, FakeOpener, FakeScm, application
from tests.activities.test_git_delivery import deployment
from worker.opening.resources import ClusterOpener

ARTIFACT = Artifact(component="web", revision=NEW)
SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOLD = EnvironmentHold(id="hold-prod-1", by="alice", since=SINCE, until=SINCE + timedelta(hours=2), reason="migration")


@pytest.fixture
def held() -> FakeOpener:
    argocd = FakeDeployments(applications={"web-prod": application("web-prod")})
    return FakeOpener(scm=FakeScm(), argocd=argocd, holds={"prod": HOLD})


async def test_nothing_is_written_or_synced_and_who_holds_it_is_named(held: FakeOpener) -> None:
    one, environment = deployment(), ActivityEnvironment()
    activities = ArgoCDActivities(held)
    delivery = DeliverApplicationInput(
        namespace="shop", deployment=one, artifact=ARTIFACT, expected=OLD, key="k", environment="prod"
    )
    files = DeliverFilesInput(
        namespace="shop",
        repository="web",
        deployments=(one,),
        artifacts=(ARTIFACT,),
        key="k",
        variables={},
        environment="prod",
    )

    written = (await environment.run(activities.deliver_application, delivery)).written
    synced = await environment.run(activities.sync_application, delivery.sync)
    [committed] = (await environment.run(ScmHostActivities(held).deliver_files, files)).written

    assert {found.outcome for found in (written, synced, committed.result)} == {WriteOutcome.HELD}
    assert written.message == "prod is held by alice until 2026-03-01 14:00:00 UTC (hold hold-prod-1): migration"
    assert written.until == HOLD.until
    assert isinstance(held.argocd, FakeDeployments)
    assert held.argocd.calls == []


async def test_another_environment_is_written_to(held: FakeOpener) -> None:
    sync = SyncApplicationInput(
        namespace="shop", deployment=deployment(), artifact=ARTIFACT, key="k", environment="staging"
    )

    result = await ActivityEnvironment().run(ArgoCDActivities(held).sync_application, sync)

    assert result.outcome is not WriteOutcome.HELD
    assert replace(sync, environment="prod") != sync


@pytest.mark.parametrize(
    ("holds", "found"),
    [((), None), ((-1,), None), ((1,), "hold-0"), ((1, 3, 2), "hold-1")],
    ids=["none", "over", "one", "the longest"],
)
async def test_the_hold_that_lasts_longest_counts(holds: tuple[int, ...], found: str | None) -> None:
    cluster, http = shop(), HttpClients(HttpOptions())
    now = datetime.now(UTC)
    written: list[dict[str, Any]] = [
        replaced(f"hold-{number}", now, now + timedelta(hours=hours)) for number, hours in enumerate(holds)
    ]
    cluster.objects["Environment", "shop", "staging"]["status"] = {"holds": written}
    opener = ClusterOpener(cluster.port(), http, system_namespace="pilotage")

    hold = await opener.held("shop", "staging")

    assert (hold.id if hold is not None else None) == found
    assert await opener.held("shop", "nowhere") is None
    await http.aclose()


def replaced(name: str, since: datetime, until: datetime) -> dict[str, Any]:
    """Return a hold as it stands in a status."""
    return HOLD.model_copy(update={"id": name, "since": since, "until": until}).to_wire()
