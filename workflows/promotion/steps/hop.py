"""Steps around a hop: choose its policy, meet its target, and end it with a record."""

import asyncio
from collections.abc import Sequence

from temporalio import workflow
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityConfig

from activities.contracts import ConfigActivities
from activities.models.bounds import cut, together
from activities.models.configuration import FindPolicyInput, FindPolicyResult, PolicyOutcome, PolicySnapshot
from activities.models.drift import CreateDriftMonitorsInput
from activities.models.memberships import OpenHopInput, OpenHopResult
from activities.models.places import Role, SendViewInput
from activities.models.promotion import Verb
from activities.models.state_labels import promoted_label
from activities.models.status import ApplicationResult, PromotionRecord
from activities.models.tracking import Artifact
from crds.reasons.events import EventReason
from crds.reasons.trackers import ApplicationOutcome, RecordResult
from crds.reasons.vocabulary import Phase, State
from workflows import policies
from workflows.promotion.rules import comparison, records
from workflows.promotion.rules.carrying import kept_records
from workflows.promotion.rules.comparison import Comparison, Judgement, short
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop
from workflows.promotion.steps.intake import join, send_joining, source_artifacts, source_with_change
from workflows.promotion.steps.runs import cancel_open

POLICY_REASONS = {
    PolicyOutcome.NOT_FOUND: "no policy leaves {environment} for repository {repository}",
    PolicyOutcome.AMBIGUOUS: "two policies fit equally: {names}",
    PolicyOutcome.INVALID: "policy {names} is invalid: {errors}",
    PolicyOutcome.OBSERVING: "GitRepository {repository} has `mode: Observe`: nothing is tested or promoted",
}


NAMES_BYTES, ERRORS_BYTES = 200, 500
"""Policies and errors that a reason names: the advice stands behind them."""


async def choose_hop(ctx: PromotionRun) -> State:
    """From Synced: end where the environment is final, else take the policy's snapshot and meet the target."""
    story = ctx.story
    # Taken before anything is read: what changes meanwhile must wake the wait for a policy.
    ctx.looked_at = ctx.pokes
    kept = ctx.environments.known(story.environment) is not None
    view = await ctx.environments.get(story.environment)
    watch = _note_arrival(ctx)
    if view.final:
        ctx.monitoring.begin(watch)
        return State.COMPLETED
    opened = ctx.take_opened() or await open_hop(ctx, watch)
    found = opened.found
    if found.policy is None:
        # What no policy leaves may be final since the hop that led here began.
        missing = found.outcome is PolicyOutcome.NOT_FOUND and kept
        if missing and (await ctx.environments.read(story.environment)).final:
            return State.COMPLETED
        return _await_policy(ctx, found)
    return await _meet_target(ctx, _begin_hop(ctx, found.policy, found.nonce), opened)


def _note_arrival(ctx: PromotionRun) -> CreateDriftMonitorsInput | None:
    """Note that the change runs where it is, unless that is known; return what is to be watched there then."""
    story = ctx.story
    if story.environment in story.arrived:
        return None
    story.arrived.append(story.environment)
    merge = story.pull_request.merge_sha if story.pull_request else None
    ctx.event(EventReason.ARRIVED, f"{short(merge)} runs in {story.environment}")
    return _watched(ctx, story.environment)


def _begin_hop(ctx: PromotionRun, policy: PolicySnapshot, nonce: str) -> Hop:
    """Begin a hop, or the one at hand once more after a `retest`; an approval of anything else is answered."""
    story = ctx.story
    hop = Hop(
        number=story.hops,
        policy=policy,
        began_at=workflow.now(),
        nonce=nonce,
        approved_by=records.PROMOTED_BY_POLICY if policy.auto_promote else "",
        voided=story.hop.voided if story.hop is not None else (),
    )
    story.hop = hop
    ctx.supersede_outdated_approval()
    return hop


async def await_policy(ctx: PromotionRun) -> State:
    """Wait until exactly one valid policy leaves the environment; the watcher pokes when anything of it changed."""
    await ctx.wait(lambda: ctx.pokes != ctx.looked_at, why="await a policy")
    # Instead of giving it a policy, people may declare the environment final.
    ctx.views.pop(ctx.story.environment, None)
    return await choose_hop(ctx)


async def open_hop(ctx: PromotionRun, watch: CreateDriftMonitorsInput | None = None) -> OpenHopResult:
    """Ask for the policy of where the change is; an API error is shown and asked again, never "not found".

    Its target is met in the same call, unless we are a member of another one: that is left before a new one is met.
    """

    async def ask() -> OpenHopResult:
        if Role.TARGET in ctx.membership.member_of.values():
            request, config = _finding(ctx)
            return OpenHopResult(
                found=await workflow.execute_activity_method(ConfigActivities.find_policy, request, **config)
            )
        return await _ask_to_open(ctx, watch)

    opened = await ctx.asking.retry_until_answered(ask, object_="PromotionPolicy", why="policy")
    _settle(ctx, watch, made=opened.watched)
    return _learn(ctx, opened)


def _finding(ctx: PromotionRun) -> tuple[FindPolicyInput, ActivityConfig]:
    """Return what finds the policy that leaves the environment where the change is."""
    request = FindPolicyInput(
        namespace=ctx.request.tracker.namespace,
        environment=ctx.story.environment,
        repository=ctx.request.spec.repository,
        fresh=ctx.fresh,
    )
    return request, policies.config_read_shown(
        ctx.queues, ctx.timings, summary=f"find policy from {request.environment}"
    )


async def _ask_to_open(
    ctx: PromotionRun, watch: CreateDriftMonitorsInput | None, farewells: tuple[SendViewInput, ...] = ()
) -> OpenHopResult:
    request, config = _finding(ctx)
    view, received = ctx.membership.joining_view()
    return await workflow.execute_activity_method(
        ConfigActivities.open_hop,
        OpenHopInput(
            namespace=request.namespace,
            repository=request.repository,
            find=request,
            view=view,
            timings=ctx.timings,
            received=received,
            farewells=farewells,
            artifacts=source_artifacts(ctx) or (),
            watch=watch,
        ),
        **config,
    )


def _learn(ctx: PromotionRun, opened: OpenHopResult) -> OpenHopResult:
    """Take what an opened hop shows of the places ahead."""
    found = opened.found
    if found.policy is not None and opened.sent:
        ctx.membership.joined(found.policy.target, opened.answer)
    ctx.story.relations |= comparison.with_answers(opened.compared, opened.relations)
    if ctx.held and set(found.ahead) - set(ctx.story.ahead):
        # A hold that was given before the way was known is for all of it.
        ctx.membership.hold_changed()
    ctx.story.ahead = found.ahead
    return opened


def _await_policy(ctx: PromotionRun, found: FindPolicyResult) -> State:
    text = POLICY_REASONS[found.outcome].format(
        environment=ctx.story.environment,
        repository=ctx.request.spec.repository,
        names=cut(", ".join(found.names), NAMES_BYTES),
        errors=together(found.errors, ERRORS_BYTES),
    )
    if (ctx.story.reason, ctx.story.message) != (found.outcome, text):
        ctx.event(EventReason(found.outcome), text, warning=found.outcome is not PolicyOutcome.OBSERVING)
    ctx.story.policies = found.names
    ctx.story.hop = None
    ctx.story.inbox.done(Verb.RETEST)
    ctx.supersede(text, Verb.PROMOTE)
    return ctx.enter(State.AWAITING_POLICY, reason=found.outcome, message=text)


async def _meet_target(ctx: PromotionRun, hop: Hop, opened: OpenHopResult) -> State:
    # A policy taken again may name another target: the one before must not go on keeping its lane for us.
    for former in [
        one for one, role in ctx.membership.member_of.items() if role is Role.TARGET and one != hop.policy.target
    ]:
        await ctx.membership.send(former, Role.TARGET, Phase.GONE)
    if opened.environment is None:
        await asyncio.gather(
            ctx.environments.read(hop.policy.target), send_joining(ctx, hop.policy.target, Role.TARGET)
        )
    else:
        ctx.environments.keep(opened.environment)
    await join(ctx, hop.policy.target, Role.TARGET)
    artifacts = await source_with_change(ctx)
    if artifacts is not None and await target_contains(ctx, artifacts):
        return await end_contained(ctx)
    return State.TESTING


async def judge_target(ctx: PromotionRun, artifacts: tuple[Artifact, ...]) -> tuple[Comparison, ...]:
    """Compare the artifacts with the target as its place last observed it, and remember why for people."""
    target = ctx.story.hop.policy.target if ctx.story.hop is not None else ""
    while (place := ctx.membership.view(target)) is not None and place.observed_at is not None:
        await ctx.relate(artifacts, place.observed)
        if ctx.membership.view(target) is not place:
            # While the host was asked, for hours where it is away, the target came to run something else.
            continue
        comparisons = comparison.compare_all(ctx.story.relations, artifacts, place.observed)
        ctx.checks = tuple(f"{target}/{one.deployment}: {one.why} ({one.judgement})" for one in comparisons)
        return comparisons
    return ()


async def target_contains(ctx: PromotionRun, artifacts: tuple[Artifact, ...]) -> bool:
    """Return whether the artifacts, or what contains them, arrived in every deployment of the target; none is missing.

    To contain is not enough: our own failed write is contained as well, and what ends here is shown as promoted.
    """
    await _read_declaration_again(ctx)
    comparisons = await judge_target(ctx, artifacts)
    arrived = bool(comparisons) and all(
        one.judgement is Judgement.CONTAINED and one.observation.settled for one in comparisons
    )
    return arrived and not missing_components(ctx)


def missing_components(ctx: PromotionRun) -> list[str]:
    """Return the change's components that the target does not deploy: as its place observed it, or as it is declared.

    After an edit of the Environment the place may still observe what is declared no more.
    """
    hop = ctx.story.hop
    if hop is None:
        return []
    unseen, undeployed = _unseen_components(ctx, hop), ctx.environments.undeployed(hop.policy.target)
    return [component for component in ctx.story.components or () if component in unseen or component in undeployed]


def _unseen_components(ctx: PromotionRun, hop: Hop) -> tuple[str, ...]:
    """Return the change's components that the target's place, which has observed it, does not show."""
    place = ctx.membership.view(hop.policy.target)
    if place is None or place.observed_at is None:
        return ()
    deployed = {one.component for one in place.observed}
    return tuple(component for component in ctx.story.components or () if component not in deployed)


async def _read_declaration_again(ctx: PromotionRun) -> None:
    """Read the target's declaration where the place shows more than the one that is kept: one of both is older."""
    hop = ctx.story.hop
    place = ctx.membership.view(hop.policy.target) if hop else None
    if hop is None or place is None or place.observed_at is None or _unseen_components(ctx, hop):
        return
    if ctx.environments.undeployed(hop.policy.target):
        await ctx.environments.read(hop.policy.target)


async def ended_by_others(ctx: PromotionRun) -> State | None:
    """End the hop as AlreadyContained once what contains the artifact is settled and healthy in all of the target."""
    hop = ctx.story.hop
    if hop is None or hop.round is None or not await target_contains(ctx, hop.round.artifacts):
        return None
    ctx.heed_commands()
    return await end_contained(ctx)


async def end_contained(ctx: PromotionRun) -> State:
    """Record that the target contains the change, naming the tracker that brought it."""
    story, hop = ctx.story, ctx.story.hop
    if hop is None:
        return State.AWAITING_SYNC
    cancel_open(ctx)
    place = ctx.membership.view(hop.policy.target)
    artifacts = hop.round.artifacts if hop.round else (source_artifacts(ctx) or ())
    results = tuple(
        ApplicationResult(
            deployment=one.deployment,
            application=one.application,
            result=ApplicationOutcome.ALREADY_CONTAINED,
            message=f"runs {one.runs}",
        )
        for one in (place.observed if place else ())
        if one.component in (story.components or ())
    )
    record = records.build_promotion_record(
        hop,
        at=workflow.now(),
        result=RecordResult.ALREADY_CONTAINED,
        artifacts=artifacts,
        applications=results,
        brought_by=brought_by(ctx, hop),
    )
    return await end_hop(ctx, record)


def brought_by(ctx: PromotionRun, hop: Hop) -> str:
    """Name the other trackers that brought what the target runs, as its place last sent; empty where it knows none."""
    place = ctx.membership.view(hop.policy.target)
    names = sorted(set((place.moved_by or {}).values())) if place else []
    return ", ".join(name for name in names if name != ctx.request.tracker.name)


async def end_hop(ctx: PromotionRun, record: PromotionRecord) -> State:
    """Move the story to the target with its record, then hand back whatever the places keep for us."""
    story, hop = ctx.story, ctx.story.hop
    if hop is None:
        return State.AWAITING_SYNC
    source, target = hop.policy.source, hop.policy.target
    note_record(ctx, record)
    label = hop.policy.label or promoted_label(target)
    if label not in story.labels:
        story.labels.append(label)
    story.arrived.append(target)
    promoted = record.result == RecordResult.PROMOTED
    watch = _watched(ctx, target, record.artifacts if promoted else None)
    view = ctx.views.get(target)
    final = promoted and view is not None and view.final
    story.environment, story.hop = target, None
    story.hops, story.rounds = story.hops + 1, 0
    ctx.supersede(f"{target} has the change: {record.result}", Verb.RETEST, Verb.RETRY, Verb.PROMOTE)
    story.inbox.done(*Verb)
    ctx.membership.leave_line()
    state = ctx.enter(State.COMPLETED if final else State.AWAITING_SYNC)
    ctx.checks = ()
    # The target is the next hop's source: one signal hands the lane back and keeps us a member.
    farewell = (Role.TARGET, Phase.ARRIVED) if final else (Role.SOURCE, Phase.WORKING)
    leaving = [(target, *farewell)]
    if source in ctx.membership.member_of:
        leaving.append((source, Role.SOURCE, Phase.GONE))
    if final:
        ctx.monitoring.begin(watch)
    if final or not await _leave_and_open(ctx, leaving, watch):
        await ctx.membership.send_views(*leaving)
    return state


def _watched(
    ctx: PromotionRun, environment: str, promoted: Sequence[Artifact] | None = None
) -> CreateDriftMonitorsInput | None:
    """Return what watches the change where it arrived; without what was promoted, what its place observed counts."""
    place = ctx.membership.view(environment)
    return ctx.monitoring.note(ctx.views.get(environment), place.observed if place is not None else (), promoted)


def _settle(ctx: PromotionRun, watch: CreateDriftMonitorsInput | None, *, made: bool) -> None:
    """Have watched in the background what the call that opened the hop could not."""
    if made:
        ctx.monitoring.made(watch)
    else:
        ctx.monitoring.begin(watch)


async def _leave_and_open(
    ctx: PromotionRun, leaving: Sequence[tuple[str, Role, Phase]], watch: CreateDriftMonitorsInput | None
) -> bool:
    """Send the farewells together with what opens the next hop, which is kept for it; False where they are not sent."""
    ctx.looked_at, pokes = ctx.pokes, ctx.pokes
    try:
        opened = await _ask_to_open(ctx, watch, ctx.membership.next_views(*leaving))
    except ActivityError as refusal:
        # What finds no answer is asked again by the step that needs it, and its cause is shown there.
        workflow.logger.info("the next hop could not be opened with the end of this one", exc_info=refusal)
        ctx.monitoring.begin(watch)
        return False
    _settle(ctx, watch, made=opened.watched)
    ctx.membership.answered(opened.farewell_answer)
    ctx.keep_opened(_learn(ctx, opened), pokes)
    return opened.left


def note_record(ctx: PromotionRun, record: PromotionRecord) -> None:
    """Keep the record and publish it as an event; both travel with the state that follows."""
    ctx.story.records = kept_records([*ctx.story.records, record])
    ctx.event(EventReason(record.result), records.sentence(record), warning=not record.promoted)
