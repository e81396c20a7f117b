"""Reads of a Secret's data; a missing or unusable key names the key, never the value."""

import hashlib
import json

from providers.errors import ProviderUnauthorized
from providers.models import Credential


def secret(credential: Credential, key: str) -> str:
    """Return one value without surrounding blanks. Raises ProviderUnauthorized when it is missing or cannot be sent."""
    value = optional_secret(credential, key)
    if not value:
        raise ProviderUnauthorized(f"the Secret has no key `{key}`")
    return value


def optional_secret(credential: Credential, key: str) -> str:
    """Return one value, or an empty text. Raises ProviderUnauthorized when it cannot be sent in a header."""
    value = credential.data.get(key, "").strip()
    if not value.isascii() or not value.isprintable():
        raise ProviderUnauthorized(f"the Secret's key `{key}` holds characters that cannot be sent")
    return value


def fingerprint(credential: Credential) -> str:
    """Name a credential in memory without holding it; changes when the Secret does."""
    text = json.dumps([sorted(credential.data.items()), credential.ca_pem])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
