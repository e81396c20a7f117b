"""Rules of waves, rounds and holds, each taken away: the stories must notice."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from activities.models.promotion import Verb
from activities.models.tracking import Artifact
from crds.reasons.trackers import ApplicationOutcome
from crds.reasons.vocabulary import State
from tests.workflows.journeys.moods import Kind
from workflows.environment.members import Roster
from workflows.promotion.membership import Membership
from workflows.promotion.rules import commands, comparison, rounds, waves
from workflows.promotion.run import PromotionRun
from workflows.promotion.state import Hop, PromotionState, Round
from workflows.promotion.steps import delivery, gates, source, testing
from workflows.promotion.steps import hop as hopping
from workflows.promotion.steps.source import SourceReader
from workflows.runtime.inbox import Accepted, Inbox

Replace = Callable[[object, str, Any], None]


def _nothing_at_once(*_arguments: Any) -> None:
    return None


async def _nothing(*_arguments: Any) -> None:
    return None


def confirm_a_round_without_reading_the_source(change: Replace) -> None:
    async def believed(_ctx: PromotionRun, _hop: Hop, round_: Round, _source: SourceReader) -> None:
        round_.confirmed = True

    change(testing, "_confirm", believed)


def accept_a_verdict_although_the_source_moved(change: Replace) -> None:
    moves = SourceReader.moves

    async def before_the_verdict_only(self: SourceReader, round_: Round) -> list[str] | None:
        return [] if round_.confirmed else await moves(self, round_)

    change(SourceReader, "moves", before_the_verdict_only)


def retest_forever(change: Replace) -> None:
    change(testing, "SOURCE_MOVES_ALLOWED", 10**6)


def count_a_verdict_of_an_earlier_round(change: Replace) -> None:
    run_key = rounds.run_key

    def same(request: Any, hop: Hop, round_: Round, test: Any) -> str:
        return run_key(request, hop, replace(round_, number=1, artifacts=()), test)

    change(rounds, "run_key", same)


def confirm_a_source_without_a_component(change: Replace) -> None:
    change(source, "_unread", lambda _round, _observed: [])


def take_a_target_without_a_component_for_one_with_it(change: Replace) -> None:
    change(hopping, "missing_components", lambda _ctx: [])
    change(gates, "missing_components", lambda _ctx: [])


def begin_the_next_wave_as_soon_as_one_is_written(change: Replace) -> None:
    arrived = comparison.arrived

    def written(relations: Any, artifact: Artifact, observation: Observation) -> bool:
        return observation.written == artifact.revision or arrived(relations, artifact, observation)

    change(comparison, "arrived", written)


def go_on_with_the_next_wave_after_a_failure(change: Replace) -> None:
    deliver = delivery._deliver

    async def shrug(ctx: PromotionRun, hop: Hop, view: Any, wave: Sequence[DeploymentSpec]) -> waves.Act:
        act = await deliver(ctx, hop, view, wave)
        if act.step is waves.Step.FAIL:
            for one in wave:
                hop.results.setdefault(
                    one.name, waves.result_of(one, waves.artifact_of(hop, one), ApplicationOutcome.PROMOTED)
                )
        return replace(act, step=waves.Step.ARRIVED, diverged=())

    change(delivery, "_deliver", shrug)


def keep_a_result_that_no_longer_holds(change: Replace) -> None:
    change(delivery, "_drop_what_left", _nothing)


def retry_from_scratch(change: Replace) -> None:
    decide = waves.decide

    async def forget(_ctx: PromotionRun, hop: Hop, _deployments: list[DeploymentSpec]) -> None:
        hop.results.clear()

    def all_behind(hop: Hop, facts: waves.Facts, now: datetime) -> waves.Act:
        act = decide(hop, facts, now)
        again = [one for one in facts.wave if one.name in act.arrived and one.name not in facts.requested]
        if not hop.attempt or not again or act.step in (waves.Step.FAIL, waves.Step.DIVERGE):
            return act
        arrived = {name: found for name, found in act.arrived.items() if name in facts.requested}
        return replace(act, step=waves.Step.WRITE, arrived=arrived, behind=[*act.behind, *again])

    change(delivery, "_drop_what_left", forget)
    change(waves, "decide", all_behind)


def retry_under_the_key_of_the_failed_attempt(change: Replace) -> None:
    key = waves.sync_key

    def same(request: Any, hop: Hop, one: DeploymentSpec) -> str:
        return key(request, replace(hop, attempt=0), one)

    change(waves, "sync_key", same)


def begin_a_wave_while_held(change: Replace) -> None:
    change(delivery, "between_waves", _nothing)


def take_the_lane_over_a_retest(change: Replace) -> None:
    def only_where_nothing_is_granted(story: PromotionState) -> bool:
        return story.state is State.TESTS_FAILED and story.inbox.get(Verb.RETEST) is not None

    change(commands, "command_waits", only_where_nothing_is_granted)


def keep_a_command_that_was_taken(change: Replace) -> None:
    take = Inbox.take

    def again(self: Inbox, verb: Verb) -> Any:
        accepted = self.waiting.get(verb)
        taken = take(self, verb)
        if accepted is not None and verb is Verb.RETRY:
            self.waiting[verb] = accepted
        return taken

    change(Inbox, "take", again)


def forget_an_approval_at_a_retest(change: Replace) -> None:
    void = testing.void_round

    async def forgetful(ctx: PromotionRun) -> State:
        ctx.story.inbox.drop(Verb.PROMOTE)
        return await void(ctx)

    change(gates, "void_round", forgetful)
    change(testing, "void_round", forgetful)


def sweep_the_inbox_silently(change: Replace) -> None:
    def silently(self: PromotionRun, _why: str, *verbs: Verb) -> None:
        self.story.inbox.drop(*verbs)

    change(PromotionRun, "supersede", silently)


def count_the_same_command_twice(change: Replace) -> None:
    change(commands, "repeats", lambda _story, _verb: "")
    offer = Inbox.offer

    def over(self: Inbox, verb: Verb, accepted: Accepted) -> None:
        self.waiting.pop(verb, None)
        offer(self, verb, accepted)

    change(Inbox, "offer", over)


def go_on_promoting_over_an_abort(change: Replace) -> None:
    stop = PromotionRun.stop_if_ended

    def later(self: PromotionRun) -> None:
        if self.story.state is not State.PROMOTING:
            stop(self)

    change(PromotionRun, "stop_if_ended", later)


def take_a_restart_for_the_end_of_the_attempt_before(change: Replace) -> None:
    change(Roster, "_replace_attempt", _nothing_at_once)


def send_no_hold_before_the_first_hop(change: Replace) -> None:
    change(Membership, "_learn_ahead", _nothing)


def count_the_backstop_from_each_wait(change: Replace) -> None:
    change(Membership, "silent_for", lambda _self: timedelta(0))


WEAKENED: tuple[tuple[Callable[[Replace], None], Kind, int], ...] = (
    (confirm_a_round_without_reading_the_source, Kind.BUSY, 0),
    (accept_a_verdict_although_the_source_moved, Kind.BUSY, 4),
    (retest_forever, Kind.BUSY, 8),
    (count_a_verdict_of_an_earlier_round, Kind.BUSY, 7),
    (confirm_a_source_without_a_component, Kind.REDECLARED, 15),
    (take_a_target_without_a_component_for_one_with_it, Kind.REDECLARED, 82),
    (begin_the_next_wave_as_soon_as_one_is_written, Kind.MIXED, 0),
    (go_on_with_the_next_wave_after_a_failure, Kind.FAILING, 3),
    (keep_a_result_that_no_longer_holds, Kind.FAILING, 59),
    (retry_from_scratch, Kind.FAILING, 3),
    (retry_under_the_key_of_the_failed_attempt, Kind.FAILING, 3),
    (begin_a_wave_while_held, Kind.HELD, 74),
    (send_no_hold_before_the_first_hop, Kind.HELD, 12),
    (count_the_backstop_from_each_wait, Kind.MIXED, 7),
    (take_the_lane_over_a_retest, Kind.CROSSING, 0),
    (keep_a_command_that_was_taken, Kind.FAILING, 0),
    (forget_an_approval_at_a_retest, Kind.CROSSING, 0),
    (sweep_the_inbox_silently, Kind.CROSSING, 0),
    (count_the_same_command_twice, Kind.CROSSING, 0),
    (go_on_promoting_over_an_abort, Kind.CROSSING, 23),
    (take_a_restart_for_the_end_of_the_attempt_before, Kind.RESTARTED, 285),
)
"""Each with a kind of story that notices it, and with one of the first of these: most stories get by without."""
