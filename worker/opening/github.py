"""What GitHub's adapters need, from what people declare."""

from crds.v1alpha1.git_repository import GitRepository, Show
from crds.v1alpha1.scm_host import GitHubHost
from crds.v1alpha1.test_runner import GitHubActionsRunner
from providers.github.options import GitHubOptions, StatusesAs
from providers.github_actions.options import GitHubActionsOptions


def host_options(block: GitHubHost, declared: GitRepository | None) -> GitHubOptions:
    """Name a repository at its host, or the host alone."""
    named = declared.spec.github if declared else None
    statuses_as = StatusesAs(named.statuses_as) if named else StatusesAs.COMMIT_STATUSES
    return GitHubOptions(
        domain=block.domain or "",
        owner=named.owner if named else "",
        repository=named.name if named else "",
        app_id=str(block.app_id or ""),
        installation_id=str(block.installation_id or ""),
        statuses_as=statuses_as,
        needs=_needs(declared.spec.show, statuses_as) if declared else {},
    )


def _needs(show: Show, statuses_as: StatusesAs) -> dict[str, str]:
    """Return the permissions that promoting pull requests needs; those of deployments are no condition of it."""
    shows_text = show.labels or show.comment
    needs = {"contents": "read", "pull_requests": "write" if shows_text else "read"}
    if show.statuses:
        needs["checks" if statuses_as is StatusesAs.CHECK_RUNS else "statuses"] = "write"
    return needs


def run_options(runner: GitHubActionsRunner, host: GitHubHost, declared: GitRepository) -> GitHubActionsOptions:
    """Name the workflow files of a repository, at the runner's own ref if it has one."""
    return GitHubActionsOptions(
        repository=host_options(host, declared),
        ref=runner.ref or "",
        results={"skipped": runner.skipped.value, "neutral": runner.neutral.value},
    )
