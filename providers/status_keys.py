"""Keys and addresses of commit statuses at hosts that bound them."""

import hashlib

_TAIL_DIGITS = 8


def bounded_key(context: str, limit: int) -> str:
    """Return a context as a key of at most `limit` characters; a cut one ends in a hash, so that no two become one."""
    if len(context) <= limit:
        return context
    tail = hashlib.sha256(context.encode()).hexdigest()[:_TAIL_DIGITS]
    return f"{context[: limit - _TAIL_DIGITS - 1]}-{tail}"


def fitting_url(url: str, limit: int = 2048) -> str:
    """Return an address that a host takes with a status; empty for others, since a cut one leads nowhere."""
    return url if url.startswith(("http://", "https://")) and len(url) <= limit else ""
