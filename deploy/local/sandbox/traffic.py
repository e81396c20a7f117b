"""What happens to every request to a stand-in: it is written down, and the script may interfere."""

import asyncio
import json

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.clock import http_date
from deploy.local.sandbox.replies import Answer, Json, RefusedError, Reply, merged
from deploy.local.sandbox.script import Action, Rule
from deploy.local.sandbox.state import STATE

SYSTEMS = (
    "github",
    "jenkins",
    "gitlab",
    "argocd",
    "gitea",
    "forgejo",
    "bitbucketCloud",
    "bitbucketDataCenter",
    "azureDevOps",
)
_HANG_SECONDS = 3600.0
# How often a hanging request looks whether its client is still there.
_CHECK_SECONDS = 0.2
_UNKNOWN_PATH: dict[str, Json] = {
    "github": {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"},
    "gitlab": {"error": "404 Not Found"},
    "bitbucketCloud": {"type": "error", "error": {"message": "Resource not found"}},
    "bitbucketDataCenter": {"errors": [{"context": None, "message": "HTTP 404 Not Found", "exceptionName": None}]},
    "argocd": {"code": 5, "error": "Not Found", "message": "Not Found"},
}


# Addresses of Flux's Providers have no room for a prefix: those hosts answer at the root as well.
_AT_ROOT = {"/api/v3/": "github", "/api/v4/": "gitlab", "/2.0/": "bitbucketCloud"}


def _system(path: str) -> str:
    return next((system for root, system in _AT_ROOT.items() if path.startswith(root)), path.split("/", 2)[1])


@web.middleware
async def record_and_interfere(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Journal the request, apply the first rule of the script that matches, and note what became of it."""
    system = _system(request.path)
    if system not in SYSTEMS:
        return await handler(request)
    sandbox, body = request.app[STATE], await request.read()
    entry = sandbox.journal.open(
        system=system,
        time=sandbox.clock.now(),
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        body=body,
    )
    rule = sandbox.script.take(system=system, method=request.method, path=request.path_qs, body=body)
    if rule is not None:
        entry["script"] = rule.action.value
        if rule.action is Action.HANG:
            return await _hang(request, rule.seconds or _HANG_SECONDS)
        if rule.seconds:
            await asyncio.sleep(rule.seconds)
        if rule.action is Action.STATUS:
            entry["status"] = rule.status
            return _scripted(rule)
    response = await _answer(request, handler, system)
    # The stood-in host's own clock, which tests may move.
    response.headers.setdefault("Date", http_date(sandbox.clock.now()))
    took_effect = response.took_effect if isinstance(response, Answer) else None
    entry["accepted"] = response.status < 400 if took_effect is None else took_effect
    if rule is not None and rule.action is Action.ACCEPT_THEN_DROP:
        return _drop(request)
    if rule is not None and rule.action is Action.EDIT and isinstance(response, web.Response):
        response = _edited(rule, response)
    entry["status"] = response.status
    return response


async def _answer(request: web.Request, handler: Handler, system: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as refusal:
        return refusal.reply.response()
    except web.HTTPException as error:
        if error.status in (404, 405) and system in _UNKNOWN_PATH:
            return web.json_response(_UNKNOWN_PATH[system], status=404)
        return web.Response(status=error.status, text=error.reason)


async def _hang(request: web.Request, seconds: float) -> web.StreamResponse:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    # Nothing announces that a client left while its handler runs, so this has to look.
    while loop.time() < end and request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(min(_CHECK_SECONDS, seconds))
    return _drop(request)


def _drop(request: web.Request) -> web.StreamResponse:
    """Close the connection; what is returned never reaches the client."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=500)


def _scripted(rule: Rule) -> web.Response:
    headers = {name: value for name, value in rule.headers.items() if value is not None}
    content_type = "text/plain" if isinstance(rule.body, str) else "application/json"
    return Reply(status=rule.status or 500, body=rule.body, headers=headers, content_type=content_type).response()


def _edited(rule: Rule, response: web.Response) -> web.Response:
    """Rebuild a reply with the rule's changes."""
    raw = response.body if isinstance(response.body, bytes) else b""
    if rule.body is not None:
        try:
            original = json.loads(raw)
        except ValueError:
            original = None
        if isinstance(rule.body, str):
            raw = rule.body.encode()
        else:
            raw = json.dumps(merged(original, rule.body) if isinstance(original, dict) else rule.body).encode()
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-length"}
    for name, value in rule.headers.items():
        headers = {kept: text for kept, text in headers.items() if kept.lower() != name.lower()}
        if value is not None:
            headers[name] = value
    return web.Response(status=rule.status or response.status, body=raw, headers=headers)
