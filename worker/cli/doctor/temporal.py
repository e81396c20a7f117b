"""Whether Temporal answers, knows the namespace and the search attributes, and hands tasks to somebody."""

from collections.abc import AsyncIterator

from temporalio.client import Client
from temporalio.service import RPCError

from worker.cli.findings import Finding, unknown, well, wrong
from worker.cli.temporal_setup import SETUP, attribute, kept
from worker.temporal.connect import TemporalUnavailable, connect
from worker.temporal.namespaces import read_retention
from worker.temporal.queues import SERVED, pollers, unrouted_deployments
from worker.temporal.search_attributes import REFUSED, SEARCH_ATTRIBUTES, find_missing


async def temporal(installation: str) -> AsyncIterator[Finding]:
    """Yield what is found of Temporal; without an installation nothing of its queues."""
    try:
        client = await connect()
    except TemporalUnavailable as error:
        yield wrong("temporal", str(error), fix="start Temporal, or correct the TEMPORAL_… variables")
        return
    yield well("temporal", f"Temporal answers at {client.service_client.config.target_host}")
    async for finding in _namespace(client):
        yield finding
        if finding.ok is False:
            return
    async for finding in _attributes(client):
        yield finding
    if installation:
        async for finding in _queues(client, installation):
            yield finding


async def _namespace(client: Client) -> AsyncIterator[Finding]:
    name = client.namespace
    try:
        retention = await read_retention(client)
    except RPCError as error:
        yield _not_looked_at(f"namespace {name}", error)
        return
    if retention is None:
        yield wrong("temporal", f"namespace {name} does not exist", fix=SETUP)
    else:
        yield kept("temporal", name, retention)


async def _attributes(client: Client) -> AsyncIterator[Finding]:
    try:
        missing = await find_missing(client)
    except RPCError as error:
        yield _not_looked_at("search attributes", error)
        return
    for name in SEARCH_ATTRIBUTES:
        yield attribute(client.namespace, name, missing)


async def _queues(client: Client, installation: str) -> AsyncIterator[Finding]:
    try:
        found = await pollers(client, installation)
        unrouted = await unrouted_deployments(client, installation)
    except RPCError as error:
        yield _not_looked_at("task queues", error)
        return
    for name, count in found.items():
        queue = f"queue {installation}.{name}"
        if count:
            yield well("queue", f"{queue} is polled by {count}")
        else:
            fix = f"start a {SERVED[name]} with PILOTAGE_INSTALLATION={installation}, or look why none gets ready"
            yield wrong("queue", f"no worker polls {queue}: its tasks wait", fix=fix)
    for deployment in unrouted:
        fix = f"temporal worker deployment set-current-version --deployment-name {deployment} --build-id …"
        text = f"worker deployment {deployment} has no current version: no promotion begins"
        yield wrong("queue", text, fix=fix)


def _not_looked_at(what: str, error: RPCError) -> Finding:
    if error.status in REFUSED:
        return unknown("temporal", f"{what}: this client may not look ({error.message})"[:300])
    return wrong("temporal", f"{what}: {error.status.name}: {error.message}"[:300], fix="look at the server's log")
