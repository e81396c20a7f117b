"""The service accounts that the chart makes, with its rights, and kubeconfig files by which our processes are them."""

import io
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from deploy.local.environment.binaries import Report
from deploy.local.environment.kubernetes_server import KubernetesServer
from deploy.local.environment.processes import ROOT
from deploy.local.environment.resources import kubectl

MANIFEST = ROOT / "deploy" / "manifests" / "self-hosted.yaml"
"""The rendered example that grants the most: for the whole cluster, with Flux's own Alerts."""
NAMESPACE = "pilotage"
PROCESSES = ("watcher", "worker", "receiver")
_ACCOUNTS, _ROLES = (
    frozenset({"ServiceAccount", "ClusterRoleBinding", "RoleBinding"}),
    frozenset({"ClusterRole", "Role"}),
)
# Longer than any environment is kept.
_DURATION = "8760h"


def make_accounts(kubernetes: KubernetesServer, report: Report) -> Mapping[str, Path]:
    """Apply accounts and rights, and return the kubeconfig file of each process. Safe to repeat."""
    kubectl(
        kubernetes.kubeconfig(),
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        stdin=_rights(),
        report=report,
    )
    return {process: _kubeconfig(kubernetes, process, report) for process in PROCESSES}


def _kubeconfig(kubernetes: KubernetesServer, process: str, report: Report) -> Path:
    path = kubernetes.kubeconfig(process)
    if not path.is_file():
        arguments = ("create", "token", f"pilotage-{process}", f"--namespace={NAMESPACE}", f"--duration={_DURATION}")
        token = kubectl(kubernetes.kubeconfig(), *arguments, report=report).strip()
        kubernetes.write_kubeconfig(process, token)
    return path


def _rights() -> str:
    yaml = YAML(typ="safe")
    documents = [one for one in yaml.load_all(MANIFEST) if one]
    bound = {one["roleRef"]["name"] for one in documents if "roleRef" in one}
    kept = [
        one
        for one in documents
        # An administrator binds the roles of people.
        if one["kind"] in _ACCOUNTS or (one["kind"] in _ROLES and one["metadata"]["name"] in bound)
    ]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    written = io.StringIO()
    yaml.dump_all([namespace, *kept], written)
    return written.getvalue()
