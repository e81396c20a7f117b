"""Show the tests of a round on the pull requests that are to be merged once it passed; only what stood there then is.

It is a courtesy and a pin, and no part of the verdict: where the host does not answer, the tests go on, and what the
delivery finds counts as tested.
"""

from collections.abc import Sequence
from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.contracts import ScmActivities
from activities.models.configuration import DeploymentSpec, WriteKind
from workflows import policies
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Round
from workflows.promotion.steps.writing import gates, order, where_of

SHOWN_AT_MOST = 10
"""Branches of one target that show tests while they run; their heads are carried. Others do with the delivery."""


async def propose(ctx: PromotionRun, hop: Hop, round_: Round) -> None:
    """Open or find the pull request of each branch that the target follows, and show how the tests stand."""
    round_.proposed = True
    for ones in _branches(ctx, hop):
        where = where_of(ones)
        request = replace(order(ctx, hop, ones), gates=gates(hop), prepares=True)
        config = policies.scm_read(ctx.queues, ctx.timings, summary=f"show the tests on {where}", attempts=2)
        try:
            answer = await workflow.execute_activity_method(ScmActivities.deliver_files, request, **config)
        except ActivityError as refusal:
            if is_cancelled_exception(refusal):
                raise
            continue
        if answer.proposal is not None:
            round_.proposals[where] = answer.proposal


def _branches(ctx: PromotionRun, hop: Hop) -> Sequence[Sequence[DeploymentSpec]]:
    view, components = ctx.views.get(hop.policy.target) or hop.view, ctx.story.components or ()
    found: dict[str, list[DeploymentSpec]] = {}
    for one in view.deployments if view is not None else ():
        if one.component in components and one.write is not None and one.write.kind is WriteKind.BRANCH:
            found.setdefault(where_of([one]), []).append(one)
    return list(found.values())[:SHOWN_AT_MOST]
