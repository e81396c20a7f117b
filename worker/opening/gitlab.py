"""What GitLab's adapters need, from what people declare."""

from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import GitLabHost
from crds.v1alpha1.test_runner import GitLabCIRunner
from providers.gitlab.options import GitLabOptions
from providers.gitlab_ci.options import GitLabCIOptions
from providers.gitlab_ci.starting import ParametersAs


def host_options(block: GitLabHost, repository: GitRepository | None) -> GitLabOptions:
    """Name a project at its host, or the host alone."""
    return GitLabOptions(domain=block.domain or "", project=_project(repository) if repository else "")


def run_options(runner: GitLabCIRunner, host: GitLabHost, repository: GitRepository) -> GitLabCIOptions:
    """Name the project whose pipelines run."""
    return GitLabCIOptions(
        project=host_options(host, repository),
        parameters_as=ParametersAs(runner.parameters_as.value),
        results={"skipped": runner.skipped.value, "manual": runner.manual.value},
    )


def _project(repository: GitRepository) -> str:
    """Return a project's number, which a renamed project keeps, or its full path."""
    number = repository.spec.gitlab.project_id if repository.spec.gitlab else None
    return str(number) if number else repository.spec.hosted.full_name
