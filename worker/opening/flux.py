"""What hosts need, from a Provider in the form of Flux: its address, and the keys of its Secret.

Source of the keys: Flux's documentation of Providers. Where several are there the first one counts: `token`, then
`password`, then those of a GitHub App.
"""

from collections.abc import Mapping
from dataclasses import replace

from crds.rules.flux_addresses import RepositoryAddress
from crds.v1alpha1.flux_provider import GitProviderType
from providers.azure_devops.options import AzureDevOpsOptions
from providers.bitbucket_cloud.options import BitbucketCloudOptions
from providers.bitbucket_data_center.options import BitbucketDataCenterOptions
from providers.gitea.options import GiteaOptions
from providers.github.options import GitHubOptions
from providers.gitlab.options import GitLabOptions
from providers.models import Credential
from providers.registry import HostOptions

_APP_KEYS: Mapping[str, str] = {
    "githubAppID": "appID",
    "githubAppPrivateKey": "privateKey",
    "githubAppInstallationID": "installationID",
}
_PUBLIC_HOSTS: Mapping[GitProviderType, tuple[str, ...]] = {
    GitProviderType.GITHUB: ("github.com", "www.github.com"),
    GitProviderType.GITLAB: ("gitlab.com",),
    GitProviderType.BITBUCKET: ("bitbucket.org", "www.bitbucket.org"),
    GitProviderType.AZURE_DEVOPS: ("dev.azure.com",),
}
"""Hosts whose API has an address of its own, which adapters know."""


def host_options(kind: GitProviderType, address: RepositoryAddress) -> HostOptions:
    """Name the repository at its host."""
    public = address.host in _PUBLIC_HOSTS.get(kind, ()) and not address.base_path
    domain = "" if public else address.base_url
    match kind:
        case GitProviderType.GITHUB:
            api = _github_api(address) if domain else ""
            return GitHubOptions(domain=api, owner=address.owner, repository=address.name)
        case GitProviderType.GITLAB:
            return GitLabOptions(domain=domain, project=address.full_name)
        case GitProviderType.GITEA:
            return GiteaOptions(domain=domain, owner=address.owner, repository=address.name)
        case GitProviderType.BITBUCKET:
            return BitbucketCloudOptions(domain=domain, workspace=address.owner, repository=address.name)
        case GitProviderType.BITBUCKET_SERVER:
            return BitbucketDataCenterOptions(domain=domain, project=address.owner, repository=address.name)
        case GitProviderType.AZURE_DEVOPS:
            return AzureDevOpsOptions(
                domain=domain, organization=address.organization, project=address.owner, repository=address.name
            )


def credential_of(kind: GitProviderType, found: Credential, *, username: str = "") -> Credential:
    """Return a Secret's data by the keys that adapters read."""
    data = dict(found.data)
    token, password = data.get("token", ""), data.get("password", "")
    name = data.get("username") or username
    match kind:
        case GitProviderType.GITHUB if not (token or password):
            mapped = {ours: data[theirs] for theirs, ours in _APP_KEYS.items() if theirs in data}
        case GitProviderType.BITBUCKET if ":" in token:
            # Flux's only form: an account with its app password or API token, sent as Basic.
            account, _, secret = token.partition(":")
            mapped = {"username": account, "token": secret}
        case GitProviderType.BITBUCKET if not token and name:
            mapped = {"username": name, "token": password}
        case GitProviderType.BITBUCKET_SERVER | GitProviderType.GITEA if not token and name:
            mapped = {"username": name, "password": password}
        case _:
            mapped = {"token": token or password}
    return replace(found, data={key: value for key, value in mapped.items() if value})


def _github_api(address: RepositoryAddress) -> str:
    """Return the API of GitHub Enterprise Server, or of a tenant with data residency."""
    if address.host.endswith(".ghe.com"):
        return f"{address.scheme}://api.{address.host}"
    return f"{address.base_url}/api/v3"
