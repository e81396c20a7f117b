"""What the attempts of one trigger have sent: a run that may exist already must never be begun a second time."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.models.testing import NOT_ACCEPTED, UNHEARD, UNSENT
from providers.errors import TriggerUnknown


class Sending:
    """Follow the current attempt, and know of those before it what they left behind.

    An attempt that ends without having begun a run says so in its heartbeat, with its number: the SDK delivers it
    before the failure, and the next attempt reads it. One that was killed or ran out of time leaves no such word, and
    a word that was not delivered is none, so that in doubt an attempt counts as having begun a run.
    """

    def __init__(self) -> None:
        info = activity.info()
        self._attempt = info.attempt
        self.begun = False
        """Whether this attempt has asked the CI system for a run."""
        self.repeats = info.attempt > 1 and list(info.heartbeat_details) != [UNSENT, info.attempt - 1]
        """Whether an attempt before this one may have begun a run."""

    def judged(self, failure: ApplicationError) -> ApplicationError:
        """Return the failure of this attempt with what is known of all of them, and leave word to the next one."""
        if failure.type == TriggerUnknown.__name__:
            return failure
        if failure.type in NOT_ACCEPTED:
            self.begun = False
        self.note()
        if self.repeats:
            detail: tuple[str, ...] = (UNHEARD,)
        else:
            detail = () if self.begun else (UNSENT,)
        return ApplicationError(
            failure.message,
            *detail,
            type=failure.type,
            non_retryable=failure.non_retryable,
            next_retry_delay=failure.next_retry_delay,
            category=failure.category,
        )

    def note(self) -> None:
        """Leave word to the next attempt where none so far has begun a run."""
        if not self.begun and not self.repeats:
            activity.heartbeat(UNSENT, self._attempt)
