"""What every Azure DevOps endpoint has in common: credentials, API versions, the shape of errors, pages.

Source: "Azure DevOps Services REST API Reference" and the vendor's OpenAPI documents.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.azure_devops_state import AzureDevOpsState
from deploy.local.sandbox.github_state import Pull, Repository
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

SYSTEM = "azureDevOps"
_VERSIONS = ("5.0", "5.1", "6.0", "7.0", "7.1")
_SIGN_IN = "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body></body></html>"
_LARGEST_PAGE = 1000
Item = TypeVar("Item")


def refused(status: int, message: str, key: str) -> RefusedError:
    """Build the host's error shape; the caller raises it."""
    body: Json = {
        "$id": "1",
        "innerException": None,
        "message": message,
        "typeName": f"Microsoft.TeamFoundation.Git.Server.{key}, Microsoft.TeamFoundation.Git.Server",
        "typeKey": key,
        "errorCode": 0,
        "eventId": 3000,
    }
    return RefusedError(Reply(status=status, body=body))


def invalid(message: str, key: str = "InvalidArgumentValueException") -> RefusedError:
    return refused(400, message, key)


@dataclass(kw_only=True)
class Call:
    """One request, read and authenticated."""

    request: web.Request
    sandbox: SandboxState
    body: Any
    actor: str
    rights: list[str] | None

    @property
    def state(self) -> AzureDevOpsState:
        return self.sandbox.azure_devops

    @property
    def url(self) -> str:
        """The address of the organization."""
        match = self.request.match_info
        return f"{self.request.scheme}://{self.request.host}/{SYSTEM}/{match['organization']}"

    def repository(self) -> Repository:
        """Find the repository of a project, named as the seed's owner and name."""
        match = self.request.match_info
        repository = self.sandbox.github.repository(f"{match['project']}/{match['repository']}")
        if repository is None:
            message = f"TF401019: The Git repository with name or identifier {match['repository']} does not exist"
            raise refused(404, message, "GitRepositoryNotFoundException")
        return repository

    def pull(self, repository: Repository) -> Pull:
        found = self.request.match_info["number"]
        pull = repository.pulls.get(int(found)) if found.isdigit() else None
        if pull is None:
            raise refused(404, "TF401180: The requested pull request was not found.", "GitPullRequestNotFoundException")
        return pull

    def want(self, right: str) -> None:
        """Refuse a credential without a right."""
        if self.rights is not None and right not in self.rights:
            message = f"TF401027: You need the Git '{right}' permission to perform this action."
            raise refused(403, message, "GitNeedsPermissionException")

    def paged(self, items: Sequence[Item], *, top: str = "$top", skip: str = "$skip") -> Sequence[Item]:
        """Cut out the page asked for."""
        begin = _count(self.request.query.get(skip), 0)
        return items[begin : begin + min(_count(self.request.query.get(top), 100), _LARGEST_PAGE)]

    def text(self, *path: str) -> str:
        """Read a text of the body, empty where there is none."""
        found = self.body
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, str) else ""


Action = Callable[[Call], Reply]


def endpoint(action: Action) -> Handler:
    """Wrap an action as an aiohttp handler."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[STATE]
        found = _authenticate(request, sandbox)
        if isinstance(found, Reply):
            return found.response()
        login, rights = found
        try:
            if request.query.get("api-version", "").partition("-")[0] not in _VERSIONS:
                message = f'No api-version was supplied for the "{request.method}" request.'
                raise refused(400, message, "VssVersionNotSpecifiedException")
            body = await _json(request)
            call = Call(request=request, sandbox=sandbox, body=body, actor=login, rights=rights)
            reply = action(call)
        except RefusedError as refusal:
            reply = refusal.reply
        if isinstance(reply.body, dict | list):
            reply.content_type = "application/json; charset=utf-8; api-version=7.0"
        return reply.response()

    return handle


def listed(items: Sequence[object], **headers: str) -> Reply:
    """Answer with a list as the host wraps it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(body={"count": len(items), "value": list(items)}, headers=named)


def _authenticate(request: web.Request, sandbox: SandboxState) -> tuple[str, list[str] | None] | Reply:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind == "Bearer" and (login := sandbox.azure_devops.minted.get(value)) is not None:
        return login, None
    if kind == "Basic":
        try:
            password = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            password = ""
        account = sandbox.accounts[SYSTEM].tokens.get(password)
        if account is not None:
            return account.login, account.rights
    if request.headers.get("X-TFS-FedAuthRedirect") == "Suppress":
        return Reply(status=401, body="Access Denied: The token used is not valid.", content_type="text/plain")
    return Reply(status=203, body=_SIGN_IN, content_type="text/html; charset=utf-8")


async def _json(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError:
        raise invalid("The body of the request could not be read.") from None


def _count(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
