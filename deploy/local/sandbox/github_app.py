"""Identity endpoints of the GitHub stand-in: who is asking, quota, and GitHub Apps."""

import secrets
from typing import Any

import jwt

from deploy.local.sandbox.clock import timestamp
from deploy.local.sandbox.github_http import Call, bearer, not_found, refused
from deploy.local.sandbox.github_pulls import show_user
from deploy.local.sandbox.github_state import Token
from deploy.local.sandbox.replies import Json, Reply

_JWT_LIFE_LIMIT_SECONDS = 600
_INSTALLATION_TOKEN_SECONDS = 3600
# The host tolerates a little clock drift between itself and the App.
_DRIFT_SECONDS = 60
_INSTALLATION_QUOTA = 1_000_000
_DEFAULT_PERMISSIONS = {
    "actions": "write",
    "contents": "write",
    "deployments": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
    "checks": "write",
}


def read_app(call: Call) -> Reply:
    claims = _check_jwt(call)
    return Reply(
        body={"id": call.state.app["id"], "slug": "pilotage", "name": "Pilotage", "client_id": str(claims["iss"])}
    )


def read_installation(call: Call) -> Reply:
    _check_jwt(call)
    repository = call.repository()
    for number, installation in call.state.app["installations"].items():
        if repository.full_name in _repositories(installation, call):
            return Reply(body=_show_installation(call, str(number), installation))
    raise not_found()


def create_installation_token(call: Call) -> Reply:
    """Mint a token that lives an hour, narrowed to the permissions asked for."""
    _check_jwt(call)
    number = call.request.match_info["installation"]
    installation = call.state.app["installations"].get(number)
    if installation is None:
        raise not_found()
    held = installation.get("permissions") or _DEFAULT_PERMISSIONS
    wanted = call.body.get("permissions") or held
    if any(name not in held for name in wanted):
        raise refused(422, "The permissions requested are not granted to this installation.")
    names = [full_name.partition("/")[2] for full_name in _repositories(installation, call)]
    if any(name not in names for name in call.body.get("repositories") or []):
        raise refused(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    # Longer than the classic 40 characters, as tokens have been since 2026.
    value = f"ghs_{call.state.app['id']}_{secrets.token_urlsafe(96)}"
    expires_at = call.state.clock.now() + _INSTALLATION_TOKEN_SECONDS
    call.state.tokens[value] = Token(
        login="pilotage[bot]",
        limit=_INSTALLATION_QUOTA,
        expires_at=expires_at,
        permissions=dict(wanted),
    )
    call.sandbox.journal.hide([value])
    return Reply(
        status=201,
        body={
            "token": value,
            "expires_at": timestamp(expires_at),
            "permissions": wanted,
            "repository_selection": "all",
        },
    )


def read_user(call: Call) -> Reply:
    if call.token is not None and call.token.permissions is not None:
        raise refused(403, "Resource not accessible by integration")
    return Reply(body={**show_user(call, call.actor), "user_view_type": "public"})


def read_rate_limit(call: Call) -> Reply:
    token = call.token
    if token is None:
        raise not_found()
    # Reading the quota is free.
    token.used -= 1
    core = {
        "limit": token.limit,
        "used": token.used,
        "remaining": token.limit - token.used,
        "reset": int(token.reset_at),
    }
    body: Json = {"resources": {"core": core}}
    if call.version == "2022-11-28":
        body["rate"] = core
    return Reply(body=body)


def read_repository(call: Call) -> Reply:
    repository = call.repository()
    return Reply(
        body={
            "id": repository.identifier,
            "name": repository.name,
            "full_name": repository.full_name,
            "private": True,
            "owner": show_user(call, repository.owner),
            "default_branch": repository.default_branch,
            "archived": False,
            "html_url": f"{call.web_url}/{repository.full_name}",
            "permissions": {"pull": True, "push": True, "admin": False},
        }
    )


def list_installation_repositories(call: Call) -> Reply:
    if call.token is None or call.token.permissions is None:
        raise refused(403, "You must authenticate with an installation access token in order to list repositories.")
    page, headers = call.paged(list(call.state.repositories.values()))
    return Reply(
        headers=headers,
        body={
            "total_count": len(call.state.repositories),
            "repositories": [{"full_name": item.full_name} for item in page],
        },
    )


def _check_jwt(call: Call) -> dict[str, Any]:
    """Check an App's JSON Web Token: RS256, this App's, young; its signature where a public key is seeded."""
    value, now, app = bearer(call.request), call.state.clock.now(), call.state.app
    if value is None:
        raise refused(401, "A JSON web token could not be decoded")
    try:
        if jwt.get_unverified_header(value).get("alg") != "RS256":
            raise refused(401, "A JSON web token could not be decoded")
        claims: dict[str, Any] = jwt.decode(
            value,
            key=app.get("public_key") or "",
            algorithms=["RS256"],
            options={
                "verify_signature": bool(app.get("public_key")),
                "verify_exp": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
            },
        )
    except jwt.PyJWTError:
        raise refused(401, "A JSON web token could not be decoded") from None
    issued, expires = claims.get("iat"), claims.get("exp")
    if str(claims.get("iss")) not in (str(app["id"]), str(app.get("client_id"))):
        raise refused(401, "'Issuer' claim ('iss') must be an Integer")
    if not isinstance(issued, int | float) or issued > now + _DRIFT_SECONDS:
        raise refused(
            401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
        )
    if not isinstance(expires, int | float) or expires <= now:
        raise refused(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at "
            "which the assertion expires",
        )
    if expires > now + _JWT_LIFE_LIMIT_SECONDS + _DRIFT_SECONDS:
        raise refused(401, "'Expiration time' claim ('exp') is too far in the future")
    return claims


def _repositories(installation: Json, call: Call) -> list[str]:
    return installation.get("repositories") or [item.full_name for item in call.state.repositories.values()]


def _show_installation(call: Call, number: str, installation: Json) -> Json:
    return {
        "id": int(number),
        "app_id": call.state.app["id"],
        "account": {"login": installation.get("account", "acme")},
        "repository_selection": "all",
        "permissions": installation.get("permissions") or _DEFAULT_PERMISSIONS,
        "access_tokens_url": f"{call.api_url}/app/installations/{number}/access_tokens",
    }
