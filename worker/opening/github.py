"""What GitHub's adapters need, from what people declare."""

from activities.models.tracking import RepositoryView
from crds.v1alpha1.scm_host import GitHubHost
from crds.v1alpha1.test_runner import GitHubActionsRunner
from providers.github.options import GitHubOptions
from providers.github_actions.options import GitHubActionsOptions


def host_options(block: GitHubHost, view: RepositoryView | None) -> GitHubOptions:
    """Name a repository at its host, or the host alone."""
    return GitHubOptions(
        domain=block.domain or "",
        owner=view.owner if view else "",
        repository=view.repository if view else "",
        app_id=str(block.app_id or ""),
        installation_id=str(block.installation_id or ""),
    )


def run_options(runner: GitHubActionsRunner, host: GitHubHost, view: RepositoryView) -> GitHubActionsOptions:
    """Name the workflow files of a repository, at the runner's own ref if it has one."""
    return GitHubActionsOptions(
        repository=host_options(host, view),
        ref=runner.ref or "",
        results={"skipped": runner.skipped.value, "neutral": runner.neutral.value},
    )
