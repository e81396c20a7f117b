"""What the Jenkins adapter needs, from what people declare."""

from crds.v1alpha1.test_runner import JenkinsRunner
from providers.jenkins.options import JenkinsOptions


def run_options(runner: JenkinsRunner) -> JenkinsOptions:
    """Name a controller."""
    return JenkinsOptions(url=runner.url, results={"unstable": runner.unstable.value})
