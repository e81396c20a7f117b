"""The commands that wait for their answer: one line per tracker, or per environment that is held; oldest first."""

import heapq
from datetime import UTC, datetime

from crds.api.reflector import Key, ObjectChange
from worker.watcher.entries import CommandEntry

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Place = tuple[datetime, bool, int, Key]


class CommandLines:
    """Keep unanswered commands by tracker. What a person asked for first is carried out first."""

    def __init__(self) -> None:
        self._lines: dict[Key, list[Place]] = {}
        """A heap for each tracker; places that were left stay in it until they come up."""
        self._entries: dict[Key, tuple[Key, CommandEntry]] = {}
        """Tracker and entry of each command."""

    def follow(self, change: ObjectChange[CommandEntry]) -> Key | None:
        """Take note of a command; return the tracker whose line may go on, if any."""
        key, entry = change.key, change.new
        if entry is None or entry.spec is None:
            known = self._entries.pop(key, None)
            return known[0] if known is not None else None
        tracker = Key(key.namespace, entry.subject)
        known = self._entries.get(key)
        self._entries[key] = (tracker, entry)
        if known is None or known[0] != tracker or _place(key, known[1]) != _place(key, entry):
            heapq.heappush(self._lines.setdefault(tracker, []), _place(key, entry))
        oldest = self.oldest(tracker)
        # Those behind it have nothing to do yet, and must not cut the pause of one that failed.
        return tracker if oldest is not None and oldest[0] == key else None

    def oldest(self, tracker: Key) -> tuple[Key, CommandEntry] | None:
        """Return the command whose turn it is."""
        line = self._lines.get(tracker, [])
        while line:
            key = line[0][-1]
            where, entry = self._entries.get(key, (None, None))
            if entry is not None and where == tracker and _place(key, entry) == line[0]:
                return key, entry
            heapq.heappop(line)
        self._lines.pop(tracker, None)
        return None

    def forget(self, key: Key, entry: CommandEntry) -> None:
        """Drop a command that is done with, unless another one of its name came meanwhile."""
        known = self._entries.get(key)
        if known is not None and known[1].uid == entry.uid:
            del self._entries[key]


def _place(key: Key, entry: CommandEntry) -> Place:
    # Creation times have whole seconds. Within one the claimed command goes first, since some watcher chose it, then
    # the smaller resourceVersion.
    return entry.created or _LONG_AGO, not entry.claimed, entry.version, key
