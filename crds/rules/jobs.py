"""What a test's job may look like at each CI system, and how many parameters it may have."""

import re
from collections.abc import Iterable

from crds.v1alpha1.test_runner import ParametersAs, RunnerType, TestRunnerSpec

# https://github.com/jenkinsci/jenkins: Jenkins.checkGoodName; `%` is left out, multibranch jobs are named `a%2Fb`.
_JENKINS_REFUSED = re.compile(r"[?*\\!@#$^&|<>\[\]:;\x00-\x1f\x7f]")
_GITHUB_FILE = re.compile(r"[^/\\\s@]+\.ya?ml")
_GITHUB_FILE_AT_REF = re.compile(r"([^/\\\s@]+\.ya?ml)@\S+")
# https://git-scm.com/docs/git-check-ref-format
_GIT_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")

# https://docs.github.com/en/rest/actions/workflows: 25 inputs; Enterprise Server up to 3.19 takes 10, which its adapter
# distinguishes. https://docs.gitlab.com/ci/inputs/: 20.
_GITHUB_INPUTS_LIMIT = 25
_GITLAB_INPUTS_LIMIT = 20
_KEY_INPUT = "promotion_key"


def job_error(runner: RunnerType, job: str) -> str | None:
    """Return what is wrong with a job for a runner; None if nothing is."""
    match runner:
        case RunnerType.JENKINS:
            return _jenkins_error(job)
        case RunnerType.GITHUB_ACTIONS:
            return _github_error(job)
        case RunnerType.GITLAB_CI:
            return _gitlab_error(job)


def parameters_error(runner: TestRunnerSpec, names: Iterable[str]) -> str | None:
    """Return that a runner's CI system takes fewer parameters next to the key; None if they are not too many."""
    if runner.github_actions is not None:
        limit = _GITHUB_INPUTS_LIMIT
    elif runner.gitlab_ci is not None and runner.gitlab_ci.parameters_as is ParametersAs.INPUTS:
        limit = _GITLAB_INPUTS_LIMIT
    else:
        return None
    count = len({*names} - {_KEY_INPUT})
    if count < limit:
        return None
    return f"has {count} parameters; it takes {limit} inputs, of which `{_KEY_INPUT}` is one: at most {limit - 1}"


def _github_error(job: str) -> str | None:
    if _GITHUB_FILE.fullmatch(job):
        return None
    if found := _GITHUB_FILE_AT_REF.fullmatch(job):
        return (
            f"`{job}` names a branch or tag: write `{found[1]}`, and the ref as `githubActions.ref` of the TestRunner"
        )
    return f"`{job}` is not a workflow file: write the name below .github/workflows, such as `e2e.yml`"


def _jenkins_error(job: str) -> str | None:
    folders = job.split("/")
    if folders[0] == "job" and len(folders) > 1:
        return f"`{job}` looks like a part of a URL: write folders and job only, such as `web/integration`"
    if any(folder.strip() != folder or folder in ("", ".", "..") for folder in folders):
        return f"`{job}` is not a folder path: write folders and job such as `web/integration`, without empty parts"
    if _JENKINS_REFUSED.search(job):
        return f"`{job}` has a character that Jenkins allows in no name; write a path such as `web/integration`"
    return None


def _gitlab_error(job: str) -> str | None:
    parts = job.split("/")
    bad_part = any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    if bad_part or job.startswith("-") or job.endswith(".") or job == "@" or _GIT_REFUSED.search(job):
        return f"`{job}` is not a branch or tag"
    return None
