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
from providers.models import Credential, Route
from providers.registry import HostOptions

_APP_KEYS: Mapping[str, str] = {
    "githubAppID": "appID",
    "githubAppPrivateKey": "privateKey",
    "githubAppInstallationID": "installationID",
}
_PUBLIC_HOSTS: Mapping[GitProviderType, str] = {
    GitProviderType.GITHUB: "github.com",
    GitProviderType.GITLAB: "gitlab.com",
    GitProviderType.BITBUCKET: "bitbucket.org",
    GitProviderType.AZURE_DEVOPS: "dev.azure.com",
}
"""Hosts whose API has an address of its own, which adapters know."""


CA_KEY, CERTIFICATE_KEY, KEY_KEY = "ca.crt", "tls.crt", "tls.key"
_OLD_KEYS: Mapping[str, str] = {CA_KEY: "caFile", CERTIFICATE_KEY: "certFile", KEY_KEY: "keyFile"}


class WrongKeys(ValueError):
    """A Secret misses what it is named for; the text names the keys."""


def host_options(kind: GitProviderType, address: RepositoryAddress) -> HostOptions:
    """Name the repository at its host."""
    public = address.host == _PUBLIC_HOSTS.get(kind) and not address.base_path
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
    """Return a Secret's data by the keys that adapters read. Raises WrongKeys where it proves nothing."""
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
    mapped = {key: value.strip() for key, value in mapped.items() if value.strip()}
    if not (mapped.keys() & {"token", "password"} or mapped.keys() >= {"appID", "privateKey"}):
        raise WrongKeys(_expected(kind))
    return replace(found, data=mapped)


def _expected(kind: GitProviderType) -> str:
    match kind:
        case GitProviderType.GITHUB:
            return "has neither key `token`, nor the keys `githubAppID` and `githubAppPrivateKey` of an App"
        case GitProviderType.GITEA | GitProviderType.BITBUCKET | GitProviderType.BITBUCKET_SERVER:
            return "has neither key `token`, nor the keys `username` and `password`"
    return "has no key `token`"


def route_of(entries: Mapping[str, str], *, hosts: tuple[str, ...] | None, named: bool) -> Route:
    """Return whom a connection trusts and how it proves itself. Raises WrongKeys for half of a certificate.

    `hosts` are those that the Secret may be used for; `named` is whether it is there for its certificates alone.
    """
    ca, certificate, key = (
        entries.get(name) or entries.get(_OLD_KEYS[name]) for name in (CA_KEY, CERTIFICATE_KEY, KEY_KEY)
    )
    if bool(certificate) != bool(key):
        missing, there = (KEY_KEY, CERTIFICATE_KEY) if certificate else (CERTIFICATE_KEY, KEY_KEY)
        raise WrongKeys(f"has key `{there}` without key `{missing}`")
    if named and not (ca or certificate):
        raise WrongKeys(f"has neither key `{CA_KEY}`, nor the keys `{CERTIFICATE_KEY}` and `{KEY_KEY}`")
    return Route(ca_pem=ca, certificate_pem=certificate, key_pem=key, hosts=hosts)


def _github_api(address: RepositoryAddress) -> str:
    """Return the API of GitHub Enterprise Server, or of a tenant with data residency."""
    if address.host.endswith(".ghe.com"):
        return f"{address.scheme}://api.{address.host}"
    return f"{address.base_url}/api/v3"
