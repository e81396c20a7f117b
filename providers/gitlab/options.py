"""What a GitLab host needs in addition to a credential."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class GitLabOptions:
    """Name one project at one host; without a project only `check` is of use."""

    kind: ClassVar[str] = "gitlab"
    domain: str = ""
    """Host name or base URL; empty is gitlab.com."""
    project: str = ""
    """Number or full path of the project; the number survives a rename."""
