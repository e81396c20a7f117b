"""Where the API server of the cluster listens, other than the address that Kubernetes gives to pods.

A pod reaches the API server at the addresses behind its Service too. It is called with a tenant's Secret, never with
our own token; but from inside the cluster, and what it answers is shown to the author of the address.
"""

import asyncio
from datetime import timedelta
from urllib.parse import urlsplit

import structlog

from crds.api.backoff import STANDARD
from crds.api.kubernetes import KubernetesApi
from crds.api.ports import ApiError, ApiForbidden, ApiNotFound, ApiResource, Document
from providers.addresses import Endpoint
from providers.http import HttpClients

LOOK = timedelta(minutes=5)
"""How often they are read again: control planes are replaced one by one."""
ENDPOINT_SLICES = ApiResource(
    group="discovery.k8s.io", version="v1", plural="endpointslices", kind="EndpointSlice", namespaced=True
)
_SERVICE = "kubernetes.io/service-name=kubernetes"
_HTTPS = 443
_logger = structlog.get_logger(__name__)


async def find_endpoints(kubernetes: KubernetesApi) -> frozenset[Endpoint]:
    """Return where the API server listens: what it advertises, and what is behind its Service, where these may be read.

    Raises ApiError where the API server does not answer.
    """
    found: set[Endpoint] = set()
    for read in (_advertised, _behind_service):
        try:
            found |= await read(kubernetes)
        except (ApiForbidden, ApiNotFound) as error:
            _logger.info("some addresses of the API server may not be read", error=str(error))
    return frozenset(found)


async def follow_endpoints(
    kubernetes: KubernetesApi, clients: HttpClients, known: asyncio.Event, *, look: timedelta = LOOK
) -> None:
    """Keep calls away from the API server, wherever it moves; ends by being cancelled.

    `known` is set once they are kept away from it.
    """
    failures = 0
    while True:
        try:
            clients.keep_from(await find_endpoints(kubernetes))
        except ApiError as error:
            failures += 1
            _logger.warning("the addresses of the API server cannot be read", error=str(error))
            await asyncio.sleep(STANDARD.pause(failures).total_seconds())
        else:
            failures = 0
            known.set()
            await asyncio.sleep(look.total_seconds())


async def _advertised(kubernetes: KubernetesApi) -> set[Endpoint]:
    return {_split(text) for text in await kubernetes.advertised() if text}


async def _behind_service(kubernetes: KubernetesApi) -> set[Endpoint]:
    page = await kubernetes.list_page(ENDPOINT_SLICES, "default", label_selector=_SERVICE)
    return set().union(*(_behind(one) for one in page.items))


def _behind(found: Document) -> set[Endpoint]:
    ports = [int(one.get("port") or _HTTPS) for one in found.get("ports") or ()]
    addresses = [str(text) for one in found.get("endpoints") or () for text in one.get("addresses") or ()]
    return {(address, port) for address in addresses for port in ports}


def _split(text: str) -> Endpoint:
    """Split `10.0.0.1:6443` or `[fd00::1]:6443`; what is neither names no address."""
    try:
        parts = urlsplit(f"//{text}")
        return parts.hostname or "", parts.port or _HTTPS
    except ValueError:
        return "", _HTTPS
