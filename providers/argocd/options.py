"""What Argo CD needs in addition to a credential."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class ArgoCDOptions:
    """Name one API server."""

    kind: ClassVar[str] = "argocd"
    server: str
    """URL, with its root path if it has one."""
