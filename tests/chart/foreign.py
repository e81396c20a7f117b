"""Definitions of kinds that others own (KEDA, the Prometheus operator), which take any spec: an API server without them
refuses what the chart makes for them. They show that an object is well formed, and nothing of what its owner wants.
"""

from typing import Any

KINDS = (
    ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
    ("keda.sh", "v1alpha1", "TriggerAuthentication", "triggerauthentications"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
)


def definitions() -> list[dict[str, Any]]:
    """Return a CustomResourceDefinition of each."""
    return [definition(*one) for one in KINDS]


def definition(group: str, version: str, kind: str, plural: str) -> dict[str, Any]:
    """Return a CustomResourceDefinition that takes any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
