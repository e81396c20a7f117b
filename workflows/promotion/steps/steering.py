"""People steer by labels and comments on the pull request: one look at a time, in the background.

A look is asked for by a webhook, by labels that changed since the last one, by the backstop of lost signals, and by
`sync`. What it finds enters through the same gate as any command, under the id of the label's event or of the comment,
so that each counts once. The cursors move in the task that takes the instructions.

That a look was asked for is carried until one was made: one that failed is repeated after a pause, one that continuing
as new cuts off by the next run. A look takes minutes at worst, in which the hop may end: what it finds is for the hop
whose teams it was sent, or for none.

Each instruction is answered: by an event, in the summary comment, and by a reaction to a comment where the host has
those. The activity is `read_instructions`.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.contracts import ScmActivities
from activities.models.failures import Failure
from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.steering import Answered, Instruction, Reaction, ReadInstructionsInput, ReadInstructionsResult
from crds.reasons.events import EventReason
from workflows import policies
from workflows.failures import failure_of
from workflows.promotion.rules import steering as rules
from workflows.promotion.rules.steering import Subject
from workflows.promotion.run import PromotionRun
from workflows.promotion.steered import INSTRUCTIONS_SHOWN, STEERING_LABELS_KEPT
from workflows.runtime.background import in_background
from workflows.runtime.backoff import Backoff, jittered
from workflows.runtime.timers import wait_until

STEERING_LABELS = ("hold", "retest")
"""How labels by which people steer end, whatever a repository's prefix is."""
INITIAL_PAUSE, LONGEST_PAUSE = 12, 15
"""Of `reference_initial` and `reference_maximum`: from one minute to half an hour while a host is down. What a person
has to fix is looked at less and less often, up to the backstop: a webhook or `sync` looks at once."""


class Steering:
    """Look at what people asked for on the pull request, and carry it out."""

    def __init__(
        self,
        ctx: PromotionRun,
        *,
        carry_out: Callable[[Verb, Command], CommandAnswer],
        answer: Callable[[], None],
    ) -> None:
        """Take what carries a command out, and what has the answers shown on the pull request."""
        self._ctx = ctx
        self._carry_out = carry_out
        self._answer = answer
        self._again = False
        """Whether a look was asked for since the one at work began."""
        self._stopped = False
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return self._task is None

    def offer(self) -> None:
        """Look where labels by which people steer came or went since the last look."""
        story = self._ctx.story
        if story.pull_request is None:
            return
        labels = sorted(one for one in story.pull_request.labels if one.lower().endswith(STEERING_LABELS))
        found = tuple(labels[:STEERING_LABELS_KEPT])
        if found != story.steering_labels:
            story.steering_labels = found
            self.look()

    def look(self, by: str = "") -> None:
        """Look at once, or once more after the look at work; not at what our own account did.

        A run that is about to continue as new leaves the look to the next.
        """
        story = self._ctx.story
        if story.state.terminal or (by and by.lower() == story.scm_account):
            return
        story.steering_wanted = self._again = True
        self._begin()

    def resume(self) -> None:
        """Look where the run before this one was asked to, and did not."""
        if self._ctx.story.steering_wanted:
            self._begin()

    def next_look_in(self, backstop: timedelta) -> timedelta:
        """Return after how long the backstop of lost signals is to be asked for again; looks where that is due.

        It counts from the last look and not from a wait: pauses and polls end each wait long before.
        """
        story = self._ctx.story
        left = (story.steering_looked_at or story.started_at) + backstop - workflow.now()
        if left > timedelta(0):
            return left
        if self._task is None:
            self.look()
        # The look that is under way may end at once: the one after it is no later than this.
        return backstop

    def stop(self) -> None:
        """Look no more in this run; a look at work is cut off, and the next run makes it again."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    async def drain(self) -> None:
        """Return when nothing runs."""
        await workflow.wait_condition(lambda: self.idle)

    def _begin(self) -> None:
        if self._task is None and not self._stopped:
            self._task = in_background(self._run())
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        # One that is cancelled before its first step never comes to an end of its own.
        if self._task is task:
            self._task = None

    async def _run(self) -> None:
        story, timings = self._ctx.story, self._ctx.timings
        pauses = Backoff(initial=timings.reference_initial * INITIAL_PAUSE, maximum=timings.backstop)
        try:
            while story.steering_wanted and not self._stopped:
                # Taken before anything is awaited: what comes meanwhile is for another look.
                self._again, about = False, rules.subject(story)
                try:
                    found = await self._read(about)
                except ActivityError as refusal:
                    if is_cancelled_exception(refusal):
                        return
                    failure = failure_of(refusal, "pull request")
                    self._note(failure.text)
                    await self._pause(failure, pauses.next())
                    continue
                pauses.reset()
                self._take(found, about)
        except asyncio.CancelledError:
            return
        finally:
            self._task = None

    async def _pause(self, failure: Failure, pause: timedelta) -> None:
        """Wait before the failed look is repeated; who asks for another one cuts it, unless the host wants no call."""
        if failure.passing:
            pause = min(pause, self._ctx.timings.reference_maximum * LONGEST_PAUSE)
        await wait_until(
            lambda: self._stopped or (self._again and not failure.wait),
            at_most=max(jittered(pause), failure.wait),
            why="read again what people asked for",
        )

    async def _read(self, about: Subject) -> ReadInstructionsResult:
        ctx, story, spec = self._ctx, self._ctx.story, self._ctx.request.spec
        view = ctx.views.get(about.target)
        return await workflow.execute_activity_method(
            ScmActivities.read_instructions,
            ReadInstructionsInput(
                namespace=ctx.request.tracker.namespace,
                repository=spec.repository,
                number=spec.number,
                begun=story.started_at,
                label_cursor=story.label_cursor,
                comment_cursor=story.comment_cursor,
                teams=dict(view.teams) if view is not None else {},
            ),
            **policies.scm_read(ctx.queues, ctx.timings, summary=f"read what people asked for on #{spec.number}"),
        )

    def _take(self, found: ReadInstructionsResult, about: Subject) -> None:
        """Carry out what people asked for; nothing is awaited, so that cursors and effects are one."""
        ctx, story = self._ctx, self._ctx.story
        story.steering_wanted, story.steering_looked_at = self._again, workflow.now()
        story.label_cursor, story.comment_cursor = found.label_cursor, found.comment_cursor
        story.scm_account = found.account or story.scm_account
        self._note("", unsupported=found.unsupported)
        instructions = [instruction for instruction in found.instructions if instruction.id not in story.answers]
        for instruction in instructions:
            self._take_one(instruction, about)
        if found.left_out:
            text = (
                f"labels and comments on the pull request that were left out: {found.left_out}; too many came at once"
            )
            ctx.event(EventReason.INSTRUCTIONS_LEFT_OUT, text, warning=True)
        if instructions:
            ctx.flush()
            self._answer()

    def _take_one(self, instruction: Instruction, about: Subject) -> None:
        story, means = self._ctx.story, rules.meaning(self._ctx.story, instruction, about)
        if means.verb is None:
            answer = CommandAnswer(accepted=False, message=means.why_not)
            story.keep_answer(instruction.id, answer)
        else:
            answer = self._carry_out(means.verb, rules.command(instruction, about))
        if answer.accepted:
            rules.note_hold(story, instruction)
        else:
            reason = EventReason.LABEL_REJECTED if instruction.label else EventReason.COMMENT_REJECTED
            what = instruction.label or f"/pilotage {instruction.verb}"
            self._ctx.event(reason, f"{what} of {instruction.by}: {answer.message}", warning=True)
        if instruction.comment:
            story.reactions = [*story.reactions, Reaction(comment=instruction.comment, agreed=answer.accepted)][
                -INSTRUCTIONS_SHOWN:
            ]
        text = Answered(
            verb=instruction.label or instruction.verb,
            by=instruction.by,
            accepted=answer.accepted,
            message=answer.message,
        )
        story.instructions = [*story.instructions, text][-INSTRUCTIONS_SHOWN:]
        if gone := rules.outdated(story, instruction, accepted=answer.accepted):
            story.cleared = [*dict.fromkeys((*story.cleared, gone))]

    def _note(self, problem: str, *, unsupported: str = "") -> None:
        story = self._ctx.story
        if (story.steering_problem, story.steering_unsupported) != (problem, unsupported or story.steering_unsupported):
            story.steering_problem, story.steering_unsupported = problem, unsupported or story.steering_unsupported
            self._ctx.changed()
