"""Secrets consent: who may write a TestRunner or an ArgoCDInstance need not be allowed to read Secrets."""

import pytest

from activities.credential_checks import explain_missing
from activities.ports import ReferenceMissing
from crds.fields import SecretReference
from crds.reasons.conditions import ConditionReason
from crds.rules.documents import validate_documents
from tests.activities.cluster import Cluster
from tests.crds.resources import document
from worker.opening.credentials import Credentials

VICTIM = ("shop", "payroll")


def tenant_cluster() -> Cluster:
    cluster = Cluster()
    cluster.secrets[VICTIM] = {"token": b"very-secret-token", "ca.crt": b"no certificate"}
    cluster.secrets["shop", "ci"] = {"token": b"ci-secret-token"}
    cluster.without_consent.add(VICTIM)
    return cluster


async def test_to_have_any_secret_of_the_namespace_sent_to_a_host_of_ones_own() -> None:
    credentials = Credentials(tenant_cluster().port(), system_namespace="pilotage")
    with pytest.raises(ReferenceMissing) as refused:
        await credentials.read("shop", SecretReference(name="payroll"), user="TestRunner/mine")
    outcome = explain_missing(refused.value)
    assert (outcome.accepted, outcome.reason) == (False, ConditionReason.NO_CONSENT)
    assert 'pilotage.dev/credential: "true"' in outcome.message
    assert "very-secret" not in outcome.message


async def test_to_have_a_secret_read_as_a_ca() -> None:
    credentials = Credentials(tenant_cluster().port(), system_namespace="pilotage")
    with pytest.raises(ReferenceMissing, match="consent"):
        await credentials.read(
            "shop", SecretReference(name="ci"), user="ArgoCDInstance/mine", ca=SecretReference(name="payroll")
        )


async def test_the_hosts_of_a_secret_go_along_with_it_and_open_it_again_when_they_change() -> None:
    cluster = tenant_cluster()
    credentials = Credentials(cluster.port(), system_namespace="pilotage")
    free = await credentials.read("shop", SecretReference(name="ci"), user="TestRunner/ci")
    cluster.secret_hosts["shop", "ci"] = "ci.example.com, jenkins.example.com:8443,"
    bound = await credentials.read("shop", SecretReference(name="ci"), user="TestRunner/ci")
    assert (free.hosts, bound.hosts) == (None, ("ci.example.com", "jenkins.example.com:8443"))
    cluster.secret_hosts["shop", "ci"] = ""
    assert (await credentials.read("shop", SecretReference(name="ci"), user="TestRunner/ci")).hosts == ()


@pytest.mark.parametrize(("labels", "paths"), [({}, ["metadata.labels"]), ({"pilotage.dev/credential": "true"}, [])])
def test_validate_names_the_line_that_a_secret_misses(labels: dict[str, str], paths: list[str]) -> None:
    runner = document("TestRunner", "ci", {"jenkins": {"url": "https://ci.example.com"}, "secretRef": {"name": "ci"}})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ci", "namespace": "shop", "labels": labels}}
    unused = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "shop"}}
    assert [error.error.path for error in validate_documents([runner, secret, unused])] == paths
