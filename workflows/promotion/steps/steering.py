"""People steer by labels and comments on the pull request: one look at a time, in the background.

A look is asked for by a webhook, by labels that changed since the last one, by the backstop of lost signals, and by
`sync`. What it finds enters through the same gate as any command, under the id of the label's event or of the comment,
so that each counts once. The cursors move in the task that takes the instructions: a look that is cut off is repeated.

Each instruction is answered: by an event, in the summary comment, and by a reaction to a comment where the host has
those. The activity is `read_instructions`.
"""

import asyncio
from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.contracts import ScmActivities
from activities.models.promotion import Command, CommandAnswer, Verb
from activities.models.steering import Answered, Instruction, Reaction, ReadInstructionsInput, ReadInstructionsResult
from crds.reasons.events import EventReason
from workflows import policies
from workflows.failures import failure_of
from workflows.promotion.rules import steering as rules
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import INSTRUCTIONS_SHOWN, STEERING_LABELS_KEPT

STEERING_LABELS = ("hold", "retest")
"""How labels by which people steer end, whatever a repository's prefix is."""


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
        self._wanted = False
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
        """Look at once, or once more after the look at work; not at what our own account did."""
        story = self._ctx.story
        if self._stopped or story.state.terminal or (by and by.lower() == story.scm_account):
            return
        self._wanted = True
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Look no more in this run; a look at work is cut off, and the next run makes it again."""
        self._stopped, self._wanted = True, False
        if self._task is not None:
            self._task.cancel()

    async def drain(self) -> None:
        """Return when nothing runs."""
        await workflow.wait_condition(lambda: self.idle)

    async def _run(self) -> None:
        try:
            while self._wanted and not self._stopped:
                self._wanted = False
                try:
                    found = await self._read()
                except ActivityError as refusal:
                    if is_cancelled_exception(refusal):
                        return
                    self._note(failure_of(refusal, "pull request").text)
                    continue
                self._take(found)
        except asyncio.CancelledError:
            return
        finally:
            self._task = None

    async def _read(self) -> ReadInstructionsResult:
        ctx, story, spec = self._ctx, self._ctx.story, self._ctx.request.spec
        view = ctx.views.get(story.hop.policy.target) if story.hop is not None else None
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

    def _take(self, found: ReadInstructionsResult) -> None:
        """Carry out what people asked for; nothing is awaited, so that cursors and effects are one."""
        ctx, story = self._ctx, self._ctx.story
        story.label_cursor, story.comment_cursor = found.label_cursor, found.comment_cursor
        story.scm_account = found.account or story.scm_account
        self._note("", unsupported=found.unsupported)
        instructions = [instruction for instruction in found.instructions if instruction.id not in story.answers]
        for instruction in instructions:
            self._take_one(instruction)
        if found.left_out:
            text = f"{found.left_out} labels and comments on the pull request were left out: too many came at once"
            ctx.event(EventReason.INSTRUCTIONS_LEFT_OUT, text, warning=True)
        if instructions:
            ctx.flush()
            self._answer()

    def _take_one(self, instruction: Instruction) -> None:
        story, means = self._ctx.story, rules.meaning(self._ctx.story, instruction)
        if means.verb is None:
            answer = CommandAnswer(accepted=False, message=means.why_not)
            story.keep_answer(instruction.id, answer)
        else:
            answer = self._carry_out(means.verb, rules.command(story, instruction))
        if not answer.accepted:
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
