"""The stream of application changes: one JSON object per line, the current state first."""

import asyncio
import copy
import json
from collections.abc import Mapping

from aiohttp import web

from deploy.local.sandbox.argocd_http import authenticate, selects
from deploy.local.sandbox.argocd_state import CONTROL_PLANE_NAMESPACE, Account
from deploy.local.sandbox.replies import Json, RefusedError
from deploy.local.sandbox.state import STATE

# How often a silent stream looks whether its reader is still there.
_CHECK_SECONDS = 1.0


async def stream_applications(request: web.Request) -> web.StreamResponse:
    """Send ADDED for what exists, then an event per change, until the reader leaves."""
    sandbox = request.app[STATE]
    try:
        account = authenticate(request, sandbox)
    except RefusedError as refusal:
        return refusal.reply.response()
    events: asyncio.Queue[Json] = asyncio.Queue()
    # A resourceVersion without a name means "only what comes"; with a name the state is replayed all the same.
    if request.query.get("name") or not request.query.get("resourceVersion"):
        for application in sandbox.argocd.applications.values():
            events.put_nowait({"type": "ADDED", "application": copy.deepcopy(application.body)})
    argocd = sandbox.argocd
    streams = argocd.streams
    streams.add(events)
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    try:
        await response.prepare(request)
        # A reset puts a new world in place; the reader has to connect again to see it.
        while sandbox.argocd is argocd and request.transport is not None and not request.transport.is_closing():
            try:
                event = await asyncio.wait_for(events.get(), _CHECK_SECONDS)
            except TimeoutError:
                continue
            if _concerns(request, account, event["application"]):
                await response.write(json.dumps({"result": event}).encode() + b"\n")
    except ConnectionError:
        return response
    finally:
        streams.discard(events)
    return response


def _is_meant(query: Mapping[str, str], metadata: Json) -> bool:
    """Return whether the query names this application; a namespace counts with a name only."""
    name, namespace = query.get("name"), query.get("appNamespace") or CONTROL_PLANE_NAMESPACE
    return not name or (name, namespace) == (metadata["name"], metadata["namespace"])


def _concerns(request: web.Request, account: Account, application: Json) -> bool:
    query, metadata, project = request.query, application["metadata"], application["spec"].get("project", "default")
    projects = {*query.getall("projects", []), *query.getall("project", [])} - {""}
    return (
        _is_meant(query, metadata)
        and (not projects or project in projects)
        and account.may("get", project)
        and selects(query.get("selector", ""), metadata["labels"])
    )
