"""The pull request follows the story: one presentation at a time, tried again until shown; no step waits for it.

The workflow offers the state at each publication (`offer`); what is worth the calls is decided by the pure
`view/pull_request.py`. One task owns the presentation at work and the pauses between tries; a second one waits only
until the state at hand has lasted. States offered meanwhile are not queued: the next try shows what is true then.

A poke, a newer state, the end and the deletion of the tracker cut a pause. Continuing as new stops the task with its
call (`stop`), and what is owed is carried as `presentation_owed`. The activity is `present_on_pull_request`.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception
from temporalio.workflow import ActivityConfig

from activities.contracts import ScmActivities
from activities.models.label_sync import SyncResult
from activities.models.revisions import PresentInput, PresentResult
from activities.models.status import WaitingFor
from crds.reasons.events import EventReason
from crds.reasons.vocabulary import State
from workflows import policies
from workflows.failures import failure_of
from workflows.promotion.run import PromotionRun
from workflows.promotion.view import pull_request as pull_request_view
from workflows.promotion.view import status as status_view
from workflows.promotion.view.labels import labels_condition
from workflows.runtime.background import in_background
from workflows.runtime.backoff import Backoff, jittered
from workflows.runtime.timers import wait_until

INITIAL_PAUSE, LONGEST_PAUSE = 12, 15
"""Of `reference_initial` and `reference_maximum`: from one minute to half an hour. A try costs calls to a host that is
down or refuses, and eleven events; a person who fixed the cause can poke."""

LABELS = "labels"
NO_LABELS = "no labels are shown: the host has none, or the GitRepository turns them off or is only observed"
GIVEN_UP = "given up: the tracker was deleted, or a newer attempt took over"


class Presenting:
    """Show the newest state on the pull request.

    One activity runs at most, and it shows what is true when it begins. On the way it is given up after a few
    attempts, so that a newer state gets its turn, and is tried again at a poke and on a timer. The last one is tried
    once, so that people see soon why it fails, and then by a single activity that has until `present_deadline`, unless
    the tracker goes.
    """

    def __init__(self, ctx: PromotionRun) -> None:
        self._ctx = ctx
        self._moment: tuple[object, ...] | None = None
        """What was sent last, whether or not it arrived."""
        self._small_print: tuple[object, ...] = ()
        self._sent_at: datetime | None = None
        self._owed = ctx.story.presentation_owed
        """Whether to present whatever the moment is: an earlier run failed to, or this is the end."""
        self._wanted = False
        self._quiet_pokes = ctx.pokes
        """How many pokes had come before the try at which the host asked for quiet: another one ends that."""
        self._last = False
        self._patient = False
        """Whether the last one was tried once: what follows is patient."""
        self._gone = False
        self._stopped = False
        self._at_work: asyncio.Task[PresentResult] | None = None
        self._task: asyncio.Task[None] | None = None
        self._later: asyncio.Task[None] | None = None
        """Awaits that the state at hand is worth a call, so that it is shown then."""
        self._later_of: datetime | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing runs or about to be; another try of what failed can be left to a next run."""
        return self._at_work is None and not self._wanted

    @property
    def _leaving(self) -> bool:
        """Whether the tracker is gone and its last presentation is still to be offered: nothing before it is tried."""
        return self._gone and not self._last

    def offer(self, shown: State, waiting: WaitingFor | None = None) -> None:
        """Have the state presented if that is worth its calls; nothing is awaited."""
        story, now = self._ctx.story, workflow.now()
        if self._stopped or self._leaving or story.pull_request is None:
            return
        moment = pull_request_view.moment(story, shown, now)
        if not self._owed and moment in (None, self._moment):
            due_in = self._due_in(moment, shown, waiting, now)
            if due_in is None or due_in > timedelta(0):
                self._offer_later(due_in, shown)
                return
        self._owed, self._wanted = False, True
        if self._task is None:
            self._task = in_background(self._present())

    def again(self) -> None:
        """Have the state presented whether or not it changed: there is something to answer."""
        self._owed = True
        self._offer_now()

    def _offer_now(self) -> None:
        view = status_view.view(self._ctx)
        self.offer(view.state, view.waiting)

    def finish(self) -> None:
        """Take what is offered next as the last presentation: it is sent in any case, and patiently."""
        self._last = self._owed = True
        self._stopped = False

    def stop(self) -> None:
        """Leave the rest to the next run, which begins with a try: a host may ask to wait for an hour."""
        self._stopped, self._wanted = True, False
        if self._at_work is not None:
            self._at_work.cancel()

    def give_up(self) -> None:
        """Try only briefly from now on: the tracker is gone, and its deletion waits for us."""
        if not self._gone and self._at_work is not None:
            self._at_work.cancel()
        self._gone = True

    async def drain(self) -> None:
        """Return when nothing runs."""
        await workflow.wait_condition(lambda: self.idle)

    def _due_in(
        self, moment: tuple[object, ...] | None, shown: State, waiting: WaitingFor | None, now: datetime
    ) -> timedelta | None:
        """Return when the state at hand is worth a call although none of it is now; None where it is not."""
        story = self._ctx.story
        if moment is None:
            # What lasts already and is still not worth a call becomes so by a change alone.
            lasts_in = pull_request_view.until_lasting(story, shown, now)
            return lasts_in if shown in pull_request_view.LASTING and lasts_in > timedelta(0) else None
        if self._small_print == pull_request_view.small_print(story, waiting) or self._sent_at is None:
            return None
        return max(self._sent_at + pull_request_view.SHOWN_AGAIN_AFTER - now, timedelta(0))

    def _offer_later(self, due_in: timedelta | None, shown: State) -> None:
        """Offer the state at hand again when it is due; one that follows it is offered by who enters it."""
        since = self._ctx.story.since
        if due_in is None or (self._later is not None and self._later_of == since):
            return
        # One that waited for an earlier state is cut by the change of state, and may not have noticed yet.
        self._later_of, self._later = since, in_background(self._offer_again(due_in, shown))

    async def _offer_again(self, due_in: timedelta, shown: State) -> None:
        story, sent_at, since = self._ctx.story, self._sent_at, self._ctx.story.since
        overtaken = await wait_until(
            lambda: self._stopped or story.since != since or self._sent_at != sent_at,
            at_most=due_in,
            why=f"show {shown} once it lasts",
        )
        if self._later_of == since:
            self._later = None
        if not overtaken:
            self._offer_now()

    async def _present(self) -> None:
        timings = self._ctx.timings
        pauses = Backoff(
            initial=timings.reference_initial * INITIAL_PAUSE, maximum=timings.reference_maximum * LONGEST_PAUSE
        )
        try:
            while self._wanted and not self._stopped and not self._leaving:
                # Taken before anything is awaited: what is fixed during a try must cause another one.
                pokes, last = self._ctx.pokes, self._last
                if not last and not await self._quiet_is_over():
                    continue
                if await self._show():
                    pauses.reset()
                    continue
                if last:
                    self._wanted = not self._patient and not self._gone
                    self._patient = True
                    continue
                await self._pause(pokes, jittered(pauses.next()))
                self._wanted = not self._stopped
        finally:
            self._task = None

    async def _quiet_is_over(self) -> bool:
        """Wait for as long as the host asked us to, also the run before this one; False where the wait was cut off."""
        until, left = self._ctx.story.present_after, timedelta(0)
        if until is not None and self._ctx.pokes == self._quiet_pokes:
            left = until - workflow.now()
        if left <= timedelta(0):
            return True
        return not await wait_until(
            lambda: self._last or self._stopped or self._ctx.pokes != self._quiet_pokes,
            at_most=left,
            why="present when the host may be called",
        )

    async def _pause(self, pokes: int, pause: timedelta) -> None:
        await wait_until(
            lambda: self._wanted or self._stopped or self._ctx.pokes != pokes, at_most=pause, why="present again"
        )

    async def _show(self) -> bool:
        """Present what is true now; False, and noted for people, where that failed."""
        ctx, story = self._ctx, self._ctx.story
        self._wanted, pokes, sync = False, ctx.pokes, story.sync_request
        view = status_view.view(ctx)
        state, waiting = view.state, view.waiting
        self._moment = pull_request_view.moment(story, state, workflow.now())
        self._small_print, self._sent_at = pull_request_view.small_print(story, waiting), workflow.now()
        wanted = pull_request_view.present_input(ctx.request, story, state, waiting)
        config = self._config(wanted.state_label)
        self._at_work = asyncio.create_task(
            workflow.execute_activity_method(ScmActivities.present_on_pull_request, wanted, **config)
        )
        try:
            answer = await self._at_work
        except (ActivityError, asyncio.CancelledError) as refusal:
            if is_cancelled_exception(refusal) and not (self._stopped or self._gone):
                raise
            self._take_refusal(refusal, sync, pokes)
            return False
        finally:
            self._at_work = None
        return self._take_answer(answer, wanted, sync)

    def _take_refusal(self, refusal: BaseException, sync: str, pokes: int) -> None:
        """Keep why nothing may be shown, and until when the host wants no call; `pokes` had come as it was asked."""
        story, cancelled = self._ctx.story, is_cancelled_exception(refusal)
        # Only the host knows what it took of it.
        story.shown, story.presentation_owed = None, True
        if cancelled and self._stopped:
            return
        failure = failure_of(refusal, "pull request")
        story.present_after = workflow.now() + failure.wait if failure.wait and not cancelled else None
        self._quiet_pokes = pokes
        self._answer_sync(sync, None, failure.text)
        self._note_failure(GIVEN_UP if cancelled else failure.text, passing=failure.passing and not cancelled)

    def _take_answer(self, answer: PresentResult, wanted: PresentInput, sync: str) -> bool:
        """Keep what the host shows now; False, and noted for people, where it refused a part."""
        story, repository = self._ctx.story, self._ctx.request.spec.repository
        before, story.shown = story.shown, answer.shown
        self._note_labels(answer, wanted)
        missing = next((one.failure.text for one in answer.refused if one.part == LABELS), NO_LABELS)
        self._answer_sync(sync, answer.labels, missing)
        refused = answer.shown.deployments_refused if answer.shown else ""
        if refused and not (before and before.deployments_refused):
            # Noted once: what the host shows of its own next to label, status and comment fails nothing.
            text = pull_request_view.without_deployments(refused, repository)
            self._ctx.event(EventReason.DEPLOYMENTS_NOT_SHOWN, text)
        story.present_after = None
        if answer.refused:
            story.presentation_owed = True
            self._note_failure(pull_request_view.refused(answer.refused, repository), passing=False)
            return False
        story.presentation_owed, story.presentation_failing_since = False, None
        if answer.withheld:
            # Neither shown nor failed: the next state is offered all the same.
            story.presented, story.presentation_error = None, ""
        elif not story.presented:
            self._note_success()
        return True

    def _note_success(self) -> None:
        """Publish that the pull request shows the state: at once where it failed before, or where this is the end."""
        ctx, story = self._ctx, self._ctx.story
        recovered = story.presented is False
        story.presented, story.presentation_error = True, ""
        # While tests are polled the first success travels with the next status: one of its own costs eleven events.
        if story.state is State.TESTING and not recovered:
            ctx.dirty = True
        else:
            ctx.changed()
        if recovered or self._last:
            ctx.flush()

    def _note_labels(self, answer: PresentResult, wanted: PresentInput) -> None:
        """Keep what the look at the labels found; the condition `LabelsInSync` travels with the next status."""
        story = self._ctx.story
        # What came while the host was at work is for the next try.
        story.reactions = [one for one in story.reactions if one not in wanted.reactions]
        story.cleared = [one for one in story.cleared if one not in wanted.cleared]
        if answer.labels is None:
            return
        before = story.label_sync
        story.label_sync, story.labels_left = answer.labels, answer.labels_left
        if before is None or labels_condition(answer.labels) != labels_condition(before):
            self._ctx.dirty = True

    def _answer_sync(self, request: str, found: SyncResult | None, missing: str) -> None:
        """Publish what the look at the labels found and changed, where somebody asked for it with `sync`."""
        story = self._ctx.story
        if not request or story.sync_request != request:
            return
        state = str(status_view.view(self._ctx).state)
        nothing = SyncResult(final_state=state, errors=(missing,), sync_time=workflow.now())
        story.sync_request, story.sync_result = "", replace(found or nothing, request=request)
        self._ctx.changed()
        self._ctx.flush()

    def _config(self, label: str) -> ActivityConfig:
        queues, timings, summary = self._ctx.queues, self._ctx.timings, f"present {label}"
        if self._gone:
            return policies.scm_present_briefly(queues, timings, summary=summary)
        if self._last:
            policy = policies.scm_present_patiently if self._patient else policies.scm_present_once
            return policy(queues, timings, summary=summary)
        return policies.scm_present(queues, timings, summary=summary)

    def _note_failure(self, error: str, *, passing: bool) -> None:
        """Show why, once as long as it stays the same; of what passes on the way only once it has lasted."""
        ctx, story, now = self._ctx, self._ctx.story, workflow.now()
        story.presentation_failing_since = story.presentation_failing_since or now
        lasted = now - story.presentation_failing_since >= ctx.timings.passing
        if passing and not lasted and not self._last:
            return
        if story.presented is False and story.presentation_error == error:
            return
        story.presented, story.presentation_error = False, error
        ctx.event(EventReason.PRESENTATION_FAILED, error, warning=True)
        ctx.flush()
