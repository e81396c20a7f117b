"""What an Azure DevOps host needs in addition to a credential."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class AzureDevOpsOptions:
    """Name one repository of one organization; with an empty project only `check` is of use."""

    kind: ClassVar[str] = "azureDevOps"
    organization: str
    """Organization, or the collection of a server."""
    domain: str = ""
    """Host name or URL of a server, with its sub-path; empty is dev.azure.com."""
    project: str = ""
    repository: str = ""
