"""Which adapter serves which kind: explicit tables, plain values in, ports out.

Keys of a Secret, by kind:
- `github`, `githubActions`: `token`; or `privateKey` (PEM) with `appID` and optionally `installationID`, both of which
  may come from the provider's spec instead.
- `jenkins`: `username` with `token` (API token) or `password`.
- `gitlabCI`: `token` of scope api; with `triggerToken` beside it that one starts pipelines and `token` needs read_api.
- `argocd`: `token`.

Building never fails for what a person configured wrongly (address, Secret): the first call raises the error.
Only an unknown kind or knob is refused at once, with ProviderRejected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from providers.argocd.adapter import ArgoCDDeployments
from providers.errors import ProviderRejected
from providers.github import wire as github_wire
from providers.github.adapter import GitHubCalls, GitHubHost
from providers.github_actions.adapter import GitHubActionsTestRuns
from providers.gitlab_ci import wire as gitlab_wire
from providers.gitlab_ci.adapter import GitLabAccess, GitLabTestRuns
from providers.gitlab_ci.starting import ParametersAs
from providers.http import HttpClients
from providers.jenkins.adapter import JenkinsTestRuns
from providers.metrics import Recorder, record_argocd_call, record_ci_call, record_scm_call
from providers.models import Credential, RunPhase, ScmIdentity
from providers.ports import Checkable, Deployments, ScmHost, TestRuns
from providers.runs import result_map

Factory = TypeVar("Factory")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that any factory may need; each takes what its system knows."""

    http: HttpClients
    base: str
    credential: Credential
    record: Recorder
    owner: str = ""
    repository: str = ""
    project: str = ""
    app_id: str = ""
    installation_id: str = ""
    results: Mapping[str, RunPhase] = field(default_factory=dict)
    parameters_as: ParametersAs = ParametersAs.VARIABLES


def build_scm_host(
    kind: str,
    *,
    base: str,
    owner: str,
    repository: str,
    credential: Credential,
    identity: ScmIdentity,
    http: HttpClients,
    app_id: str = "",
    installation_id: str = "",
) -> ScmHost:
    """Open one repository. `base` is the provider's domain or URL; with an empty owner only `check` is of use."""
    parts = Parts(
        http=http,
        base=base,
        credential=credential,
        record=partial(record_scm_call, identity),
        owner=owner,
        repository=repository,
        app_id=app_id,
        installation_id=installation_id,
    )
    return _chosen(SCM_HOSTS, kind, "SCM host")(parts)


def build_scm_check(
    kind: str,
    *,
    base: str,
    owner: str,
    repository: str,
    credential: Credential,
    identity: ScmIdentity,
    http: HttpClients,
    app_id: str = "",
    installation_id: str = "",
) -> Checkable:
    """Open a repository, or with an empty owner its host, to prove the credential; also where only its CI is used."""
    if kind == "gitlab":
        project = f"{owner}/{repository}".strip("/")
        record = partial(record_ci_call, "gitlabCI")
        parts = Parts(http=http, base=base, credential=credential, record=record, project=project)
        return GitLabAccess(_gitlab_ci(parts))
    return build_scm_host(
        kind,
        base=base,
        owner=owner,
        repository=repository,
        credential=credential,
        identity=identity,
        http=http,
        app_id=app_id,
        installation_id=installation_id,
    )


def build_test_runs(
    kind: str,
    *,
    base: str,
    credential: Credential,
    http: HttpClients,
    owner: str = "",
    repository: str = "",
    project: str = "",
    app_id: str = "",
    installation_id: str = "",
    results: Mapping[str, str] | None = None,
    parameters_as: str = ParametersAs.VARIABLES,
) -> TestRuns:
    """Open a CI system.

    `base` is Jenkins' URL, or the domain or URL of the repository's host. `githubActions` takes `owner` and
    `repository`; `gitlabCI` takes `project`, its number or full path; without one only `check` is of use. `results`
    maps knobs (providers.runs.KNOBS) to phases, such as `{"unstable": "Passed"}`. `parameters_as` is for `gitlabCI`:
    `Variables` or `Inputs`.
    """
    parts = Parts(
        http=http,
        base=base,
        credential=credential,
        record=partial(record_ci_call, kind),
        owner=owner,
        repository=repository,
        project=project,
        app_id=app_id,
        installation_id=installation_id,
        results=result_map(results or {}),
        parameters_as=ParametersAs(parameters_as),
    )
    return _chosen(TEST_RUNS, kind, "CI system")(parts)


def build_deployments(kind: str = "argocd", *, base: str, credential: Credential, http: HttpClients) -> Deployments:
    """Open an Argo CD API server; `base` is its URL, with its root path if it has one."""
    parts = Parts(http=http, base=base, credential=credential, record=record_argocd_call)
    return _chosen(DEPLOYMENTS, kind, "deployment system")(parts)


def _github(parts: Parts) -> ScmHost:
    base_url = github_wire.base_url(parts.base)
    calls = _github_calls(parts, base_url)
    return GitHubHost(http=parts.http, base_url=base_url, credential=parts.credential, calls=calls)


def _github_actions(parts: Parts) -> TestRuns:
    base_url = github_wire.base_url(parts.base)
    calls = _github_calls(parts, base_url)
    return GitHubActionsTestRuns(http=parts.http, base_url=base_url, calls=calls, results=parts.results)


def _github_calls(parts: Parts, base_url: str) -> GitHubCalls:
    return GitHubCalls(
        http=parts.http,
        base_url=base_url,
        owner=parts.owner,
        repository=parts.repository,
        credential=parts.credential,
        record=parts.record,
        app_id=parts.app_id,
        installation_id=parts.installation_id,
    )


def _jenkins(parts: Parts) -> TestRuns:
    return JenkinsTestRuns(
        http=parts.http,
        base_url=parts.base,
        credential=parts.credential,
        record=parts.record,
        results=parts.results,
    )


def _gitlab_ci(parts: Parts) -> GitLabTestRuns:
    return GitLabTestRuns(
        http=parts.http,
        base_url=gitlab_wire.base_url(parts.base),
        project=parts.project,
        credential=parts.credential,
        record=parts.record,
        results=parts.results,
        parameters_as=parts.parameters_as,
    )


def _argocd(parts: Parts) -> Deployments:
    return ArgoCDDeployments(http=parts.http, base_url=parts.base, credential=parts.credential, record=parts.record)


SCM_HOSTS: Mapping[str, Callable[[Parts], ScmHost]] = {"github": _github}
TEST_RUNS: Mapping[str, Callable[[Parts], TestRuns]] = {
    "jenkins": _jenkins,
    "githubActions": _github_actions,
    "gitlabCI": _gitlab_ci,
}
DEPLOYMENTS: Mapping[str, Callable[[Parts], Deployments]] = {"argocd": _argocd}


def _chosen(table: Mapping[str, Factory], kind: str, what: str) -> Factory:
    if kind not in table:
        raise ProviderRejected(f"`{kind}` is no {what} that this version works with; it works with {', '.join(table)}")
    return table[kind]
