"""Reads of the source that a round is about: its place may not know yet what moved.

A read may come with the activity that triggers or polls the round, or is made alone. It is used once, for the decision
that follows it at once: a poke, or time that passes, has the source read again. Where it cannot be read the round goes
on without confirmation or verdict, and people see why.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow

from activities.models.bounds import together
from activities.models.configuration import EnvironmentView
from activities.models.delivery import DeploymentRuns, Observation, ReadDeploymentsInput
from activities.models.failures import Failure
from activities.models.tracking import Artifact
from crds.reasons.problems import FailureKind
from workflows.promotion.rules import comparison
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Round
from workflows.promotion.steps.intake import source_artifacts
from workflows.runtime.asking import Unreadable
from workflows.runtime.backoff import Backoff

Answer = TypeVar("Answer")
Runs = Sequence[Observation] | Sequence[DeploymentRuns]


class SourceReader:
    """Read the source again; one that cannot be read is tried again at its own pace, while the round goes on."""

    def __init__(self, ctx: PromotionRun, hop: Hop) -> None:
        self._ctx = ctx
        self._hop = hop
        self._pauses = Backoff(initial=ctx.timings.reference_initial, maximum=ctx.timings.reference_maximum)
        quiet = ctx.asking.still_asked_to_wait(self._object)
        self._due: datetime | None = workflow.now() + quiet if quiet else None
        self._pokes = ctx.pokes
        self._read: tuple[DeploymentRuns, ...] | None = None

    @property
    def _object(self) -> str:
        return f"Environment/{self._hop.policy.source}"

    @property
    def unread(self) -> bool:
        """Whether a read failed and is still to be tried again."""
        return self._due is not None

    @property
    def again_at(self) -> datetime | None:
        """When a read that failed is tried again; None where none failed."""
        return self._due

    @property
    def may_read(self) -> bool:
        """Whether a read may be tried now: after one that failed there is a pause, which a poke ends."""
        return self._due is None or workflow.now() >= self._due or self._ctx.pokes != self._pokes

    @property
    def declared(self) -> bool:
        """Whether the source's declaration is known, whose variables are the tests' parameters."""
        return self._hop.policy.source in self._ctx.views

    async def declare(self) -> bool:
        """Read the source's declaration, which a run that was continued does not know; False while it cannot be."""

        async def ask() -> EnvironmentView:
            return await self._ctx.environments.look_up(self._hop.policy.source)

        return await self._ask(ask) is not None

    async def moves(self, round_: Round) -> list[str] | None:
        """Return from what to what the source moved since the round began; None while that is unknown."""
        ctx, environment = self._ctx, self._hop.policy.source

        async def ask() -> Runs:
            return await self._observe(round_)

        observed = await self._ask(ask)
        if observed is None:
            return None
        moves = [
            move(artifact, runs)
            for artifact in round_.artifacts
            for runs in sorted({one.runs or "" for one in observed if one.component == artifact.component})
            if runs != artifact.revision
        ]
        if moves and _same(source_artifacts(ctx), round_.artifacts):
            # A new round waits until the place has seen what we saw, or it would test the old artifact again.
            ctx.outdated = ctx.membership.view(environment)
        return moves

    def at_most(self, pause: timedelta) -> timedelta:
        """Shorten a pause so that a read that failed is tried again when it is due."""
        if self._due is None:
            return pause
        return max(min(pause, self._due - workflow.now()), timedelta(milliseconds=100))

    def alongside(self) -> ReadDeploymentsInput | None:
        """Return what reads the source within another activity; None where it is not to be read, or to be looked up."""
        environment = self._hop.policy.source
        if not self.may_read or self._declared_since() or self._ctx.environments.known(environment) is None:
            return None
        return self._ctx.environments.reading(environment)

    def take(self, answer: tuple[DeploymentRuns, ...] | None) -> None:
        """Keep what was read in the background for the next look, which then asks no one."""
        self._read = answer

    def forget(self) -> None:
        """Have the source read again: time passes."""
        self._read = None

    async def _ask(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        ctx = self._ctx
        if not self.may_read:
            return None
        self._pokes = ctx.pokes
        answer = await ctx.asking.try_once(ask, object_=self._object)
        if answer is None:
            self._due = workflow.now() + max(self._pauses.next(), ctx.asking.asked_wait)
        else:
            self._due = None
            self._pauses.reset()
        return answer

    async def _observe(self, round_: Round) -> Runs:
        ctx, environment = self._ctx, self._hop.policy.source
        observed: Runs | None
        observed, self._read = self._read, None
        if self._declared_since():
            observed = None
            await ctx.environments.look_up(environment)
        if observed is None:
            observed = await ctx.environments.observe(environment)
        if _unread(round_, observed):
            # What cannot be read may be declared no more: an application that left must not be waited for.
            await ctx.environments.look_up(environment)
            observed = await ctx.environments.observe(environment)
        if unread := _unread(round_, observed):
            kind = FailureKind.UNAVAILABLE if _passes(round_, observed) else FailureKind.REFERENCE_MISSING
            where, through = f"Environment/{environment}", _asked(observed)
            raise Unreadable(Failure(kind=kind, object=where, through=through, message="; ".join(unread)))
        return observed

    def _declared_since(self) -> bool:
        """Return whether the place knows deployments of ours that were declared after we read the environment."""
        ctx, environment = self._ctx, self._hop.policy.source
        view, place = ctx.views.get(environment), ctx.membership.view(environment)
        known = {one.name for one in view.deployments} if view else set()
        ours = [one for one in (place.observed if place else ()) if one.component in (ctx.story.components or ())]
        return any(one.deployment not in known for one in ours)


def move(artifact: Artifact, runs: str) -> str:
    """State from what to what a component moved."""
    return f"{artifact.component} {comparison.short(artifact.revision)} -> {comparison.short(runs)}"


def _same(now: tuple[Artifact, ...] | None, tested: tuple[Artifact, ...]) -> bool:
    revisions = {one.component: one.revision for one in tested}
    return now is not None and all(revisions.get(one.component) == one.revision for one in now)


def _unread(round_: Round, observed: Runs) -> list[str]:
    """Name what keeps the source from being known: without it no round may be confirmed."""
    missing = [f"no deployment of {one}" for one in _without(round_, observed)]
    return missing + [f"{one.deployment}: {one.problem}" for one in observed if one.problem]


def _passes(round_: Round, observed: Runs) -> bool:
    """Return whether that usually ends by itself, such as an Argo CD that does not answer: no person has to fix it."""
    return not _without(round_, observed) and all(one.failure.passing for one in observed if one.failure)


def _asked(observed: Runs) -> str:
    """Name the resources whose hosts gave no usable answer."""
    return together(dict.fromkeys(one.failure.object for one in observed if one.failure and one.failure.object))


def _without(round_: Round, observed: Runs) -> list[str]:
    seen = {one.component for one in observed}
    return [one.component for one in round_.artifacts if one.component not in seen]
