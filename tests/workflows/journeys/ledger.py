"""Accepted commands: each takes effect exactly once, or is answered by name; judged by what happens."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from activities.models.promotion import Verb
from activities.models.status import EventNote
from crds.reasons.vocabulary import State

if TYPE_CHECKING:
    from tests.workflows.journeys.traveller import Traveller
    from tests.worlds.stage import Run

SUPERSEDED = "CommandSuperseded"
KEPT = (Verb.RETEST, Verb.RETRY, Verb.PROMOTE)
"""What a later transition carries out; the others take effect as they are accepted."""


@dataclass(kw_only=True)
class Entry:
    """One accepted command, and what was true when it was accepted."""

    request_id: str
    attempt: str
    verb: Verb
    hops: int
    rounds: int
    retries: int
    done: bool = False


class Ledger:
    """Follow every accepted command until it has taken effect or was answered as superseded."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self._broken = broken
        self._entries: dict[str, Entry] = {}
        self._retries: dict[tuple[str, int], int] = {}
        """Attempt and hop -> how often `retry` was accepted."""
        self._events: set[str] = set()
        self._followed: dict[int, Run] = {}
        self._promoting: set[tuple[str, int]] = set()
        """Attempt and hop that entered Promoting, also where no step awaited anything before it left that."""
        self.effects = 0
        self.superseded = 0

    def accepted(self, one: "Traveller", verb: Verb, request_id: str) -> None:
        """Note a command; hold and release must show at once."""
        self._follow(one)
        story = one.story
        if (verb is Verb.HOLD and story.hold is None) or (verb is Verb.RELEASE and story.hold is not None):
            self._broken(f"{verb} {request_id} was accepted and changed nothing")
        entry = Entry(
            request_id=request_id,
            attempt=one.key,
            verb=verb,
            hops=story.hops,
            rounds=story.rounds,
            retries=story.hop.attempt if story.hop else 0,
        )
        for other in self._open(one):
            if other.verb is verb and not self._dropped(one, other):
                self._broken(f"{one.key}: {verb} {request_id} is accepted, and {other.request_id} is still open")
        if verb is Verb.RETRY:
            self._retries[one.key, story.hops] = self._retries.get((one.key, story.hops), 0) + 1
        self._promoting.discard((one.key, story.hops))
        if verb in (*KEPT, Verb.ABORT):
            self._entries[request_id] = entry

    def _follow(self, one: "Traveller") -> None:
        """Note each time that a run enters Promoting."""
        run = one.run
        if run is None or id(run) in self._followed:
            return
        self._followed[id(run)] = run
        ctx = run.workflow._ctx
        set_state = ctx.set_state

        def noting(state: State, **more: Any) -> State:
            if state is State.PROMOTING:
                self._promoting.add((one.key, one.story.hops))
            entered: State = set_state(state, **more)
            return entered

        ctx.set_state = noting

    def look(self, one: "Traveller") -> None:
        """Note what has taken effect; called whenever the workflow does anything."""
        self._follow(one)
        story, hop = one.story, one.story.hop
        for entry in self._open(one):
            if self._dropped(one, entry):
                continue
            here = story.hops == entry.hops
            voided = story.rounds > entry.rounds or story.state in (State.SYNCED, State.AWAITING_POLICY)
            match entry.verb:
                case Verb.RETEST:
                    done = here and voided
                case Verb.RETRY:
                    done = here and hop is not None and hop.attempt > entry.retries
                case Verb.PROMOTE:
                    done = (one.key, entry.hops) in self._promoting or (here and story.state is State.PROMOTING)
                case _:
                    done = story.state is State.ABORTED
            self._done(entry, done)
        if hop is not None and hop.attempt > self._retries.get((one.key, story.hops), 0):
            self._broken(f"{one.key} is in attempt {hop.attempt} of a hop, more often than `retry` was accepted")

    def write_begins(self, one: "Traveller") -> None:
        """No write comes between an accepted `retest`, or `abort`, and its effect."""
        for entry in self._open(one):
            if entry.verb in (Verb.RETEST, Verb.ABORT) and one.story.hops == entry.hops:
                self._broken(f"{one.key} writes although {entry.verb} {entry.request_id} was accepted before")

    def published(self, events: Iterable[EventNote]) -> None:
        """Note which commands were answered as superseded."""
        for event in events:
            if event.reason != SUPERSEDED or event.id in self._events:
                continue
            # An activity that loses its answer posts its events again.
            self._events.add(event.id)
            request_id = event.message.split(" of ")[1].split(" ")[0]
            entry = self._entries[request_id]
            if entry.done:
                self._broken(f"{entry.verb} {request_id} took effect, and is answered as superseded")
            entry.done, self.superseded = True, self.superseded + 1

    def close(self, travellers: Iterable["Traveller"]) -> None:
        """Everything accepted must have taken effect by the end, but where the workflow itself was terminated."""
        for one in travellers:
            self.look(one)
            for entry in self._open(one):
                if not one.vanished:
                    self._broken(f"{one.key} accepted {entry.verb} {entry.request_id} and dropped it")

    def _open(self, one: "Traveller") -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.attempt == one.key and not entry.done]

    def _dropped(self, one: "Traveller", entry: Entry) -> bool:
        """Return whether its answer is on the way; it is published a moment later."""
        return any(line.startswith(f"{entry.request_id}:") for line in one.story.superseded)

    def _done(self, entry: Entry, done: bool) -> None:
        if done and not entry.done:
            entry.done, self.effects = True, self.effects + 1
