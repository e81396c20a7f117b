"""What our processes' logs complain of, in brief: where to look first when a promotion is stuck."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

# The form of our own logs: time, level, event, logger in brackets.
_LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+ \[(?P<level>\w+) *\] (?P<event>.+?)(?: +\[[\w.]+\].*)?")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|(?<= ID )\S+|\d{3,}")
_EXCEPTION = re.compile(r"[\w.]+: .+")
_LENGTH = 220


def read_troubles(directory: Path) -> Counter[str]:
    """Count, by text without identifiers, each error and each failed workflow task in the logs of our processes."""
    found: Counter[str] = Counter()
    for path in sorted((directory / "logs").glob("w*.log")):
        with path.open(errors="replace") as lines:
            found.update(_troubles(lines))
    return found


def _troubles(lines: Iterable[str]) -> Iterable[str]:
    event, cause = "", ""
    for line in lines:
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            # Of several exceptions the last one is what ended it.
            cause = line.strip() if event and _EXCEPTION.fullmatch(line.rstrip()) else cause
            continue
        if event:
            yield _shown(event, cause)
        event, cause = match["event"] if _counts(match["level"], match["event"]) else "", ""
    if event:
        yield _shown(event, cause)


def _counts(level: str, event: str) -> bool:
    """Leave out what kills bring about by nature: activities that failed, connections that began again."""
    return level in ("error", "critical") or (level == "warning" and event.startswith("Failed"))


def _shown(event: str, cause: str) -> str:
    text = _IDENTIFIER.sub("…", f"{event}: {cause}" if cause else event)
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"
