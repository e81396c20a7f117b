"""What a GitHub host needs in addition to a credential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar


class StatusesAs(StrEnum):
    """What the statuses of a commit are at GitHub."""

    COMMIT_STATUSES = "CommitStatuses"
    CHECK_RUNS = "CheckRuns"
    """Which an App alone may make."""


@dataclass(frozen=True, kw_only=True)
class GitHubOptions:
    """Name one repository at one host; with an empty owner only `check` is of use."""

    kind: ClassVar[str] = "github"
    domain: str = ""
    """Host name or URL of the REST API; empty is github.com."""
    owner: str = ""
    repository: str = ""
    app_id: str = ""
    """The GitHub App of a credential with a private key; its Secret may name it instead."""
    installation_id: str = ""
    """The App's installation; empty has it looked up by repository."""
    statuses_as: StatusesAs = StatusesAs.COMMIT_STATUSES
    needs: Mapping[str, str] = field(default_factory=dict)
    """Permissions as an App has them, each with its level, such as `statuses: write`; `check` names what is missing."""
