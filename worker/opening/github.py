"""What GitHub's adapters need, from what people declare."""

from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import GitHubHost
from crds.v1alpha1.test_runner import GitHubActionsRunner
from providers.github.options import GitHubOptions, StatusesAs
from providers.github_actions.options import GitHubActionsOptions


def host_options(block: GitHubHost, declared: GitRepository | None) -> GitHubOptions:
    """Name a repository at its host, or the host alone."""
    named = declared.spec.github if declared else None
    return GitHubOptions(
        domain=block.domain or "",
        owner=named.owner if named else "",
        repository=named.name if named else "",
        app_id=str(block.app_id or ""),
        installation_id=str(block.installation_id or ""),
        statuses_as=StatusesAs(named.statuses_as) if named else StatusesAs.COMMIT_STATUSES,
    )


def run_options(runner: GitHubActionsRunner, host: GitHubHost, declared: GitRepository) -> GitHubActionsOptions:
    """Name the workflow files of a repository, at the runner's own ref if it has one."""
    return GitHubActionsOptions(
        repository=host_options(host, declared),
        ref=runner.ref or "",
        results={"skipped": runner.skipped.value, "neutral": runner.neutral.value},
    )
