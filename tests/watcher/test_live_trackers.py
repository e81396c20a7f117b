"""A real API server sends the trackers of one repository alone, page by page."""

from dataclasses import replace

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

    first = await live_trackers(api, namespace, "api", at_most=1)
    assert [(one.name, one.attempt) for one in first.trackers] == [("api-1", 1)]
    assert first.then is not None
    for begin in (first.then, replace(first.then, token=""), replace(first.then, token="no token of this server")):
        rest = await live_trackers(api, namespace, "api", at_most=10, begin=begin)
        assert [(one.name, bool(one.uid)) for one in rest.trackers] == [("api-2", True)]
        assert rest.then is None
