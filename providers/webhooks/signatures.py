"""Who sent a webhook: proofs over the raw body, compared in constant time.

A secret that is empty proves nothing and is never compared. The text of a refusal depends on nothing that is secret.
"""

import base64
import binascii
import hashlib
import hmac
import re
from datetime import datetime, timedelta

from providers.webhooks.events import Headers

CLOCK_SKEW = timedelta(minutes=5)
"""How far the time of a signed webhook may be from ours; the tolerance of the Standard Webhooks specification."""
_SIGNATURES_LIMIT = 8
_HEADER_CHARACTERS = 4096
_SECONDS = re.compile(r"[0-9]{1,12}")
_SIGNING_PREFIX = "whsec_"


class NotProven(Exception):
    """The delivery does not show that its sender knows the secret; the text names what was looked for."""


def require_hmac(headers: Headers, name: str, body: bytes, secret: str, *, prefix: str = "") -> None:
    """Require a header with the HMAC-SHA256 of the body in hexadecimal digits, behind a prefix such as `sha256=`."""
    shown = _header(headers, name)
    if not shown.startswith(prefix):
        raise NotProven(f"the header {name} does not begin with `{prefix}`")
    _require_same(shown.removeprefix(prefix), _digest(secret.encode(), body).hex(), name)


def require_token(headers: Headers, name: str, secret: str) -> None:
    """Require a header that is the secret itself."""
    _require_same(_header(headers, name), secret, name)


def require_authorization(headers: Headers, secret: str) -> None:
    """Require the secret as a Bearer token, or as the password of Basic authentication with any user name."""
    scheme, _, given = _header(headers, "Authorization").partition(" ")
    given = given.strip()
    if scheme.lower() == "basic":
        _require_same(_password(given), secret, "Authorization")
    elif scheme.lower() == "bearer":
        _require_same(given, secret, "Authorization")
    else:
        raise NotProven("the header Authorization is neither Bearer nor Basic")


def require_signed_id(headers: Headers, body: bytes, secret: str, now: datetime) -> None:
    """Require a signature of id, time and body by a signing token (https://www.standardwebhooks.com).

    GitLab signs so where a webhook has a signing token `whsec_…`, which is the key in base64.
    """
    sent = _header(headers, "webhook-timestamp")
    if not _SECONDS.fullmatch(sent) or abs(now.timestamp() - int(sent)) > CLOCK_SKEW.total_seconds():
        raise NotProven("the header webhook-timestamp is no time of the last five minutes")
    try:
        key = base64.b64decode(secret.removeprefix(_SIGNING_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise NotProven("the secret of this resource is no signing token") from None
    if not key:
        raise NotProven("the secret of this resource is no signing token")
    signed = f"{_header(headers, 'webhook-id')}.{sent}.".encode(errors="surrogatepass") + body
    expected = base64.b64encode(_digest(key, signed)).decode()
    given = _header(headers, "webhook-signature").split()[:_SIGNATURES_LIMIT]
    # All are compared: a token that is being replaced signs twice, and no time may show which one fitted.
    fitting = [_same(one.removeprefix("v1,"), expected) for one in given if one.startswith("v1,")]
    if not any(fitting):
        raise NotProven("no signature of the header webhook-signature is ours")


def is_signing_token(secret: str) -> bool:
    """Return whether a secret is a signing token, which is never sent itself."""
    return secret.startswith(_SIGNING_PREFIX)


def _header(headers: Headers, name: str) -> str:
    found = headers.get(name.lower(), "").strip()
    if not found:
        raise NotProven(f"the header {name} is missing")
    if len(found) > _HEADER_CHARACTERS:
        raise NotProven(f"the header {name} is longer than {_HEADER_CHARACTERS} characters")
    return found


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        raise NotProven("the header Authorization is no Basic authentication") from None


def _require_same(shown: str, expected: str, name: str) -> None:
    if not _same(shown, expected):
        raise NotProven(f"the header {name} does not fit the secret of this resource")


def _same(shown: str, expected: str) -> bool:
    return bool(expected) and hmac.compare_digest(
        shown.encode(errors="surrogatepass"), expected.encode(errors="replace")
    )


def _digest(key: bytes, signed: bytes) -> bytes:
    if not key:
        raise NotProven("this resource has no secret")
    return hmac.digest(key, signed, hashlib.sha256)
