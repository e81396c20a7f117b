"""Encrypt what Temporal keeps of workflows: inputs, results, signals, memos, summaries and the texts of failures.

Ids, types, names of queues and search attributes stay readable: the server works with them, and they hold no secret.
Each payload names the key that it was encrypted with, so that keys can be changed while workflows run.
"""

import base64
import binascii
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

ENCODING, KEY_ID = "encoding", "encryption-key-id"
ENCRYPTED = b"binary/encrypted"
KEY_BYTES = 32
_NONCE_BYTES = 12
_LOOK_SECONDS = 5.0
"""How often at most the directory is read again for a key that is not known yet."""


class EncryptionMisconfigured(ValueError):
    """The keys cannot be used: a person must fix it. The text names the file, never what is in it."""


class KeyMissing(RuntimeError):
    """A payload was encrypted with a key that is not in the directory; it may be mounted soon."""


class Keys:
    """The keys of a directory, such as a mounted Secret: a file each, its name being the key's id."""

    def __init__(self, directory: Path, current: str) -> None:
        """Read them. Raises EncryptionMisconfigured."""
        self._directory = directory
        self._current = current
        self._read_at = 0.0
        self._keys: Mapping[str, AESGCM] = {}
        self._read()
        if current not in self._keys:
            raise EncryptionMisconfigured(f"there is no key `{current}` in {directory}; there are {_names(self._keys)}")

    def current(self) -> tuple[str, AESGCM]:
        """Return id and key for what is encrypted now."""
        return self._current, self._keys[self._current]

    def get(self, identity: str) -> AESGCM:
        """Return a key by its id. Raises KeyMissing."""
        if identity not in self._keys and time.monotonic() - self._read_at > _LOOK_SECONDS:
            # A Secret that is mounted changes while the process runs.
            self._read()
        found = self._keys.get(identity)
        if found is None:
            known = _names(self._keys)
            raise KeyMissing(f"no key `{identity}` in {self._directory}: add it to the Secret; there are {known}")
        return found

    def _read(self) -> None:
        self._read_at = time.monotonic()
        try:
            # Kubernetes keeps versions of a mounted Secret next to its entries, under names with a dot.
            files = [path for path in sorted(self._directory.iterdir()) if path.is_file() and path.name[0] != "."]
            texts = {path.name: path.read_text() for path in files}
        except (OSError, UnicodeDecodeError) as error:
            raise EncryptionMisconfigured(f"{self._directory}: the keys cannot be read: {error}"[:300]) from None
        self._keys = {name: AESGCM(_key(self._directory / name, text)) for name, text in texts.items()}


class AesGcmCodec(PayloadCodec):
    """Encrypt payloads with AES-256-GCM. What was written without encryption stays readable."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return each payload encrypted, bound to the id of its key."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return each payload as it was. Raises KeyMissing, and ValueError for one that was changed."""
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        identity, key = self._keys.current()
        nonce = os.urandom(_NONCE_BYTES)
        data = key.encrypt(nonce, payload.SerializeToString(), identity.encode())
        return Payload(metadata={ENCODING: ENCRYPTED, KEY_ID: identity.encode()}, data=nonce + data)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get(ENCODING) != ENCRYPTED:
            return payload
        identity = payload.metadata.get(KEY_ID, b"")
        nonce, data = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            plain = self._keys.get(identity.decode(errors="replace")).decrypt(nonce, data, identity)
        except (InvalidTag, ValueError):
            raise ValueError(
                "a payload was changed since it was encrypted, or with another key of the same id"
            ) from None
        return Payload.FromString(plain)


def _key(path: Path, text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        wanted = f"{KEY_BYTES} bytes in Base64 are wanted, as `openssl rand -base64 {KEY_BYTES}` prints them"
        raise EncryptionMisconfigured(f"{path}: {wanted}")
    return key


def _names(keys: Mapping[str, AESGCM]) -> str:
    return ", ".join(sorted(keys)) or "none"
