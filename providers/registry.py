"""Which adapter serves which system: one table per port, from a vendor's options to what opens it.

Keys of a Secret, by kind:
- `github`, `githubActions`: `token`; or `privateKey` (PEM) with `appID` and optionally `installationID`, both of which
  may come from the options instead.
- `bitbucketCloud`: `token` (an access token of a repository, project or workspace); or `username`, an account's e-mail
  address, with `token`, its API token.
- `gitea`, `forgejo`: `token`; or `username` with `password`.
- `bitbucketDataCenter`: `token`, an HTTP access token; or `username` with `password`.
- `jenkins`: `username` with `token` (API token) or `password`.
- `gitlab`: `token` of scope api (an access token, or an OAuth one), of a user whose role is Developer or higher.
- `gitlabCI`: `token` of scope api; with a `triggerToken` that one starts pipelines, and `token` needs read_api.
- `azureDevOps`: `token` (personal access token); or `clientID`, `clientSecret` and `tenantID` of an application of
  Entra, and optionally `authority`, the address of another Entra than the public one.
- `argocd`: `token`.
- a receiver of events: any of `secret`, which signs, and `token`, which is sent as a Bearer token.

Opening sends nothing and never fails for what a person configured wrongly (address, Secret): the first call raises the
error. Only a meaning that no result may have is refused at once, with ProviderRejected.

A new system adds its options, its adapter, and a line to the table of each port that it serves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from providers.argocd.adapter import ArgoCDDeployments
from providers.argocd.options import ArgoCDOptions
from providers.azure_devops import wire as azure_devops_wire
from providers.azure_devops.adapter import AzureDevOpsHost
from providers.azure_devops.calls import AzureDevOpsCalls
from providers.azure_devops.options import AzureDevOpsOptions
from providers.bitbucket_cloud import wire as bitbucket_cloud_wire
from providers.bitbucket_cloud.adapter import BitbucketCloudHost
from providers.bitbucket_cloud.calls import BitbucketCloudCalls
from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.bitbucket_data_center import wire as bitbucket_data_center_wire
from providers.bitbucket_data_center.adapter import BitbucketDataCenterHost
from providers.bitbucket_data_center.calls import BitbucketDataCenterCalls
from providers.bitbucket_data_center.options import BitbucketDataCenterOptions
from providers.event_receivers.adapter import HttpEventReceiver
from providers.event_receivers.options import EventReceiverOptions
from providers.gitea import wire as gitea_wire
from providers.gitea.adapter import GiteaHost
from providers.gitea.calls import GiteaCalls
from providers.gitea.options import ForgejoOptions, GiteaOptions
from providers.github import wire as github_wire
from providers.github.adapter import GitHubHost
from providers.github.calls import GitHubCalls
from providers.github.options import GitHubOptions
from providers.github_actions.adapter import GitHubActionsTestRuns
from providers.github_actions.at_ref import RunsAtRef
from providers.github_actions.options import GitHubActionsOptions
from providers.gitlab.adapter import GitLabHost
from providers.gitlab.calls import GitLabCalls
from providers.gitlab.options import GitLabOptions
from providers.gitlab_ci.adapter import GitLabTestRuns
from providers.gitlab_ci.adapter import refine as refine_gitlab_ci
from providers.gitlab_ci.options import GitLabCIOptions
from providers.http import HttpClients
from providers.jenkins.adapter import JenkinsTestRuns
from providers.jenkins.options import JenkinsOptions
from providers.metrics import Recorder, record_argocd_call, record_ci_call, record_event_call, record_scm_call
from providers.models import Credential, ScmIdentity
from providers.ports import Deployments, EventReceiver, ScmHost, TestRuns
from providers.runs import result_map

HostOptions = (
    GitHubOptions
    | GitLabOptions
    | GiteaOptions
    | BitbucketCloudOptions
    | BitbucketDataCenterOptions
    | AzureDevOpsOptions
)
TestRunOptions = JenkinsOptions | GitHubActionsOptions | GitLabCIOptions
DeploymentOptions = ArgoCDOptions


@dataclass(frozen=True, kw_only=True)
class Access:
    """What every adapter is opened with in addition to its options."""

    http: HttpClients
    credential: Credential


def open_scm_host(options: HostOptions, access: Access, identity: ScmIdentity) -> ScmHost:
    """Open one repository at its host, or with no name the host alone, to prove the credential."""
    port: ScmHost = SCM_HOSTS[type(options)](options, access, partial(record_scm_call, identity))
    return port


def open_test_runs(options: TestRunOptions, access: Access) -> TestRuns:
    """Open a CI system. Raises ProviderRejected for a result that the vendor does not know."""
    port: TestRuns = TEST_RUNS[type(options)](options, access, partial(record_ci_call, options.kind))
    return port


def open_deployments(options: DeploymentOptions, access: Access) -> Deployments:
    """Open what deploys."""
    port: Deployments = DEPLOYMENTS[type(options)](options, access, record_argocd_call)
    return port


def open_event_receiver(options: EventReceiverOptions, access: Access) -> EventReceiver:
    """Open a receiver of events."""
    return HttpEventReceiver(http=access.http, url=options.url, credential=access.credential, record=record_event_call)


def _github_calls(options: GitHubOptions, access: Access, record: Recorder, base_url: str) -> GitHubCalls:
    return GitHubCalls(
        http=access.http,
        base_url=base_url,
        owner=options.owner,
        repository=options.repository,
        credential=access.credential,
        record=record,
        app_id=options.app_id,
        installation_id=options.installation_id,
        needs=options.needs,
    )


def _github(options: GitHubOptions, access: Access, record: Recorder) -> ScmHost:
    base_url = github_wire.base_url(options.domain)
    calls = _github_calls(options, access, record, base_url)
    return GitHubHost(
        http=access.http,
        base_url=base_url,
        credential=access.credential,
        calls=calls,
        statuses_as=options.statuses_as,
    )


def _bitbucket_cloud(options: BitbucketCloudOptions, access: Access, record: Recorder) -> ScmHost:
    calls = BitbucketCloudCalls(
        http=access.http,
        base_url=bitbucket_cloud_wire.base_url(options.domain),
        workspace=options.workspace,
        repository=options.repository,
        credential=access.credential,
        record=record,
    )
    return BitbucketCloudHost(credential=access.credential, calls=calls)


def _azure_devops(options: AzureDevOpsOptions, access: Access, record: Recorder) -> ScmHost:
    calls = AzureDevOpsCalls(
        http=access.http,
        base_url=azure_devops_wire.base_url(options.domain, options.organization),
        project=options.project,
        repository=options.repository,
        credential=access.credential,
        record=record,
    )
    return AzureDevOpsHost(credential=access.credential, calls=calls)


def _bitbucket_data_center(options: BitbucketDataCenterOptions, access: Access, record: Recorder) -> ScmHost:
    calls = BitbucketDataCenterCalls(
        http=access.http,
        base_url=bitbucket_data_center_wire.base_url(options.domain),
        project=options.project,
        repository=options.repository,
        credential=access.credential,
        record=record,
    )
    return BitbucketDataCenterHost(credential=access.credential, calls=calls)


def _github_actions(options: GitHubActionsOptions, access: Access, record: Recorder) -> TestRuns:
    base_url = github_wire.base_url(options.repository.domain)
    calls = _github_calls(options.repository, access, record, base_url)
    results = result_map(options.results)
    runs = GitHubActionsTestRuns(
        http=access.http, base_url=base_url, credential=access.credential, calls=calls, results=results
    )
    return RunsAtRef(runs, options.ref) if options.ref else runs


def _gitea(options: GiteaOptions, access: Access, record: Recorder) -> ScmHost:
    calls = GiteaCalls(
        http=access.http,
        base_url=gitea_wire.base_url(options.domain),
        owner=options.owner,
        repository=options.repository,
        credential=access.credential,
        record=record,
        program=options.program,
    )
    return GiteaHost(credential=access.credential, calls=calls)


def _gitlab(options: GitLabOptions, access: Access, record: Recorder) -> ScmHost:
    calls = GitLabCalls(http=access.http, options=options, credential=access.credential, record=record)
    return GitLabHost(http=access.http, credential=access.credential, calls=calls)


def _gitlab_ci(options: GitLabCIOptions, access: Access, record: Recorder) -> TestRuns:
    calls = GitLabCalls(
        http=access.http,
        options=options.project,
        credential=access.credential,
        record=record,
        refine=refine_gitlab_ci,
    )
    results = result_map(options.results)
    return GitLabTestRuns(
        http=access.http,
        credential=access.credential,
        calls=calls,
        results=results,
        parameters_as=options.parameters_as,
    )


def _jenkins(options: JenkinsOptions, access: Access, record: Recorder) -> TestRuns:
    return JenkinsTestRuns(
        http=access.http,
        base_url=options.url,
        credential=access.credential,
        record=record,
        results=result_map(options.results),
    )


def _argocd(options: ArgoCDOptions, access: Access, record: Recorder) -> Deployments:
    return ArgoCDDeployments(http=access.http, base_url=options.server, credential=access.credential, record=record)


# A table's key is the type of the options that its entry takes, which no type of Python's expresses.
SCM_HOSTS: Mapping[type[HostOptions], Callable[[Any, Access, Recorder], ScmHost]] = {
    GitHubOptions: _github,
    GitLabOptions: _gitlab,
    GiteaOptions: _gitea,
    ForgejoOptions: _gitea,
    BitbucketCloudOptions: _bitbucket_cloud,
    BitbucketDataCenterOptions: _bitbucket_data_center,
    AzureDevOpsOptions: _azure_devops,
}
TEST_RUNS: Mapping[type[TestRunOptions], Callable[[Any, Access, Recorder], TestRuns]] = {
    JenkinsOptions: _jenkins,
    GitHubActionsOptions: _github_actions,
    GitLabCIOptions: _gitlab_ci,
}
DEPLOYMENTS: Mapping[type[DeploymentOptions], Callable[[Any, Access, Recorder], Deployments]] = {ArgoCDOptions: _argocd}
