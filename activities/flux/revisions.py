"""The commit that an event is about, found in its metadata."""

import re
from collections.abc import Mapping

_SOURCES = ("commit", "originRevision", "revision")
"""Keys by precedence: what a person annotated, the commit an artifact was built from, what was applied."""
_DIGITS = {"sha1": 40, "sha256": 64}
_HEX = re.compile(r"[0-9a-fA-F]+")
_FLUX_LENGTH = 40


class NoCommit(ValueError):
    """The metadata names no commit; the text has the reason."""


def commit_of(metadata: Mapping[str, str], *, compat: bool = False) -> str:
    """Return the commit, in lower case. `compat` takes what Flux takes: any 40 characters. Raises NoCommit."""
    # To Flux an empty value is one: it hides those that come after it.
    revision = next((metadata[key] for key in _SOURCES if (key in metadata if compat else metadata.get(key))), None)
    if revision is None:
        raise NoCommit("missing revision metadata")
    found = _taken_by_flux(revision) if compat else _strict(revision)
    if found is None:
        raise NoCommit(f"failed to extract commit hash from '{revision}' revision")
    return found


def _taken_by_flux(revision: str) -> str | None:
    found = revision.rpartition(":")[2] if ":" in revision else revision.rpartition("/")[2]
    return found if len(found.encode()) == _FLUX_LENGTH else None


def _strict(revision: str) -> str | None:
    named, colon, found = revision.rpartition(":")
    if colon:
        lengths = {_DIGITS.get(named.rpartition("@")[2])}
    else:
        found = revision.rpartition("/")[2]
        lengths = set(_DIGITS.values())
    return found.lower() if _HEX.fullmatch(found) and len(found) in lengths else None
