"""Read what the API server answers: failures by their meaning and the lines of a watch."""

import base64
import json
from collections.abc import AsyncIterator

from crds.api.ports import (
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiGone,
    ApiInvalid,
    ApiNotFound,
    ApiUnauthorized,
    ApiUnavailable,
    ApiUnconfigured,
    Document,
    SecretData,
    WatchEvent,
)

MAX_LINE_BYTES = 8 * 1024 * 1024
"""Several times etcd's limit of one object: a longer line is not a watch event."""

_BY_STATUS: dict[int, type[ApiError]] = {
    400: ApiInvalid,
    401: ApiUnauthorized,
    403: ApiForbidden,
    404: ApiNotFound,
    409: ApiConflict,
    410: ApiGone,
    413: ApiInvalid,
    415: ApiInvalid,
    422: ApiInvalid,
}


def api_error(status: int, body: bytes) -> ApiError:
    """Turn an answer that is no success into an error; anything that is not a Status object keeps only its number."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    return status_error(document if isinstance(document, dict) else {}, status)


def status_error(document: Document, status: int) -> ApiError:
    """Turn a Status object into an error; a lone `status` number decides its kind."""
    reason = str(document.get("reason") or "")
    message = str(document.get("message") or f"HTTP {status}")[:2048]
    kind = ApiGone if reason in ("Expired", "Gone") else _BY_STATUS.get(status, ApiUnavailable)
    details = document.get("details")
    name = str(details.get("name") or "")[:256] if isinstance(details, dict) else ""
    return kind(message, status=status, reason=reason, object_name=name)


def unusable_configuration(paths: str, error: Exception) -> ApiUnconfigured:
    """Turn what a loader of kubeconfigs raises into an error; what Python reports of a wrong shape helps no one."""
    shapeless = isinstance(error, TypeError | AttributeError | KeyError)
    reason = "it is not shaped as a kubeconfig" if shapeless else " ".join(str(error).split())
    return ApiUnconfigured(f"no usable Kubernetes configuration ({paths}): {reason}"[:512])


def unreachable(error: Exception) -> ApiUnavailable:
    """Turn a failure of the connection into an error."""
    text = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return ApiUnavailable(f"the API server cannot be reached: {text}"[:512])


def secret_data(secret: Document, name: str) -> SecretData:
    """Decode a Secret. Raises ApiInvalid, which shows no value, for what is not base64."""
    metadata = secret.get("metadata") or {}
    try:
        data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
    except ValueError:
        raise ApiInvalid(f"Secret {name} holds what is not base64", status=422) from None
    return SecretData(data=data, labels=metadata.get("labels") or {}, annotations=metadata.get("annotations") or {})


async def watch_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[WatchEvent]:
    """Read watch events from a body; a last line without its end is a dropped connection, not an event."""
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        if b"\n" not in chunk:
            if len(buffer) > MAX_LINE_BYTES:
                raise ApiUnavailable("a line of the watch is too long")
            continue
        *lines, rest = buffer.split(b"\n")
        buffer = bytearray(rest)
        for line in lines:
            if line.strip():
                yield _read_event(bytes(line))
    if buffer.strip():
        raise ApiUnavailable("the watch ended within a line")


def _read_event(line: bytes) -> WatchEvent:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        raise ApiUnavailable("a line of the watch is not an event")
    subject = event["object"]
    if event.get("type") == "ERROR":
        code = subject.get("code")
        raise status_error(subject, code if isinstance(code, int) else 500)
    if event.get("type") not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
        raise ApiUnavailable("a line of the watch has no known type")
    if not isinstance(subject.get("metadata"), dict):
        raise ApiUnavailable("an event of the watch has no metadata")
    return WatchEvent(type=event["type"], object=subject)
