"""Provider: a repository and a credential by which events of Flux become commit statuses."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from crds.durations import FLUX_PATTERN, MAX_LENGTH, format_flux_duration, parse_flux_duration
from crds.fields import OBJECT_NAME_LENGTH, SecretReference, Text, Time
from crds.model import AGE, Definition, Model, PrinterColumn, Rule, extra
from crds.resource import ConditionedStatus, Resource

Timeout = Annotated[
    timedelta,
    BeforeValidator(lambda value: parse_flux_duration(value) if isinstance(value, str) else value),
    PlainSerializer(format_flux_duration, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 2, "maxLength": MAX_LENGTH, "pattern": FLUX_PATTERN}),
    Field(json_schema_extra=extra(Rule(rule="duration(self) > duration('0s')", message="must be positive"))),
]
"""A duration in every form of Flux's definition, so that a manifest stays as it is."""


class GitProviderType(StrEnum):
    """The hosts, named as Flux names them."""

    GITHUB = "github"
    """GitHub, GitHub Enterprise Server, or GitHub with data residency."""
    GITLAB = "gitlab"
    """GitLab.com, self-managed or Dedicated."""
    GITEA = "gitea"
    """Gitea or Forgejo."""
    BITBUCKET = "bitbucket"
    """Bitbucket Cloud."""
    BITBUCKET_SERVER = "bitbucketserver"
    """Bitbucket Data Center."""
    AZURE_DEVOPS = "azuredevops"
    """Azure DevOps Services or Server."""


class ProviderSpec(Model):
    """A repository at its host, as in Flux's Provider."""

    type: GitProviderType
    """The host."""
    address: Annotated[str, Field(min_length=1, max_length=2048)]
    """Clone address of the repository, such as `https://github.com/acme/web` or `ssh://git@host/acme/web.git`; for
    `bitbucketserver` the HTTP address with `/scm/`."""
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """User name, where the Secret has only a `password`."""
    secret_ref: SecretReference
    """Secret with `token`; or `username` and `password`; or, for an App at `github`, `githubAppID`,
    `githubAppPrivateKey`, and `githubAppInstallationID` or `githubAppInstallationOwner`. For `bitbucket`, `token` is an
    access token, or `<user>:<app password>`."""
    cert_secret_ref: SecretReference | None = None
    """Secret with `ca.crt`, the authority that signed the host's certificate; and with `tls.crt` and `tls.key` if the
    host asks for a client certificate."""
    proxy_secret_ref: SecretReference | None = None
    """Secret with `address` of an HTTP proxy, and with `username` and `password` if the proxy asks for them."""
    timeout: Timeout = timedelta(seconds=15)
    """How long one call to the host may take, such as `15s` or `500ms`; a longer one counts as 25 s, for `azuredevops`
    as 45 s."""
    suspend: bool = False
    """Whether Pilotage drops events. It does not post them later."""
    commit_status_expr: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """CEL expression over `event`, `provider` and `alert` whose result, a string, is the context of the statuses."""


class LastPost(Model):
    """The newest status that the host accepted."""

    time: Time
    """When."""
    commit: Annotated[str, Field(max_length=64)]
    """The commit."""
    context: Annotated[str, Field(max_length=255)]
    """Context of the status, as it was sent."""
    state: Annotated[str, Field(max_length=16)]
    """State of the status."""


class LastError(Model):
    """The newest reason why Pilotage did not post a status."""

    time: Time
    """When."""
    message: Text
    """Why, and what to fix."""
    event: Annotated[str, Field(max_length=1024)] = ""
    """Object of the event, as kind/namespace/name."""


class PostStatus(ConditionedStatus):
    """What Pilotage posted last, and what it could not post."""

    last_success: LastPost | None = None
    """The newest status that the host accepted."""
    last_error: LastError | None = None
    """The newest reason why Pilotage did not post a status."""


POST_COLUMNS = (
    PrinterColumn(name="READY", json_path=".status.conditions[?(@.type=='Ready')].status"),
    PrinterColumn(name="POSTED", json_path=".status.lastSuccess.time", type="date"),
    PrinterColumn(name="FAILED", json_path=".status.lastError.time", type="date"),
    PrinterColumn(name="MESSAGE", json_path=".status.conditions[?(@.type=='Ready')].message", priority=1),
    AGE,
)


class Provider(Resource):
    """A repository at its host, for commit statuses of Flux events."""

    definition: ClassVar = Definition(
        kind="Provider",
        plural="providers",
        short_name="pprov",
        name_max_length=OBJECT_NAME_LENGTH,
        columns=(
            PrinterColumn(name="TYPE", json_path=".spec.type"),
            PrinterColumn(name="ADDRESS", json_path=".spec.address", priority=1),
            *POST_COLUMNS,
        ),
    )

    kind: str = "Provider"
    spec: ProviderSpec
    status: PostStatus = PostStatus()
