"""ArgoCDInstance: an Argo CD API server."""

from typing import ClassVar

from crds.fields import Endpoint, SecretReference, ShortText
from crds.model import AGE, Definition, Model, PrinterColumn
from crds.resource import ConditionedStatus, Resource


class ArgoCDInstanceSpec(Model):
    """Where the API server is, and the credential."""

    server: Endpoint
    """Base URL of the API server, with its root path."""
    secret_ref: SecretReference
    """Secret with `token`, the token of an Argo CD account."""
    webhook_secret_ref: SecretReference | None = None
    """Secret with `webhookSecret`, which proves Argo CD's notifications. If not given, the Secret of `secretRef` is
    used."""
    ca_secret_ref: SecretReference | None = None
    """Secret with `ca.crt`, the authority that signed the server's certificate."""
    proxy_secret_ref: SecretReference | None = None
    """Secret with `address` of the HTTP proxy between Pilotage and the server, and with `username` and `password` if
    the proxy asks for them."""


class ArgoCDInstanceStatus(ConditionedStatus):
    """Whether the server answers and accepts the credential."""

    version: ShortText | None = None
    """Version that the server reports."""


class ArgoCDInstance(Resource):
    """An Argo CD API server."""

    definition: ClassVar = Definition(
        kind="ArgoCDInstance",
        plural="argocdinstances",
        short_name="pargo",
        columns=(
            PrinterColumn(name="SERVER", json_path=".spec.server"),
            PrinterColumn(name="VERSION", json_path=".status.version"),
            PrinterColumn(name="REACHABLE", json_path=".status.conditions[?(@.type=='Reachable')].status"),
            AGE,
        ),
    )

    kind: str = "ArgoCDInstance"
    spec: ArgoCDInstanceSpec
    status: ArgoCDInstanceStatus = ArgoCDInstanceStatus()
