"""A real API server sends the trackers of one repository alone, page by page."""

from crds.api.kubernetes import KubernetesApi
from crds.api.live_trackers import TRACKERS, live_trackers
from tests.watcher.samples import tracker


async def test_the_api_server_selects_trackers_by_their_repository(api: KubernetesApi, namespace: str) -> None:
    for number in (1, 2):
        await api.create(TRACKERS, namespace, tracker(number))
        other = tracker(number)
        other["metadata"]["name"] = f"api-{number}"
        other["spec"]["repositoryRef"]["name"] = "api"
        await api.create(TRACKERS, namespace, other)

    page = await api.list_page(TRACKERS, namespace, field_selector="spec.repositoryRef.name=api")
    assert [one["metadata"]["name"] for one in page.items] == ["api-1", "api-2"]

    found = await live_trackers(api, namespace, "api")
    assert [(one.name, one.attempt) for one in found] == [("api-1", 1), ("api-2", 1)]
    assert all(one.uid for one in found)
