"""What a test's job may look like at each CI system."""

import re

from crds.v1alpha1.test_runner import RunnerType

# https://github.com/jenkinsci/jenkins: Jenkins.checkGoodName; `%` is left out, multibranch jobs are named `a%2Fb`.
_JENKINS_REFUSED = re.compile(r"[?*\\!@#$^&|<>\[\]:;\x00-\x1f\x7f]")
_GITHUB_FILE = re.compile(r"[^/\\\s]+\.ya?ml")
# https://git-scm.com/docs/git-check-ref-format
_GIT_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


def job_error(runner: RunnerType, job: str) -> str | None:
    """Say what is wrong with a job for a runner; None if nothing is."""
    match runner:
        case RunnerType.JENKINS:
            return _jenkins_error(job)
        case RunnerType.GITHUB_ACTIONS:
            if _GITHUB_FILE.fullmatch(job):
                return None
            return f"`{job}` is not a workflow file: write the name below .github/workflows, such as `e2e.yml`"
        case RunnerType.GITLAB_CI:
            return _gitlab_error(job)


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
