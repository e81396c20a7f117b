"""What every Bitbucket Data Center endpoint has in common: credentials, errors with their class, pages by start.

Source: the vendor's REST reference for Data Center.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.github_state import GitHubState, Pull, Repository
from deploy.local.sandbox.host_accounts import Account
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

SYSTEM = "bitbucketDataCenter"
PREFIX = f"/{SYSTEM}/rest"
_PACKAGE = "com.atlassian.bitbucket"
_PAGE_LIMIT = 1000
_DEFAULT_PAGE = 25
_READ, _WRITE = "REPO_READ", "REPO_WRITE"
Item = TypeVar("Item")


def refused(status: int, exception: str, message: str, **more: object) -> RefusedError:
    """Build the host's error shape; the caller raises it."""
    error: Json = {"context": None, "message": message, "exceptionName": f"{_PACKAGE}.{exception}", **more}
    return RefusedError(Reply(status=status, body={"errors": [error]}))


def not_found(exception: str, what: str) -> RefusedError:
    return refused(404, exception, f"{what} does not exist.")


@dataclass(kw_only=True)
class Call:
    """One request, read and authenticated."""

    request: web.Request
    sandbox: SandboxState
    body: Json
    account: Account

    @property
    def state(self) -> GitHubState:
        return self.sandbox.github

    @property
    def web_url(self) -> str:
        """Where people would read it; the sandbox serves no pages there."""
        return f"{self.request.scheme}://{self.request.host}/{SYSTEM}"

    def repository(self, *, write: bool = False) -> Repository:
        """Find the repository; without the permission it is refused as without a credential."""
        match = self.request.match_info
        repository = self.state.repository(f"{match['project']}/{match['repo']}")
        if repository is None:
            raise not_found("repository.NoSuchRepositoryException", f"Repository {match['project']}/{match['repo']}")
        held = self.account.rights
        if held is not None and not set(held) & ({_WRITE} if write else {_READ, _WRITE}):
            message = "You are not permitted to access this resource"
            raise refused(401, "AuthorisationException", message)
        return repository

    def pull(self, repository: Repository) -> Pull:
        number = self.request.match_info["number"]
        pull = repository.pulls.get(int(number)) if number.isdigit() else None
        if pull is None:
            raise not_found("pull.NoSuchPullRequestException", f"Pull request {number}")
        if pull.version_head != pull.head_sha:
            pull.version += bool(pull.version_head)
            pull.version_head = pull.head_sha
        return pull

    def paged(self, items: Sequence[Item], show: Callable[[Item], Json], *, most: int = _PAGE_LIMIT) -> Reply:
        """Cut out the page asked for."""
        query = self.request.query
        size = min(_number(query.get("limit"), _DEFAULT_PAGE), most)
        start = _number(query.get("start"), 0)
        last = start + size >= len(items)
        return Reply(
            body={
                "size": len(items[start : start + size]),
                "limit": size,
                "start": start,
                "isLastPage": last,
                "nextPageStart": None if last else start + size,
                "values": [show(item) for item in items[start : start + size]],
            }
        )


Action = Callable[[Call], Reply]


def endpoint(action: Action) -> Handler:
    """Wrap an action as an aiohttp handler; every answer names the account."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[STATE]
        headers: dict[str, str] = {}
        try:
            account = _authenticate(request, sandbox)
            headers["X-AUSERNAME"] = account.login
            if request.method != "GET" and request.headers.get("X-Atlassian-Token") != "no-check":
                raise refused(403, "XsrfException", "XSRF check failed")
            reply = action(Call(request=request, sandbox=sandbox, body=await _body(request), account=account))
        except RefusedError as refusal:
            reply = refusal.reply
        reply.headers.update(headers)
        return reply.response()

    return handle


def _authenticate(request: web.Request, sandbox: SandboxState) -> Account:
    """Take an HTTP access token as it is, or with the account's name, or the account's password."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    known = sandbox.accounts[SYSTEM].tokens
    if kind.lower() == "bearer" and value.strip() in known:
        return known[value.strip()]
    if kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        for token, account in known.items():
            if user == account.login and password in {token, account.password} - {""}:
                return account
    raise refused(401, "AuthenticationException", "Authentication failed. Please check your credentials and try again.")


async def _body(request: web.Request) -> Json:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise refused(400, "rest.RestException", "The request body is no JSON") from None
    if not isinstance(body, dict):
        raise refused(400, "rest.RestException", "The request body is no object")
    return body


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
