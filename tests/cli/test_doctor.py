"""`pilotage doctor` and `pilotage setup`, on real servers."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from typer.testing import Result

from crds.api.ports import SecretData
from crds.rules.secrets import CONSENT_LABEL
from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.environment.resources import apply_resources, kubectl
from tests.cli.fake_cluster import FakeCluster

Run = Callable[..., Result]
Findings = list[dict[str, Any]]
MISSED = ("commitstatuses.pilotage.dev", "environments.pilotage.dev", "PilotagePullRequest")


def quiet(_line: str) -> None:
    """Report nothing."""


@pytest.fixture
def namespace(temporal_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Temporal namespace that does not exist yet."""
    name = f"doctor-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_server)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", name)
    monkeypatch.setenv("PILOTAGE_INSTALLATION", "doctor")
    return name


@pytest.fixture
def installed(kubernetes_api: KubernetesAccess, monkeypatch: pytest.MonkeyPatch) -> KubernetesAccess:
    """A cluster with our definitions."""
    monkeypatch.setenv("KUBECONFIG", str(kubernetes_api.kubeconfig))
    return kubernetes_api


@pytest.fixture
def restored(installed: KubernetesAccess) -> Iterator[KubernetesAccess]:
    """The same; whatever a test removes is there again after it."""
    yield installed
    apply_resources(installed.kubeconfig, quiet)


NOT_OURS = ("queue", "credential", "webhook")
"""Nothing here polls queues, and other tests leave connections of the whole cluster on the server that all share."""


def wrong(run: Run, *arguments: str) -> Findings:
    """Return what doctor finds wrong of this test's installation."""
    answer = run("doctor", "-o", "json", *arguments)
    found = [one for one in json.loads(answer.stdout) if one["ok"] is False]
    assert answer.exit_code == (1 if found else 0)
    return [one for one in found if one["subject"] not in NOT_OURS]


def test_setup_makes_what_doctor_misses_and_doctor_names_what_is_removed(
    restored: KubernetesAccess, namespace: str, temporal_server: str, run: Run
) -> None:
    [missing] = wrong(run, "-n", "nowhere")
    assert (namespace in missing["text"], missing["fix"]) == (True, "pilotage setup")
    made = run("setup", "--retention-days", "9")
    assert (made.exit_code, "9 days" in made.stdout, "✗" in made.stdout) == (0, True, False)
    assert wrong(run, "-n", "nowhere") == []

    asyncio.run(remove_attribute(temporal_server, namespace, MISSED[2]))
    kubectl(restored.kubeconfig, "delete", "crd", MISSED[0], report=quiet)
    kubectl(restored.kubeconfig, "delete", "validatingadmissionpolicybinding", MISSED[1], report=quiet)
    found = wrong(run, "-n", "nowhere")
    assert [name in one["text"] for name, one in zip(MISSED, found, strict=True)] == [True, True, True]
    assert all(one["fix"] for one in found)


def test_a_right_that_a_service_account_misses_is_named_with_its_process(
    installed: KubernetesAccess, namespace: str, run: Run
) -> None:
    found = wrong(run, "-n", "nowhere", "--account", "worker=nowhere:stranger")
    right = next(one for one in found if one["subject"] == "right")
    assert ("nowhere:stranger" in right["text"], "get secrets in nowhere" in right["text"]) == (True, True)
    assert "pilotage-worker" in right["fix"]


def test_a_right_to_flux_s_alerts_is_wanted_where_they_are_served(
    installed: KubernetesAccess, namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = ("--account", "receiver=nowhere:stranger")
    [of_ours] = [one for one in wrong(run, "-n", "nowhere", *account) if one["subject"] == "right"]
    monkeypatch.setenv("PILOTAGE_FLUX_ALERTS", "true")
    [both] = [one for one in wrong(run, "-n", "nowhere", *account) if one["subject"] == "right"]
    served = ["list alerts.notification.toolkit.fluxcd.io in nowhere" in one["text"] for one in (of_ours, both)]
    assert served == [False, True]
    assert "`pilotage-receiver` and the role `pilotage-receiver-flux`" in both["fix"]


def test_what_setup_may_not_make_it_prints_as_commands(
    namespace: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("setup").exit_code == 0

    # As Temporal Cloud answers: nothing of the operator service is for clients.
    monkeypatch.setattr(Client, "operator_service", property(lambda _: _Refusing()))
    monkeypatch.setattr("worker.temporal.search_attributes._queried", _never)
    answer = run("setup", "-o", "json")
    found = [one for one in json.loads(answer.stdout) if not one["ok"]]
    assert (answer.exit_code, len(found)) == (1, 5)
    assert all(f"--namespace {namespace}" in one["fix"] and "tcld" in one["fix"] for one in found)


class _Refusing:
    """An operator service that is not for clients."""

    async def list_search_attributes(self, *_: object, **__: object) -> None:
        raise RPCError("not for clients", RPCStatusCode.PERMISSION_DENIED, b"")

    add_search_attributes = list_search_attributes


async def _never(_client: Client, _name: str) -> bool:
    return False


async def remove_attribute(address: str, namespace: str, name: str) -> None:
    client = await Client.connect(address, namespace=namespace)
    request = RemoveSearchAttributesRequest(namespace=namespace, search_attributes=[name])
    await client.operator_service.remove_search_attributes(request)


def test_without_temporal_and_without_a_setting_the_rest_is_still_looked_at(
    cluster: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.delenv("PILOTAGE_INSTALLATION", raising=False)
    subjects = {one["subject"] for one in wrong(run)}
    assert {"setting", "definition", "admission", "temporal"} <= subjects


@pytest.mark.parametrize(
    ("labels", "data", "verdicts"),
    [
        ({CONSENT_LABEL: "true"}, {"webhookSecret": b"x"}, {"credential": True, "webhook": True}),
        ({}, {"webhookSecret": b"x"}, {"credential": False, "webhook": True}),
        ({CONSENT_LABEL: "true"}, {}, {"credential": True, "webhook": False}),
    ],
    ids=["as it must be", "without the label", "without the key"],
)
def test_a_secret_of_webhooks_is_judged_by_its_label_and_its_key(
    cluster: FakeCluster,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    labels: dict[str, str],
    data: dict[str, bytes],
    verdicts: dict[str, bool],
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    cluster.add(
        "TestRunner",
        "jenkins",
        spec={"type": "Jenkins", "url": "https://ci.example.com", "webhookSecretRef": {"name": "hooks"}},
    )
    cluster.secrets["shop", "hooks"] = SecretData(data=data, labels=labels)
    found = json.loads(run("doctor", "-n", "shop", "-o", "json").stdout)
    assert {one["subject"]: one["ok"] for one in found if "hooks" in one["text"]} == verdicts
    assert all(one["fix"] for one in found if one["ok"] is False)


def test_the_command_that_shows_a_provider_shows_none_of_flux(
    cluster: FakeCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    refused = {"type": "Reachable", "status": "False", "reason": "Unauthorized", "message": "401"}
    cluster.add(
        "Provider",
        "github",
        spec={"type": "github", "address": "https://github.com/acme/web", "secretRef": {"name": "token"}},
        status={"conditions": [{**refused, "lastTransitionTime": "2026-01-02T12:00:00Z"}]},
    )
    found = json.loads(run("doctor", "-n", "shop", "-o", "json").stdout)
    # With Flux in the cluster `provider` is its kind to kubectl, whose group comes first.
    assert "kubectl -n shop describe provider.pilotage.dev github" in [one["fix"] for one in found]
