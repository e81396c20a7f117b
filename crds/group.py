"""The API group of Pilotage's kinds. Imports nothing: short commands read it without loading any model."""

GROUP = "pilotage.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
APPLY_COMMAND = "pilotage crds | kubectl apply --server-side --force-conflicts -f -"
"""Installs or upgrades the definitions, also those that something else applied before."""


def in_full(kind: str) -> str:
    """Return one of our kinds as kubectl takes it for no other: groups next to ours have a GitRepository, too."""
    return f"{kind.lower()}.{GROUP}"
