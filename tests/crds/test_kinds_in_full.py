"""Kinds as printed commands name them, next to kinds of another group with all of our names: kubectl shows ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crds.group import in_full
from crds.model import Definition
from crds.v1alpha1.kinds import KINDS
from deploy.local.environment.failures import LocalEnvironmentError
from deploy.local.environment.kubernetes_server import KubernetesAccess
from deploy.local.environment.resources import kubectl
from tests.chart.foreign import definition

FOREIGN = "aaa.example.com"
"""A group whose kinds kubectl finds first: in the order of discovery it stands before ours, as v1 does."""
DEFINITIONS = [kind.definition for kind in KINDS]


@pytest.fixture(scope="module")
def crowded(kubernetes_api: KubernetesAccess) -> Iterator[KubernetesAccess]:
    """An API server on which another group has kinds of our names."""
    admin = kubernetes_api.kubeconfig
    foreign = [_named_as(one) for one in DEFINITIONS]
    kubectl(
        admin,
        "apply",
        "-f",
        "-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": foreign}),
        report=print,
    )
    names = [f"crd/{one['metadata']['name']}" for one in foreign]
    kubectl(admin, "wait", "--for=condition=Established", *names, "--timeout=30s", report=print)
    yield kubernetes_api
    kubectl(admin, "delete", *names, report=print)


def _named_as(ours: Definition) -> dict[str, Any]:
    theirs = definition(FOREIGN, "v1", ours.kind, ours.plural)
    theirs["spec"]["names"]["shortNames"] = [ours.short_name]
    return theirs


def found_by(access: KubernetesAccess, name: str, cache: Path) -> str:
    """Return the resource that kubectl takes a name of a kind for."""
    with pytest.raises(LocalEnvironmentError, match="NotFound") as answer:
        kubectl(access.kubeconfig, f"--cache-dir={cache}", "get", name, "none", report=print)
    return str(answer.value).rpartition('"none"')[0].rpartition(":")[2].strip()


@pytest.mark.parametrize("ours", DEFINITIONS, ids=lambda one: one.kind)
def test_a_kind_in_full_is_ours_whatever_other_groups_have(
    crowded: KubernetesAccess, ours: Definition, tmp_path: Path
) -> None:
    assert found_by(crowded, in_full(ours.kind), tmp_path) == ours.crd_name
    # Both shorter names are the other group's here.
    assert found_by(crowded, ours.singular, tmp_path) == f"{ours.plural}.{FOREIGN}"
