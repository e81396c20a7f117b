"""JSON patches (RFC 6902) with the error texts of the Go library that Argo CD uses."""

import copy
import json
from typing import Any

from deploy.local.sandbox.replies import Json, merged


class PatchError(Exception):
    """A patch that cannot be read or applied; Argo CD answers 500 with this text."""


def apply_patch(document: Json, text: str, kind: str) -> Json:
    """Apply a patch given as JSON text; `kind` is `json` (the default of the API) or `merge`."""
    if kind == "merge":
        try:
            wanted = json.loads(text)
        except ValueError:
            raise PatchError("error calculating merge patch: Invalid JSON Patch") from None
        if not isinstance(wanted, dict):
            raise PatchError("error calculating merge patch: Invalid JSON Patch")
        result: Json = merged(document, wanted)
        return result
    try:
        operations = json.loads(text)
    except ValueError as error:
        raise PatchError(f"error decoding json patch: {error}") from None
    if not isinstance(operations, list):
        raise PatchError(
            "error decoding json patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    changed = copy.deepcopy(document)
    for operation in operations:
        _apply(changed, operation)
    return changed


def _apply(document: Json, operation: Any) -> None:
    kind, path = operation.get("op"), str(operation.get("path", ""))
    if kind == "test":
        try:
            found = _read(document, path)
        except (KeyError, IndexError, ValueError):
            found = None
        if found != operation.get("value"):
            raise PatchError(f"error applying patch: testing value {path} failed: test failed")
        return
    try:
        if kind == "add":
            _write(document, path, operation.get("value"), insert=True)
        elif kind == "replace":
            _read(document, path)
            _write(document, path, operation.get("value"), insert=False)
        elif kind == "remove":
            _remove(document, path)
        elif kind in ("move", "copy"):
            value = copy.deepcopy(_read(document, operation["from"]))
            if kind == "move":
                _remove(document, operation["from"])
            _write(document, path, value, insert=True)
        else:
            raise PatchError(f"error applying patch: Unexpected kind: {kind}")
    except (KeyError, IndexError, ValueError):
        raise PatchError(
            f"error applying patch: {kind} operation does not apply: doc is missing path: {path}: missing value"
        ) from None


def _parts(path: str) -> list[str]:
    if not path.startswith("/"):
        raise ValueError(path)
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _read(document: Any, path: str) -> Any:
    for part in _parts(path):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _parent(document: Any, path: str) -> tuple[Any, str]:
    parts = _parts(path)
    for part in parts[:-1]:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document, parts[-1]


def _write(document: Any, path: str, value: Any, *, insert: bool) -> None:
    parent, name = _parent(document, path)
    if not isinstance(parent, list):
        parent[name] = value
    elif name == "-":
        parent.append(value)
    elif insert:
        parent.insert(int(name), value)
    else:
        parent[int(name)] = value


def _remove(document: Any, path: str) -> None:
    parent, name = _parent(document, path)
    del parent[int(name) if isinstance(parent, list) else name]
