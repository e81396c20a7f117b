"""What Azure DevOps' adapters need, from what people declare."""

from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import AzureDevOpsHost
from providers.azure_devops.options import AzureDevOpsOptions


def host_options(block: AzureDevOpsHost, declared: GitRepository | None) -> AzureDevOpsOptions:
    """Name a repository of an organization, or the organization alone."""
    named = declared.spec.azure_dev_ops if declared else None
    return AzureDevOpsOptions(
        organization=block.organization,
        domain=block.domain or "",
        project=named.project if named else "",
        repository=named.name if named else "",
    )
