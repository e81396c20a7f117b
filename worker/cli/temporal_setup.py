"""Make the Temporal namespace and its search attributes, each only where it is missing."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from worker.cli.exits import CliError, ExitCode
from worker.cli.findings import Finding, unknown, well, wrong
from worker.temporal.connect import TemporalMisconfigured, TemporalUnavailable, connect
from worker.temporal.namespaces import (
    LEAST_RETENTION,
    RETENTION,
    in_days,
    read_retention,
    register_namespace,
    set_retention,
)
from worker.temporal.search_attributes import (
    REFUSED,
    SEARCH_ATTRIBUTES,
    MissingAttributes,
    add_attributes,
    find_missing,
    type_name,
)

CACHE = timedelta(seconds=30)
"""How long a server may take to know what was just made: each of its processes reads namespaces every 10 s."""
POLL = timedelta(seconds=1)
SETUP = "pilotage setup"
_LOG = "look at the server's log"


async def set_up(retention: timedelta | None) -> list[Finding]:
    """Make what is missing, and return what is there. Raises CliError where Temporal cannot be reached."""
    try:
        client = await connect()
    except TemporalMisconfigured as error:
        raise CliError(str(error), code=ExitCode.USAGE) from error
    except TemporalUnavailable as error:
        raise CliError(str(error), code=ExitCode.UNREACHABLE) from error
    namespace = await _namespace(client, retention)
    return [namespace] if namespace.ok is False else [namespace, *await _attributes(client)]


async def _namespace(client: Client, retention: timedelta | None) -> Finding:
    name = client.namespace
    try:
        found = await read_retention(client)
    except RPCError as error:
        if error.status in REFUSED:
            return unknown("namespace", f"this client may not ask whether namespace {name} exists")
        return wrong("namespace", f"namespace {name}: {error.message}", fix=_LOG)
    wanted = retention or found or RETENTION
    act = "create" if found is None else "update"
    try:
        if found is None:
            await register_namespace(client, wanted)
        elif found != wanted:
            await set_retention(client, wanted)
    except RPCError as error:
        fix = f"temporal operator namespace {act} --namespace {name} --retention {wanted.days}d"
        text = f"cannot {act} namespace {name}: {error.message}"
        return wrong("namespace", text, fix=f"{fix} (Temporal Cloud: its console, or tcld)")
    return kept("namespace", name, wanted)


def kept(subject: str, namespace: str, retention: timedelta) -> Finding:
    """Return how long a namespace keeps histories, with what lengthens it where that is short."""
    text = f"namespace {namespace} keeps closed histories for {in_days(retention)}"
    if retention >= LEAST_RETENTION:
        return well(subject, text)
    return unknown(
        subject, f"{text}: keep them for at least {in_days(LEAST_RETENTION)}", fix=f"{SETUP} --retention-days 14"
    )


async def _attributes(client: Client) -> list[Finding]:
    refusal = ""
    try:
        missing = await _missing_once_known(client)
        if missing.missing:
            try:
                await add_attributes(client, missing.missing)
                missing = replace(missing, missing={})
            except RPCError as error:
                refusal = error.message
    except RPCError as error:
        return [wrong("searchAttribute", f"search attributes: {error.message}", fix=_LOG)]
    return [attribute(client.namespace, name, missing, refusal=refusal) for name in SEARCH_ATTRIBUTES]


async def _missing_once_known(client: Client) -> MissingAttributes:
    """Return what is missing, as soon as the server knows a namespace that was just made. Raises RPCError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CACHE.total_seconds()
    while True:
        try:
            return await find_missing(client)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or loop.time() > deadline:
                raise
        await asyncio.sleep(POLL.total_seconds())


def attribute(namespace: str, name: str, missing: MissingAttributes, *, refusal: str = "") -> Finding:
    """Return what is found of one search attribute, with the commands of an administrator."""
    problem = missing.problem(name)
    if not problem:
        return well("searchAttribute", f"search attribute {name} is registered")
    kind = type_name(SEARCH_ATTRIBUTES[name])
    own = f"temporal operator search-attribute create --namespace {namespace} --name {name} --type {kind}"
    if name in missing.mistyped:
        remove = f"temporal operator search-attribute remove --namespace {namespace} --name {name}"
        return wrong("searchAttribute", problem, fix=f"{remove}, then {own}")
    if not refusal:
        return wrong("searchAttribute", problem, fix=SETUP)
    cloud = f'tcld namespace search-attributes add --namespace {namespace} --search-attribute "{name}={kind}"'
    text = f"{problem}; adding it failed: {refusal}"
    return wrong("searchAttribute", text, fix=f"{own} (Temporal Cloud: {cloud})")
