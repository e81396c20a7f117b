"""A repository that is only observed by now: nothing is triggered, written or synced, whatever hop had begun."""

from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.deployments import ArgoCDActivities
from activities.models.delivery import DeliverApplicationInput, SyncApplicationInput, WriteOutcome
from activities.models.git_delivery import DeliverFilesInput
from activities.models.testing import TriggerTestInput
from activities.models.tracking import Artifact
from activities.pull_requests import ScmHostActivities
from activities.test_runs import CiActivities
from crds.v1alpha1.git_repository import RepositoryMode
from providers.http import HttpClients, HttpOptions
from tests.activities.cluster import shop
from tests.activities.fakes import NEW, OLD, FakeDeployments, FakeOpener, FakeRuns, FakeScm, application
from tests.activities.test_git_delivery import deployment
from worker.opening.resources import ClusterOpener

ARTIFACT = Artifact(component="web", revision=NEW)
TRIGGER = TriggerTestInput(
    namespace="shop",
    runner="jenkins",
    job="web/e2e",
    key="0" * 32,
    parameters={},
    variables={},
    listing_lag=timedelta(0),
    repository="web",
)


@pytest.fixture
def observed() -> FakeOpener:
    argocd = FakeDeployments(applications={"web-prod": application("web-prod")})
    return FakeOpener(scm=FakeScm(), argocd=argocd, runs=FakeRuns(), mode=RepositoryMode.OBSERVE)


async def test_nothing_is_written_or_synced(observed: FakeOpener) -> None:
    one = replace(deployment(), repository="acme/web")
    activities, environment = ArgoCDActivities(observed), ActivityEnvironment()
    delivery = DeliverApplicationInput(namespace="shop", deployment=one, artifact=ARTIFACT, expected=OLD, key="k")
    sync = SyncApplicationInput(namespace="shop", deployment=one, artifact=ARTIFACT, key="k")
    files = DeliverFilesInput(
        namespace="shop", repository="web", deployments=(one,), artifacts=(ARTIFACT,), key="k", variables={}
    )
    written = (await environment.run(activities.deliver_application, delivery)).written
    synced = await environment.run(activities.sync_application, sync)
    [committed] = (await environment.run(ScmHostActivities(observed).deliver_files, files)).written
    assert {one.outcome for one in (written, synced, committed.result)} == {WriteOutcome.REFUSED}
    assert "mode: Observe" in written.message
    assert isinstance(observed.argocd, FakeDeployments)
    assert observed.argocd.calls == []


async def test_no_test_is_started_and_the_reason_is_shown(observed: FakeOpener) -> None:
    with pytest.raises(ApplicationError) as raised:
        await ActivityEnvironment().run(CiActivities(observed).trigger_test, TRIGGER)
    assert (raised.value.type, "mode: Act" in raised.value.message) == ("ReferenceMissing", True)


@pytest.mark.parametrize(
    ("mode", "named", "found"),
    [("Observe", "web", "web"), ("Observe", "acme/web", "web"), ("Observe", "acme/api", ""), ("Act", "web", "")],
)
async def test_it_is_found_by_its_name_and_by_that_of_its_host(mode: str, named: str, found: str) -> None:
    cluster, http = shop(), HttpClients(HttpOptions())
    cluster.objects["GitRepository", "shop", "web"]["spec"]["mode"] = mode
    opener = ClusterOpener(cluster.port(), http, system_namespace="pilotage")
    assert await opener.observed("shop", named) == found
    await http.aclose()
