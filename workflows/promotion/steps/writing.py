"""The write of artifacts: to one application with the sync that follows, or to a branch for all that follow it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.contracts import DeliveryActivities, ScmActivities
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import (
    DeliverApplicationInput,
    Observation,
    WriteOutcome,
    WriteResult,
    revisions_of,
)
from activities.models.failures import Failure
from activities.models.git_delivery import DeliverFilesInput, Gate
from activities.models.testing import RunState
from activities.models.tracking import Artifact
from crds.reasons.events import EventReason
from workflows import policies
from workflows.failures import failure_of, worth_showing
from workflows.promotion.rules import comparison, rounds, waves
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, Touch

WRITES_AT_ONCE = 20
"""Applications written side by side; more would fill the queue's slots for one promotion."""


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
        allowed=_allowed(ctx, hop, artifact, observation),
        insist=hop.attempt > 0 or one.name in hop.repeats,
        environment=hop.policy.target,
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
        failure = failure_of(refusal)
        if failure.began:
            # The server gave the attempt up, which may still write: leaving the lane means that no write runs.
            await workflow.sleep(ctx.timings.activity_start_to_close, summary=f"see the end of writes to {one.name}")
    return _try_again(ctx, hop, failure, one.application, host=f"ArgoCDInstance/{one.instance}")


async def write_to_git(
    ctx: PromotionRun, hop: Hop, ones: Sequence[DeploymentSpec], observed: Mapping[str, Observation]
) -> list[WriteResult]:
    """Write deployments of one branch, files in one commit; `Busy` where that is to be tried again."""
    where = where_of(ones)
    allowed: dict[str, None] = {}
    for one in ones:
        artifact = waves.artifact_of(hop, one)
        if artifact is not None and one.name in observed:
            allowed |= dict.fromkeys(_allowed(ctx, hop, artifact, observed[one.name]))
    request = replace(order(ctx, hop, ones), allowed=tuple(allowed))
    config = policies.scm_write(ctx.queues, ctx.timings, summary=f"write {where}")
    try:
        answer = await workflow.execute_activity_method(ScmActivities.deliver_files, request, **config)
    except ActivityError as refusal:
        failure = failure_of(refusal)
        if failure.began:
            await workflow.sleep(ctx.timings.activity_start_to_close, summary=f"see the end of writes to {where}")
        host = f"GitRepository/{where.partition(' ')[0]}"
        return [_try_again(ctx, hop, failure, where, host=host)] * len(ones)
    if answer.proposal is not None:
        hop.proposals[where] = answer.proposal
    found = {one.deployment: one.result for one in answer.written}
    missing = WriteResult(outcome=WriteOutcome.BUSY, message="the answer names no such deployment")
    for one in ones:
        result = found.get(one.name, missing)
        if result.stands:
            hop.touch(one.name, Touch.WRITTEN)
        if result.outcome in (WriteOutcome.DONE, WriteOutcome.AWAITED):
            # What a person merges may arrive before we look at the pull request again.
            hop.touch(one.name, Touch.MOVED)
    return [found.get(one.name, missing) for one in ones]


def batches(behind: Sequence[DeploymentSpec]) -> list[Sequence[DeploymentSpec]]:
    """Divide what is written: all that goes to one branch together, the rest so many at once."""
    branches: dict[tuple[str, str], list[DeploymentSpec]] = {}
    others: list[DeploymentSpec] = []
    for one in behind:
        destination = one.write.destination if one.write else None
        if destination is None:
            others.append(one)
        else:
            branches.setdefault(destination, []).append(one)
    chunks = [others[start : start + WRITES_AT_ONCE] for start in range(0, len(others), WRITES_AT_ONCE)]
    return [*branches.values(), *chunks]


def where_of(ones: Sequence[DeploymentSpec]) -> str:
    """Name the branch that deployments are written to."""
    destination = ones[0].write.destination if ones[0].write else None
    return " ".join(destination) if destination else ""


def order(ctx: PromotionRun, hop: Hop, ones: Sequence[DeploymentSpec]) -> DeliverFilesInput:
    """Return what is to be written to the branch of these deployments."""
    where, round_ = where_of(ones), hop.round
    # While a pull request is open its key stands, also where less or more is to be written by now.
    proposal = hop.proposals.get(where) or (round_.proposals.get(where) if round_ else None)
    key = proposal.key if proposal is not None else waves.commit_key(ctx.request, hop, ones)
    artifacts = round_.artifacts if round_ else ()
    variables = rounds.variables(
        ctx.story,
        hop,
        number=ctx.request.spec.number,
        key=key,
        artifacts=artifacts,
        source=ctx.views.get(hop.policy.source),
        target=ctx.views.get(hop.policy.target),
    )
    return DeliverFilesInput(
        namespace=ctx.request.tracker.namespace,
        repository=ctx.request.spec.repository,
        deployments=tuple(ones),
        artifacts=artifacts,
        key=key,
        variables=variables,
        proposal=proposal,
        # One that still runs may end when no one shows it any more.
        gates=tuple(one for one in gates(hop) if not one.pending),
        retried=hop.attempt > 0,
        environment=hop.policy.target,
    )


def gates(hop: Hop) -> tuple[Gate, ...]:
    """Return how the tests of the round stand."""
    return tuple(
        Gate(
            name=test.spec.name,
            passed=test.state is RunState.PASSED,
            pending=test.state is None or not test.state.final,
            message=test.message or test.summary or str(test.state or "Pending"),
            url=test.url,
        )
        for test in (hop.round.tests if hop.round else ())
    )


def _allowed(ctx: PromotionRun, hop: Hop, artifact: Artifact, observation: Observation) -> tuple[str, ...]:
    """Return what may be there before our write: what the artifact contains, or what a person accepted."""
    return tuple(
        revision
        for revision in revisions_of(observation)
        if comparison.accepted(hop.override, artifact, observation)
        or comparison.contains(ctx.story.relations, whole=artifact.revision, part=revision)
    )


def _try_again(ctx: PromotionRun, hop: Hop, failure: Failure, what: str, *, host: str) -> WriteResult:
    """Note a write that failed and is to be tried again; `host` names whom it was sent to."""
    hop.failing_since = hop.failing_since or workflow.now()
    hop.write_failure = failure if failure.object else replace(failure, object=host)
    hop.write_failure_lasts = worth_showing(failure, hop.failing_since, workflow.now(), passing=ctx.timings.passing)
    if failure.wait:
        until = workflow.now() + failure.wait
        hop.write_after = max(hop.write_after or until, until)
    if hop.write_failure_lasts:
        ctx.event(EventReason.WRITE_FAILED, f"{what}: {failure.text}", warning=True)
    return WriteResult(outcome=WriteOutcome.BUSY, message=failure.text)
