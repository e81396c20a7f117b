"""What the attempts of one trigger have sent: a run that may exist already must never be begun a second time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import carried
from activities.models.testing import TriggerTestResult
from crds.reasons.problems import FailureKind

UNSENT = "no attempt can have begun a run"
"""Note of an attempt for the next one."""

SENT = "a run may have begun at"
"""Note of an attempt that lost its reply, with the server's time."""

DONE = "the run is"
"""Note of an attempt of several triggers, with the run that this one got."""


class ServerClock:
    """Give the Temporal server's time within one attempt: when it started the attempt, and what has passed since."""

    def __init__(self) -> None:
        self._started, self._begun_at = activity.info().started_time, time.monotonic()

    def now(self) -> datetime:
        return self._started + timedelta(seconds=time.monotonic() - self._begun_at)

    def monotonic(self, moment: datetime) -> float:
        """Return a moment of the server's as `time.monotonic()` of this process; one that is still to come is now."""
        return self._begun_at + min((moment - self._started).total_seconds(), time.monotonic() - self._begun_at)


class TriggerAttempts:
    """Follow the current attempt, and know of those before it what they left behind.

    An attempt that ends without having begun a run states it in its heartbeat, with its number: the SDK delivers it
    before the failure, and the next attempt reads it. One that was killed or ran out of time leaves no such note, and
    a note that was not delivered is none, so that in doubt an attempt counts as having begun a run.

    One that lost its reply leaves the time: the CI system's lists may show its run only after a lag, and a Temporal
    server that was restarted repeats the attempt at once, whatever its interval. Times are the server's, which started
    the attempts: no clock of a worker's machine counts.
    """

    def __init__(self, details: Sequence[object] | None = None) -> None:
        """Follow a trigger that is an activity, or a part of one: then `details` are what was left behind for it."""
        info = activity.info()
        self._attempt = info.attempt
        self._clock = ServerClock()
        self._details = tuple(info.heartbeat_details if details is None else details)
        self._sent_at = _sent_at(self._details)
        self.begun = False
        """Whether this attempt has asked the CI system for a run."""
        self.repeats = info.attempt > 1 and list(self._details) != [UNSENT, info.attempt - 1]
        """Whether an attempt before this one may have begun a run."""

    def judged(self, failure: ApplicationError) -> ApplicationError:
        """Return the failure of this attempt with what is known of all of them."""
        value = carried(failure)
        if value.kind is FailureKind.UNTRACEABLE:
            return failure
        if value.began_nothing:
            self.begun = False
        return ApplicationError(
            failure.message,
            replace(value, began=self.begun or self.repeats),
            type=failure.type,
            non_retryable=failure.non_retryable,
            next_retry_delay=failure.next_retry_delay,
            category=failure.category,
        )

    def hidden_for(self, lag: timedelta) -> timedelta:
        """Return how long the lists may still hide a run that an attempt before has begun; zero once they must not."""
        if self._sent_at is None:
            return timedelta(0)
        return max(self._sent_at + lag - self._clock.now(), timedelta(0))

    def details(self) -> tuple[object, ...]:
        """Return what the next attempt is to know: when a run may have begun, or that none so far has."""
        if self.begun:
            return SENT, self._clock.now().isoformat()
        return self._details if self.repeats else (UNSENT, self._attempt)

    def note(self) -> None:
        """Leave a note for the next attempt; what one before has left stays."""
        if self.begun or not self.repeats:
            activity.heartbeat(*self.details())


class RoundSending:
    """Follow the triggers of one activity, each by its key; what is done is left to the next attempt with its run."""

    def __init__(self, keys: Sequence[str]) -> None:
        left = next(iter(activity.info().heartbeat_details), None)
        known: Mapping[str, Sequence[object]] = left if isinstance(left, dict) else {}
        self._parts = {key: TriggerAttempts(known.get(key, ())) for key in keys}
        self._over: set[str] = set()
        self._done = {key: result for key in keys if (result := _done(known.get(key, ()))) is not None}

    def __getitem__(self, key: str) -> TriggerAttempts:
        return self._parts[key]

    def done(self, key: str) -> TriggerTestResult | None:
        """Return what is known to have been done for a key; None where its run must be looked for."""
        return self._done.get(key)

    def finish(self, key: str, result: TriggerTestResult) -> None:
        """Keep what was done for a key."""
        self._done[key] = result

    def give_up(self, key: str) -> None:
        """Keep that this attempt does no more for a key."""
        self._over.add(key)

    def judged(self, failure: ApplicationError) -> ApplicationError:
        """Return the failure of the whole attempt, which has of a run what is known of all parts together."""
        judged = [part.judged(failure) for part in self._parts.values()]
        return next((one for one in judged if not carried(one).surely_unsent), judged[0] if judged else failure)

    def note(self) -> None:
        """Leave a note about every key for the next attempt: this one does no more."""
        self._over.update(self._parts)
        self.note_meanwhile()

    def note_meanwhile(self) -> None:
        """Leave a note about the keys of which something is known for certain, should this attempt be lost.

        That a part has begun no run is stated only once it does no more: this note may be the last one that is
        delivered, and the part begin its run a moment later.
        """
        notes: dict[str, object] = {}
        for key, part in self._parts.items():
            if key in self._done:
                notes[key] = (DONE, self._done[key])
            elif key in self._over or part.begun or part.repeats:
                notes[key] = part.details()
        activity.heartbeat(notes)


def _done(details: Sequence[object]) -> TriggerTestResult | None:
    match list(details):
        case [state, dict(result)] if state == DONE:
            converter = activity.payload_converter()
            found: TriggerTestResult = converter.from_payload(converter.to_payload(result), TriggerTestResult)
            return found
        case _:
            return None


def _sent_at(details: Sequence[object]) -> datetime | None:
    match list(details):
        case [state, str(moment)] if state == SENT:
            return datetime.fromisoformat(moment)
        case _:
            return None
