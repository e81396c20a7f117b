"""Decide whether a target may be written, before the lane is asked for. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from activities.models.bounds import together
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from workflows.promotion.rules.comparison import Comparison, Judgement
from workflows.promotion.state import Refusal

NAMES_BYTES = 700
"""Components that a refusal names: the advice stands behind them."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """State whether the target may be written, and why not."""

    fits: bool
    refusal: Refusal = Refusal.NONE
    """What people read; none also where the target does not fit for a moment only."""
    message: str = ""
    refused: tuple[Observation, ...] = ()
    """What diverged: a person who promotes nevertheless accepts exactly this."""


def judge_fit(
    target: str,
    comparisons: Sequence[Comparison],
    *,
    missing: Sequence[str],
    unresolved: Sequence[DeploymentSpec],
    lasts: bool = False,
    overridden: Callable[[Sequence[Comparison]], bool],
) -> Fit:
    """Judge a target by its newest view.

    `missing` are components of the change that it does not deploy, `unresolved` stand for applications that are not
    known, `lasts` shows whether they have for so long that people need it, and `overridden` whether a person accepted
    what diverged.
    """
    unreadable = [one for one in comparisons if one.judgement is Judgement.UNREADABLE]
    diverged = [one for one in comparisons if one.judgement is Judgement.DIVERGED]
    if missing:
        names = together(missing, NAMES_BYTES)
        message = f"{target} does not deploy {names}: add a deployment to the Environment, or abort"
        return Fit(fits=False, refusal=Refusal.UNREADABLE, message=message)
    if unreadable:
        return Fit(fits=False, refusal=Refusal.UNREADABLE, message=_named(unreadable))
    if unresolved:
        # The place may have seen those applications before their Argo CD stopped to answer.
        lasting = [f"{one.name}: {one.problem}" for one in unresolved if lasts or not one.passing]
        refusal = Refusal.UNREADABLE if lasting else Refusal.NONE
        return Fit(fits=False, refusal=refusal, message=together(lasting))
    if diverged and not overridden(diverged):
        refused = tuple(one.observation for one in diverged)
        return Fit(fits=False, refusal=Refusal.DIVERGED, message=_named(diverged), refused=refused)
    # Without a view nothing is known of the target.
    return Fit(fits=bool(comparisons))


def _named(comparisons: Sequence[Comparison]) -> str:
    return together(f"{one.deployment}: {one.why}" for one in comparisons)
