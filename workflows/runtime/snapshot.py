"""What a step looked at when it began to decide, so that it can wait until any of that changed.

Between the look and the wait a step awaits answers: meanwhile a place may send a new view, a person may give a command,
the watcher may poke. What is compared with must therefore be taken *before* anything is awaited; a wait that compared
with what is there when it begins would sleep over everything that came in between. A snapshot is taken at the top of a
step's loop, owned by that one turn of it, and thrown away after its wait.

Values are watched by functions, so that their owners may replace them; they are compared by `is`, then by `==`.
Handlers never touch a snapshot: they change what it watches, and Temporal evaluates the wait's condition after them.
"""

from collections.abc import Callable


class Snapshot:
    """Remember what some functions returned."""

    def __init__(self, *watched: Callable[[], object]) -> None:
        self._watched = watched
        self._seen = [look() for look in watched]

    def changed(self) -> bool:
        """Return whether any of them returns something else by now."""
        return any(
            now is not seen and now != seen
            for now, seen in zip((look() for look in self._watched), self._seen, strict=True)
        )
