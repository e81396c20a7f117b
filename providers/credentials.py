"""Reads of a Secret's data; a missing or unusable key names the key, never the value."""

import hashlib
import hmac
import json
from dataclasses import asdict

from providers.addresses import HostPattern, entry_of
from providers.errors import ProviderMisconfigured
from providers.models import Credential

HOSTS_ANNOTATION = "pilotage.dev/hosts"
_PROOF_DIGITS = 32


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


def check_destination(credential: Credential, host: str, port: int) -> None:
    """Raise ProviderMisconfigured where the owner of a Secret that is used there did not name this host."""
    _check_named(credential.hosts, f"Secret `{credential.name}`", host, port)
    _check_named(credential.route.hosts, "the Secret of the client's certificate", host, port)


def check_proxy(credential: Credential, host: str, port: int) -> None:
    """Raise the same for a proxy: who names it, and the authority that is trusted, reads what goes through it."""
    _check_named(credential.hosts, f"Secret `{credential.name}`", host, port)


def _check_named(hosts: tuple[str, ...] | None, secret: str, host: str, port: int) -> None:
    if hosts is None:
        return
    for entry in hosts:
        try:
            if HostPattern.parse(entry).matches(host, port):
                return
        except ValueError as error:
            text = f"the annotation {HOSTS_ANNOTATION} of {secret} cannot be read: {error}"
            raise ProviderMisconfigured(text) from None
    entry = entry_of(host, port)
    text = f"{secret} may not be sent to {entry}: fix the spec's address"
    raise ProviderMisconfigured(f"{text}, or add `{entry}` to its annotation {HOSTS_ANNOTATION}")


def _proof_key(credential: Credential) -> bytes:
    """Return a key for HMACs; with another credential they are others."""
    return hashlib.sha256(json.dumps(["proof", sorted(credential.data.items())]).encode()).digest()


def proof(credential: Credential, text: str) -> str:
    """Return an HMAC of a text as hexadecimal digits, which only who holds the credential can make."""
    return hmac.digest(_proof_key(credential), text.encode(), "sha256").hex()[:_PROOF_DIGITS]


def fingerprint(credential: Credential) -> str:
    """Name a credential in memory without holding it; changes when the Secret does."""
    text = json.dumps([sorted(credential.data.items()), asdict(credential.route), credential.hosts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
