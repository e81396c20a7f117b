"""What every endpoint of Gitea and Forgejo has in common: credentials, scopes, the shape of errors, pages.

Source: a recording of Gitea 1.26, and the sources of both.
"""

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from deploy.local.sandbox.gitea_labels import GiteaLabels
from deploy.local.sandbox.github_state import GitHubState, Pull, Repository
from deploy.local.sandbox.host_accounts import Account
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

HOSTS = ("gitea", "forgejo")
_DEFAULT_PAGE = 30
_PAGE_LIMIT = 50
Item = TypeVar("Item")


def refused(status: int, message: str) -> RefusedError:
    """Build the host's error shape; the caller raises it."""
    return RefusedError(Reply(status=status, body={"message": message, "url": "https://gitea.example.com/api/swagger"}))


def not_found() -> RefusedError:
    body = {"errors": None, "message": "not found", "url": "https://gitea.example.com/api/swagger"}
    return RefusedError(Reply(status=404, body=body))


def failed() -> RefusedError:
    """Build what people who are no administrators see of an inner error."""
    return refused(500, "")


@dataclass(kw_only=True)
class Call:
    """One request, read and authenticated."""

    request: web.Request
    sandbox: SandboxState
    host: str
    body: Json
    account: Account

    @property
    def state(self) -> GitHubState:
        return self.sandbox.github

    @property
    def labels(self) -> GiteaLabels:
        return self.sandbox.gitea_labels

    @property
    def api_url(self) -> str:
        return f"{self.web_url}/api/v1"

    @property
    def web_url(self) -> str:
        """Where people would read it; the sandbox serves no pages there."""
        return f"{self.request.scheme}://{self.request.host}/{self.host}"

    def repository(self) -> Repository:
        match = self.request.match_info
        repository = self.state.repository(f"{match['owner']}/{match['repo']}")
        if repository is None:
            raise not_found()
        return repository

    def pull(self, repository: Repository) -> Pull:
        pull = repository.pulls.get(self.number("number"))
        if pull is None:
            raise not_found()
        return pull

    def number(self, name: str) -> int:
        text = self.request.match_info[name]
        if not text.isdigit():
            raise not_found()
        return int(text)

    def paged(self, items: Sequence[Item]) -> tuple[Sequence[Item], dict[str, str]]:
        """Cut out the page asked for; build the headers that state how long the whole list is."""
        query = self.request.query
        size = min(_positive(query.get("limit"), _DEFAULT_PAGE), _PAGE_LIMIT)
        page, last = _positive(query.get("page"), 1), max(math.ceil(len(items) / size), 1)
        headers = {"X-Total-Count": str(len(items))}
        if page < last:
            url = self.request.url
            wanted = {"next": page + 1, "last": last}
            links = (f'<{url.update_query(page=str(number))}>; rel="{rel}"' for rel, number in wanted.items())
            headers["Link"] = ",".join(links)
        return items[(page - 1) * size : page * size], headers


Action = Callable[[Call], Reply]


async def endpoint(action: Action, request: web.Request, *, host: str, scope: str) -> web.StreamResponse:
    """Answer one request; `scope` is what a token needs."""
    sandbox = request.app[STATE]
    account = _authenticate(request, sandbox, host)
    _check_scope(account, f"{'read' if request.method == 'GET' else 'write'}:{scope}")
    call = Call(request=request, sandbox=sandbox, host=host, body=await _json_object(request), account=account)
    return action(call).response()


def show_user(call: Call, login: str) -> Json:
    return {
        "id": sum(login.encode()),
        "login": login,
        "username": login,
        "full_name": "",
        "html_url": f"{call.web_url}/{login}",
    }


def _authenticate(request: web.Request, sandbox: SandboxState, host: str) -> Account:
    """Take `token …`, `Bearer …`, or user and password. This stand-in has no public repositories."""
    accounts = sandbox.accounts[host].tokens
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    found: Account | None = None
    if kind.lower() in ("token", "bearer"):
        found = accounts.get(value.strip())
    elif kind.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        known = (one for one in accounts.values() if one.password and (one.login, one.password) == (user, password))
        found = next(known, None)
    if found is None:
        message = "invalid username, password or token" if kind else "token is required"
        raise refused(401, message)
    return found


def _check_scope(account: Account, wanted: str) -> None:
    """Refuse a token without the scope; who may write may read."""
    held = account.rights
    if held is None or wanted in held or wanted.replace("read:", "write:") in held:
        return
    scopes = ",".join(held)
    text = f"token does not have at least one of required scope(s), required=[{wanted}], token scope={scopes}"
    raise refused(403, text)


async def _json_object(request: web.Request) -> Json:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise refused(422, "[]: Deserialization: invalid JSON")
    return body


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() and int(text) else default
