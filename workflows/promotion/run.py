"""One run of a promotion, as its steps see it: the state, waiting, asking, membership, comparing and publishing.

The workflow owns the run, and its steps work on it one at a time: the one that the state names. Next to that step
only handlers of signals and updates run, between two of its awaits, and tasks in the background: the publisher of the
status, the presentation on the pull request, the look at what people asked for there, the cancelling of test runs and
the making of monitors. Of what a step decides by, none of these changes anything but by a command or a hold, as a
handler does; every step looks for both again after it awaited something (`heed_commands`).

A step decides, changes the state in the same task (`enter`), and then awaits what follows. Where it has to wait, it
waits here: the wait answers places that expect it, keeps the backstop of lost signals, publishes what changed, and
is left by what ended the tracker (`Ended`) or by a history that has grown long (`Continue`). Both are raised only where
nothing runs that a next run could not begin again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow

from activities.models.bounds import cut
from activities.models.budgets import LINE_BYTES, TEXT_BYTES
from activities.models.configuration import EnvironmentView
from activities.models.delivery import Observation
from activities.models.memberships import OpenHopResult
from activities.models.promotion import Command, CommandAnswer, PromotionInput, Verb
from activities.models.revisions import PAIRS_PER_CALL, CompareRevisionsResult, Relation, RevisionPair
from activities.models.tracking import Artifact
from crds.reasons.events import EventReason
from crds.reasons.vocabulary import Phase, State
from workflows.identity import Queues
from workflows.promotion.cancelling import Cancelling
from workflows.promotion.environments import Environments
from workflows.promotion.membership import Membership
from workflows.promotion.monitoring import Monitoring
from workflows.promotion.rules import commands, comparison
from workflows.promotion.rules.noting import note_event
from workflows.promotion.standing import AT_ONCE, Standing
from workflows.promotion.state import RELATIONS_KEPT, SUPERSEDED_KEPT, PromotionState
from workflows.runtime import lifetime
from workflows.runtime.ancestry import compare_revisions
from workflows.runtime.asking import Asking
from workflows.runtime.background import in_background
from workflows.runtime.backoff import jittered
from workflows.runtime.snapshot import Snapshot
from workflows.runtime.timers import wait_until

MOVABLE = (
    State.PENDING,
    State.AWAITING_MERGE,
    State.AWAITING_SYNC,
    State.AWAITING_POLICY,
    State.TESTING,
    State.TESTS_FAILED,
    State.READY_TO_PROMOTE,
    State.PROMOTION_FAILED,
)
"""Waiting states, in which a run moves to a newer worker version when one asks."""

NEWS = timedelta(minutes=1)
"""How long a mirror of the API server may take to show a change, at the most."""
EVENTS_BEFORE_CONTINUING = 500


class Ended(Exception):
    """Leave every step at once: the tracker was aborted or deleted, or its pull request closed."""

    def __init__(self, state: State, reason: str, message: str = "") -> None:
        super().__init__(reason)
        self.state, self.reason, self.message = state, reason, message


class Continue(Exception):
    """Leave the current wait so that the workflow continues as new in a clean state, on a newer version if asked."""


class CommandWaits(Exception):
    """Leave the step before it decides: a command was accepted that the step carries out first, begun again."""


@dataclass(frozen=True, kw_only=True)
class OpenedAhead:
    """Hold what opened the hop that follows, as the one before it ended."""

    opened: OpenHopResult
    environment: str
    """Where the change was then."""
    pokes: int
    at: datetime


class PromotionRun:
    """Hold one run's collaborators. Steps are functions of it; signals only change it."""

    def __init__(self, request: PromotionInput, story: PromotionState, *, publish: Callable[[], None]) -> None:
        self.request = request
        self.story = story
        self.timings = request.timings
        self.queues = Queues(installation=request.installation)
        self.membership = Membership(request, story)
        self.pokes = 0
        self.news_at: datetime | None = None
        """When a poke, a `retest` or a `retry` came last: what is declared may have changed just before."""
        self.looked_at = -1
        """How many pokes had come when a policy was looked for last; a run that begins has not looked yet."""
        self.ended: Ended | None = None
        self.checks: tuple[str, ...] = ()
        self.writing = False
        self.outdated = self.membership.view(story.environment) if story.outdated else None
        """The source's view that our own read proved to be old."""
        self.last_poll: datetime | None = None
        self.pokes_at_poll = 0
        """How many pokes had come when the last poll began: it answers these."""
        self.cancelling = Cancelling(self)
        self.monitoring = Monitoring(self)
        self.asking = Asking(self, story)
        self.environments = Environments(request, story, self.asking, fresh=lambda: self.fresh)
        self.standing = Standing(self)
        self._opened: OpenedAhead | None = None
        self.again_at: datetime | None = None
        """When the step at hand tries again what failed: for queries alone, as statuses would cost writes."""
        self.dirty = False
        self._flushing: asyncio.Task[None] | None = None
        self._publish = publish
        self.next_look_in: Callable[[timedelta], timedelta] = lambda backstop: backstop
        """After how long the pull request is to be looked at again, at the latest; looks where this backstop is due."""

    def changed(self) -> None:
        """Note that the story is to be published at the next wait, or in moments: steps that pass cost no write."""
        self.dirty = True
        if self._flushing is None:
            self._flushing = in_background(self._flush_soon())

    def flush(self) -> None:
        """Offer what changed for publishing; nothing is awaited."""
        if self.dirty:
            self.dirty = False
            self._publish()

    async def _flush_soon(self) -> None:
        try:
            # Begins once the step awaits something: what is published by then starts no timer.
            within = self.timings.publish_within
            if not await wait_until(lambda: not self.dirty, at_most=within, why="publish what is known"):
                self.flush()
        finally:
            self._flushing = None

    def enter(self, state: State, *, reason: str = "", message: str = "") -> State:
        """Move the story to a state: in the same task as the decision, before anything is awaited for its effects.

        Raises Ended instead where an abort or a deletion was accepted before the decision.
        """
        self.stop_if_ended()
        return self.set_state(state, reason=reason, message=message)

    def set_state(self, state: State, *, reason: str = "", message: str = "") -> State:
        """Move the story to a state, also to what ended it."""
        story = self.story
        if (story.state, story.reason) != (state, reason):
            story.since = workflow.now()
        if story.state is not state:
            self.asking.forget()
        story.state, story.reason, story.message = state, reason or str(state), cut(message, TEXT_BYTES)
        self.changed()
        return state

    def hand_over(self) -> None:
        """Put into the story what the next run is to know of places until they answer it."""
        story = self.story
        source, target = story.environment, story.hop.policy.target if story.hop else ""
        story.views = self.membership.views_of(source, target)
        story.farewells_owed = self.membership.farewells_owed()
        story.outdated = self.outdated is not None and self.outdated is self.membership.view(source)

    def event(self, reason: EventReason, message: str, *, warning: bool = False, by: str = "") -> None:
        """Note a Kubernetes event; it travels with the next status."""
        note_event(self.story, self.request.tracker, reason, message, now=workflow.now(), warning=warning, by=by)
        self.changed()

    @property
    def held(self) -> bool:
        """Whether a person holds the change."""
        return self.story.hold is not None

    @property
    def at_boundary(self) -> bool:
        """Whether Promoting is between two waves or before the first, where a hold takes effect."""
        story = self.story
        return story.state is State.PROMOTING and story.hop is not None and not story.hop.in_wave

    @property
    def command_waits(self) -> bool:
        """Whether the step is to carry out a command before anything else."""
        return commands.command_waits(self.story)

    def heed_commands(self) -> None:
        """Leave the step where a command came while something was awaited: called before what it would undo."""
        self.stop_if_ended()
        if self.command_waits:
            raise CommandWaits

    def take(self, verb: Verb) -> Command | None:
        """Take a command out of the inbox; the caller's transition carries it out in the same task."""
        self.stop_if_ended()
        return self.story.inbox.take(verb)

    def supersede(self, why: str, *verbs: Verb) -> None:
        """Answer accepted commands that cannot be carried out any more: with an event, in the status and in `why`."""
        story = self.story
        for verb, command in story.inbox.drop(*verbs):
            text = f"the {verb} of {command.actor} is not carried out: {why}"
            self.event(EventReason.COMMAND_SUPERSEDED, text, warning=True)
            story.keep_answer(command.request_id, CommandAnswer(accepted=True, message=text))
            line = cut(f"{command.request_id}: {text}", LINE_BYTES)
            story.superseded = [*story.superseded, line][-SUPERSEDED_KEPT:]

    def supersede_outdated_approval(self) -> None:
        """Answer an approval that waits and does not fit the hop at hand: it was given for something else."""
        if outdated := commands.outdated_approval(self.story):
            self.supersede(outdated, Verb.PROMOTE)

    def look(
        self,
        *environments: str,
        commands: bool = False,
        hold: bool = False,
        lane: bool = False,
        pull_request: bool = False,
    ) -> Snapshot:
        """Remember pokes, the views of places and what else is named: taken before the step awaits anything."""

        def view(environment: str) -> Callable[[], object]:
            return lambda: self.membership.view(environment)

        watched: list[Callable[[], object]] = [lambda: self.pokes, *map(view, environments)]
        if commands:
            watched.append(lambda: self.command_waits)
        if hold:
            watched.append(lambda: self.held)
        if pull_request:
            watched.append(lambda: self.story.pull_request)
        if lane:
            watched += [lambda: self.membership.granted, lambda: self.story.inbox.get(Verb.PROMOTE)]
        return Snapshot(*watched)

    async def wait(
        self,
        ready: Callable[[], bool],
        *,
        at_most: timedelta | None = None,
        why: str,
        quiet: bool = False,
        again_at: datetime | None = None,
    ) -> bool:
        """Return True as soon as `ready()`, False when `at_most` has passed or something else must be done first.

        Without `at_most` the backstop ends the wait. Raises Ended when the tracker was aborted or deleted, and Continue
        when the history has grown long enough. `quiet` publishes only when the wait turns out to be a long one: answers
        of places come within milliseconds, and a status no one could read costs six events.
        """
        backstop = jittered(self.timings.backstop)
        await self._answer_places(backstop)
        self.stop_if_ended()
        self._continue_if_due()
        limit, neglects = self._longest(at_most, backstop)
        if limit <= timedelta(0):
            return ready()
        if not quiet:
            self.flush()
        self.again_at = again_at
        try:
            woken = await wait_until(lambda: self._woken() or ready(), at_most=limit, why=why)
        finally:
            self.again_at = None
        if not woken:
            if neglects:
                await self.membership.send_again()
            return False
        self.stop_if_ended()
        return ready()

    async def _answer_places(self, backstop: timedelta) -> None:
        """Send our view to the places that wait for it, and to all where the backstop of lost signals is due."""
        hold = self.story.hold
        await self.membership.answer()
        if self.story.hold is not hold:
            self.changed()
        if self._unsent(backstop) <= timedelta(0):
            await self.membership.send_again()

    def _unsent(self, backstop: timedelta) -> timedelta:
        """Return how long places may still go without our view.

        Counted from our last signal and not from a wait: pokes and polls end each wait long before it is due.
        """
        if self.membership.phase is Phase.HOLDER:
            backstop = min(backstop, self.timings.holder_backstop)
        return backstop - self.membership.silent_for()

    def _longest(self, at_most: timedelta | None, backstop: timedelta) -> tuple[timedelta, bool]:
        """Return how long a wait may last, and whether places would then have gone without our view for too long."""
        unsent = self._unsent(backstop)
        looks_in = self.next_look_in(min(backstop, self.timings.backstop))
        # Zero is no wait of its own: who is ahead has just been asked.
        others = (at_most, self.membership.asks_ahead_in or None, looks_in)
        limit = min(unsent, *(one for one in others if one is not None))
        return limit, limit == unsent

    def _woken(self) -> bool:
        return self.ended is not None or self.membership.unanswered or self._may_move()

    def stop_if_ended(self) -> None:
        """Raise what ended the tracker, if anything did."""
        if self.ended is not None and not self.writing:
            raise self.ended

    def _may_move(self) -> bool:
        """Return whether a newer worker version asks and nothing runs: a hold between waves may last for weeks."""
        waits = self.story.state in MOVABLE or (self.at_boundary and self.held)
        return waits and lifetime.upgrade_wanted()

    def _continue_if_due(self) -> None:
        if self._may_move() or lifetime.long_enough(EVENTS_BEFORE_CONTINUING):
            raise Continue

    def until_known(self) -> timedelta | None:
        """Return how long to wait at most before revisions are compared again; None where the host knew them all."""
        if any(relation == Relation.UNKNOWN for relation in self.story.relations.values()):
            return self.timings.reference_maximum
        return None

    def forget_unknown(self) -> None:
        """Have the host asked again for what it did not know."""
        self.story.relations = comparison.without_unknown(self.story.relations)

    def keep_opened(self, opened: OpenHopResult, pokes: int) -> None:
        """Keep what opened the next hop, asked for after so many pokes."""
        self._opened = OpenedAhead(opened=opened, environment=self.story.environment, pokes=pokes, at=workflow.now())

    def take_opened(self) -> OpenHopResult | None:
        """Return what opened the hop at hand, to the first who asks, and only at once; else None."""
        found, self._opened = self._opened, None
        if found is None or found.environment != self.story.environment or found.pokes != self.pokes:
            return None
        return found.opened if workflow.now() - found.at <= AT_ONCE else None

    @property
    def views(self) -> dict[str, EnvironmentView]:
        """Environments as they were declared when they were read."""
        return self.environments.views

    @property
    def fresh(self) -> bool:
        """Whether what is declared is to be read from the API server itself."""
        return self.news_at is not None and workflow.now() - self.news_at < NEWS

    async def relate(self, artifacts: Sequence[Artifact], observations: Sequence[Observation]) -> None:
        """Learn the ancestry that judging these needs; shows the problem and waits where the host does not answer."""
        pairs = comparison.needed_pairs(self.story.relations, artifacts, observations)
        for start in range(0, len(pairs), PAIRS_PER_CALL):
            batch = pairs[start : start + PAIRS_PER_CALL]

            async def ask(batch: Sequence[RevisionPair] = batch) -> CompareRevisionsResult:
                return await compare_revisions(
                    self.queues,
                    self.timings,
                    namespace=self.request.tracker.namespace,
                    repository=self.request.spec.repository,
                    pairs=batch,
                )

            answer = await self.asking.retry_until_answered(
                ask, object_=f"GitRepository/{self.request.spec.repository}", why="compare revisions"
            )
            self.story.relations |= comparison.with_answers(batch, answer.relations)
        self.story.relations = comparison.kept(self.story.relations, artifacts, observations, at_most=RELATIONS_KEPT)
