"""What the attempts of one trigger have sent: a run that may exist already must never be begun a second time."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.failures import carried
from activities.models.failures import FailureKind

UNSENT = "no attempt can have begun a run"
"""Word of an attempt to the next one."""

SENT = "a run may have begun at"
"""Word of an attempt that lost its reply, with the server's time."""


class ServerClock:
    """Tell the Temporal server's time within one attempt: when it started the attempt, and what has passed since."""

    def __init__(self) -> None:
        self._started, self._begun_at = activity.info().started_time, time.monotonic()

    def now(self) -> datetime:
        return self._started + timedelta(seconds=time.monotonic() - self._begun_at)

    def monotonic(self, moment: datetime) -> float:
        """Return a moment of the server's as `time.monotonic()` of this process; one that is still to come is now."""
        return self._begun_at + min((moment - self._started).total_seconds(), time.monotonic() - self._begun_at)


class Sending:
    """Follow the current attempt, and know of those before it what they left behind.

    An attempt that ends without having begun a run says so in its heartbeat, with its number: the SDK delivers it
    before the failure, and the next attempt reads it. One that was killed or ran out of time leaves no such word, and
    a word that was not delivered is none, so that in doubt an attempt counts as having begun a run.

    One that lost its reply leaves the time: the CI system's lists may show its run only after a lag, and a Temporal
    server that was restarted repeats the attempt at once, whatever its interval. Times are the server's, which started
    the attempts: no clock of a worker's machine counts.
    """

    def __init__(self) -> None:
        info = activity.info()
        self._attempt = info.attempt
        self._clock = ServerClock()
        self._sent_at = _sent_at(info.heartbeat_details)
        self.begun = False
        """Whether this attempt has asked the CI system for a run."""
        self.repeats = info.attempt > 1 and list(info.heartbeat_details) != [UNSENT, info.attempt - 1]
        """Whether an attempt before this one may have begun a run."""

    def judged(self, failure: ApplicationError) -> ApplicationError:
        """Return the failure of this attempt with what is known of all of them, and leave word to the next one."""
        value = carried(failure)
        if value.kind is FailureKind.UNTRACEABLE:
            return failure
        if value.kind.began_nothing:
            self.begun = False
        self.note()
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

    def note(self) -> None:
        """Leave word to the next attempt: when this one may have begun a run, or that none so far has."""
        if self.begun:
            activity.heartbeat(SENT, self._clock.now().isoformat())
        elif not self.repeats:
            activity.heartbeat(UNSENT, self._attempt)


def _sent_at(details: Sequence[object]) -> datetime | None:
    match list(details):
        case [word, str(moment)] if word == SENT:
            return datetime.fromisoformat(moment)
        case _:
            return None
