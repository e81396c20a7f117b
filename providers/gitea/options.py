"""What a Gitea or Forgejo host needs in addition to a credential."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class GiteaOptions:
    """Name one repository at one host; with an empty owner only `check` is of use."""

    kind: ClassVar[str] = "gitea"
    program: ClassVar[str] = "Gitea"
    """What texts call it; all else that Pilotage asks is the same at both."""
    domain: str = ""
    """Host name or URL, with the path below which the host is served."""
    owner: str = ""
    repository: str = ""


@dataclass(frozen=True, kw_only=True)
class ForgejoOptions(GiteaOptions):
    """Forgejo, which began as Gitea 1.22 and serves its API at the same paths."""

    kind: ClassVar[str] = "forgejo"
    program: ClassVar[str] = "Forgejo"
