"""Questions that a step cannot go on without: asked until answered, with the reason shown once people can use it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.models.failures import Failure, FailureKind
from activities.models.tracking import Problem, Timings
from workflows.failures import failure_of, worth_showing
from workflows.promotion.state import Story
from workflows.runtime.backoff import Backoff, jittered

Answer = TypeVar("Answer")


class Unreadable(Exception):
    """Something a person must provide is missing; raised by questions."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Run(Protocol):
    """What asking needs of the run that asks."""

    story: Story
    timings: Timings
    pokes: int

    @property
    def command_waits(self) -> bool:
        """Whether the step is to carry out a command before anything else."""

    def heed_commands(self) -> None:
        """Leave the step where a command came meanwhile."""

    def changed(self) -> None:
        """Note that the story is to be published."""

    def event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Note a Kubernetes event."""

    async def wait(
        self, ready: Callable[[], bool], *, at_most: timedelta | None = None, why: str, quiet: bool = False
    ) -> bool:
        """Return True as soon as `ready()`; False where something else ended the wait."""


class Asking:
    """Ask, and keep why there is no answer.

    A failure that usually passes is kept from people until it has lasted for `Timings.passing`. It is carried in the
    story from then on; the question itself is asked again by whichever run comes next.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._refusal = run.story.failure
        """Why the question at hand has no answer, whether or not people are shown it."""
        self.asked_wait = timedelta(0)
        """How long the host that answered last in vain asked us to wait."""

    async def insist(self, ask: Callable[[], Awaitable[Answer]], *, object_: str, why: str) -> Answer:
        """Ask until answered; meanwhile the cause is shown, with what to fix, and a poke asks again at once."""
        run = self._run
        pauses = Backoff(initial=run.timings.reference_initial, maximum=run.timings.reference_maximum)
        while (answer := await self.ask_once(ask, object_=object_)) is None:
            run.heed_commands()
            await self._wait(max(jittered(pauses.pause), self.asked_wait), f"{why}: try again")
            run.heed_commands()
            if self._refusal is None or not self._refusal.kind.asks_to_wait:
                pauses.grow()
        return answer

    async def ask_once(self, ask: Callable[[], Awaitable[Answer]], *, object_: str) -> Answer | None:
        """Ask, and show why there is no answer, with what to fix; None is for that case alone."""
        try:
            answer = await ask()
        except (ActivityError, Unreadable) as refusal:
            self._refused(problem_of(refusal, object_), object_)
            return None
        if self._run.story.question in ("", object_):
            self.forget()
        return answer

    def forget(self) -> None:
        """Forget why the question at hand has no answer: it has one, or is asked no more."""
        story = self._run.story
        if story.failure is not None:
            self._run.changed()
        self._refusal = story.failure = story.failing_since = None
        story.question = ""

    def _refused(self, failure: Failure, question: str) -> None:
        story = self._run.story
        if story.question not in ("", question):
            self.forget()
        story.failing_since = story.failing_since or workflow.now()
        story.question, self._refusal, self.asked_wait = question, failure, failure.wait
        self._reveal()

    def _reveal(self) -> None:
        story, failure = self._run.story, self._refusal
        if failure is None or story.failing_since is None or failure == story.failure:
            return
        if worth_showing(failure, story.failing_since, workflow.now(), passing=self._run.timings.passing):
            told, story.failure = story.failure, failure
            self._run.changed()
            if told is None or told.text != failure.text:
                self._run.event("WaitingForReference", f"{failure.object}: {failure.text}", warning=True)

    async def _wait(self, pause: timedelta, why: str) -> None:
        """Wait for the pause or a poke; what has lasted on the way is shown: a host may ask to wait for an hour."""
        run = self._run
        pokes, until = run.pokes, workflow.now() + pause
        while (left := until - workflow.now()) > timedelta(0):
            shown_in = (run.story.failing_since or until) + run.timings.passing - workflow.now()
            at_most = min(left, shown_in) if shown_in > timedelta(0) else left
            if await run.wait(lambda: run.pokes != pokes or run.command_waits, at_most=at_most, why=why):
                return
            self._reveal()


def problem_of(refusal: BaseException, object_: str) -> Failure:
    """Return why there is no answer; `object_` is what was asked about."""
    if not isinstance(refusal, Unreadable):
        return failure_of(refusal, object_)
    problem = refusal.problem
    fields = f" ({'; '.join(problem.fields)})" if problem.fields else ""
    return Failure(kind=FailureKind.REFERENCE_MISSING, object=problem.what, message=problem.message + fields)
