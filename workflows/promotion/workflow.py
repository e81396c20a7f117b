"""PromotionWorkflow: one change on its way, as a page of named steps.

`run` walks a table from state to step: each step returns the next state, and may be entered again at any time. What
ends the walk is raised through the step at hand: `Ended` by an abort, a deletion or the step itself, `Continue` by a
history that has grown long, `CommandWaits` where a command came that the step has to begin again with.

Handlers of signals and updates run between two awaits of a step. They change the state only where that takes effect at
once (hold, release, abort, a view of a place); any other command lies in the inbox until a step takes it. In the
background run the status publisher, `steps/presenting.py`, `steps/steering.py`, `cancelling.py` and `monitoring.py`;
`_finish` and `_continue` are the only places that wait for them. What steps share is in `run.py`, what is carried in
`state.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.models.drift import DriftNotice
from activities.models.places import PlaceSignal
from activities.models.promotion import Command, CommandAnswer, Progress, Verb
from activities.models.pull_requests_news import PullRequestNews
from activities.models.state_labels import HOLD
from activities.models.status import PublishStatusInput, PublishStatusResult, WorkflowStatus
from crds.reasons.events import EventReason
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import State
from workflows.promotion.rules import commands
from workflows.promotion.rules.carrying import fitting
from workflows.promotion.rules.news import take_drift, take_news
from workflows.promotion.run import CommandWaits, Continue, Ended, PromotionRun
from workflows.promotion.state import PromotionStart
from workflows.promotion.steps import delivery, gates, intake, testing
from workflows.promotion.steps.hop import await_policy, choose_hop
from workflows.promotion.steps.listing import Listing
from workflows.promotion.steps.presenting import Presenting
from workflows.promotion.steps.publishing import newest_events, status_publisher
from workflows.promotion.steps.runs import cancel_open
from workflows.promotion.steps.steering import Steering
from workflows.promotion.view import status as status_view
from workflows.promotion.view import temporal_page
from workflows.runtime import lifetime
from workflows.runtime.background import in_background

Step = Callable[[PromotionRun], Awaitable[State]]

STEPS: dict[State, Step] = {
    State.PENDING: intake.read,
    State.AWAITING_MERGE: intake.await_merge,
    State.AWAITING_SYNC: intake.await_sync,
    State.SYNCED: choose_hop,
    State.AWAITING_POLICY: await_policy,
    State.TESTING: testing.run_tests,
    State.TESTS_FAILED: gates.await_retest,
    State.READY_TO_PROMOTE: gates.await_turn,
    State.PROMOTING: delivery.promote,
    State.PROMOTION_FAILED: gates.await_retry,
}

TRACKER_GONE = {
    "Gone": "the tracker was deleted",
    "Recreated": "the tracker was deleted, and another one created under its name",
    "OtherAttempt": "a newer attempt took over",
}
"""What a publication may answer where no tracker is left to promote for: no watcher was there to end the workflow."""


@workflow.defn
class PromotionWorkflow:
    """Promote one attempt of a tracker from its first environment to a final one."""

    @workflow.init
    def __init__(self, request: PromotionStart) -> None:
        self._story = request.state(workflow.now())
        self._story.environment = self._story.environment or request.spec.environment
        self._ctx = PromotionRun(request, self._story, publish=self._publish)
        self._publisher = status_publisher(
            self._ctx.queues,
            self._ctx.timings,
            sequence=self._story.sequence,
            shown=self._story.shown_state if request.carried else None,
            answered=self._published,
        )
        self._presenting = Presenting(self._ctx)
        self._steering = Steering(self._ctx, carry_out=self._execute, answer=self._presenting.again)
        self._ctx.next_look_in = self._steering.next_look_in
        self._listing = Listing()
        self._resumed = request.carried is not None

    @workflow.run
    async def run(self, request: PromotionStart) -> State:
        """Walk the steps until the tracker is terminal for this attempt."""
        self._ctx.changed()
        if self._resumed:
            # What the run before could not write comes first of all.
            self._ctx.flush()
        try:
            await self._resume()
            await self._walk()
        except Ended as found:
            self._end_by(found)
        except Continue:
            await self._continue(request)
        await self._finish()
        return self._story.state

    async def _walk(self) -> None:
        """Take step after step; one that was left for a command begins again with it."""
        while not self._story.state.terminal:
            try:
                state = await STEPS[self._story.state](self._ctx)
            except CommandWaits:
                continue
            if state is not self._story.state:
                self._ctx.enter(state)

    def _end_by(self, found: Ended) -> None:
        """Take the end that a step found, unless an earlier one was accepted: an abort, or a deletion, comes first."""
        ended = self._ctx.ended or found
        self._ctx.set_state(ended.state, reason=ended.reason, message=ended.message)

    async def _continue(self, request: PromotionStart) -> None:
        """Continue as new with all that is known; return where the tracker was ended meanwhile instead.

        Only what runs is awaited, and only a moment: whatever is still owed begins again in the next run.
        """
        ctx, story = self._ctx, self._story
        self._presenting.stop()
        self._steering.stop()
        ctx.cancelling.tasks.stop()
        ctx.monitoring.stop()
        ctx.flush()
        await self._presenting.drain()
        await self._steering.drain()
        await workflow.wait_condition(workflow.all_handlers_finished)
        unwritten = await self._publisher.give_up()
        story.pending_events = list(unwritten.events) if unwritten else []
        story.events_dropped = unwritten.events_dropped if unwritten else 0
        if ctx.ended is not None:
            self._end_by(ctx.ended)
            ctx.cancelling.resume()
            ctx.monitoring.resume()
            return
        story.sequence = self._publisher.sequence
        ctx.hand_over()
        lifetime.hand_over(fitting(replace(request, carried=story, drift=DriftNotice())))

    async def _resume(self) -> None:
        """After continue-as-new, send our view to the places again: their answers are the fresh view."""
        if not self._resumed:
            return
        self._ctx.cancelling.resume()
        self._ctx.monitoring.resume()
        if (hop := self._story.hop) is not None and hop.view is not None:
            self._ctx.views[hop.view.name] = hop.view
        self._steering.resume()
        await self._ctx.membership.send_again()

    async def _finish(self) -> None:
        """Cancel what still runs, leave all environments, and wait for the last status and presentation."""
        ctx, story = self._ctx, self._story
        ctx.monitoring.resume()
        ctx.supersede(f"the tracker is {story.state}", *Verb)
        self._steering.stop()
        if story.hold is not None:
            story.cleared = [*dict.fromkeys((*story.cleared, HOLD))]
            ctx.event(EventReason.HOLD_ENDED, f"{story.hold.by}'s hold ended with the state {story.state}")
        if story.state is State.COMPLETED:
            ctx.event(EventReason.COMPLETED, story.message or f"the change runs in {story.environment}, which is final")
        else:
            cancel_open(ctx)
            ctx.event(
                EventReason(story.reason), story.message or str(story.state), warning=story.state is State.ABORTED
            )
        story.hold = None
        await ctx.membership.leave_all()
        story.hop = None if story.state is State.COMPLETED else story.hop
        self._presenting.finish()
        ctx.changed()
        ctx.flush()
        await self._settle()

    async def _settle(self) -> None:
        """Wait until presentation and status are written, whichever was offered last; meanwhile answer who asks.

        A place that has lost its memory grants nothing until each tracker has answered, and an end is tried for a day.
        """
        membership, written = self._ctx.membership, in_background(self._drain())
        while not written.done() or membership.unanswered:
            await membership.answer()
            await workflow.wait_condition(lambda: written.done() or membership.unanswered)
        await written
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _drain(self) -> None:
        cancels, monitors = self._ctx.cancelling.tasks, self._ctx.monitoring.tasks
        while not (self._presenting.idle and self._publisher.idle and cancels.idle and monitors.idle):
            await cancels.drain()
            await monitors.drain()
            await self._presenting.drain()
            await self._publisher.drain()

    def _publish(self) -> None:
        """Offer the newest status, details and presentation; nothing is awaited."""
        ctx, story = self._ctx, self._story
        view = status_view.view(ctx)
        status_view.note_state(story, view.state, workflow.now())
        info = workflow.info()
        identity = WorkflowStatus(
            id=info.workflow_id, run_id=info.run_id, started_at=story.started_at, url=ctx.request.ui_url
        )
        status = status_view.status(ctx, view, identity)
        events, dropped = newest_events(story.pending_events)
        dropped, story.pending_events, story.events_dropped = dropped + story.events_dropped, [], 0
        self._publisher.offer(
            PublishStatusInput(
                tracker=ctx.request.tracker,
                repository=ctx.request.spec.repository,
                status=status,
                events=events,
                events_dropped=dropped,
            )
        )
        workflow.set_current_details(temporal_page.details(story, view.state, view.waiting))
        self._listing.update(story, view.state)
        self._presenting.offer(view.state, view.waiting)
        self._steering.offer()

    def _published(self, answer: PublishStatusResult) -> None:
        """End when the tracker is gone or at another attempt: no watcher may have known of this one to end it."""
        if not answer.written and answer.reason in TRACKER_GONE:
            self._delete(TRACKER_GONE[answer.reason])

    def _delete(self, message: str) -> None:
        self._ctx.ended = self._ctx.ended or Ended(State.ABORTED, TrackerReason.DELETED, message)
        self._presenting.give_up()
        self._ctx.cancelling.hurry()
        self._ctx.monitoring.give_up()

    @workflow.signal(description="A place's whole view")
    def place(self, signal: PlaceSignal) -> None:
        """Take a place's view."""
        self._ctx.membership.receive(signal)
        self._ctx.forget_unknown()

    @workflow.signal(description="Look now: something outside changed")
    def poke(self) -> None:
        """Cut the current wait; what is true is read, never taken from the poke."""
        self._ctx.pokes += 1
        self._ctx.membership.ask_ahead_now()
        self._ctx.news_at = workflow.now()
        self._ctx.forget_unknown()

    @workflow.signal(description="What a list of the repository showed of the pull request")
    def pull_request_changed(self, news: PullRequestNews) -> None:
        """Take news of the pull request; who waits for it goes on."""
        if take_news(self._story, news):
            self._ctx.changed()

    @workflow.signal(description="What the monitors of this tracker report")
    def drift(self, notice: DriftNotice) -> None:
        """Show on the pull request what drifted, or that nothing does any more."""
        if take_drift(self._story, notice):
            self._ctx.changed()
            if self._story.state.terminal:
                # What waits for more news would be lost with the run.
                self._ctx.flush()

    @workflow.signal(description="A person labelled the pull request, or commented on it")
    def pull_request_poked(self, by: str) -> None:
        """Look at what people asked for; what that is is read, never taken from the poke."""
        self._steering.look(by)

    @workflow.signal(description="The tracker was deleted")
    def deleted(self) -> None:
        """End the promotion; runs are cancelled and nothing further is written."""
        self._delete("the tracker was deleted")

    @workflow.query(description="State and what it waits for, as markdown")
    def progress(self) -> Progress:
        """Answer with what people see."""
        view = status_view.view(self._ctx)
        return Progress(
            state=view.state,
            reason=self._story.reason,
            details=temporal_page.details(self._story, view.state, view.waiting),
            checks=(*self._ctx.checks, *self._story.superseded),
            again_at=self._ctx.again_at if view.obstacle else None,
            again_by=status_view.tried_by(self._ctx.request, view.obstacle),
        )

    @workflow.update(description="Void the verdicts and run the tests again")
    def retest(self, command: Command) -> CommandAnswer:
        """Begin a new round with a new snapshot of the policy."""
        return self._execute(Verb.RETEST, command)

    @workflow.update(description="Go on after a failed wave")
    def retry(self, command: Command) -> CommandAnswer:
        """Go on from the first application that is not done."""
        return self._execute(Verb.RETRY, command)

    @workflow.update(description="Promote to the target environment")
    def promote(self, command: Command) -> CommandAnswer:
        """Approve the hop, or override a diverged target with a reason."""
        return self._execute(Verb.PROMOTE, command)

    @workflow.update(description="Stop at the next boundary")
    def hold(self, command: Command) -> CommandAnswer:
        """Hold the change."""
        return self._execute(Verb.HOLD, command)

    @workflow.update(description="Go on after hold")
    def release(self, command: Command) -> CommandAnswer:
        """Release the change."""
        return self._execute(Verb.RELEASE, command)

    @workflow.update(description="End this attempt")
    def abort(self, command: Command) -> CommandAnswer:
        """Abort the attempt."""
        return self._execute(Verb.ABORT, command)

    @workflow.update(description="Read the pull request, and write what it should show")
    def sync(self, command: Command) -> CommandAnswer:
        """Have labels and tracker brought to agree; what was found and changed is published."""
        return self._execute(Verb.SYNC, command)

    @retest.validator
    def _check_retest(self, command: Command) -> None:
        self._check(Verb.RETEST, command)

    @retry.validator
    def _check_retry(self, command: Command) -> None:
        self._check(Verb.RETRY, command)

    @promote.validator
    def _check_promote(self, command: Command) -> None:
        self._check(Verb.PROMOTE, command)

    @hold.validator
    def _check_hold(self, command: Command) -> None:
        self._check(Verb.HOLD, command)

    @release.validator
    def _check_release(self, command: Command) -> None:
        self._check(Verb.RELEASE, command)

    @abort.validator
    def _check_abort(self, command: Command) -> None:
        self._check(Verb.ABORT, command)

    @sync.validator
    def _check_sync(self, command: Command) -> None:
        self._check(Verb.SYNC, command)

    def _check(self, verb: Verb, command: Command) -> None:
        """Refuse a command that does not fit, before it enters the history; a repeated one passes to its answer."""
        if command.request_id in self._story.answers or command.keep_refusal:
            return
        if refused := self._refusal(verb, command):
            raise ApplicationError(refused, non_retryable=True)

    def _refusal(self, verb: Verb, command: Command) -> str:
        ended = self._ctx.ended
        # What ended it may still wait for writes that were under way.
        if ended is not None:
            return f"the tracker is {ended.state}"
        return commands.refusal(self._ctx.request.tracker, self._story, verb, command)

    def _execute(self, verb: Verb, command: Command) -> CommandAnswer:
        ctx, story = self._ctx, self._story
        if command.request_id in story.answers:
            return story.answers[command.request_id]
        if refused := self._refusal(verb, command) or commands.repeats(story, verb):
            # Passed by the validator only to be kept; a sender who comes later must not be accepted.
            return self._keep(command, CommandAnswer(accepted=False, message=refused))
        if verb is Verb.PROMOTE:
            ctx.supersede(f"{command.actor} promotes the diverged target instead", verb)
        commands.carry_out(story, verb, command, now=workflow.now())
        ctx.forget_unknown()
        if verb is Verb.ABORT:
            reason = f"by {command.actor}" + (f": {command.reason}" if command.reason else "")
            ctx.ended = ctx.ended or Ended(State.ABORTED, str(State.ABORTED), reason)
        if verb in (Verb.RETEST, Verb.RETRY):
            ctx.news_at = workflow.now()
        if verb in (Verb.HOLD, Verb.RELEASE):
            ctx.membership.hold_changed()
        if verb is Verb.SYNC:
            story.sync_request = command.request_id
            self._steering.look()
            self._presenting.again()
        answer = self._keep(command, CommandAnswer(accepted=True, message=commands.acceptance(story, verb)))
        ctx.event(EventReason(f"Command{verb.capitalize()}"), commands.sentence(verb, command), by=command.actor)
        ctx.flush()
        return answer

    def _keep(self, command: Command, answer: CommandAnswer) -> CommandAnswer:
        self._story.keep_answer(command.request_id, answer)
        return answer
