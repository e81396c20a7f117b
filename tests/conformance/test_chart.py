"""The chart by helm itself: lint, every example whole, a value outside the schema, and the hook before an uninstall."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.local.chart import CHART, EXAMPLES, MANIFESTS, ROOT, helm, render, template
from deploy.local.environment.accounts import NAMESPACE
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.environment.resources import kubectl
from deploy.local.environment.toolchain import KUBERNETES_VERSION
from tests.chart.foreign import definitions

INGRESS = "receiver.ingress.enabled=true,receiver.ingress.host=pilotage.example.com"
APPLY = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_finds_nothing_to_complain_about(example: str) -> None:
    values = str(CHART / "examples" / f"{example}.yaml")
    found = helm("lint", "--strict", "--kube-version", KUBERNETES_VERSION, str(CHART), "--values", values)
    assert "0 chart(s) failed" in found


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_rendered_manifest_is_what_helm_renders(example: str) -> None:
    assert (ROOT / MANIFESTS / f"{example}.yaml").read_text() == render(example)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("worker.replicas=x", "/worker/replicas"),
        ("workerGroups.all.queues={scm}", "no group serves the queue promotions"),
        ("installation=", "installation: an id"),
        ("worker.shutdownGraceSeconds=60", "shutdownGraceSeconds must be less"),
        ("worker.autoscaling.minReplicas=20", "workerGroups.all: autoscaling.minReplicas must not be greater"),
        ("extraEnv[0].name=TEMPORAL_ADDRESS", "TEMPORAL_ADDRESS is set by another value"),
        ("settings.PILOTAGE_SHUTDOWN_GRACE_SECONDS=3", "PILOTAGE_SHUTDOWN_GRACE_SECONDS is set by another value"),
        ("settings.PILOTAGE_HTTP_PORT=9090", "settings.PILOTAGE_HTTP_PORT: probes"),
        ("proxy.https=http://proxy:3128", "'proxy' not allowed"),
        ("temporal.address=temporal:7233", "temporal.address: evaluation.temporal.enabled"),
        ("temporal.encryption.secret=keys", "temporal.encryption: secret and key need each other"),
        ("temporal.tls.caSecret=ca", "temporal.tls.caSecret: set temporal.tls.enabled"),
        ("temporal.tls.enabled=true,worker.autoscaling.kind=keda", "KEDA calls Temporal by TLS only with"),
        ("networkPolicy.egressPorts=null", "missing property 'egressPorts'"),
        ("temporal=null", "missing property 'temporal'"),
        (f"{INGRESS},receiver.ingress.flux=true,receiver.fluxInsecureEvents=true", "without a signature"),
    ],
)
def test_a_wrong_value_is_refused_and_named(wrong: str, named: str) -> None:
    with pytest.raises(LocalEnvironmentError, match=named):
        template("evaluation", "--set", wrong)


@pytest.mark.parametrize(("more", "paths"), [("", ["/hooks/"]), (",receiver.ingress.flux=true", ["/hooks/", "/flux/"])])
def test_the_ingress_forwards_webhooks_and_where_it_is_asked_for_events(more: str, paths: list[str]) -> None:
    rendered = YAML(typ="safe").load_all(template("evaluation", "--set", f"{INGRESS}{more}"))
    [ingress] = [
        one for one in rendered if one and one["kind"] == "Ingress" and one["metadata"]["name"].endswith("receiver")
    ]
    assert [one["path"] for one in ingress["spec"]["rules"][0]["http"]["paths"]] == paths


def rendered(kind: str, *more: str) -> list[dict[str, Any]]:
    """Return the objects of a kind in the evaluation example, with further values."""
    documents = YAML(typ="safe").load_all(template("evaluation", *more))
    return [one for one in documents if one and one["kind"] == kind]


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ("installation=one", ["all"]),
        ("workerGroups.one.replicas=3", ["one"]),
        ("workerGroups.all.replicas=3", ["all"]),
    ],
)
def test_groups_of_ones_own_are_the_only_ones(groups: str, names: list[str]) -> None:
    found = [one["metadata"]["name"] for one in rendered("Deployment", "--set", groups)]
    assert [name for name in found if "worker" in name] == [f"pilotage-worker-{name}" for name in names]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://otel:4318", 4318),
        ("http://otel", 80),
        ("https://otel.example.com/v1", 443),
        ("http://[fd00::1]:4318", 4318),
        ("https://[fd00::1]", 443),
    ],
)
def test_a_network_policy_lets_traces_out(endpoint: str, port: int) -> None:
    [policy, *_] = rendered("NetworkPolicy", "--set", f"networkPolicy.enabled=true,traces.endpoint={endpoint}")
    ports = [one["port"] for rule in policy["spec"]["egress"] for one in rule["ports"]]
    assert port in ports
    assert len(ports) == len({*ports}) + 1, "53 stands there for UDP and TCP"


def test_every_pod_runs_where_people_have_it_run() -> None:
    """That of the uninstall hook too: a release whose Job finds no node would never go."""
    given = (
        "podLabels.mesh=none,podAnnotations.team=platform,nodeSelector.pool=infra,priorityClassName=high",
        "tolerations[0].key=infra,tolerations[0].operator=Exists,image.pullSecrets[0].name=registry",
    )
    pods = [
        one["spec"]["template"] for kind in ("Deployment", "Job") for one in rendered(kind, "--set", ",".join(given))
    ]
    assert len(pods) == 5
    for pod in pods:
        assert pod["metadata"]["labels"]["mesh"] == "none"
        assert pod["metadata"]["annotations"] == {"team": "platform"}
        spec = pod["spec"]
        assert (spec["nodeSelector"], spec["priorityClassName"]) == ({"pool": "infra"}, "high")
        assert (spec["tolerations"], spec["imagePullSecrets"]) == (
            [{"key": "infra", "operator": "Exists"}],
            [{"name": "registry"}],
        )


def test_a_volume_of_ones_own_is_mounted_into_workers_alone(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    mine: dict[str, list[dict[str, Any]]] = {
        "volumes": [{"name": "records", "persistentVolumeClaim": {"claimName": "records"}}],
        "volumeMounts": [{"name": "records", "mountPath": "/records"}],
    }
    values.write_text(json.dumps({"worker": mine, "settings": {"PILOTAGE_RECORD_FILE": "/records/ended.jsonl"}}))
    given = {}
    for kind in ("Deployment", "Job"):
        for one in rendered(kind, "--values", str(values)):
            spec = one["spec"]["template"]["spec"]
            mounted = [mount["name"] for mount in spec["containers"][0]["volumeMounts"]]
            given[one["metadata"]["name"]] = "records" in mounted and mine["volumes"][0] in spec["volumes"]
    assert [name for name, has in given.items() if has] == ["pilotage-worker-all"]


def test_a_scaler_verifies_temporal_by_the_name_that_workers_verify() -> None:
    tls = "temporal.tls.enabled=true,temporal.tls.clientSecret=client,temporal.tls.serverName=temporal.internal"
    [scaled] = rendered("ScaledObject", "--set", f"worker.autoscaling.kind=keda,worker.autoscaling.maxReplicas=3,{tls}")
    assert {one["metadata"]["tlsServerName"] for one in scaled["spec"]["triggers"]} == {"temporal.internal"}
    assert all("authenticationRef" in one for one in scaled["spec"]["triggers"])


@pytest.fixture(scope="module")
def cluster(kubernetes_api: KubernetesAccess) -> KubernetesAccess:
    """An API server with the namespaces of the examples and stand-ins of foreign definitions."""
    names = (NAMESPACE, "team-a", "team-b")
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names]
    wanted = {"apiVersion": "v1", "kind": "List", "items": [*namespaces, *definitions()]}
    kubectl(kubernetes_api.kubeconfig, *APPLY, stdin=json.dumps(wanted), report=print)
    kubectl(kubernetes_api.kubeconfig, "wait", "--for=condition=Established", "crd", "--all", report=print)
    return kubernetes_api


def apply(cluster: KubernetesAccess, text: str) -> list[str]:
    """Apply a release, and return what was applied; a hook's Job of before goes first, as helm has it."""
    kubectl(cluster.kubeconfig, "delete", "job", "--all", f"--namespace={NAMESPACE}", report=print)
    return kubectl(cluster.kubeconfig, *APPLY, stdin=text, report=print).splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_api_server_takes_a_whole_release_with_definitions_policies_and_hooks(
    cluster: KubernetesAccess, example: str
) -> None:
    text = template(example)
    documents = [one for one in YAML(typ="safe").load_all(text) if one]
    assert len(apply(cluster, text)) == len(documents)
    shipped = {path.stem for path in (ROOT / "deploy" / "crds").glob("*.yaml")}
    installed = {one["metadata"]["name"] for one in documents if one["kind"] == "CustomResourceDefinition"}
    assert installed == (set() if example == "namespaces" else shipped)


def test_the_hook_releases_trackers_by_the_rights_of_its_own_account(cluster: KubernetesAccess, tmp_path: Path) -> None:
    admin = cluster.kubeconfig
    apply(cluster, template("evaluation"))
    tracker = {
        "apiVersion": "pilotage.dev/v1alpha1",
        "kind": "PullRequestTracker",
        "metadata": {"name": "web-1", "namespace": "team-a", "finalizers": ["pilotage.dev/promotion"]},
        "spec": {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev"},
    }
    kubectl(admin, *APPLY, stdin=json.dumps(tracker), report=print)
    # No controller runs here: it would report that once the pods are gone.
    stopped = json.dumps({"status": {"observedGeneration": 99, "replicas": 0}})
    target = ("deployment/pilotage-watcher", f"--namespace={NAMESPACE}")
    kubectl(admin, "patch", *target, "--subresource=status", "--type=merge", "-p", stopped, report=print)
    token = kubectl(admin, "create", "token", "pilotage-uninstall", f"--namespace={NAMESPACE}", report=print).strip()
    kubeconfig = tmp_path / "kubeconfig"
    settings = YAML(typ="safe").load(admin)
    settings["users"][0]["user"] = {"token": token}
    kubeconfig.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "worker", "release-finalizers", "--stop", f"{NAMESPACE}/pilotage-watcher"]
    environment = {**os.environ, "PILOTAGE_INSTALLATION": "evaluation", "KUBECONFIG": str(kubeconfig)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 tracker released" in done.stdout
    left = kubectl(admin, "get", "prt", "web-1", "-n", "team-a", "-o", "jsonpath={.metadata.finalizers}", report=print)
    assert left == ""
    replicas = kubectl(admin, "get", *target, "-o", "jsonpath={.spec.replicas}", report=print)
    assert replicas == "0"
