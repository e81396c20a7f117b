"""What GitLab CI needs in addition to a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from providers.gitlab.options import GitLabOptions
from providers.gitlab_ci.starting import ParametersAs


@dataclass(frozen=True, kw_only=True)
class GitLabCIOptions:
    """Name the project whose pipelines run; without a project only `check` is of use."""

    kind: ClassVar[str] = "gitlabCI"
    project: GitLabOptions
    parameters_as: ParametersAs = ParametersAs.VARIABLES
    """How a test's parameters reach its pipeline."""
    results: Mapping[str, str] = field(default_factory=dict)
    """What `manual` and `skipped` count as."""
