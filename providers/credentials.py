"""Reads of a Secret's data; a missing or unusable key names the key, never the value."""

import hashlib
import json

from providers.errors import ProviderMisconfigured
from providers.models import Credential


def secret(credential: Credential, key: str) -> str:
    """Return one value without surrounding blanks. Raises ProviderMisconfigured where it is missing or unusable."""
    value = optional_secret(credential, key)
    if not value:
        raise ProviderMisconfigured(f"the Secret has no key `{key}`: add it")
    return value


def optional_secret(credential: Credential, key: str) -> str:
    """Return one value, or an empty text. Raises ProviderMisconfigured when it cannot be sent in a header."""
    value = credential.data.get(key, "").strip()
    if not value.isascii() or not value.isprintable():
        raise ProviderMisconfigured(f"the Secret's key `{key}` holds characters that cannot be sent: fix it")
    return value


def fingerprint(credential: Credential) -> str:
    """Name a credential in memory without holding it; changes when the Secret does."""
    text = json.dumps([sorted(credential.data.items()), credential.ca_pem])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
