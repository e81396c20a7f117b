"""The SCM hosts: one block each, of which exactly one is set."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from crds.fields import SecretReference
from crds.model import Model, Rule, exactly_one_of

Domain = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        pattern=r"^(https?://)?([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
        r"(:[0-9]{1,5})?(/[^\s?#]*)?$",
    ),
]
Identifier = Annotated[int, Field(ge=1)]


class ScmHost(StrEnum):
    """The hosts, named as their block on the wire."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    FORGEJO = "forgejo"
    BITBUCKET_CLOUD = "bitbucketCloud"
    BITBUCKET_DATA_CENTER = "bitbucketDataCenter"
    AZURE_DEVOPS = "azureDevOps"


# Groups and their members are a part of version 1 of its API, which was removed but for what is "temporary":
# https://developer.atlassian.com/cloud/bitbucket/deprecation-notice-v1-apis/
SHOWS_NO_TEAMS = frozenset({ScmHost.BITBUCKET_CLOUD})
"""Hosts that cannot be asked who is in a team."""
WRITES_NO_FILES = frozenset({ScmHost.BITBUCKET_DATA_CENTER})
"""Hosts that cannot write several files in one commit, and only where nothing else was committed meanwhile."""
HOST_FIELDS = tuple(host.value for host in ScmHost)


def only_host(spec: Model) -> ScmHost:
    """Find the one host block of a spec that is set. Raises ValueError where none or several are."""
    wire = spec.to_wire()
    given = [host for host in ScmHost if host.value in wire]
    if len(given) != 1:
        raise ValueError(f"exactly one of {', '.join(HOST_FIELDS)} must be set")
    return given[0]


class GitHubHost(Model):
    """GitHub."""

    rules: ClassVar = (
        Rule(
            rule="!has(self.installationID) || has(self.appID)",
            message="installationID needs appID, the App that is installed",
            field_path=".installationID",
        ),
    )

    domain: Domain | None = None
    """Base URL of the REST API, `https://api.github.com` if not given; a bare host name is a GitHub
    Enterprise Server, whose API is at `/api/v3`."""
    app_id: Identifier | None = None
    """Id of the GitHub App, for a credential with a private key."""
    installation_id: Identifier | None = None
    """Installation of the App; if not given, Pilotage looks it up by the repository."""


class GitLabHost(Model):
    """GitLab."""

    domain: Domain | None = None
    """Host name or base URL, with its port and sub-path; gitlab.com if not given."""


class GiteaHost(Model):
    """Gitea."""

    domain: Domain
    """Host name, or URL of the host with its port and path; the API is at `/api/v1` below it."""


class ForgejoHost(Model):
    """Forgejo."""

    domain: Domain
    """Host name, or URL of the host with its port and path; the API is at `/api/v1` below it."""


class BitbucketCloudHost(Model):
    """Bitbucket Cloud."""

    domain: Domain | None = None
    """Base URL of the REST API; https://api.bitbucket.org if not given."""


class BitbucketDataCenterHost(Model):
    """Bitbucket Data Center."""

    domain: Domain
    """Host name or base URL, with its context path."""


class AzureDevOpsHost(Model):
    """Azure DevOps."""

    organization: Annotated[str, Field(min_length=1, max_length=255)]
    """Organization at Azure DevOps Services, or collection of a server."""
    domain: Domain | None = None
    """Host name or base URL of a server, with its sub-path such as `/tfs`; dev.azure.com if not given."""


class ScmProviderSpec(Model):
    """Exactly one host, and its credential."""

    rules: ClassVar = (exactly_one_of(*HOST_FIELDS),)

    github: GitHubHost | None = None
    """GitHub, GitHub Enterprise Server, or GitHub with data residency. The Secret holds `token`; or `privateKey` of a
    GitHub App, with its `appID` and `installationID` where these are not given here."""
    gitlab: GitLabHost | None = None
    """GitLab.com, self-managed or Dedicated. The Secret holds `token`: an access token or OAuth token with the scope
    `api`, of a user with the role Developer or higher."""
    gitea: GiteaHost | None = None
    """Gitea, 1.20 or newer. The Secret holds `token`, or `username` and `password`."""
    forgejo: ForgejoHost | None = None
    """Forgejo. The Secret holds `token`, or `username` and `password`."""
    bitbucket_cloud: BitbucketCloudHost | None = None
    """Bitbucket Cloud. The Secret holds `token`, an access token; or `username`, an account's e-mail address, and
    `token`, its API token."""
    bitbucket_data_center: BitbucketDataCenterHost | None = None
    """Bitbucket Data Center, 8 or newer. It cannot write several files in one commit, so that `write.git` is not
    possible there. The Secret holds `token`, an HTTP access token; or `username` and `password`."""
    azure_dev_ops: AzureDevOpsHost | None = None
    """Azure DevOps Services, or Server 2022 or newer. The Secret holds `token`; or `clientID`, `clientSecret` and
    `tenantID` of an Entra application, and `authority` where Entra is not at https://login.microsoftonline.com."""
    secret_ref: SecretReference
    """Secret with the credential. The host's block names the keys."""
    webhook_secret_ref: SecretReference | None = None
    """Secret with `webhookSecret`, which proves webhooks of the provider, and of repositories that name no Secret of
    their own. If not given, the Secret of `secretRef` is used."""
    ca_secret_ref: SecretReference | None = None
    """Secret with `ca.crt`, the authority that signed the host's certificate."""
    proxy_secret_ref: SecretReference | None = None
    """Secret with `address` of the HTTP proxy between Pilotage and the host, and with `username` and `password` if the
    proxy asks for them."""

    @property
    def host(self) -> ScmHost:
        """The host that is set. Raises ValueError where none or several are."""
        return only_host(self)

    @property
    def block(self) -> Model:
        """The block of the host that is set. Raises ValueError where none or several are."""
        host = self.host.value
        names = {field.alias or name: name for name, field in type(self).model_fields.items()}
        block: Model = getattr(self, names[host])
        return block
