"""One application at a time: the compare-and-set write of an artifact, and the sync that follows it."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import DeliveryActivities
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    Observation,
    WriteOutcome,
    WriteResult,
)
from activities.models.tracking import Artifact
from workflows import policies
from workflows.failures import failure_of, worth_showing
from workflows.promotion.rules import comparison
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Touch
from workflows.runtime.ancestry import revisions_of


async def write(
    ctx: PromotionRun, hop: Hop, one: DeploymentSpec, observation: Observation, *, artifact: Artifact, key: str
) -> WriteResult:
    """Write what differs and have it synced; `Busy` also where that failed and is to be tried again."""
    config = policies.delivery_write(ctx.queues, ctx.timings, summary=f"deliver {one.application}")
    request = DeliverApplicationInput(
        namespace=ctx.request.tracker.namespace,
        deployment=one,
        artifact=artifact,
        expected=observation.written_raw,
        key=key,
        allowed=tuple(
            revision
            for revision in revisions_of(observation)
            if comparison.accepted(hop.override, artifact, observation)
            or comparison.contains(ctx.story.relations, whole=artifact.revision, part=revision)
        ),
        insist=hop.attempt > 0 or one.name in hop.repeats,
    )
    try:
        if observation.written == artifact.revision:
            hop.touch(one.name, Touch.WRITTEN)
            return await workflow.execute_activity_method(DeliveryActivities.sync_application, request.sync, **config)
        answer = await workflow.execute_activity_method(DeliveryActivities.deliver_application, request, **config)
        if answer.written.stands:
            hop.touch(one.name, Touch.WRITTEN)
        if answer.written.outcome is WriteOutcome.DONE:
            hop.touch(one.name, Touch.MOVED)
        if answer.failure is None:
            return answer.synced or answer.written
        failure = answer.failure
    except ActivityError as refusal:
        failure = failure_of(refusal, one.application)
        if failure.began:
            # The server gave the attempt up, which may still write: who leaves the lane says that no write is at work.
            await workflow.sleep(ctx.timings.activity_start_to_close, summary=f"see the end of writes to {one.name}")
    hop.failing_since = hop.failing_since or workflow.now()
    if failure.wait:
        until = workflow.now() + failure.wait
        hop.write_after, hop.write_trouble = max(hop.write_after or until, until), failure.text
    if worth_showing(failure, hop.failing_since, workflow.now(), passing=ctx.timings.passing):
        ctx.event("WriteFailed", f"{one.application}: {failure.text}", warning=True)
    return WriteResult(outcome=WriteOutcome.BUSY, message=failure.text)
