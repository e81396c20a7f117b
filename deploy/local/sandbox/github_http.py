"""What every GitHub endpoint has in common: credentials, API versions, quotas, conditional requests, pages.

Source: GitHub REST documentation and OpenAPI description; see the tables in the vendor's "REST API" pages.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.local.sandbox.github_state import GitHubState, Pull, Repository, Token
from deploy.local.sandbox.replies import Json, RefusedError, Reply
from deploy.local.sandbox.state import STATE, SandboxState

DEFAULT_VERSION = "2022-11-28"
NEWEST_VERSION = "2026-03-10"
_VERSIONS = (DEFAULT_VERSION, NEWEST_VERSION)
_QUOTA_WINDOW_SECONDS = 3600
_PAGE_LIMIT = 100
_DEFAULT_PAGE = 30
Item = TypeVar("Item")


def refused(
    status: int, message: str, *, errors: Sequence[Mapping[str, Any]] | None = None, **headers: str
) -> RefusedError:
    """Build GitHub's error shape; the caller raises it."""
    body: Json = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    if errors is not None:
        body["errors"] = list(errors)
    return RefusedError(
        Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    )


def not_found() -> RefusedError:
    return refused(404, "Not Found")


@dataclass(kw_only=True)
class Call:
    """One request, read and authenticated."""

    request: web.Request
    sandbox: SandboxState
    body: Json
    version: str
    actor: str
    token: Token | None

    @property
    def state(self) -> GitHubState:
        return self.sandbox.github

    @property
    def api_url(self) -> str:
        prefix = "/github/api/v3" if self.request.path.startswith("/github/api/v3/") else "/github"
        return f"{self.request.scheme}://{self.request.host}{prefix}"

    @property
    def web_url(self) -> str:
        """Where people would read it; the sandbox serves no pages there."""
        return f"{self.request.scheme}://{self.request.host}/github"

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

    def want(self, permission: str, level: str = "read") -> None:
        """Refuse an installation token without the permission, as `Resource not accessible by integration`."""
        if self.token is None or self.token.permissions is None:
            return
        held = self.token.permissions.get(permission)
        if held is None or (level == "write" and held == "read"):
            raise refused(
                403, "Resource not accessible by integration", X_Accepted_GitHub_Permissions=f"{permission}={level}"
            )

    def paged(self, items: Sequence[Item]) -> tuple[Sequence[Item], dict[str, str]]:
        """Cut out the page asked for and build its `Link` header."""
        query = self.request.query
        size = min(max(_positive(query.get("per_page"), _DEFAULT_PAGE), 1), _PAGE_LIMIT)
        page = max(_positive(query.get("page"), 1), 1)
        last = max(math.ceil(len(items) / size), 1)
        wanted = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
        if page <= 1:
            del wanted["first"], wanted["prev"]
        if page >= last:
            del wanted["next"], wanted["last"]
        # Host and path as the client asked, so that following a link keeps prefix and port.
        url = self.request.url
        links = ", ".join(f'<{url.update_query(page=str(number))}>; rel="{rel}"' for rel, number in wanted.items())
        return items[(page - 1) * size : page * size], {"Link": links} if links else {}


Action = Callable[[Call], Reply]


def endpoint(action: Action, *, app_only: bool = False) -> Handler:
    """Wrap an action as an aiohttp handler; `app_only` endpoints want the App's JSON Web Token instead of a token."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[STATE]
        version = request.headers.get("X-GitHub-Api-Version") or DEFAULT_VERSION
        token: Token | None = None
        try:
            if not request.headers.get("User-Agent"):
                raise refused(
                    403,
                    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
                )
            if version not in _VERSIONS:
                raise refused(410, f"The API version '{version}' is no longer supported.")
            actor = "app"
            if not app_only:
                token = _authenticate(request, sandbox)
                actor = token.login
                _take_quota(token, sandbox.clock.now())
            reply = action(
                Call(
                    request=request,
                    sandbox=sandbox,
                    body=await _json_object(request),
                    version=version,
                    actor=actor,
                    token=token,
                )
            )
        except RefusedError as refusal:
            reply = refusal.reply
        if version == NEWEST_VERSION:
            reply.body = _without_removed_fields(reply.body)
        _finish(request, reply, token)
        reply.headers["x-github-api-version-selected"] = version
        return reply.response()

    return handle


def bearer(request: web.Request) -> str | None:
    """Return the credential of an `Authorization: Bearer …` or `token …` header."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() in ("bearer", "token") and value.strip() else None


def _authenticate(request: web.Request, sandbox: SandboxState) -> Token:
    value = bearer(request)
    if value is None:
        raise refused(401, "Requires authentication")
    token = sandbox.github.tokens.get(value)
    if token is None or (token.expires_at is not None and token.expires_at <= sandbox.clock.now()):
        raise refused(401, "Bad credentials")
    return token


def _take_quota(token: Token, now: float) -> None:
    if token.reset_at <= now:
        token.used, token.reset_at = 0, now + _QUOTA_WINDOW_SECONDS
    if token.used >= token.limit:
        raise refused(403, f"API rate limit exceeded for {token.login}.")
    token.used += 1


def _finish(request: web.Request, reply: Reply, token: Token | None) -> None:
    """Add the ETag, turn an unchanged read into 304 (free of quota), and show the quota."""
    if request.method == "GET" and reply.status == 200 and reply.body is not None:
        etag = 'W/"' + hashlib.sha256(json.dumps(reply.body, sort_keys=True).encode()).hexdigest() + '"'
        reply.headers["ETag"] = etag
        asked = {part.strip().removeprefix("W/") for part in request.headers.get("If-None-Match", "").split(",")}
        if etag.removeprefix("W/") in asked:
            reply.status, reply.body = 304, None
            if token is not None:
                token.used -= 1
    if token is not None:
        reply.headers.update(
            {
                "x-ratelimit-limit": str(token.limit),
                "x-ratelimit-remaining": str(max(token.limit - token.used, 0)),
                "x-ratelimit-used": str(token.used),
                "x-ratelimit-reset": str(int(token.reset_at)),
                "x-ratelimit-resource": "core",
            }
        )


async def _json_object(request: web.Request) -> Json:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise refused(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise refused(400, "Body should be a JSON object")
    return body


def _without_removed_fields(body: Any) -> Any:
    """Apply what version 2026-03-10 removed from pull request objects."""
    if isinstance(body, list):
        return [_without_removed_fields(item) for item in body]
    if isinstance(body, dict) and "merge_commit_sha" in body:
        return {name: value for name, value in body.items() if name not in ("merge_commit_sha", "assignee")}
    return body


def _positive(text: str | None, default: int) -> int:
    return int(text) if text and text.isdigit() else default
