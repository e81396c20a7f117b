"""Applications that several Environments name: the oldest Environment has them, the others write nothing. Pure.

Two places that write one application would undo each other's promotions, and each would record as arrived what the
other one moved. Kubernetes sets the creation time, so that no author decides who is older.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from posixpath import normpath
from socket import inet_aton, inet_ntoa
from urllib.parse import unquote, urlsplit

from crds.api.pauses import giving_way
from crds.reasons.conditions import ConditionReason
from crds.rules.field_errors import FieldError
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment

_DEFAULT_NAMESPACE = "argocd/"
_USUAL_PORTS = (None, 80, 443)
_NUMBERS = re.compile(r"[0-9a-fx.]{1,64}")

Named = tuple[str, str]
"""An application: the server that has it, and its name there."""


@dataclass(frozen=True, order=True, slots=True)
class Claimant:
    """An Environment that names an application; the smallest one has it."""

    created: str
    """Creation time as Kubernetes writes it; those of one second go by their names."""
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"Environment {self.namespace}/{self.name}"


def claimant(environment: Environment) -> Claimant:
    """Return who an Environment is among others."""
    metadata = environment.metadata
    created = metadata.creation_timestamp.isoformat() if metadata.creation_timestamp is not None else ""
    return Claimant(created, metadata.namespace or "", metadata.name)


def server_of(instance: ArgoCDInstance) -> str:
    """Return the address of an Argo CD server in one form, whatever way it is written.

    Argo CD answers `http` and `https` alike, so that their own ports are one.
    """
    try:
        url = urlsplit(instance.spec.server.strip())
        port = f":{url.port}" if url.port not in _USUAL_PORTS else ""
    except ValueError:
        return instance.spec.server
    path = normpath(f"/{unquote(url.path)}").strip("/")
    return f"{_host_of(url.hostname or '')}{port}/{path}".rstrip("/")


def _host_of(name: str) -> str:
    """Return a host as it is looked up: in ASCII, and an address as the system reads it (`127.1`, `::ffff:7f00:1`)."""
    host = name.partition("%")[0].lower()
    with suppress(UnicodeError):
        host = host.encode("idna").decode()
    host = host.rstrip(".")
    with suppress(ValueError):
        address = ip_address(host)
        return str(getattr(address, "ipv4_mapped", None) or address)
    if _NUMBERS.fullmatch(host):
        with suppress(OSError):
            return inet_ntoa(inet_aton(host))
    return host


def named(server: str, application: str) -> Named:
    """Return one application; `argocd/web` is `web`, since that is where Argo CD is installed by default."""
    return server, application.removeprefix(_DEFAULT_NAMESPACE)


def split_name(application: str) -> tuple[str, str]:
    """Return the namespace that an application is named with, empty where it is with none, and its name alone."""
    namespace, _, name = application.rpartition("/")
    return namespace, name


def names_of(environment: Environment, servers: Mapping[tuple[str, str], str]) -> dict[int, Named]:
    """Return the applications that an Environment names, by the position of the deployment.

    `servers` are by namespace and ArgoCDInstance. What a selector finds is not known here.
    """
    found: dict[int, Named] = {}
    for index, deployment in enumerate(environment.spec.deployments):
        argocd = deployment.argocd
        if argocd is None or argocd.application is None:
            continue
        server = servers.get((environment.metadata.namespace or "", argocd.instance_ref.name))
        if server is not None:
            found[index] = named(server, argocd.application)
    return found


async def owners_of(
    environments: Iterable[Environment], servers: Mapping[tuple[str, str], str]
) -> dict[Named, Claimant]:
    """Return who has each application that an Environment names; of a whole cluster, so that others run in between."""
    owners: dict[Named, Claimant] = {}
    async for environment in giving_way(environments):
        one = claimant(environment)
        for found in names_of(environment, servers).values():
            owners[found] = min(owners.get(found, one), one)
    return owners


def taken_errors(
    environment: Environment, owners: Mapping[Named, Claimant], servers: Mapping[tuple[str, str], str]
) -> list[FieldError]:
    """Find the applications of an Environment that an older one has."""
    one = claimant(environment)
    return [
        FieldError(
            path=f"spec.deployments[{index}].argocd.application",
            message=f"`{found[1]}` is an application of {owner}, which is older: this one does not write it. "
            "Name it in one Environment only",
            reason=ConditionReason.APPLICATION_TAKEN,
        )
        for index, found in names_of(environment, servers).items()
        if (owner := owners.get(found, one)) < one
    ]
