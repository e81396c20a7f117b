"""What Bitbucket Data Center needs in addition to a credential."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class BitbucketDataCenterOptions:
    """Name one repository of one project; with an empty project only `check` is of use."""

    kind: ClassVar[str] = "bitbucketDataCenter"
    domain: str
    """Host name or URL of the server, with its context path."""
    project: str = ""
    """Key of the project, or `~user`."""
    repository: str = ""
