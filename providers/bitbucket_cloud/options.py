"""What Bitbucket Cloud needs in addition to a credential."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class BitbucketCloudOptions:
    """Name one repository of one workspace; with an empty workspace only `check` is of use."""

    kind: ClassVar[str] = "bitbucketCloud"
    domain: str = ""
    """Base URL of the REST API; empty is api.bitbucket.org."""
    workspace: str = ""
    repository: str = ""
