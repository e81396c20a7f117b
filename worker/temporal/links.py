"""Addresses of workflows in Temporal's web UI."""

from urllib.parse import quote


def workflow_link(ui_url: str, namespace: str, workflow_id: str) -> str:
    """Return where people open a workflow; empty where no UI is configured."""
    return f"{ui_url}/namespaces/{quote(namespace)}/workflows/{quote(workflow_id, safe='')}" if ui_url else ""
