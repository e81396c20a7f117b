"""What Bitbucket's adapters need, from what people declare."""

from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import BitbucketCloudHost, BitbucketDataCenterHost
from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.bitbucket_data_center.options import BitbucketDataCenterOptions


def cloud_options(block: BitbucketCloudHost, declared: GitRepository | None) -> BitbucketCloudOptions:
    """Name a repository of a workspace, or the host alone."""
    named = declared.spec.bitbucket_cloud if declared else None
    return BitbucketCloudOptions(
        domain=block.domain or "",
        workspace=named.owner if named else "",
        repository=named.name if named else "",
    )


def data_center_options(block: BitbucketDataCenterHost, declared: GitRepository | None) -> BitbucketDataCenterOptions:
    """Name a repository of a project, or the server alone."""
    named = declared.spec.bitbucket_data_center if declared else None
    return BitbucketDataCenterOptions(
        domain=block.domain,
        project=named.project if named else "",
        repository=named.name if named else "",
    )
