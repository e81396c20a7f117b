"""What a worker reads from memory is what the API server holds, or it is read there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.mirror import DeclarationMirror, MirroredReads, read_through
from crds.api.ports import NAMESPACES, ApiNotFound, ApiResource, Document, Page, resource_of
from crds.v1alpha1.test_runner import TestRunner
from tests.watcher.api_server import WIDGETS, OddServer, answer, serving, stream, widget
from tests.watcher.fakes import become, until

RUNNERS = resource_of(TestRunner.definition)


class Counted(MirroredReads):
    """Count the reads that a mirror lets through to the API server."""

    def __init__(self, api: KubernetesApi, mirror: DeclarationMirror) -> None:
        self.asked: list[str] = []
        super().__init__(_Asked(api, self.asked), mirror)


class _Asked(MirroredReads):
    """The API server itself, with each read noted."""

    def __init__(self, api: KubernetesApi, asked: list[str]) -> None:
        super().__init__(api, DeclarationMirror(api, ()))
        self._notes = asked

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        self._notes.append(name)
        return await super().get(resource, namespace, name)

    async def list_all(
        self,
        resource: ApiResource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> Page:
        self._notes.append("*")
        return await super().list_all(resource, namespace, label_selector=label_selector, field_selector=field_selector)


@asynccontextmanager
async def running(mirror: DeclarationMirror) -> AsyncIterator[None]:
    task = asyncio.create_task(mirror.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def runner(name: str, url: str = "https://ci") -> Document:
    return {"metadata": {"name": name}, "spec": {"jenkins": {"url": url}, "secretRef": {"name": "ci"}}}


async def test_what_is_declared_is_read_once_and_what_changes_is_seen(api: KubernetesApi, namespace: str) -> None:
    mirror = DeclarationMirror(api, (RUNNERS,))
    reads = Counted(api, mirror)
    await api.create(RUNNERS, namespace, runner("a"))
    async with running(mirror):
        await until(lambda: mirror.find(RUNNERS, namespace, "a") is not None)
        for _ in range(5):
            assert (await reads.get(RUNNERS, namespace, "a"))["spec"]["jenkins"]["url"] == "https://ci"
            assert [one["metadata"]["name"] for one in (await reads.list_all(RUNNERS, namespace)).items] == ["a"]
        assert reads.asked == []
        await api.merge(RUNNERS, namespace, "a", {"spec": {"jenkins": {"url": "https://other"}}})

        async def changed() -> bool:
            return bool((await reads.get(RUNNERS, namespace, "a"))["spec"]["jenkins"]["url"] == "https://other")

        await become(changed)
        assert reads.asked == []
        await api.delete(RUNNERS, namespace, "a")
        await until(lambda: mirror.find(RUNNERS, namespace, "a") is None)
        with pytest.raises(ApiNotFound):
            await reads.get(RUNNERS, namespace, "a")
    assert reads.asked == ["a"]


async def test_what_is_not_kept_and_what_a_caller_knows_to_have_changed_is_asked_for(
    api: KubernetesApi, namespace: str
) -> None:
    other = f"{namespace}-other"
    await api.create(NAMESPACES, None, {"metadata": {"name": other}})
    mirror = DeclarationMirror(api, (RUNNERS,))
    reads = Counted(api, mirror)
    await api.create(RUNNERS, namespace, runner("a"))
    # The mirror does not run yet: nothing is kept.
    await reads.get(RUNNERS, namespace, "a")
    await reads.list_all(RUNNERS, namespace)
    assert reads.asked == ["a", "*"]
    async with running(mirror):
        await until(lambda: mirror.find(RUNNERS, namespace, "a") is not None)
        with read_through():
            await reads.get(RUNNERS, namespace, "a")
            await reads.list_all(RUNNERS, namespace)
        with read_through(when=False):
            await reads.get(RUNNERS, namespace, "a")
    assert reads.asked == ["a", "*", "a", "*"]


async def test_a_watch_that_fails_or_is_silent_for_too_long_proves_nothing() -> None:
    server = OddServer()
    server.items = [widget("a", 1, "one")]
    server.watches.append(stream(wait_seconds=0.2))
    async with serving(server) as api:
        silent = DeclarationMirror(api, (WIDGETS,), silence=timedelta(0))
        mirror = DeclarationMirror(api, (WIDGETS,))
        async with running(mirror), running(silent):
            await until(lambda: mirror.find(WIDGETS, "shop", "a") is not None)
            assert silent.find(WIDGETS, "shop", "a") is None
            assert silent.all_in(WIDGETS, "shop") is None
    server.watches.append(answer(500))
    server.lists.extend([answer(500)] * 50)
    async with serving(server) as api:
        mirror = DeclarationMirror(api, (WIDGETS,))
        async with running(mirror):
            await until(lambda: not server.watches or len(server.lists) < 50)
            assert mirror.find(WIDGETS, "shop", "a") is None


async def test_mirrors_of_some_namespaces_keep_nothing_of_the_cluster(api: KubernetesApi, namespace: str) -> None:
    cluster = ApiResource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
    mirror = DeclarationMirror(api, (RUNNERS, cluster), namespaces=(namespace,))
    await api.create(RUNNERS, namespace, runner("a"))
    async with running(mirror):
        await until(lambda: mirror.find(RUNNERS, namespace, "a") is not None)
        assert mirror.find(cluster, None, namespace) is None


async def test_what_is_declared_where_a_mirror_does_not_look_is_asked_for(api: KubernetesApi, namespace: str) -> None:
    other = f"{namespace}-other"
    await api.create(NAMESPACES, None, {"metadata": {"name": other}})
    mirror = DeclarationMirror(api, (RUNNERS,), namespaces=(namespace,))
    reads = Counted(api, mirror)
    for where in (namespace, other):
        await api.create(RUNNERS, where, runner("a"))
    async with running(mirror):
        await until(lambda: mirror.find(RUNNERS, namespace, "a") is not None)
        assert [one["metadata"]["name"] for one in (await reads.list_all(RUNNERS, namespace)).items] == ["a"]
        assert reads.asked == []
        # Such as of a namespace that newer processes serve, while this one is about to stop.
        assert [one["metadata"]["name"] for one in (await reads.list_all(RUNNERS, other)).items] == ["a"]
    assert reads.asked == ["*"]


async def test_neither_status_nor_owners_of_fields_are_kept(api: KubernetesApi, namespace: str) -> None:
    mirror = DeclarationMirror(api, (RUNNERS,))
    await api.create(RUNNERS, namespace, runner("a"))
    async with running(mirror):
        await until(lambda: mirror.find(RUNNERS, namespace, "a") is not None)
        found = mirror.find(RUNNERS, namespace, "a")
        assert found is not None
        assert "status" not in found
        assert "managedFields" not in found["metadata"]
