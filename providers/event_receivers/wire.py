"""Requests that carry events, signed as Standard Webhooks has it. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from providers.errors import ProviderMisconfigured
from providers.messages import Request
from providers.models import EventMessage

_PREFIX = "whsec_"
"""Of a key in base64; a secret without it is the key itself."""


def signing_key(secret: str) -> bytes:
    """Return the key that a secret stands for. Raises ProviderMisconfigured."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ProviderMisconfigured("the Secret's key `secret` is not base64 behind `whsec_`: fix it") from None


def signature(message: EventMessage, seconds: int, key: bytes) -> str:
    """Return the signature of id, time and body."""
    signed = f"{message.id}.{seconds}.".encode() + message.body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def post(message: EventMessage, *, secret: str, token: str, now: datetime) -> Request:
    """Return the request that posts an event; `now` is the time of this attempt."""
    seconds = int(now.timestamp())
    headers: dict[str, str] = {
        "content-type": message.content_type,
        "webhook-id": message.id,
        "webhook-timestamp": str(seconds),
    }
    if secret:
        headers["webhook-signature"] = signature(message, seconds, signing_key(secret))
    return Request(
        method="POST",
        path="",
        operation="send-event",
        content=message.body,
        headers={**headers, **_authorization(token)},
    )


def _authorization(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}
