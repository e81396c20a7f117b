import pytest

from crds.rules.jobs import job_error, parameters_error
from crds.v1alpha1.test_runner import RunnerType
from tests.crds.resources import Document, runner

REPOSITORY = {"repositoryRef": {"name": "web"}}
ACTIONS = {"githubActions": REPOSITORY}
INPUTS = {"gitlabCI": {**REPOSITORY, "parametersAs": "Inputs"}}


@pytest.mark.parametrize(
    ("system", "job"),
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
def test_jobs_are_written_as_each_ci_system_names_them(system: RunnerType, job: str) -> None:
    assert job_error(system, job) is None


@pytest.mark.parametrize(
    ("system", "job", "problem"),
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
        (RunnerType.GITHUB_ACTIONS, "e2e.yml@release/1.0", "write `e2e.yml`, and the ref as `githubActions.ref`"),
        (RunnerType.GITHUB_ACTIONS, "e2e@v2.yml", "workflow file"),
        (RunnerType.GITLAB_CI, "a b", "branch or tag"),
        (RunnerType.GITLAB_CI, "a..b", "branch or tag"),
        (RunnerType.GITLAB_CI, "a~1", "branch or tag"),
        (RunnerType.GITLAB_CI, "-main", "branch or tag"),
        (RunnerType.GITLAB_CI, "main.lock", "branch or tag"),
        (RunnerType.GITLAB_CI, "feature/", "branch or tag"),
    ],
)
def test_a_job_of_another_form_is_refused_and_the_message_names_what_is_wanted(
    system: RunnerType, job: str, problem: str
) -> None:
    assert problem in (job_error(system, job) or "")


def names(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


@pytest.mark.parametrize(("spec", "most"), [(ACTIONS, 24), (INPUTS, 19)])
def test_a_ci_system_with_inputs_takes_so_many_parameters_in_addition_to_the_key(spec: Document, most: int) -> None:
    assert parameters_error(runner("ci", **spec).spec, names(most)) is None
    assert parameters_error(runner("ci", **spec).spec, [*names(most), "promotion_key"]) is None
    assert f"at most {most}" in (parameters_error(runner("ci", **spec).spec, names(most + 1)) or "")


@pytest.mark.parametrize("spec", [{"jenkins": {"url": "https://ci.example"}}, {"gitlabCI": REPOSITORY}])
def test_a_ci_system_without_inputs_takes_as_many_parameters_as_a_test_may_have(spec: Document) -> None:
    assert parameters_error(runner("ci", **spec).spec, names(64)) is None
