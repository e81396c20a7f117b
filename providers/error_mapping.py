"""Which outcome error an HTTP answer means, and how long it asks us to wait."""

import re
from collections.abc import Mapping
from datetime import timedelta
from itertools import islice
from urllib.parse import urljoin, urlsplit

from providers.documents import http_date, parsed
from providers.errors import (
    ProviderConflict,
    ProviderError,
    ProviderMalformed,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnauthorized,
    ProviderUnavailable,
)
from providers.host_clock import seconds_left, seconds_until
from providers.messages import Reply

# A host that asks for more is asked again after this long; no one's budget window is longer.
_LONGEST_WAIT = timedelta(hours=1)
# GitHub's rule for secondary limits that name no time; fits others as well.
_UNNAMED_WAIT = timedelta(minutes=1)

_KINDS: Mapping[int, type[ProviderError]] = {
    401: ProviderUnauthorized,
    403: ProviderUnauthorized,
    404: ProviderNotFound,
    407: ProviderUnavailable,
    408: ProviderUnavailable,
    409: ProviderConflict,
    410: ProviderNotFound,
    412: ProviderConflict,
    425: ProviderUnavailable,
    429: ProviderRateLimited,
}
_ERROR_KEYS = ("message", "error", "error_description", "errors")
_RATE_LIMIT = re.compile(r"rate limit|abuse detection|too many requests", re.IGNORECASE)
_TITLE = re.compile("<title", re.IGNORECASE)
_TITLE_END = re.compile("</title", re.IGNORECASE)
# Of an answer that is no success so much is looked at, and of what it states it much is kept.
_SCANNED_BYTES = 64 * 1024
_MESSAGE_CHARACTERS = 2_000
_MESSAGES_KEPT = 20
_DEPTH = 5
_NO_URL = "no URL"


def refusal(reply: Reply, what: str, *, url: str = "") -> ProviderError:
    """Turn an answer that is no success into the error it means; `what` names the call. Not redacted yet."""
    message = f"leads to {_origin(url, reply.headers.get('location', ''))}" if reply.redirects else message_of(reply)
    text = f"{what} answered {reply.status}" + (f": {message}" if message else "")
    wait = retry_after(reply.headers)
    if is_rate_limited(reply, message):
        return ProviderRateLimited(text, status=reply.status, retry_after=wait or _UNNAMED_WAIT)
    kind = _KINDS.get(reply.status)
    if kind is None:
        kind = ProviderRejected if 400 <= reply.status < 500 else ProviderUnavailable
        if reply.status < 400:
            kind = ProviderMalformed
    return kind(text, status=reply.status, retry_after=wait)


def moved(reply: Reply, what: str, *, url: str) -> ProviderMisconfigured:
    """Make the error of a write that was answered with a redirect; `what` names the call. Not redacted yet.

    The host did nothing, and a write is never sent to a place that no one named.
    """
    where = _place(url, reply.headers.get("location", ""))
    text = f"{what} answered {reply.status} and did nothing: it was moved to {where}; fix the address or the name"
    return ProviderMisconfigured(text, status=reply.status)


def asked_wait(reply: Reply) -> timedelta | None:
    """Return how long a host wants no call at all with this credential; other refusals concern one call.

    The text of a 403 alone asks no one else to wait: it may quote what a tenant named.
    """
    if reply.status == 503:
        return retry_after(reply.headers)
    if is_rate_limited(reply, ""):
        return retry_after(reply.headers) or _UNNAMED_WAIT
    return None


def is_limit(reply: Reply) -> bool:
    """Return whether an answer is a limit, by all that it states."""
    return is_rate_limited(reply, message_of(reply) if reply.status == 403 else "")


def is_rate_limited(reply: Reply, message: str) -> bool:
    """Separate a limit from a missing right: GitHub answers both with 403.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    if reply.status == 429:
        return True
    if reply.status != 403:
        return False
    return (
        reply.headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in reply.headers
        or _RATE_LIMIT.search(message) is not None
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read how long to wait from Retry-After, else from a spent budget's reset time; None where neither is given."""
    message = headers.get("retry-after", "").strip()
    if message:
        seconds = _seconds_named(message, headers)
        if seconds is not None:
            return _bounded(seconds)
    for prefix in ("x-ratelimit", "ratelimit"):
        if headers.get(f"{prefix}-remaining") == "0":
            try:
                return _bounded(seconds_left(float(headers[f"{prefix}-reset"]), headers))
            except (KeyError, ValueError):
                continue
    return None


def message_of(reply: Reply) -> str:
    """Read the host's own message from a JSON error, the title of an HTML page or plain text; nothing else is shown."""
    kind = reply.headers.get("content-type", "")
    if "html" in kind:
        return _title(reply.body[:_SCANNED_BYTES].decode(errors="replace")) or "an HTML page"
    try:
        value = parsed(reply.body) if len(reply.body) <= _SCANNED_BYTES else None
    except ProviderMalformed:
        value = None
    if value is None and kind.startswith("text/plain"):
        return reply.body[: 4 * _MESSAGE_CHARACTERS].decode(errors="replace")[:_MESSAGE_CHARACTERS].strip()
    return "; ".join(dict.fromkeys(_messages(value)))[:_MESSAGE_CHARACTERS]


def _title(page: str) -> str:
    """Return the text of the first title; each part is looked for once, so that no page makes it slow."""
    opening = _TITLE.search(page)
    begin = page.find(">", opening.end()) + 1 if opening else 0
    closing = _TITLE_END.search(page, begin) if begin else None
    return page[begin : closing.start()].strip()[:_MESSAGE_CHARACTERS] if closing else ""


def _place(url: str, location: str) -> str:
    """Return origin and path of a redirect; a query may hold what no one should see."""
    origin = _origin(url, location)
    return f"{origin}{urlsplit(urljoin(url, location)).path}" if origin != _NO_URL else _NO_URL


def _origin(url: str, location: str) -> str:
    """Return scheme, host and port of a redirect: a page to sign in at may be named with what signs in."""
    try:
        place = urlsplit(urljoin(url, location))
        port = f":{place.port}" if place.port else ""
    except ValueError:
        return _NO_URL
    return f"{place.scheme}://{place.hostname}{port}" if location and place.hostname else _NO_URL


def _messages(value: object, depth: int = _DEPTH) -> list[str]:
    """Collect texts under the keys that hosts use for errors, else under any key; a few, and not from any depth."""
    if isinstance(value, str):
        return [value[:_MESSAGE_CHARACTERS]]
    if depth == 0:
        return []
    if isinstance(value, list):
        return [message for item in value[:10] for message in _messages(item, depth - 1)][:_MESSAGES_KEPT]
    if not isinstance(value, Mapping):
        return []
    found = [message for key in _ERROR_KEYS if key in value for message in _messages(value[key], depth - 1)]
    if not found:
        # GitLab: {"message": {"base": ["…"]}}; GitHub: {"errors": [{"resource", "field", "code"}]}.
        first = list(islice(value.items(), 10))
        found = [f"{key[:100]}: {message}" for key, item in first for message in _messages(item, depth - 1)]
    return found[:_MESSAGES_KEPT]


def _seconds_named(message: str, headers: Mapping[str, str]) -> float | None:
    try:
        return float(message)
    except ValueError:
        pass
    moment = http_date(message)
    return None if moment is None else seconds_until(moment.timestamp(), headers)


def _bounded(seconds: float) -> timedelta:
    if not seconds > 0:
        return timedelta(seconds=1)
    return min(timedelta(seconds=min(seconds, _LONGEST_WAIT.total_seconds())), _LONGEST_WAIT)
