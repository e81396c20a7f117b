"""The events that wait for a receiver: bounded, in the order of their coming, nothing lost in silence. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from activities.models import budgets
from activities.models.event_sinks import PromotionEvent, SeenAttempt
from workflows.sizes import encoded_size


class EventQueue:
    """Keep the newest events until they were sent.

    What is at work is never dropped. The first event that is kept after dropped ones names how many they were, so that
    its receiver knows what it misses.
    """

    def __init__(
        self,
        waiting: Iterable[PromotionEvent] = (),
        seen: Mapping[str, SeenAttempt] | None = None,
        *,
        dropped: int = 0,
        omitted: int = 0,
    ) -> None:
        self._waiting = [(event, encoded_size(event)) for event in waiting]
        self._seen = dict(seen or {})
        self._at_work = 0
        self.omitted = omitted
        """Dropped events that the next one to come names."""
        self.dropped = dropped
        """Events that are never sent, in all."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> tuple[PromotionEvent, ...]:
        """The events, oldest first."""
        return tuple(event for event, _ in self._waiting)

    @property
    def seen(self) -> dict[str, SeenAttempt]:
        """The newest event of each attempt, as it is carried."""
        return dict(self._seen)

    def take(self, events: Iterable[PromotionEvent]) -> None:
        """Keep events that were not here before; what has no room any more goes, the oldest first."""
        for event in events:
            if self._is_new(event):
                self._append(event)
        self._shrink()

    def begin(self) -> tuple[PromotionEvent, ...]:
        """Return what is sent next, and note that it is at work."""
        room, batch = budgets.SINK_SIGNAL_BYTES, list[PromotionEvent]()
        for event, size in self._waiting[: budgets.SINK_DELIVERY]:
            room -= size
            if batch and room < 0:
                break
            batch.append(event)
        self._at_work = len(batch)
        return tuple(batch)

    def end(self, delivered: int) -> None:
        """Note how many of those at work were sent; the others are sent again."""
        del self._waiting[:delivered]
        self._at_work = 0
        self._shrink()

    def refuse_first(self) -> None:
        """Drop the first event: its receiver takes the same one never."""
        self._drop(0)
        self._at_work = 0

    def clear(self) -> None:
        """Drop everything without counting it: no one wants it sent."""
        self._waiting.clear()
        self._at_work = self.omitted = 0

    def _is_new(self, event: PromotionEvent) -> bool:
        """Return whether an event came for the first time: who publishes a status may do it again as a whole."""
        if not event.number:
            return all(event.id != known.id for known, _ in self._waiting)
        attempt = f"{event.tracker.uid}.{event.tracker.attempt}"
        known = self._seen.pop(attempt, None)
        # A workflow that was reset counts from an earlier number again, at a later time.
        new = known is None or event.number > known.number or event.at > known.at
        self._seen[attempt] = SeenAttempt(number=event.number, at=event.at) if new or known is None else known
        if len(self._seen) > budgets.SINK_ATTEMPTS:
            del self._seen[next(iter(self._seen))]
        return new

    def _append(self, event: PromotionEvent) -> None:
        if self.omitted:
            event, self.omitted = replace(event, omitted=event.omitted + self.omitted), 0
        self._waiting.append((event, encoded_size(event)))

    def _shrink(self) -> None:
        sizes = [size for _, size in self._waiting[self._at_work :]]
        count, size = len(sizes), sum(sizes)
        while count > budgets.SINK_EVENTS or size > budgets.SINK_BYTES:
            count, size = count - 1, size - self._drop(self._at_work)

    def _drop(self, index: int) -> int:
        """Drop one event and let the next one name it; return its size."""
        event, size = self._waiting.pop(index)
        self.dropped += 1
        omitted = event.omitted + 1
        if index < len(self._waiting):
            following, its_size = self._waiting[index]
            self._waiting[index] = (replace(following, omitted=following.omitted + omitted), its_size)
        else:
            self.omitted += omitted
        return size
