"""Questions that a step cannot go on without: asked until answered, with the reason shown once people can use it.

Each question is an activity with a few attempts of its own. While they fail, nothing else of the workflow may stand
still: between two rounds of attempts the workflow waits by its own timer, in which commands are carried out, deadlines
are kept and a poke asks again at once. What a host asks for is kept, as long as it may be.

Why there is no answer is kept with the carried state (`Unanswered`), and is shown once people need it or
has lasted for `Timings.passing`: what usually ends by itself within minutes needs no person. One question is at
hand at a time; a later one that is about something else replaces what is kept, and an answer forgets it. A run that
continues as new carries the reason, and asks again by itself.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.models.failures import Failure
from activities.models.tracking import Timings
from crds.reasons.events import EventReason
from crds.reasons.problems import FailureKind
from workflows.failures import failure_of, worth_showing
from workflows.runtime.backoff import Backoff, jittered

Answer = TypeVar("Answer")


class Unreadable(Exception):
    """Something a person must provide is missing; raised by questions."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Unanswered(Protocol):
    """What of the carried state holds why the question at hand has no answer."""

    failure: Failure | None
    """As people are shown it; None as long as they are not."""
    failing_since: datetime | None
    question: str
    """What the question at hand is about, as who asked calls it."""
    refusal: Failure | None
    """Why the question at hand has no answer, whether or not people are shown it."""
    ask_after: datetime | None
    """Before it the host that answered last in vain wants no call."""


class Run(Protocol):
    """What asking needs of the run that asks."""

    timings: Timings
    pokes: int

    @property
    def command_waits(self) -> bool:
        """Whether the step is to carry out a command before anything else."""

    def heed_commands(self) -> None:
        """Leave the step where a command came meanwhile."""

    def changed(self) -> None:
        """Note that the story is to be published."""

    def event(self, reason: EventReason, message: str, *, warning: bool = False) -> None:
        """Note a Kubernetes event."""

    async def wait(
        self,
        ready: Callable[[], bool],
        *,
        at_most: timedelta | None = None,
        why: str,
        quiet: bool = False,
        again_at: datetime | None = None,
    ) -> bool:
        """Return True as soon as `ready()`; False where something else ended the wait.

        `again_at` is when what failed is tried again, for people who ask meanwhile.
        """


class Asking:
    """Ask, and keep why there is no answer."""

    def __init__(self, run: Run, kept: Unanswered) -> None:
        self._run = run
        self._kept = kept
        self._asked_before = kept.ask_after
        """What the host asked of the run that this one continues; kept before the first question about it."""

    async def retry_until_answered(
        self, ask: Callable[[], Awaitable[Answer]], *, object_: str, why: str, through: str = ""
    ) -> Answer:
        """Ask until answered; meanwhile the cause is shown, with what to fix, and a poke asks again at once.

        `through` is the resource whose host is asked, where the object is none itself.
        """
        run = self._run
        pauses = Backoff(initial=run.timings.reference_initial, maximum=run.timings.reference_maximum)
        if (quiet := self.still_asked_to_wait(object_)) > timedelta(0):
            await self._wait(quiet, f"{why}: try again", pokes=run.pokes)
            run.heed_commands()
        while True:
            # Taken before anything is awaited: what is fixed while it is asked must have it asked again at once.
            pokes = run.pokes
            if (answer := await self.try_once(ask, object_=object_, through=through)) is not None:
                return answer
            run.heed_commands()
            refusal = self._kept.refusal
            await self._wait(max(jittered(pauses.pause), self.asked_wait), f"{why}: try again", pokes=pokes)
            run.heed_commands()
            if refusal is None or not refusal.asks_to_wait:
                pauses.grow()

    @property
    def asked_wait(self) -> timedelta:
        """How long the host that answered last in vain wants no call."""
        after = self._kept.ask_after
        return max(after - workflow.now(), timedelta(0)) if after is not None else timedelta(0)

    def still_asked_to_wait(self, object_: str) -> timedelta:
        """Return how long a host asked the run before this one to wait with this question; asked for once."""
        if self._kept.question != object_:
            return timedelta(0)
        asked, self._asked_before = self._asked_before, None
        return self.asked_wait if asked is not None and asked == self._kept.ask_after else timedelta(0)

    async def try_once(self, ask: Callable[[], Awaitable[Answer]], *, object_: str, through: str = "") -> Answer | None:
        """Ask, and show why there is no answer, with what to fix; None is for that case alone."""
        try:
            answer = await ask()
        except (ActivityError, Unreadable) as refusal:
            self._refused(_why(refusal, object_, through), object_)
            return None
        if self._kept.question in ("", object_):
            self.forget()
        return answer

    def forget(self) -> None:
        """Forget why the question at hand has no answer: it has one, or is asked no more."""
        if self._kept.failure is not None:
            self._run.changed()
        kept = self._kept
        kept.refusal = kept.failure = kept.failing_since = kept.ask_after = None
        kept.question = ""

    def _refused(self, failure: Failure, question: str) -> None:
        if self._kept.question not in ("", question):
            self.forget()
        kept, now = self._kept, workflow.now()
        kept.failing_since = kept.failing_since or now
        kept.question, kept.refusal = question, failure
        kept.ask_after = now + failure.wait if failure.wait else None
        self.reveal()

    def until_shown(self, pause: timedelta) -> timedelta:
        """Shorten a pause so that why there is no answer is shown as soon as it has lasted."""
        kept = self._kept
        if kept.failing_since is None or kept.refusal == kept.failure:
            return pause
        shown_in = kept.failing_since + self._run.timings.passing - workflow.now()
        return min(pause, shown_in) if shown_in > timedelta(0) else pause

    def reveal(self) -> None:
        """Show why there is no answer once people need it, or it has lasted."""
        kept, failure = self._kept, self._kept.refusal
        if failure is None or kept.failing_since is None or failure == kept.failure:
            return
        if worth_showing(failure, kept.failing_since, workflow.now(), passing=self._run.timings.passing):
            before, kept.failure = kept.failure, failure
            self._run.changed()
            if before is None or before.text != failure.text:
                self._run.event(EventReason.WAITING_FOR_REFERENCE, failure.named, warning=True)

    async def _wait(self, pause: timedelta, why: str, *, pokes: int) -> None:
        """Wait for the pause or another poke; what lasts is shown on the way: a host may ask to wait for an hour."""
        run, until = self._run, workflow.now() + pause
        while (left := until - workflow.now()) > timedelta(0):
            at_most = self.until_shown(left)
            if await run.wait(
                lambda: run.pokes != pokes or run.command_waits, at_most=at_most, why=why, again_at=until
            ):
                return
            self.reveal()


def no_answer(object_: str) -> Failure:
    """Return why there is none where an activity answered with neither a value nor a failure."""
    return Failure(kind=FailureKind.UNEXPECTED, object=object_, message="no answer")


def _why(refusal: BaseException, object_: str, through: str) -> Failure:
    return refusal.failure if isinstance(refusal, Unreadable) else failure_of(refusal, object_, through=through)
