"""What every Argo CD endpoint has in common: content type, session, rights, error bodies.

Source: Argo CD's `server/application` package and answers recorded from 3.5.7.
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.argocd_controller import ArgoCDController
from deploy.local.sandbox.argocd_state import Account, Application, ArgoCDState, application_key
from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION, UNKNOWN, UNAUTHENTICATED = 3, 5, 7, 9, 2, 16
_STATUS_BY_CODE = {
    INVALID_ARGUMENT: 400,
    FAILED_PRECONDITION: 400,
    NOT_FOUND: 404,
    PERMISSION_DENIED: 403,
    UNKNOWN: 500,
    UNAUTHENTICATED: 401,
}
_GRPC_HEADERS = {"Grpc-Metadata-Content-Type": "application/grpc"}
_MALFORMED_TOKEN = (
    "invalid session: token is malformed: could not base64 decode header: illegal base64 data at input byte 0"
)


def refused(code: int, message: str) -> RefusedError:
    """Build the error body that the gRPC gateway writes; the caller raises it."""
    return RefusedError(Reply(status=_STATUS_BY_CODE[code], body={"error": message, "code": code, "message": message}))


@dataclass(kw_only=True)
class Call:
    """One request, read and authenticated; `body` holds the JSON object sent."""

    request: web.Request
    sandbox: SandboxState
    account: Account
    body: Json

    @property
    def state(self) -> ArgoCDState:
        return self.sandbox.argocd

    @property
    def controller(self) -> ArgoCDController:
        return self.sandbox.controller

    @property
    def project(self) -> str:
        return str(self.body.get("project") or self.request.query.get("project") or "")

    def application(self, verb: str) -> Application:
        """Find the application and check the right, hiding what the caller may not see.

        Without a project a missing application looks like a forbidden one (403); with one, the right is checked first
        and only who may see it learns that it is missing (404).
        """
        name = self.request.match_info["name"]
        namespace = str(self.body.get("appNamespace") or self.request.query.get("appNamespace") or "")
        if self.project:
            self._require(verb, self.project, name)
        application = self.state.applications.get(application_key(namespace, name))
        if application is None:
            raise self._missing(name) if self.project else refused(PERMISSION_DENIED, "permission denied")
        if not self.project:
            self._require(verb, application.project, name)
        if self.project and application.project != self.project:
            raise self._missing(name)
        return application

    def _require(self, verb: str, project: str, name: str) -> None:
        if not self.account.may("get", project):
            raise refused(PERMISSION_DENIED, "permission denied")
        if not self.account.may(verb, project):
            who = f"sub: {self.account.subject}, iat: {timestamp(self.account.issued_at)}"
            raise refused(
                PERMISSION_DENIED,
                f"permission denied: applications, {verb}, {project}/{name}, {who}",
            )

    def _missing(self, name: str) -> RefusedError:
        return refused(NOT_FOUND, f'applications.argoproj.io "{name}" not found')


Action = Callable[[Call], Awaitable[Reply]]
# https://github.com/argoproj/argo-cd/blob/v3.5.7/server/application/forwarder_overwrite.go, without what no one needs.
_FIELDS = frozenset({
    "metadata.name", "metadata.namespace", "metadata.annotations", "metadata.labels", "metadata.creationTimestamp",
    "spec", "status.sync.status", "status.health", "status.summary", "status.operationState.startedAt",
    "status.operationState.finishedAt", "status.operationState.phase",
})  # fmt: skip
_OPEN = Account(subject="", projects={})


def endpoint(action: Action, *, anonymous: bool = False) -> Handler:
    """Wrap an action as an aiohttp handler."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[STATE]
        try:
            check_content_type(request)
            account = _OPEN if anonymous else authenticate(request, sandbox)
            reply = await action(Call(request=request, sandbox=sandbox, account=account, body=await _body(request)))
            reply.headers.update(_GRPC_HEADERS)
        except RefusedError as refusal:
            reply = refusal.reply
        return reply.response()

    return handle


def check_content_type(request: web.Request) -> None:
    """Refuse any write whose content type is not exactly `application/json`, also one without a body."""
    if request.method != "GET" and request.headers.get("Content-Type") != "application/json":
        raise RefusedError(Reply(status=415, body="Invalid content type\n", content_type="text/plain; charset=utf-8"))


def authenticate(request: web.Request, sandbox: SandboxState) -> Account:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not value:
        raise refused(UNAUTHENTICATED, "no session information")
    account = sandbox.argocd.tokens.get(value)
    if account is None:
        raise refused(UNAUTHENTICATED, _MALFORMED_TOKEN)
    return account


def select_fields(body: Json, wanted: str) -> Json:
    """Keep what `fields` names of a listed application; fields that the server does not know are left out."""
    names = {name.removeprefix("items.") for name in wanted.split(",")} & _FIELDS
    kept: Json = {}
    for name in sorted(names):
        *path, last = name.split(".")
        value, place = body, kept
        for part in path:
            value = value.get(part) or {}
        if value.get(last) is not None:
            for part in path:
                place = place.setdefault(part, {})
            place[last] = value[last]
    return kept


def selects(selector: str, labels: Json) -> bool:
    """Return whether a Kubernetes label selector matches."""
    return all(_requirement_holds(part.strip(), labels) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _requirement_holds(part: str, labels: Json) -> bool:
    if match := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", part):
        values = {value.strip() for value in match[3].split(",")}
        return (labels.get(match[1]) in values) == (match[2] == "in")
    if match := re.fullmatch(r"([^=!\s]+)\s*(==|=|!=)\s*(\S*)", part):
        return (labels.get(match[1]) == match[3]) == (match[2] != "!=")
    return part[1:].strip() not in labels if part.startswith("!") else part in labels


async def _body(request: web.Request) -> Json:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise refused(INVALID_ARGUMENT, str(error)) from None
    if not isinstance(body, dict):
        raise refused(
            INVALID_ARGUMENT, "json: cannot unmarshal array into Go value of type application.ApplicationQuery"
        )
    return body
