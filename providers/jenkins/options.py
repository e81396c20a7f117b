"""What Jenkins needs beside a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class JenkinsOptions:
    """Name one controller."""

    url: str
    """Root URL, with its context path."""
    results: Mapping[str, str] = field(default_factory=dict)
    """What `unstable` counts as."""
