import pytest

from crds.jobs import job_error
from crds.v1alpha1.test_runner import RunnerType


@pytest.mark.parametrize(
    ("runner", "job"),
    [
        (RunnerType.JENKINS, "web/integration"),
        (RunnerType.JENKINS, "deploy"),
        (RunnerType.JENKINS, "team a/web/feature%2Fx"),
        (RunnerType.GITHUB_ACTIONS, "e2e.yml"),
        (RunnerType.GITHUB_ACTIONS, "end-to-end.test.yaml"),
        (RunnerType.GITLAB_CI, "main"),
        (RunnerType.GITLAB_CI, "release/1.2"),
        (RunnerType.GITLAB_CI, "v1.2.3"),
    ],
)
def test_jobs_are_written_as_each_ci_system_names_them(runner: RunnerType, job: str) -> None:
    assert job_error(runner, job) is None


@pytest.mark.parametrize(
    ("runner", "job", "says"),
    [
        (RunnerType.JENKINS, "/web", "empty parts"),
        (RunnerType.JENKINS, "web//x", "empty parts"),
        (RunnerType.JENKINS, "web/", "empty parts"),
        (RunnerType.JENKINS, "../x", "empty parts"),
        (RunnerType.JENKINS, "job/web/job/x", "part of a URL"),
        (RunnerType.JENKINS, "https://ci/x", "empty parts"),
        (RunnerType.JENKINS, "web?x=1", "character"),
        (RunnerType.GITHUB_ACTIONS, "web/e2e", "workflow file"),
        (RunnerType.GITHUB_ACTIONS, ".github/workflows/e2e.yml", "workflow file"),
        (RunnerType.GITHUB_ACTIONS, "e2e", "workflow file"),
        (RunnerType.GITLAB_CI, "a b", "branch or tag"),
        (RunnerType.GITLAB_CI, "a..b", "branch or tag"),
        (RunnerType.GITLAB_CI, "a~1", "branch or tag"),
        (RunnerType.GITLAB_CI, "-main", "branch or tag"),
        (RunnerType.GITLAB_CI, "main.lock", "branch or tag"),
        (RunnerType.GITLAB_CI, "feature/", "branch or tag"),
    ],
)
def test_a_job_of_another_form_is_refused_and_the_message_says_what_is_wanted(
    runner: RunnerType, job: str, says: str
) -> None:
    assert says in (job_error(runner, job) or "")
