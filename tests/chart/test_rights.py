"""The manifests at a real API server: it takes every object, and grants each account what the table has and no more.

Foreign kinds meet permissive definitions (foreign.py). Each account asks for itself, by a token of its own.
"""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from crds.api.kubernetes import KubernetesApi
from deploy.local.chart import MANIFESTS, ROOT
from deploy.local.environment.accounts import NAMESPACE, PROCESSES
from deploy.local.environment.certificates import write_certificates
from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.environment.resources import kubectl
from tests.chart.foreign import definitions
from tests.chart.rendered import EXAMPLES, documents
from worker.rights import RightsWatch

TRACKERS, COMMANDS = "pullrequesttrackers.pilotage.dev", "promotioncommands.pilotage.dev"
MONITORS, ENVIRONMENTS = "driftmonitors.pilotage.dev", "environments.pilotage.dev"
POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"
ALL, NONE = frozenset(PROCESSES), frozenset[str]()
WATCHER, WORKER, RECEIVER = frozenset({"watcher"}), frozenset({"worker"}), frozenset({"receiver"})
# (verb, resource) -> who may, in any namespace.
MAY = {
    ("list", TRACKERS): ALL,
    ("watch", ENVIRONMENTS): ALL,
    ("list", COMMANDS): WATCHER,
    ("patch", f"{TRACKERS}/status"): WATCHER,
    ("patch", f"{ENVIRONMENTS}/status"): WATCHER,
    ("patch", f"{COMMANDS}/status"): WATCHER,
    ("patch", f"{MONITORS}/status"): WATCHER,
    ("patch", TRACKERS): WATCHER,
    ("restart", ENVIRONMENTS): WATCHER,
    ("delete", MONITORS): WATCHER,
    ("create", TRACKERS): WORKER,
    ("delete", TRACKERS): WORKER,
    ("create", MONITORS): WORKER,
    ("patch", MONITORS): WORKER,
    ("get", "secrets"): WORKER | RECEIVER,
    ("create", "events"): WATCHER | WORKER,
    ("get", f"{POLICIES}:promotioncommands.pilotage.dev"): WATCHER,
    ("get", "namespaces:default"): WATCHER | WORKER,
    ("list", "secrets"): NONE,
    ("watch", "secrets"): NONE,
    ("create", "secrets"): NONE,
    ("update", f"{TRACKERS}/status"): NONE,
    ("update", TRACKERS): NONE,
    ("create", COMMANDS): NONE,
    ("delete", COMMANDS): NONE,
    ("patch", ENVIRONMENTS): NONE,
    ("create", ENVIRONMENTS): NONE,
    ("promote", ENVIRONMENTS): NONE,
    ("list", "namespaces"): NONE,
    ("patch", f"{POLICIES}:promotioncommands.pilotage.dev"): NONE,
    ("get", "pods"): NONE,
    ("create", "pods"): NONE,
    ("create", "pods/exec"): NONE,
    ("create", "serviceaccounts/token"): NONE,
    ("impersonate", "users"): NONE,
    ("escalate", "clusterroles.rbac.authorization.k8s.io"): NONE,
    ("bind", "clusterroles.rbac.authorization.k8s.io"): NONE,
    ("patch", "deployments.apps"): NONE,
}


@pytest.fixture(scope="module")
def installed(kubernetes_api: KubernetesAccess) -> Iterator[KubernetesAccess]:
    """An API server that took every manifest by server-side apply."""
    admin = kubernetes_api.kubeconfig
    names = (NAMESPACE, "team-a", "team-b")
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    wanted = {"apiVersion": "v1", "kind": "List", "items": [*namespaces, *definitions()]}
    kubectl(admin, *apply, stdin=json.dumps(wanted), report=print)
    kubectl(admin, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s", report=print)
    yield kubernetes_api
    kubectl(
        admin,
        "delete",
        "--wait=false",
        "--ignore-not-found",
        "-f",
        str(ROOT / MANIFESTS / "self-hosted.yaml"),
        report=print,
    )


@pytest.mark.parametrize("example", [*(one for one in EXAMPLES if one != "self-hosted"), "self-hosted"])
def test_the_api_server_takes_every_object_and_keeps_it_as_written(installed: KubernetesAccess, example: str) -> None:
    text = (ROOT / MANIFESTS / f"{example}.yaml").read_text()
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
    applied = kubectl(installed.kubeconfig, *apply, stdin=text, report=print)
    assert len(applied.splitlines()) == len(documents(example))


@pytest.fixture(scope="module")
def clients(installed: KubernetesAccess) -> Iterator[dict[str, httpx.Client]]:
    """A client of each process's account, by a token that the API server issued for it."""
    connected, context = {}, ssl.create_default_context(cafile=str(installed.authority))
    for process in PROCESSES:
        arguments = ("create", "token", f"pilotage-{process}", f"--namespace={NAMESPACE}")
        token = kubectl(installed.kubeconfig, *arguments, report=print).strip()
        headers = {"Authorization": f"Bearer {token}"}
        connected[process] = httpx.Client(base_url=installed.url, verify=context, headers=headers, trust_env=False)
    yield connected
    for client in connected.values():
        client.close()


def may(client: httpx.Client, verb: str, what: str, namespace: str) -> bool:
    """Ask the API server whether the client's account may."""
    named, _, name = what.partition(":")
    whole, _, subresource = named.partition("/")
    resource, _, group = whole.partition(".")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name}
    review = {"spec": {"resourceAttributes": {**attributes, "namespace": namespace}}}
    answer = client.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=review)
    answer.raise_for_status()
    return bool(answer.json()["status"]["allowed"])


def test_each_account_may_what_the_table_has_and_nothing_else_of_it(clients: dict[str, httpx.Client]) -> None:
    found = {
        act: frozenset(process for process, client in clients.items() if may(client, *act, "some-team")) for act in MAY
    }
    assert found == MAY


def test_a_right_that_the_table_denies_is_refused_in_deed(clients: dict[str, httpx.Client]) -> None:
    listed = {process: client.get("/api/v1/secrets").status_code for process, client in clients.items()}
    assert listed == dict.fromkeys(PROCESSES, httpx.codes.FORBIDDEN)
    path = "/apis/pilotage.dev/v1alpha1/namespaces/team-a/pullrequesttrackers/none/status"
    headers = {"Content-Type": "application/merge-patch+json"}
    written = {
        process: client.patch(path, json={"status": {}}, headers=headers).status_code
        for process, client in clients.items()
    }
    # None of that name is there: who may write is past the question of rights.
    assert written == {
        "watcher": httpx.codes.NOT_FOUND,
        "worker": httpx.codes.FORBIDDEN,
        "receiver": httpx.codes.FORBIDDEN,
    }


async def problem_of(process: str, kubeconfig: Path, *, flux_alerts: bool = False) -> str:
    """Return why a process with this kubeconfig is not ready."""
    async with await KubernetesApi.connect(kubeconfig=str(kubeconfig)) as api:
        watch = RightsWatch(api, process, flux_alerts=flux_alerts)
        await watch.look()
        return watch.problem


def kubeconfig_of(installed: KubernetesAccess, path: Path, *, token: str, authority: Path) -> Path:
    cluster = {"server": installed.url, "certificate-authority": str(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("process", PROCESSES)
async def test_a_process_is_ready_by_its_own_account_and_names_what_another_one_misses(
    installed: KubernetesAccess, clients: dict[str, httpx.Client], process: str, tmp_path: Path
) -> None:
    tokens = {name: client.headers["Authorization"].partition(" ")[2] for name, client in clients.items()}
    found = {
        name: await problem_of(
            process, kubeconfig_of(installed, tmp_path / name, token=token, authority=installed.authority)
        )
        for name, token in tokens.items()
    }
    assert found[process] == ""
    missing = {
        ("watcher", "worker"): "list promotioncommands.pilotage.dev",
        ("watcher", "receiver"): "list eventsinks.pilotage.dev",
        ("worker", "watcher"): "create pullrequesttrackers.pilotage.dev",
        ("worker", "receiver"): "list driftmonitors.pilotage.dev",
    }
    for other in set(PROCESSES) - {process}:
        # A receiver does nothing with our kinds that the others may not.
        assert missing.get((process, other), "") in found[other]
        assert (f"the {process} may not" in found[other]) is (process != "receiver")


async def test_a_receiver_that_serves_flux_s_alerts_names_the_role_that_it_misses_for_it(
    installed: KubernetesAccess, clients: dict[str, httpx.Client], tmp_path: Path
) -> None:
    found = {}
    # The chart's example serves them. A watcher's account has all that a receiver needs of our kinds, none of Flux's.
    for account in ("receiver", "watcher"):
        token = clients[account].headers["Authorization"].partition(" ")[2]
        kubeconfig = kubeconfig_of(installed, tmp_path / account, token=token, authority=installed.authority)
        found[account] = await problem_of("receiver", kubeconfig, flux_alerts=True)
    assert found["receiver"] == ""
    assert "may not get alerts.notification.toolkit.fluxcd.io, list alerts.notification" in found["watcher"]
    assert "bind the role pilotage-receiver-flux of" in found["watcher"]


async def test_a_receiver_that_misses_the_role_for_flux_logs_it_once(
    installed: KubernetesAccess, clients: dict[str, httpx.Client], tmp_path: Path
) -> None:
    token = clients["watcher"].headers["Authorization"].partition(" ")[2]
    kubeconfig = kubeconfig_of(installed, tmp_path / "watcher", token=token, authority=installed.authority)
    async with await KubernetesApi.connect(kubeconfig=str(kubeconfig)) as api:
        watch = RightsWatch(api, "receiver", flux_alerts=True)
        with structlog.testing.capture_logs() as lines:
            await watch.look()
            await watch.look()
    [line] = lines
    assert (line["log_level"], line["event"]) == ("error", "receiver is not ready")
    assert line["error"] == watch.problem
    assert "bind the role pilotage-receiver-flux of" in line["error"]


async def test_a_wrong_token_and_a_wrong_certificate_are_distinguished(
    installed: KubernetesAccess, tmp_path: Path
) -> None:
    wrong = kubeconfig_of(installed, tmp_path / "token", token="none", authority=installed.authority)
    assert "does not accept the credential of the worker" in await problem_of("worker", wrong)
    write_certificates(tmp_path)
    wrong = kubeconfig_of(installed, tmp_path / "authority", token="none", authority=tmp_path / "ca.crt")
    assert "certificate verify failed" in (await problem_of("worker", wrong)).lower()
