"""Where the records of a tracker go before it is removed: JSON lines in a file, or Kubernetes events."""

import asyncio
import errno
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crds.api.ports import EventTarget, Kubernetes

COMPONENT = "pilotage"
RECORD_KEPT = "RecordKept"
"""Reason of the event that holds a record."""
_DIGEST_LENGTH = 16
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EROFS})


def encode_record(key: str, record: Mapping[str, Any]) -> str:
    """Write a record as one line of JSON, without its end."""
    return json.dumps({"key": key, **record}, separators=(",", ":"), sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class RecordLine:
    """One record of one tracker; the key is the same whenever it is exported again."""

    key: str
    about: EventTarget
    """The repository, which stays."""
    record: dict[str, Any]

    def encoded(self) -> str:
        """Return the record as one line of JSON, without its end."""
        return encode_record(self.key, self.record)


class RecordSink(Protocol):
    async def write(self, lines: Sequence[RecordLine]) -> None:
        """Keep records; returns once they are kept, and may be repeated. Raises OSError or ApiError."""


class FileSink:
    """Append lines to a file, such as one of a volume that a collector reads; a repeated export repeats its lines."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def write(self, lines: Sequence[RecordLine]) -> None:
        await asyncio.to_thread(self._append, "".join(f"{one.encoded()}\n" for one in lines).encode())

    def _append(self, text: bytes) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            while text:
                text = text[os.write(file, text) :]
            try:
                os.fsync(file)
            except OSError as error:
                # A pipe, such as the standard output, has nothing to be synced.
                if error.errno not in _NO_SYNC:
                    raise
        finally:
            os.close(file)


class EventRecords:
    """Post each record as an event of its repository: for an hour or so, as long as the API server keeps events."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes

    async def write(self, lines: Sequence[RecordLine]) -> None:
        for one in lines:
            digest = hashlib.sha256(one.key.encode()).hexdigest()[:_DIGEST_LENGTH]
            await self._kubernetes.post_event(
                one.about,
                name=f"{one.about.name}.{digest}",
                reason=RECORD_KEPT,
                message=one.encoded(),
                warning=False,
                component=COMPONENT,
            )
