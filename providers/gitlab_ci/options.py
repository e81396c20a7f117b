"""What GitLab needs beside a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from providers.gitlab_ci.starting import ParametersAs


@dataclass(frozen=True, kw_only=True)
class GitLabOptions:
    """Name one project at one host; without a project only `check` is of use."""

    kind: ClassVar[str] = "gitlabCI"
    domain: str = ""
    """Host name or base URL; empty is gitlab.com."""
    project: str = ""
    """Number or full path of the project."""
    parameters_as: ParametersAs = ParametersAs.VARIABLES
    """How a test's parameters reach its pipeline."""
    results: Mapping[str, str] = field(default_factory=dict)
    """What `manual` and `skipped` count as."""
