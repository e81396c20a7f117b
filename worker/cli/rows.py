"""The rows of `pilotage get`, read from documents as they are: a short command loads no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crds.api.ports import Document
from worker.cli.cells import fitting, padded
from worker.cli.values import age, read_time, short, until

COLUMNS = ("NAME", "PR", "ENV", "STATE", "WAITING-FOR", "AGE", "TITLE")
WIDE_COLUMNS = (
    "NAME",
    "PR",
    "REPO",
    "ENV",
    "STATE",
    "REASON",
    "WAITING-FOR",
    "OBJECT",
    "NEXT-TRY",
    "REVISION",
    "AGE",
    "TITLE",
)
TITLE_COLUMNS = 40


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns are shown."""

    wide: bool = False
    everywhere: bool = False
    """Whether the namespace stands first."""
    tries: Mapping[str, datetime] = field(default_factory=dict)
    """When workflows try again what failed, by the id of the workflow."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        columns = WIDE_COLUMNS if self.wide else COLUMNS
        return ("NAMESPACE", *columns) if self.everywhere else columns

    def row(self, tracker: Document, at: datetime) -> list[str]:
        """Return the cells of one tracker."""
        again_at = self.tries.get(hindered(tracker))
        cells = _cells(tracker, at) | {"NEXT-TRY": until(again_at, at) if again_at else ""}
        return [cells[column] for column in self.columns]


def state_of(tracker: Document) -> str:
    """Return the state, with the one that a held tracker goes back to; `New` before the first status."""
    status = _map(tracker, "status")
    held = status.get("heldState")
    return f"{status.get('state')} ({held})" if held else str(status.get("state") or "New")


def plain_state_of(tracker: Document) -> str:
    """Return the state alone; empty before the first status."""
    return str(_map(tracker, "status").get("state") or "")


def hindered(tracker: Document) -> str:
    """Return the id of the workflow where something is in its way; empty where nothing is."""
    status = _map(tracker, "status")
    conditions = {one.get("type"): one.get("status") for one in status.get("conditions") or ()}
    return str(_map(status, "workflow").get("id") or "") if conditions.get("ReferencesResolved") == "False" else ""


def _cells(tracker: Document, at: datetime) -> dict[str, str]:
    metadata, spec, status = (_map(tracker, key) for key in ("metadata", "spec", "status"))
    waiting = _map(status, "waitingFor")
    title = str(_map(status, "pullRequest").get("title") or "")
    return {
        "NAMESPACE": str(metadata.get("namespace") or ""),
        "NAME": str(metadata.get("name") or ""),
        "PR": str(spec.get("number") or ""),
        "REPO": str(_map(spec, "repositoryRef").get("name") or ""),
        "ENV": str(status.get("environment") or spec.get("environment") or ""),
        "STATE": state_of(tracker),
        "REASON": str(status.get("reason") or ""),
        "WAITING-FOR": str(waiting.get("what") or ""),
        "OBJECT": str(waiting.get("object") or ""),
        "REVISION": short(str(status.get("revision") or "")),
        "AGE": age(read_time(metadata.get("creationTimestamp")), at),
        "TITLE": fitting(title, TITLE_COLUMNS),
    }


def _map(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a map within a document; empty where there is none."""
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def lines_of(grid: Sequence[Sequence[str]], widths: Sequence[int], *, gap: str, limit: int | None) -> list[str]:
    """Align rows; with a limit each line is cut to it, so that a terminal wraps none."""
    lines = [gap.join(padded(cell, room) for cell, room in zip(row, widths, strict=True)).rstrip() for row in grid]
    return lines if limit is None else [fitting(one, limit) for one in lines]
