"""Labels of trackers, kept true on the real API server: `kubectl get prt -A -l` is the dashboard."""

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import Document
from crds.api.reflector import Key, ObjectChange
from tests.watcher.fakes import FakePromotions, no_drift
from tests.watcher.samples import tracker
from worker.watcher.entries import TrackerEntry, read_tracker
from worker.watcher.trackers import TRACKERS, TrackerController

FAILED = "pilotage.dev/state=TestsFailed"


class Scene:
    """A controller that sees each tracker as it was last shown to it."""

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self.api, self.namespace = api, namespace
        self.seen: dict[Key, TrackerEntry] = {}
        self.controller = TrackerController(
            kubernetes=api, promotions=FakePromotions(), find=self.seen.get, clear_drift=no_drift
        )

    async def write(self, name: str, state: str, environment: str) -> Document:
        status = {"status": {"state": state, "environment": environment, "attempt": 1}}
        return await self.api.merge(TRACKERS, self.namespace, name, status, subresource="status")

    async def reconcile(self, document: Document) -> dict[str, str]:
        key, new = Key(self.namespace, document["metadata"]["name"]), read_tracker(document)
        self.controller.follow(ObjectChange(key=key, old=self.seen.get(key), new=new))
        self.seen[key] = new
        await self.controller.reconcile(key)
        found = await self.api.get(TRACKERS, self.namespace, document["metadata"]["name"])
        labels: dict[str, str] = found["metadata"].get("labels") or {}
        return labels


async def test_trackers_are_found_by_repository_environment_and_state_across_namespaces(
    api: KubernetesApi, namespace: str
) -> None:
    scene = Scene(api, namespace)
    labels = await scene.reconcile(await api.create(TRACKERS, namespace, tracker()))
    assert labels == {"pilotage.dev/repository": "web", "pilotage.dev/environment": "dev"}
    await api.create(TRACKERS, namespace, tracker(413))

    labels = await scene.reconcile(await scene.write("web-412", "TestsFailed", "staging"))
    await scene.reconcile(await scene.write("web-413", "Testing", "dev"))

    assert labels == {
        "pilotage.dev/repository": "web",
        "pilotage.dev/environment": "staging",
        "pilotage.dev/state": "TestsFailed",
    }
    everywhere = await api.list_all(TRACKERS, None, label_selector=FAILED)
    assert (namespace, "web-412") in {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in everywhere.items
    }
    here = await api.list_all(TRACKERS, namespace, label_selector=FAILED)
    assert [one["metadata"]["name"] for one in here.items] == ["web-412"]


async def test_a_label_that_somebody_else_changed_is_put_right_and_foreign_ones_stay(
    api: KubernetesApi, namespace: str
) -> None:
    scene = Scene(api, namespace)
    await scene.reconcile(await api.create(TRACKERS, namespace, tracker()))
    await scene.reconcile(await scene.write("web-412", "Completed", "prod"))
    forged = {"metadata": {"labels": {"pilotage.dev/state": "TestsFailed", "team": "cart"}}}

    labels = await scene.reconcile(await api.merge(TRACKERS, namespace, "web-412", forged))

    assert (labels["pilotage.dev/state"], labels["team"]) == ("Completed", "cart")


async def test_a_stale_view_never_replaces_newer_labels(api: KubernetesApi, namespace: str) -> None:
    scene = Scene(api, namespace)
    await scene.reconcile(await api.create(TRACKERS, namespace, tracker()))
    stale = await scene.write("web-412", "Testing", "dev")
    await scene.reconcile(await scene.write("web-412", "TestsFailed", "dev"))

    labels = await scene.reconcile(stale)

    assert labels["pilotage.dev/state"] == "TestsFailed"
