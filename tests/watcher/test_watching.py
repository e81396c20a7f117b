"""Whole watchers on a real kube-apiserver: two at once, restarted, and with few rights."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from activities.models.status import (
    PublishStatusInput,
)
from activities.resources import KubernetesResources
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import (
    ApiResource,
    Document,
    resource_of,
)
from crds.group import GROUP
from crds.model import Scope
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.kinds import KINDS
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.watcher.fakes import (
    FakeCredentialChecks,
    FakeDriftLooks,
    FakeEventSinks,
    FakePromotions,
    FakeRepositorySyncs,
    become,
    fake_drift_statuses,
    until,
)
from tests.watcher.samples import POLICIES, Quiet, command, conditions, full_status, ref_of, tracker
from worker.temporal.outcomes import WorkflowState
from worker.watcher.commands import COMMANDS
from worker.watcher.controllers import Watcher
from worker.watcher.entries import FINALIZER
from worker.watcher.trackers import TRACKERS

PLACE = {
    "deployments": [
        {
            "name": "web",
            "component": "web",
            "repositoryRef": {"name": "web"},
            "argocd": {"instanceRef": {"name": "argocd"}, "project": "shop", "application": "web"},
        }
    ]
}
ROLES = ApiResource(group="rbac.authorization.k8s.io", version="v1", plural="roles", kind="Role")
ROLE_BINDINGS = replace(ROLES, plural="rolebindings", kind="RoleBinding")


@asynccontextmanager
async def watching(
    kubernetes_api: KubernetesAccess,
    promotions: FakePromotions,
    namespace: str,
    *,
    replicas: int,
    user: str = "admin",
    connections: FakeCredentialChecks | None = None,
    on_environment: Callable[[str, str], None] = lambda namespace, name: None,
) -> AsyncIterator[list[Watcher]]:
    """Run so many watchers, each with connections of its own."""
    async with AsyncExitStack() as stack:
        watchers: list[Watcher] = []
        tasks: list[asyncio.Task[None]] = []
        for _ in range(replicas):
            connected = await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig_for(user)))
            api = await stack.enter_async_context(connected)
            watchers.append(
                Watcher(
                    kubernetes=api,
                    promotions=promotions,
                    connections=connections or FakeCredentialChecks(),
                    repositories=FakeRepositorySyncs(),
                    drift=FakeDriftLooks(),
                    drift_statuses=fake_drift_statuses(api),
                    sinks=FakeEventSinks(),
                    namespaces=(namespace,),
                    on_environment=on_environment,
                )
            )
            tasks.append(asyncio.create_task(watchers[-1].run()))
        await until(lambda: all(watcher.has_synced for watcher in watchers))
        try:
            yield watchers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def grant(api: KubernetesApi, namespace: str, user: str) -> None:
    """Give a user what a watcher of one namespace needs: a Role, nothing cluster-wide."""
    kinds = [resource_of(kind.definition).plural for kind in KINDS if kind.definition.scope is Scope.NAMESPACED]
    group = [GROUP]
    rules = [
        {"apiGroups": group, "resources": kinds, "verbs": ["get", "list", "watch"]},
        {"apiGroups": group, "resources": ["pullrequesttrackers"], "verbs": ["patch"]},
        {"apiGroups": group, "resources": [f"{kind}/status" for kind in kinds], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    await api.create(ROLES, namespace, {"metadata": {"name": "watcher"}, "rules": rules})
    binding = {
        "metadata": {"name": "watcher"},
        "roleRef": {"apiGroup": ROLES.group, "kind": "Role", "name": "watcher"},
        "subjects": [{"apiGroup": ROLES.group, "kind": "User", "name": user}],
    }
    await api.create(ROLE_BINDINGS, namespace, binding)


async def test_two_watchers_start_each_promotion_once_and_agree_on_its_conditions(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        for number in range(1, 21):
            await api.create(TRACKERS, namespace, tracker(number))
        await until(lambda: len(promotions.started) >= 20)

        async def accepted() -> list[Document]:
            page = await api.list_all(TRACKERS, namespace)
            return [item for item in page.items if "Accepted" in conditions(item)]

        async def all_accepted() -> bool:
            return len(await accepted()) == 20

        await become(all_accepted)
        before = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in await accepted()}
        await asyncio.sleep(0.5)
        after = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in await accepted()}
    assert before == after
    assert len(promotions.started) == 20
    for item in await accepted():
        assert item["metadata"]["finalizers"] == [FINALIZER]
        assert conditions(item)["WorkflowAvailable"]["status"] == "True"


async def test_the_watcher_and_the_workflow_keep_out_of_each_other_s_conditions(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()
    resources = KubernetesResources(kubernetes=api, observer=Quiet())
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        created = await api.create(TRACKERS, namespace, tracker())
        await until(lambda: len(promotions.started) == 1)
        await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=full_status(1)))

        own = {"Accepted", "WorkflowAvailable", "Ready", "Stalled"}

        async def types() -> set[str]:
            return set(conditions(await api.get(TRACKERS, namespace, "web-412")))

        async def complete() -> bool:
            return await types() == {*own, "Presented", "OfANewerVersion"}

        await become(complete)
        last = replace(full_status(2), conditions=())
        await resources.publish_status(PublishStatusInput(tracker=ref_of(created), status=last))
        assert await types() == own


async def test_a_watcher_of_named_namespaces_needs_no_more_than_a_role(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    await grant(api, namespace, "bob")
    promotions = FakePromotions()

    async def accepted() -> bool:
        return "Accepted" in conditions(await api.get(TRACKERS, namespace, "web-412"))

    async def gone() -> bool:
        return not (await api.list_all(TRACKERS, namespace)).items

    async with watching(kubernetes_api, promotions, namespace, replicas=1, user="bob"):
        await api.create(TRACKERS, namespace, tracker())
        await become(accepted)
        spec = {"sourceEnvironment": "dev", "targetEnvironment": "staging", "tests": []}
        await api.create(POLICIES, namespace, {"metadata": {"name": "dev-to-staging"}, "spec": spec})

        async def published() -> bool:
            return "Valid" in conditions(await api.get(POLICIES, namespace, "dev-to-staging"))

        await become(published)
        valid = conditions(await api.get(POLICIES, namespace, "dev-to-staging"))["Valid"]
        assert valid["status"] == "False"
        assert "spec.sourceEnvironment" in valid["message"]
        promotions.states.clear()
        await api.delete(TRACKERS, namespace, "web-412")
        await become(gone)


async def test_a_deleted_tracker_goes_once_its_workflow_has_closed(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        await api.create(TRACKERS, namespace, tracker())
        await until(lambda: len(promotions.started) == 1)
        await api.delete(TRACKERS, namespace, "web-412")
        await until(lambda: len(promotions.deleted) >= 1)
        assert (await api.get(TRACKERS, namespace, "web-412"))["metadata"]["finalizers"] == [FINALIZER]
        (attempt,) = promotions.states
        promotions.states[attempt] = WorkflowState.COMPLETED

        async def gone() -> bool:
            return not (await api.list_all(TRACKERS, namespace)).items

        await become(gone)
    assert promotions.deleted == [attempt] * len(promotions.deleted)
    assert len(promotions.started) == 1


async def test_two_watchers_execute_a_command_once_and_a_restarted_one_answers_what_was_left(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    promotions = FakePromotions()

    async def status_of(name: str) -> Document:
        status: Document = (await api.get(COMMANDS, namespace, name)).get("status", {})
        return status

    async def answer(name: str) -> Document:
        async def answered() -> bool:
            return "accepted" in await status_of(name)

        await become(answered)
        return await status_of(name)

    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        await api.create(TRACKERS, namespace, tracker())
        await api.create(COMMANDS, namespace, command("hold", "dev"))
        assert (await answer("hold-1"))["accepted"] is True
    await api.create(COMMANDS, namespace, command("promote", "staging"))
    async with watching(kubernetes_api, promotions, namespace, replicas=2):
        assert (await answer("promote-1"))["accepted"] is True
        await api.create(COMMANDS, namespace, command("restart", "dev"))
        assert (await answer("restart-1"))["accepted"] is False
        promotions.states = dict.fromkeys(promotions.states, WorkflowState.TERMINATED)
        again = command("restart", "dev")
        again["metadata"]["name"] = "restart-2"
        await api.merge(
            TRACKERS,
            namespace,
            "web-412",
            {
                "status": {
                    "attempt": 1,
                    "state": "Testing",
                    "workflow": {"id": "x", "startedAt": "2026-03-01T12:00:00Z"},
                }
            },
            subresource="status",
        )
        await api.create(COMMANDS, namespace, again)
        assert (await answer("restart-2"))["message"] == "attempt 2 begins"
        await until(lambda: len(promotions.started) == 2)
    assert [verb for _, verb, _ in promotions.commands] == ["hold", "promote"]
    assert (await api.get(TRACKERS, namespace, "web-412"))["spec"]["attempt"] == 2


async def test_sinks_of_a_namespace_are_answered_from_the_watch_that_is_there_anyway(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    resource = resource_of(EventSink.definition)
    async with watching(kubernetes_api, FakePromotions(), namespace, replicas=1) as [watcher]:
        assert watcher.sinks_of(namespace) == ()
        spec = {"type": "Webhook", "url": "https://hooks.example.com"}
        for name in ("web", "api"):
            await api.create(resource, namespace, {"metadata": {"name": name}, "spec": spec})

        def names() -> list[str]:
            return [one.metadata.name for one in watcher.sinks_of(namespace) or ()]

        await until(lambda: names() == ["api", "web"])
        # An event of a namespace that is served by other watchers may be written here.
        assert watcher.sinks_of("other") is None
        assert all(one.metadata.uid for one in watcher.sinks_of(namespace) or ())
        await api.delete(resource, namespace, "web")
        await until(lambda: names() == ["api"])
    # What is not known for certain is asked of the API server.
    assert unlisted(api).sinks_of(namespace) is None


async def test_each_environment_is_reported_for_metrics(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    reported: list[tuple[str, str]] = []
    resource = resource_of(Environment.definition)
    await api.create(resource, namespace, {"metadata": {"name": "dev"}, "spec": PLACE})
    async with watching(
        kubernetes_api,
        FakePromotions(),
        namespace,
        replicas=1,
        on_environment=lambda *place: reported.append(place),
    ):
        await api.create(resource, namespace, {"metadata": {"name": "prod"}, "spec": PLACE})
        await until(lambda: len(set(reported)) == 2)
    assert set(reported) == {(namespace, "dev"), (namespace, "prod")}


def unlisted(api: KubernetesApi) -> Watcher:
    """Return a watcher that has listed nothing yet."""
    return Watcher(
        kubernetes=api,
        promotions=FakePromotions(),
        connections=FakeCredentialChecks(),
        repositories=FakeRepositorySyncs(),
        drift=FakeDriftLooks(),
        drift_statuses=fake_drift_statuses(api),
        sinks=FakeEventSinks(),
    )
