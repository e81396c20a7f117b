"""What the adapter of Gitea and Forgejo needs, from what people declare."""

from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import ForgejoHost, GiteaHost
from providers.gitea.options import ForgejoOptions, GiteaOptions


def gitea_options(block: GiteaHost, declared: GitRepository | None) -> GiteaOptions:
    """Name a repository at its Gitea, or the host alone."""
    named = declared.spec.gitea if declared else None
    return GiteaOptions(domain=block.domain, owner=named.owner if named else "", repository=named.name if named else "")


def forgejo_options(block: ForgejoHost, declared: GitRepository | None) -> ForgejoOptions:
    """Name a repository at its Forgejo, or the host alone."""
    named = declared.spec.forgejo if declared else None
    return ForgejoOptions(
        domain=block.domain, owner=named.owner if named else "", repository=named.name if named else ""
    )
