"""Who may do what at the GitLab CI stand-in: a token's scopes, its user's role, and who started a pipeline.

A token's user is {username, access?: guest|reporter|developer|maintainer, scopes?}; maintainer with scope api if not
given.
"""

from typing import Any

from aiohttp import web

from deploy.local.sandbox.gitlab_state import Pipeline
from deploy.local.sandbox.replies import Json, RefusedError, Reply

_ROLES = ("guest", "reporter", "developer", "maintainer")
_READING = frozenset({"api", "read_api"})
_QUERIES = "/api/graphql"
# Any token may ask what it is.
_ANY_SCOPE = "/personal_access_tokens/self"


def refused(status: int, message: Any, *, key: str = "message") -> RefusedError:
    """Build GitLab's error shape; the caller raises it."""
    return RefusedError(Reply(status=status, body={key: message}))


def authenticate(request: web.Request, tokens: dict[str, Json]) -> Json:
    """Return the token's user. Raises what GitLab answers a stranger, and a token whose scopes do not reach."""
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    user = tokens.get(request.headers.get("PRIVATE-TOKEN") or (bearer if kind == "Bearer" else ""))
    if user is None:
        raise refused(401, "401 Unauthorized")
    wanted = _READING if request.method == "GET" or request.path.endswith(_QUERIES) else frozenset({"api"})
    if request.path.endswith("/user"):
        wanted |= {"read_user"}
    if not request.path.endswith(_ANY_SCOPE) and not wanted & set(scopes(user)):
        body = {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": " ".join(sorted(wanted)),
        }
        raise RefusedError(Reply(status=403, body=body))
    return user


def scopes(user: Json) -> list[str]:
    return list(user.get("scopes") or ["api"])


def has_role(user: Json | None, role: str) -> bool:
    return _ROLES.index((user or {}).get("access", "maintainer")) >= _ROLES.index(role)


def require_role(user: Json | None, role: str) -> None:
    if not has_role(user, role):
        raise refused(403, "403 Forbidden")


def require_variables_of(user: Json | None, pipeline: Pipeline) -> None:
    """Let maintainers read a pipeline's variables, and the developer who started it."""
    started = (user or {}).get("username") == pipeline.user and has_role(user, "developer")
    if not started:
        require_role(user, "maintainer")
