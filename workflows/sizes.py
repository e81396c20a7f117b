"""How large a value is on the wire: measured with the converter that also writes it, so that no estimate is trusted."""

import hashlib

from temporalio.contrib.pydantic import PydanticPayloadConverter

_CONVERTER = PydanticPayloadConverter()


def encoded_size(value: object) -> int:
    """Return the bytes of a value's payload."""
    return sum(len(payload.data) for payload in _CONVERTER.to_payloads([value]))


def digest(*parts: str) -> str:
    """Return a short text that differs where the parts do: enough to notice news by, whatever their size."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
