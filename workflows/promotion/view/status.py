"""What people are shown of a promotion: the state, what it waits for, and the whole status that is published. Pure.

Everything is derived from the carried state and the newest views of the environments, each time again and by one
derivation: status, comment, Temporal's page and `pilotage why` cannot differ in what a promotion waits for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from activities.models.configuration import EnvironmentView
from activities.models.places import PlaceSignal
from activities.models.promotion import PromotionInput
from activities.models.status import (
    AwaitedPullRequest,
    ConditionStatus,
    HopStatus,
    PolicyRef,
    TrackerStatus,
    WaitingFor,
    WorkflowStatus,
)
from crds.reasons.trackers import TrackerReason
from crds.reasons.vocabulary import State
from workflows.identity import environment_workflow_id
from workflows.promotion.rules import comparison, rounds
from workflows.promotion.rules.aggregate import aggregate
from workflows.promotion.rules.boundaries import shown_deadline
from workflows.promotion.state import Hop, PromotionState
from workflows.promotion.view.labels import labels_condition
from workflows.promotion.view.obstacles import Obstacle, find_obstacle
from workflows.promotion.view.pull_request import tests_of
from workflows.promotion.view.waiting import waiting_for


class Membership(Protocol):
    """The environments that a promotion is a member of."""

    def view(self, environment: str) -> PlaceSignal | None:
        """Return the newest view of one, if it sent any."""


class Run(Protocol):
    """What is shown of a run."""

    request: PromotionInput
    story: PromotionState

    @property
    def membership(self) -> Membership:
        """The environments that it is a member of."""

    @property
    def views(self) -> Mapping[str, EnvironmentView]:
        """Environments as they were declared when they were read."""

    @property
    def at_boundary(self) -> bool:
        """Whether a hold has taken effect between two waves."""


@dataclass(frozen=True, kw_only=True)
class View:
    """The state as people are shown it, and what it waits for."""

    state: State
    waiting: WaitingFor | None
    obstacle: Obstacle | None


def view(ctx: Run) -> View:
    """Return the state to show: Held as soon as the hold has taken effect, which in Promoting is between waves."""
    story = ctx.story
    held = story.hold is not None and (story.state is not State.PROMOTING or ctx.at_boundary)
    held = held and not story.state.terminal
    tracker = ctx.request.tracker
    source, hop = ctx.membership.view(story.environment), story.hop
    target = ctx.membership.view(hop.policy.target) if hop else None

    def command(verb: str, other: str = "", /) -> str:
        return replace(tracker, name=other or tracker.name).command_line(verb)

    obstacle = find_obstacle(
        story,
        source=source,
        target=target,
        command=command,
    )
    waiting = waiting_for(
        story,
        source=source,
        target=target,
        obstacle=obstacle,
        verdict_until=rounds.round_deadline(hop.round, hop.policy) if hop and hop.round else None,
        delivery_until=shown_deadline(hop) if hop else None,
        held=held,
        command=command,
    )
    return View(state=State.HELD if held else story.state, waiting=waiting, obstacle=obstacle)


def tried_by(request: PromotionInput, obstacle: Obstacle | None) -> str:
    """Return the id of the workflow that tries again what is in the way; empty where the promotion itself does."""
    if obstacle is None or not obstacle.environment:
        return ""
    namespace, repository = request.tracker.namespace, request.spec.repository
    return environment_workflow_id(request.installation, namespace, obstacle.environment, repository)


def note_state(story: PromotionState, state: State, now: datetime) -> None:
    """Remember when the state to show began: Held, and what follows it, begin when they are shown first."""
    if state is story.shown_state:
        return
    begins_now = State.HELD in (state, story.shown_state)
    story.shown_state, story.shown_since = state, now if begins_now else story.since


def status(ctx: Run, now: View, workflow: WorkflowStatus) -> TrackerStatus:
    """Return the whole status that the workflow owns; the publisher stamps its sequence."""
    story, request = ctx.story, ctx.request
    round_ = story.hop.round if story.hop else None
    problem = story.problem if not story.state.terminal else ""
    last = story.records[-1] if story.records else None
    return TrackerStatus(
        state=now.state,
        sequence=0,
        attempt=request.tracker.attempt,
        observed_generation=request.generation,
        reason=TrackerReason.WAITING_FOR_REFERENCE if problem else story.reason or str(now.state),
        message=problem or story.message,
        waiting_for=now.waiting,
        environment=story.environment,
        revision=_revision(ctx),
        state_since=story.shown_since,
        held_state=story.state if now.state is State.HELD else None,
        artifacts=round_.artifacts if round_ else (),
        hop=_hop(story),
        pull_request=story.pull_request,
        tests=tests_of(story),
        aggregate=aggregate(round_.tests) if round_ else (last.aggregate if last and story.state.terminal else None),
        promotions=tuple(story.records),
        superseded=tuple(story.superseded),
        label_sync=story.sync_result,
        workflow=workflow,
        conditions=_conditions(ctx, now),
    )


def _hop(story: PromotionState) -> HopStatus | None:
    hop = story.hop
    if hop is None:
        return None
    return HopStatus(
        index=hop.number,
        source=hop.policy.source,
        target=hop.policy.target,
        policy=PolicyRef(name=hop.policy.name, generation=hop.policy.generation),
        round=hop.round.number if hop.round else None,
        diverged=comparison.held_revisions(hop.refused) or None,
        pull_requests=_awaited(hop),
    )


def _awaited(hop: Hop) -> tuple[AwaitedPullRequest, ...]:
    """Return the pull requests that are waited for; each is kept by its repository and branch."""
    proposals = hop.proposals.items() if hop.awaited else ()
    return tuple(
        AwaitedPullRequest(repository=where.partition(" ")[0], number=proposal.number) for where, proposal in proposals
    )


def _revision(ctx: Run) -> str:
    story = ctx.story
    if story.hop and story.hop.round and story.hop.round.artifacts:
        return story.hop.round.artifacts[0].revision
    if story.pull_request is None:
        return ""
    return story.pull_request.merge_sha or story.pull_request.head_sha


def _conditions(ctx: Run, now: View) -> tuple[ConditionStatus, ...]:
    story = ctx.story
    ready = "True" if now.state is State.COMPLETED else "False"
    found = [
        ConditionStatus(type="Completed", status=ready, reason=story.reason or str(now.state), message=story.message),
        ConditionStatus(
            type="ReferencesResolved",
            status="False" if now.obstacle else "True",
            reason=now.obstacle.reason if now.obstacle else "Resolved",
            message=_advice(now.obstacle) if now.obstacle else "",
        ),
    ]
    if story.presented is not None:
        found.append(
            ConditionStatus(
                type="Presented",
                status="True" if story.presented else "False",
                reason="Presented" if story.presented else "PresentationFailed",
                message=story.presentation_error,
            )
        )
    if story.label_sync is not None:
        found.append(labels_condition(story.label_sync, problem=story.steering_problem or story.steering_unsupported))
    return tuple(found)


def _advice(obstacle: Obstacle) -> str:
    """Return what to do before why: a long answer of a host may be cut, the advice must not."""
    return f"{obstacle.unblock_with} ({obstacle.text})"
