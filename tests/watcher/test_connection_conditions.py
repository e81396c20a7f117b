"""Conditions that prove a credential, written to the real kube-apiserver next to those of others."""

import asyncio
from dataclasses import replace

import pytest
from temporalio.testing import ActivityEnvironment

from activities.credential_checks import CredentialConditions
from activities.models.credential_checks import CheckedResource, CredentialCheckOutcome, PublishConnectionInput
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import Document, resource_of
from crds.api.publishing import WantedCondition, publish_conditions
from crds.conditions import ConditionType
from crds.reasons.conditions import ConditionReason
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.cluster_scm_provider import ClusterScmProvider
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.kinds import BY_KIND
from crds.v1alpha1.scm_provider import ScmProvider
from crds.v1alpha1.test_runner import TestRunner
from deploy.local.environment.kubernetes_server import KubernetesAccess
from tests.watcher.fakes import FakeCredentialChecks, FakePromotions, until
from tests.watcher.samples import conditions
from tests.watcher.test_watching import watching

SECRET = {"name": "token"}
GOOD = CredentialCheckOutcome(accepted=True, reason="CredentialAccepted", message="fine", version="v3.5.7")
BAD = CredentialCheckOutcome(accepted=False, reason="Unauthorized", message="put a valid one into Secret `token`")
SPECS: dict[str, tuple[str, Document]] = {
    "ScmProvider": ("Reachable", {"github": {}, "secretRef": SECRET}),
    "ClusterScmProvider": ("Reachable", {"github": {}, "secretRef": SECRET}),
    "GitRepository": ("Reachable", {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}),
    "TestRunner": ("Reachable", {"jenkins": {"url": "https://ci"}, "secretRef": SECRET}),
    "ArgoCDInstance": ("Reachable", {"server": "https://cd", "secretRef": SECRET}),
}


async def create(api: KubernetesApi, namespace: str, kind: str) -> CheckedResource:
    where = "" if kind == "ClusterScmProvider" else namespace
    name = f"one-{namespace}"
    document = {"metadata": {"name": name}, "spec": SPECS[kind][1]}
    created = await api.create(resource_of(BY_KIND[kind].definition), where or None, document)
    return CheckedResource(kind=kind, namespace=where, name=name, uid=created["metadata"]["uid"])


async def read(api: KubernetesApi, ref: CheckedResource) -> Document:
    return await api.get(resource_of(BY_KIND[ref.kind].definition), ref.namespace or None, ref.name)


async def publish(
    api: KubernetesApi, ref: CheckedResource, outcome: CredentialCheckOutcome, *, generation: int = 1
) -> bool:
    request = PublishConnectionInput(connection=ref, generation=generation, outcome=outcome)
    return (await ActivityEnvironment().run(CredentialConditions(api).publish_connection, request)).written


@pytest.mark.parametrize("kind", sorted(SPECS))
async def test_the_condition_stands_on_each_kind_and_is_written_only_when_it_changes(
    api: KubernetesApi, namespace: str, kind: str
) -> None:
    ref = await create(api, namespace, kind)
    assert await publish(api, ref, BAD)
    found = conditions(await read(api, ref))[SPECS[kind][0]]
    assert (found["status"], found["reason"]) == ("False", "Unauthorized")
    assert (found["message"], found["observedGeneration"]) == (BAD.message, 1)
    version = (await read(api, ref))["metadata"]["resourceVersion"]
    assert not await publish(api, ref, BAD)
    assert (await read(api, ref))["metadata"]["resourceVersion"] == version
    assert await publish(api, ref, GOOD)
    status = (await read(api, ref))["status"]
    assert conditions({"status": status})[SPECS[kind][0]]["status"] == "True"
    assert status["observedGeneration"] == 1
    assert status.get("type") == {"TestRunner": "jenkins", "ScmProvider": "github", "ClusterScmProvider": "github"}.get(
        kind
    )


async def test_the_version_of_argo_cd_comes_and_goes_with_the_proof(api: KubernetesApi, namespace: str) -> None:
    ref = await create(api, namespace, "ArgoCDInstance")
    await publish(api, ref, GOOD)
    assert (await read(api, ref))["status"]["version"] == "v3.5.7"
    await publish(api, ref, BAD)
    assert "version" not in (await read(api, ref))["status"]


async def test_no_verdict_is_unknown(api: KubernetesApi, namespace: str) -> None:
    ref = await create(api, namespace, "TestRunner")
    await publish(api, ref, CredentialCheckOutcome(accepted=None, reason="RateLimited", message="wait"))
    assert conditions(await read(api, ref))["Reachable"]["status"] == "Unknown"


async def test_the_watchers_own_condition_and_the_proof_leave_each_other_alone(
    api: KubernetesApi, namespace: str
) -> None:
    ref = await create(api, namespace, "GitRepository")

    async def publish_valid(*, valid: bool) -> None:
        reason = ConditionReason.VALID if valid else ConditionReason.INVALID
        await publish_conditions(
            api,
            GitRepository.definition,
            namespace=namespace,
            name=ref.name,
            uid=ref.uid,
            wanted=(WantedCondition(type=ConditionType.VALID, status=valid, reason=reason),),
        )

    await asyncio.gather(publish_valid(valid=True), publish(api, ref, BAD))
    assert set(conditions(await read(api, ref))) == {"Valid", "Reachable", "Ready", "Stalled"}
    await publish(api, ref, GOOD)
    await publish_valid(valid=False)
    found = conditions(await read(api, ref))
    assert (found["Valid"]["status"], found["Reachable"]["status"]) == ("False", "True")
    assert (found["Ready"]["status"], found["Stalled"]["status"]) == ("False", "True")


async def test_neither_a_recreated_nor_a_newer_resource_is_described_by_an_older_proof(
    api: KubernetesApi, namespace: str
) -> None:
    ref = await create(api, namespace, "TestRunner")
    assert not await publish(api, replace(ref, uid="another"), GOOD)
    await api.merge(
        resource_of(TestRunner.definition), namespace, ref.name, {"spec": {"jenkins": {"url": "https://other"}}}
    )
    assert await publish(api, ref, GOOD, generation=2)
    assert not await publish(api, ref, BAD, generation=1)
    await api.delete(resource_of(TestRunner.definition), namespace, ref.name)
    assert not await publish(api, ref, GOOD, generation=3)


async def test_two_watchers_report_every_connection_and_of_each_change(
    api: KubernetesApi, kubernetes_api: KubernetesAccess, namespace: str
) -> None:
    checks = FakeCredentialChecks()
    async with watching(kubernetes_api, FakePromotions(), namespace, replicas=2, connections=checks):
        for kind in (ScmProvider, GitRepository, TestRunner, ArgoCDInstance):
            await create(api, namespace, kind.definition.kind)
        name = f"one-{namespace}"
        await until(lambda: checks.of("seen").count((name, 1)) == 8)
        change = {"spec": {"server": "https://cd.example"}}
        ref = CheckedResource(kind="ArgoCDInstance", namespace=namespace, name=name, uid="")
        await api.merge(resource_of(ArgoCDInstance.definition), namespace, name, change)
        await until(lambda: checks.of("seen").count((name, 2)) == 2)
        # Our own write of the condition is no news to anybody.
        uid = (await read(api, ref))["metadata"]["uid"]
        sent = len(checks.sent)
        assert await publish(api, replace(ref, uid=uid), GOOD, generation=2)
        await asyncio.sleep(0.3)
        assert len(checks.sent) == sent
        await api.delete(resource_of(ArgoCDInstance.definition), namespace, name)
        await until(lambda: len(checks.of("gone")) == 2)
    assert ClusterScmProvider.definition.kind not in {one.kind for _, one, _ in checks.sent}
