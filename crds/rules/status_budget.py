"""How large one repository's entry of an Environment's status may be: all entries share one object of etcd's. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from crds.fields import truncate
from crds.v1alpha1.environment_status import MAX_REPOSITORIES

ENTRIES_BYTES = 900_000
"""All entries together; etcd takes 1.5 MB, of which the managed fields of 100 entries need a tenth."""

OBJECT_BYTES = 1_350_000
"""The object with its declaration, which is the owner's and may be large as well."""

ENTRY_BYTES = 5_000
"""What every repository is sure of, also the last of the most that an Environment can have."""

_HISTORIES = (10, 5, 2, 1, 0)
_MEMBERS = (50, 20, 5, 0)
_DEPLOYMENTS = (50, 20, 10, 5, 1, 0)
_BRIEF = 80
_OMITTED = 256
"""What the schema takes of the text that names what an entry leaves out."""

Entry = dict[str, Any]


def size_of(value: object) -> int:
    """Return the bytes of a JSON value as the API server stores it."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))


def budget_of(document: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> int:
    """Return how many bytes an entry may have next to the others: no sure part is given away.

    An entry that grew beyond its part keeps it until its next write; the parts of repositories that have no entry yet
    stay reserved.
    """
    reserved = ENTRY_BYTES * max(MAX_REPOSITORIES - len(others) - 1, 0)
    used = sum(max(size_of(one), ENTRY_BYTES) for one in others)
    declared = size_of({**document, "status": None})
    return max(min(ENTRIES_BYTES - used - reserved, OBJECT_BYTES - declared - used), ENTRY_BYTES)


def fitting(entry: Entry, limit: int) -> Entry:
    """Return the entry in at most `limit` bytes; what is left out is counted in it, oldest and least needed first.

    What an entry names already as left out stands behind that count.
    """
    noted = str(entry.get("omitted") or "")
    found = _shorter(entry, limit - size_of(noted)) if noted else _shorter(entry, limit)
    if not noted or found.get("omitted") == noted:
        return found
    return {**found, "omitted": truncate(f"{found['omitted']}; {noted}", _OMITTED)}


def _shorter(entry: Entry, limit: int) -> Entry:
    omitted: dict[str, int] = {}
    found = entry
    for kept in _HISTORIES:
        if size_of(found) <= limit:
            return found
        found = _shortened(found, omitted, ("history",), kept)
    for kept in _MEMBERS:
        if size_of(found) <= limit:
            return found
        found = _shortened(found, omitted, ("lane", "members"), kept)
    if size_of(found) > limit:
        found = {**found, "deployments": [_brief(one) for one in found.get("deployments") or ()]}
    for kept in _DEPLOYMENTS:
        if size_of(found) <= limit:
            return found
        found = _shortened(found, omitted, ("deployments",), kept)
    return found


def _shortened(entry: Entry, omitted: dict[str, int], path: tuple[str, ...], kept: int) -> Entry:
    *above, name = path
    holder = entry[above[0]] if above else entry
    values = list((holder or {}).get(name) or ())
    if len(values) <= kept:
        return entry
    omitted[name] = omitted.get(name, 0) + len(values) - kept
    shortened = {**holder, name: values[:kept]}
    text = ", ".join(f"{what} {count}" for what, count in omitted.items())
    return {**entry, above[0]: shortened, "omitted": text} if above else {**shortened, "omitted": text}


def _brief(deployment: Entry) -> Entry:
    """Keep of a deployment what it runs and how well; its image is the component's."""
    artifact = deployment.get("artifact")
    lighter = {name: truncate(value, _BRIEF) if isinstance(value, str) else value for name, value in deployment.items()}
    if artifact:
        lighter["artifact"] = {name: value for name, value in artifact.items() if name in ("component", "revision")}
    return lighter
