"""What Argo CD needs beside a credential."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ArgoCDOptions:
    """Name one API server."""

    server: str
    """URL, with its root path if it has one."""
