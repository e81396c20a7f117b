"""Applications of one name in several namespaces: each deployment is the one that its Environment names."""

import httpx
import pytest
from temporalio.testing import ActivityEnvironment

from activities.deployments import ArgoCDActivities
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import ReadDeploymentsInput
from tests.activities.fakes import NEW, OLD, FakeOpener
from tests.providers.hosts import FakeHost, answer, argocd


def application(name: str, namespace: str, revision: str) -> dict[str, object]:
    source = {"repoURL": "https://github.example.com/acme/web.git", "targetRevision": revision}
    return {
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"},
        "spec": {"project": "shop", "source": source},
        "status": {"sync": {"status": "Synced", "revision": revision}, "health": {"status": "Healthy"}},
    }


@pytest.fixture
def host() -> FakeHost:
    """Serve `web-0` and so on: those of the control plane run OLD, those of team-a NEW."""
    ours = [application(f"web-{number}", "argocd", OLD) for number in range(5)]
    theirs = [application(f"web-{number}", "team-a", NEW) for number in range(5)]

    def one(request: httpx.Request) -> httpx.Response:
        found = theirs if request.url.params.get("appNamespace") == "team-a" else ours
        return answer(found[int(request.url.path[-1])])

    host = FakeHost()
    host.on("GET", r"/api/v1/applications\?.*", answer({"items": [*ours, *theirs]}))
    host.on("GET", r"/api/v1/applications/web-\d\?.*", one)
    return host


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize(
    ("prefix", "runs"), [("", OLD), ("team-a/", NEW), ("argocd/", OLD)], ids=["own", "other", "named"]
)
async def test_few_and_many_deployments_are_read_alike(host: FakeHost, prefix: str, runs: str, count: int) -> None:
    deployments = tuple(
        DeploymentSpec(
            name=f"d{number}",
            component="web",
            wave=0,
            instance="main",
            project="shop",
            application=f"{prefix}web-{number}",
            repository="acme/web",
        )
        for number in range(count)
    )
    activities = ArgoCDActivities(FakeOpener(argocd=argocd(host.http())))
    request = ReadDeploymentsInput(namespace="shop", repository="web", deployments=deployments)
    seen = (await ActivityEnvironment().run(activities.read_deployments, request)).observations
    assert [one.runs for one in seen] == [runs] * count
    assert [one.application for one in seen] == [one.application for one in deployments]
