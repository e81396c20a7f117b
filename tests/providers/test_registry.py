"""Kinds, knobs and what building checks."""

import pytest

from providers.argocd.options import ArgoCDOptions
from providers.azure_devops.options import AzureDevOpsOptions
from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.bitbucket_data_center.options import BitbucketDataCenterOptions
from providers.errors import ProviderMisconfigured, ProviderRejected
from providers.gitea.options import ForgejoOptions, GiteaOptions
from providers.github.options import GitHubOptions
from providers.github_actions.options import GitHubActionsOptions
from providers.gitlab.options import GitLabOptions
from providers.gitlab_ci.options import GitLabCIOptions
from providers.jenkins.options import JenkinsOptions
from providers.models import Credential
from providers.ports import Checkable
from providers.registry import (
    DEPLOYMENTS,
    SCM_HOSTS,
    TEST_RUNS,
    Access,
    HostOptions,
    TestRunOptions,
    open_deployments,
    open_scm_host,
    open_test_runs,
)
from providers.runs import RESULT_DEFAULTS, result_map
from providers.runs import test_counts as count_tests
from tests.providers.hosts import IDENTITY, FakeHost

HOSTS: list[HostOptions] = [
    GiteaOptions(domain="https://x", owner="a", repository="b"),
    ForgejoOptions(domain="https://x", owner="a", repository="b"),
    GitHubOptions(domain="https://x", owner="a", repository="b"),
    GitLabOptions(domain="https://x", project="1"),
    BitbucketCloudOptions(domain="https://x", workspace="a", repository="b"),
    BitbucketDataCenterOptions(domain="https://x", project="a", repository="b"),
    AzureDevOpsOptions(organization="o", domain="https://x", project="a", repository="b"),
]
REPOSITORY = GitHubOptions(domain="https://x", owner="a", repository="b")
RUNS: list[TestRunOptions] = [
    JenkinsOptions(url="https://x"),
    GitHubActionsOptions(repository=REPOSITORY),
    GitLabCIOptions(project=GitLabOptions(domain="https://x", project="1")),
]


def test_each_system_that_can_be_opened_is_opened_below() -> None:
    assert {type(options) for options in RUNS} == set(TEST_RUNS)
    assert {type(options) for options in HOSTS} == set(SCM_HOSTS)
    assert set(DEPLOYMENTS) == {ArgoCDOptions}


async def test_opening_with_an_empty_secret_fails_at_the_first_call(host: FakeHost) -> None:
    access = Access(http=host.http(), credential=Credential(data={}))
    checks: list[Checkable] = [
        *(open_scm_host(options, access, IDENTITY) for options in HOSTS),
        *(open_test_runs(options, access) for options in RUNS),
    ]
    for port in checks:
        with pytest.raises(ProviderMisconfigured, match="Secret"):
            await port.check()
    with pytest.raises(ProviderMisconfigured, match="Secret"):
        await open_deployments(ArgoCDOptions(server="https://x"), access).list("shop")
    assert host.requests == []


@pytest.mark.parametrize(("wanted", "allowed"), [({"odd": "Passed"}, "unstable"), ({"unstable": "Fine"}, "Passed")])
def test_a_wrong_knob_names_what_is_allowed(wanted: dict[str, str], allowed: str) -> None:
    with pytest.raises(ProviderRejected, match=allowed):
        result_map(wanted)


def test_without_choices_the_documented_defaults_count() -> None:
    assert result_map({}) == RESULT_DEFAULTS


def test_counts_cover_only_what_there_is() -> None:
    assert count_tests(passed=0, failed=0, skipped=0) == ""
    assert count_tests(passed=41, failed=0, skipped=0) == "41 passed"
    assert count_tests(passed=0, failed=2, skipped=1) == "0 passed, 2 failed, 1 skipped"


def test_a_credential_is_never_printed() -> None:
    assert "hunter2" not in repr(Credential(data={"token": "hunter2"}))
