"""What GitHub Actions needs in addition to a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from providers.github.options import GitHubOptions


@dataclass(frozen=True, kw_only=True)
class GitHubActionsOptions:
    """Name the repository whose workflow files run."""

    kind: ClassVar[str] = "githubActions"
    repository: GitHubOptions
    ref: str = ""
    """Branch or tag whose files run; empty is the repository's default branch."""
    results: Mapping[str, str] = field(default_factory=dict)
    """What `neutral` and `skipped` count as."""
