"""What a place hands to its next run has a size: what costs least is dropped until it fits. Pure."""

from collections.abc import Callable
from dataclasses import replace

from activities.models.bounds import cut
from activities.models.budgets import VALUE_BYTES
from activities.models.reconciliations import Reconciliation
from crds.reasons.vocabulary import Phase
from workflows.environment import observation
from workflows.environment.state import Awaited, EnvironmentState, Member
from workflows.runtime.ancestry import RELATIONS_KEPT
from workflows.sizes import encoded_size

BRIEF_BYTES = 80

Lighten = Callable[[EnvironmentState], EnvironmentState]


def fitting(state: EnvironmentState, limit: int = VALUE_BYTES) -> EnvironmentState:
    """Return the state in at most `limit` bytes: a workflow task whose payload is too large would fail for good."""
    steps: tuple[Lighten, ...] = (
        _without_text,
        _with_few_relations,
        _with_short_history,
        _without_relations,
        lambda one: _with_fewer_members(one, limit),
        _unobserved,
    )
    for lighten in steps:
        if encoded_size(state) <= limit:
            return state
        state = lighten(state)
    return state


def _without_text(state: EnvironmentState) -> EnvironmentState:
    """Drop the texts of Argo CD and Flux, and keep the beginning of what is wrong: the next read brings them again."""
    observed = state.observer.observed
    bare = replace(
        observed,
        observations=tuple(
            replace(
                one,
                failure=one.failure and replace(one.failure, message=cut(one.failure.message, BRIEF_BYTES)),
                writable=cut(one.writable, BRIEF_BYTES),
            )
            for one in observation.as_compared(observed.observations)
        ),
    )
    reports = replace(state.reports, known=tuple(map(_without_message, state.reports.known)))
    return replace(state, observer=replace(state.observer, observed=bare), reports=reports)


def _without_message(known: Reconciliation) -> Reconciliation:
    return replace(known, newest=replace(known.newest, message=cut(known.newest.message, BRIEF_BYTES)))


def _with_few_relations(state: EnvironmentState) -> EnvironmentState:
    return replace(state, relations=state.relations[-RELATIONS_KEPT:])


def _with_short_history(state: EnvironmentState) -> EnvironmentState:
    """Keep the newest artifact set: the writer of the status keeps those that stand there."""
    observed = state.observer.observed
    return replace(state, observer=replace(state.observer, observed=replace(observed, history=observed.history[:1])))


def _without_relations(state: EnvironmentState) -> EnvironmentState:
    return replace(state, relations=())


def _unobserved(state: EnvironmentState) -> EnvironmentState:
    """Have the place read before anything is granted."""
    observed = replace(state.observer.observed, observations=(), at=None)
    return replace(state, observer=replace(state.observer, observed=observed, due=None))


def _with_fewer_members(state: EnvironmentState, limit: int) -> EnvironmentState:
    """Ask the members with the largest views for them again, as a place without memory does; never who has the lane.

    Nothing is granted until they have answered, and their counters stay known, so that no older view counts.
    """
    roster = state.roster
    excess = encoded_size(state) - limit
    members, awaited = list(roster.members), {one.tracker.uid: one for one in roster.awaited}
    departed = dict(roster.departed)
    for member in sorted(members, key=lambda one: -encoded_size(one)):
        if excess <= 0:
            break
        tracker = member.signal.tracker
        if _has_lane(member) or (roster.grant is not None and roster.grant.uid == tracker.uid):
            continue
        members.remove(member)
        awaited[tracker.uid] = Awaited(tracker=tracker)
        departed[tracker.uid] = member.signal.counter
        excess -= encoded_size(member) - encoded_size(awaited[tracker.uid]) - encoded_size(departed[tracker.uid])
    lighter = replace(roster, members=tuple(members), awaited=tuple(awaited.values()), departed=departed)
    sent = {uid: sent for uid, sent in state.sent.items() if uid in {one.signal.tracker.uid for one in members}}
    return replace(state, roster=lighter, sent=sent)


def _has_lane(member: Member) -> bool:
    return member.signal.phase is Phase.HOLDER
