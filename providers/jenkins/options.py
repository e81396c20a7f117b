"""What Jenkins needs in addition to a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class JenkinsOptions:
    """Name one controller."""

    kind: ClassVar[str] = "jenkins"
    url: str
    """Root URL, with its context path."""
    results: Mapping[str, str] = field(default_factory=dict)
    """What `unstable` counts as."""
