"""The shipped ClusterRole is what a receiver needs, and no more, as a real API server judges it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from crds.api.kubernetes import KubernetesApi
from crds.api.ports import NAMESPACES, SECRETS, ApiForbidden, ApiResource, Document, resource_of
from crds.rules.secrets import CONSENT_LABEL
from crds.schema.roles import receiver_documents
from crds.v1alpha1.kinds import BY_KIND
from crds.v1alpha1.pull_request_tracker import PullRequestTracker
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.receiver.world import SECRET, repository, shop, tracker
from tests.watcher.fakes import until
from worker.receiver.hooks import Hook
from worker.receiver.mirrors import Mirrors
from worker.receiver.secrets import SECRET_KEY, WebhookSecrets

CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS = (
    ApiResource(group="rbac.authorization.k8s.io", version="v1", plural=plural, kind=kind, namespaced=False)
    for plural, kind in (("clusterroles", "ClusterRole"), ("clusterrolebindings", "ClusterRoleBinding"))
)
TRACKERS = resource_of(PullRequestTracker.definition)
NAMESPACE, USER = "received", "bob"


@pytest.fixture
async def api(kubernetes_api: KubernetesAccess) -> AsyncIterator[KubernetesApi]:
    """A receiver's connection, to a cluster with a shop in it."""
    async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig)) as admin:
        [shipped] = receiver_documents()
        role = {"metadata": {"name": NAMESPACE}, "rules": shipped["rules"]}
        await admin.create(CLUSTER_ROLES, None, role)
        binding = {
            "metadata": {"name": USER},
            "roleRef": {"apiGroup": CLUSTER_ROLES.group, "kind": "ClusterRole", "name": role["metadata"]["name"]},
            "subjects": [{"apiGroup": CLUSTER_ROLES.group, "kind": "User", "name": USER}],
        }
        await admin.create(CLUSTER_ROLE_BINDINGS, None, binding)
        await admin.create(NAMESPACES, None, {"metadata": {"name": NAMESPACE}})
        metadata = {"name": "github-token", "labels": {CONSENT_LABEL: "true"}}
        await admin.create(SECRETS, NAMESPACE, {"metadata": metadata, "stringData": {SECRET_KEY: SECRET}})
        for document in [*shop().cluster.objects.values()]:
            await _create(admin, document)
        async with await KubernetesApi.connect(kubeconfig=str(kubernetes_api.kubeconfig_for(USER))) as connected:
            yield connected
        # Other tests of this cluster give this user no rights.
        await admin.delete(CLUSTER_ROLE_BINDINGS, None, USER)


async def _create(admin: KubernetesApi, document: Document) -> None:
    made = {"metadata": {"name": document["metadata"]["name"]}, "spec": document["spec"]}
    await admin.create(resource_of(BY_KIND[document["kind"]].definition), NAMESPACE, made)


async def test_a_receiver_sees_what_it_looks_up_reads_the_secrets_of_webhooks_and_changes_nothing(
    api: KubernetesApi,
) -> None:
    mirrors = Mirrors(api)
    running = asyncio.create_task(mirrors.run())
    try:
        await until(lambda: mirrors.has_synced, seconds=30)
        secrets = WebhookSecrets(api, mirrors, system_namespace="pilotage")
        hook = Hook(namespace=NAMESPACE, kind="GitRepository", name="web")
        assert (secrets.sender(hook), await secrets.read(hook)) == ("github", SECRET)
        with pytest.raises(ApiForbidden):
            await api.list_all(SECRETS, NAMESPACE)
        with pytest.raises(ApiForbidden):
            await api.create(TRACKERS, NAMESPACE, tracker(7))
        with pytest.raises(ApiForbidden):
            await _create(api, repository("api"))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
