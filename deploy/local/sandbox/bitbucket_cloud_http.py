"""What every Bitbucket Cloud endpoint has in common: credentials, errors, pages that name the next one.

Source: the "Introduction" of the vendor's REST reference, version 2.0.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.forms import form_of
from deploy.local.sandbox.github_state import GitHubState, Pull, Repository
from deploy.local.sandbox.host_accounts import Account
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

SYSTEM = "bitbucketCloud"
PREFIX = f"/{SYSTEM}/2.0"
AT_ROOT = "/2.0"
_PAGE_LIMIT = 100
_DEFAULT_PAGE = 10
Item = TypeVar("Item")


def refused(status: int, message: str, **detail: object) -> RefusedError:
    """Build the host's error shape; the caller raises it."""
    error: Json = {"message": message}
    if detail:
        error["detail"] = detail
    return RefusedError(Reply(status=status, body={"type": "error", "error": error}))


def not_found(what: str = "Resource") -> RefusedError:
    return refused(404, f"{what} not found")


@dataclass(kw_only=True)
class Call:
    """One request, read and authenticated."""

    request: web.Request
    sandbox: SandboxState
    body: Json
    account: Account
    is_person: bool
    """Whether the credential is a person's API token; access tokens have no account of their own to ask for."""

    @property
    def state(self) -> GitHubState:
        return self.sandbox.github

    @property
    def api_url(self) -> str:
        return f"{self.request.scheme}://{self.request.host}{PREFIX}"

    @property
    def web_url(self) -> str:
        """Where people would read it; the sandbox serves no pages there."""
        return f"{self.request.scheme}://{self.request.host}/{SYSTEM}"

    def want(self, scope: str) -> None:
        """Refuse a credential without the scope, naming what is required and what was granted."""
        held = self.account.rights
        if held is not None and not {scope, f"{scope}:write"} & set(held):
            message = "Your credentials lack one or more required privilege scopes."
            raise refused(403, message, required=[scope], granted=held)

    def repository(self) -> Repository:
        match = self.request.match_info
        repository = self.state.repository(f"{match['workspace']}/{match['repo']}")
        if repository is None:
            message = f"You may not have access to this repository or it no longer exists: {match['repo']}"
            raise refused(404, message)
        return repository

    def pull(self, repository: Repository) -> Pull:
        number = self.request.match_info["number"]
        pull = repository.pulls.get(int(number)) if number.isdigit() else None
        if pull is None:
            raise not_found("Pull request")
        return pull

    def paged(self, items: Sequence[Item], show: Callable[[Item], Json], *, default: int = _DEFAULT_PAGE) -> Reply:
        """Cut out the page asked for; what follows is named by its whole address."""
        query = self.request.query
        size = min(_positive(query.get("pagelen"), default), max(_PAGE_LIMIT, default))
        page = _positive(query.get("page"), 1)
        body: Json = {
            "size": len(items),
            "page": page,
            "pagelen": size,
            "values": [show(item) for item in items[(page - 1) * size : page * size]],
        }
        if page * size < len(items):
            url = self.request.url.update_query(page=str(page + 1), pagelen=str(size))
            body["next"] = str(url)
        return Reply(body=body)


Action = Callable[[Call], Reply]


def endpoint(action: Action) -> Handler:
    """Wrap an action as an aiohttp handler."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[STATE]
        try:
            account, is_person = _authenticate(request, sandbox)
            body = await _body(request)
            call = Call(request=request, sandbox=sandbox, body=body, account=account, is_person=is_person)
            reply = action(call)
        except RefusedError as refusal:
            reply = refusal.reply
        return reply.response()

    return handle


def _authenticate(request: web.Request, sandbox: SandboxState) -> tuple[Account, bool]:
    """Take an access token as it is, and a person's API token with the address of the account."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    known = sandbox.accounts[SYSTEM].tokens
    token, user = value.strip(), ""
    if kind.lower() == "basic":
        try:
            user, _, token = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            token = ""
    account = known.get(token) if kind.lower() in ("bearer", "basic") else None
    if account is None or (kind.lower() == "basic" and user != f"{account.login}@example.com"):
        raise refused(401, "Token is invalid, expired, or not supported for this endpoint.")
    return account, kind.lower() == "basic"


async def _body(request: web.Request) -> Json:
    """Read JSON, or the fields of a form as texts."""
    form = await form_of(request)
    if form is not None:
        return form
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise refused(400, "Bad request") from None
    if not isinstance(body, dict):
        raise refused(400, "Bad request")
    return body


def _positive(text: str | None, default: int) -> int:
    return max(int(text), 1) if text and text.isdigit() else default
