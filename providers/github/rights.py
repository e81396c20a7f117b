"""What a credential of GitHub may not do, as far as the host states so. Pure."""

from collections.abc import Mapping

from providers.documents import Document, at, flag, text
from providers.messages import Reply

_LEVELS = ("read", "write", "admin")
_KNOWN = ("actions", "checks", "contents", "deployments", "issues", "pull_requests", "statuses")
_NAMED_CHARACTERS = 200


def read_granted(token: Document) -> Mapping[str, str] | None:
    """Read what an App's new token may do, of what Pilotage does; None where the host does not show it."""
    if not isinstance(at(token, "permissions"), Mapping):
        return None
    return {name: text(token, "permissions", name) for name in _KNOWN}


def missing(reply: Reply, needs: Mapping[str, str], granted: Mapping[str, str] | None) -> str:
    """Return what the credential misses for the repository that was read; empty where nothing is known to be missing.

    An App is granted permissions, which its token names. A classic token has scopes, which each answer names, and does
    what its user may. What a fine-grained token may do the host does not show before it refuses something.
    https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
    """
    if granted is not None:
        missing = [name for name, level in needs.items() if not _covers(granted.get(name, ""), level)]
        named = ", ".join(f"`{name}: {needs[name]}`" for name in missing)
        return f"the App's installation does not have the permission {named}: grant it" if missing else ""
    scopes = reply.headers.get("x-oauth-scopes")
    if scopes is None or "write" not in needs.values():
        return ""
    repository = reply.document()
    fitting = {"repo"} if flag(repository, "private") else {"repo", "public_repo"}
    if not fitting & {scope.strip() for scope in scopes.split(",")}:
        return "the `token` does not have the scope `repo`, which labels, statuses and comments need"
    if at(repository, "permissions", "push") is False:
        return "the token's user may not write to the repository: give it the role Write"
    return ""


def wanted_permissions(reply: Reply) -> str:
    """Return the permissions that a refused call needs, as the host names them; empty where it does not.

    https://docs.github.com/en/rest/authentication/permissions-required-for-fine-grained-personal-access-tokens
    """
    return reply.headers.get("x-accepted-github-permissions", "")[:_NAMED_CHARACTERS].strip()


def _covers(granted: str, level: str) -> bool:
    return granted in _LEVELS and _LEVELS.index(granted) >= _LEVELS.index(level)
