"""Ask the SCM host in the background for the comparisons that a decision of the lane misses."""

from collections.abc import Sequence
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.models.failures import Failure
from activities.models.places import EnvironmentInput
from activities.models.revisions import PAIRS_PER_CALL, RevisionPair
from workflows.environment.state import ComparerState
from workflows.failures import failure_of, worth_showing
from workflows.identity import Queues
from workflows.runtime.ancestry import KnownAncestry, KnownRelation, compare_revisions
from workflows.runtime.background import Background
from workflows.runtime.backoff import Backoff


class Comparer:
    """Ask the SCM host for pairs that a decision misses: one call at a time, with a pause after a failure."""

    def __init__(
        self, start: EnvironmentInput, background: Background, known: Sequence[KnownRelation], state: ComparerState
    ) -> None:
        self.ancestry = KnownAncestry(known)
        self.problem = state.problem
        self._failing_since = state.failing_since
        self._start = start
        self._background = background
        self._asking = False
        self._hurried = False
        """Whether a signal came since the call that is under way began, which may not show what that is about."""
        self._again_at = state.again_at
        self._pauses = Backoff(initial=start.timings.observe_initial, maximum=start.timings.observe_maximum)

    def state(self) -> ComparerState:
        """Return what the next run needs in addition to the relations."""
        return ComparerState(problem=self.problem, failing_since=self._failing_since, again_at=self._again_at)

    def pursue(self, pairs: Sequence[RevisionPair], now: datetime) -> None:
        """Start a call for what a decision missed unless one runs or has just failed."""
        self.ancestry.decided()
        if pairs and not self._asking and (self._again_at is None or now >= self._again_at):
            self._asking, self._hurried = True, False
            self._background.start(self._ask(self.ancestry.in_turn(pairs)[:PAIRS_PER_CALL]))

    def hurry(self) -> None:
        """Ask again for what the host did not know or did not answer: a signal reports that something changed."""
        self.ancestry.forget_unknown()
        self._again_at = None
        self._hurried = self._asking

    def next_deadline(self) -> datetime | None:
        """Return when a failed call is repeated."""
        return None if self._asking else self._again_at

    async def _ask(self, pairs: Sequence[RevisionPair]) -> None:
        start = self._start
        queues = Queues(installation=start.installation)
        try:
            answer = await compare_revisions(
                queues, start.timings, namespace=start.namespace, repository=start.repository, pairs=pairs, some=True
            )
        except ActivityError as error:
            self._note(failure_of(error))
        else:
            self.ancestry.take(pairs, answer)
            self._pauses.reset()
            if answer.failure is not None:
                self._note(answer.failure)
            else:
                self.problem, self._again_at, self._failing_since = "", None, None
        finally:
            self._asking = False
            if self._hurried:
                self.hurry()

    def _note(self, failure: Failure) -> None:
        """Keep why something is not answered, and when it is asked for again."""
        now, timings = workflow.now(), self._start.timings
        self._failing_since = self._failing_since or now
        if worth_showing(failure, self._failing_since, now, passing=timings.passing):
            self.problem = f"revisions cannot be compared: {failure.text}"
        self._again_at = now + max(self._pauses.next(), failure.wait)
