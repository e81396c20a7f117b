"""What is done next while a wave is delivered: judged by what the target holds now."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.models.configuration import DeploymentSpec, WriteSpec
from activities.models.delivery import Observation, OperationPhase, WriteOutcome, WriteResult
from activities.models.revisions import Relation
from activities.models.tracking import Artifact
from crds.reasons.trackers import ApplicationOutcome
from crds.reasons.vocabulary import Health
from tests.worlds.declared import a_policy
from workflows.promotion.rules.comparison import pair_key
from workflows.promotion.rules.following import REPEATS
from workflows.promotion.rules.waves import Facts, Loss, Step, artifact_of, decide, next_wave, result_of
from workflows.promotion.state import Hop, Round, Touch

OLD, NEW, STRANGE = "a" * 40, "b" * 40, "c" * 40
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = a_policy()
RELATIONS = {
    pair_key(OLD, NEW): Relation.AHEAD,
    pair_key(NEW, OLD): Relation.BEHIND,
    pair_key(STRANGE, NEW): Relation.DIVERGED,
    pair_key(NEW, STRANGE): Relation.DIVERGED,
}


def a_deployment(name: str = "web", *, wave: int = 0) -> DeploymentSpec:
    return DeploymentSpec(
        name=name, component="web", wave=wave, instance="argocd", project="shop", application=name, write=WriteSpec()
    )


WEB, API = a_deployment("web"), a_deployment("api")
BEHIND = Observation(
    deployment="web",
    component="web",
    application="web",
    runs=OLD,
    written=OLD,
    written_raw=OLD,
    operation_phase=OperationPhase.SUCCEEDED,
    health=Health.HEALTHY,
    sync_status="Synced",
    settled=True,
)
WRITTEN = replace(BEHIND, written=NEW, written_raw=NEW, sync_status="OutOfSync", settled=False, operation_key="ours")
ARRIVED = replace(WRITTEN, runs=NEW, sync_status="Synced", settled=True)
FAILED = replace(WRITTEN, operation_phase=OperationPhase.FAILED, operation_message="hook failed")
DIVERGED = replace(BEHIND, runs=STRANGE, written=STRANGE, written_raw=STRANGE)


def a_hop(**fields: object) -> Hop:
    artifacts = (Artifact(component="web", revision=NEW),)
    round_ = Round(number=1, artifacts=artifacts, tests=[], started_at=NOW)
    return replace(Hop(number=0, policy=POLICY, round=round_), **fields)  # type: ignore[arg-type]


def facts(observed: Mapping[str, Observation], **fields: object) -> Facts:
    found = Facts(
        wave=[a_deployment(name) for name in observed],
        observed=observed,
        relations=RELATIONS,
        keys=dict.fromkeys(observed, "ours"),
        until=NOW + 15 * MINUTE,
        timeout=15 * MINUTE,
        unsynced=MINUTE,
    )
    return replace(found, **fields)  # type: ignore[arg-type]


def test_what_is_behind_is_written_and_what_arrived_is_noted() -> None:
    act = decide(a_hop(), facts({"web": ARRIVED, "api": BEHIND}), NOW)
    assert act.step is Step.WRITE
    assert [one.name for one in act.behind] == ["api"]
    assert act.arrived == {"web": result_of(WEB, artifact_of(a_hop(), WEB), ApplicationOutcome.PROMOTED)}
    assert list(act.lines) == ["api"]


@pytest.mark.parametrize(
    ("hop", "requested", "key", "result"),
    [
        (a_hop(), {}, "theirs", "AlreadyContained"),
        (a_hop(), {}, "ours", ApplicationOutcome.PROMOTED),
        (a_hop(), {"web": NOW}, "theirs", ApplicationOutcome.PROMOTED),
        (a_hop(touched={"web": int(Touch.MOVED)}), {}, "theirs", ApplicationOutcome.PROMOTED),
    ],
)
def test_a_wave_arrives_with_who_brought_it(hop: Hop, requested: dict[str, datetime], key: str, result: str) -> None:
    act = decide(hop, facts({"web": replace(ARRIVED, operation_key=key)}, requested=requested), NOW)
    assert act.step is Step.ARRIVED
    assert act.arrived["web"].result == result


def test_a_wave_that_was_delivered_before_has_arrived() -> None:
    hop = a_hop(results={"web": result_of(WEB, None, ApplicationOutcome.PROMOTED)})
    assert decide(hop, facts({"web": BEHIND}), NOW).step is Step.ARRIVED


def test_what_was_requested_is_waited_for() -> None:
    act = decide(a_hop(), facts({"web": WRITTEN}, requested={"web": NOW}), NOW + MINUTE)
    assert act.step is Step.WAIT
    assert not act.lost


def test_a_deployment_that_is_not_observed_is_waited_for_and_named() -> None:
    act = decide(a_hop(), replace(facts({"web": BEHIND}), observed={}), NOW)
    assert act.step is Step.WAIT
    assert "not observed" in act.lines["web"]


def test_a_deployment_that_we_may_not_write_is_only_followed() -> None:
    assert decide(a_hop(), facts({"web": BEHIND}, wave=[replace(WEB, write=None)]), NOW).step is Step.WAIT


def test_our_failed_operation_fails_the_wave_and_names_the_deployment() -> None:
    act = decide(a_hop(), facts({"api": ARRIVED, "web": FAILED}), NOW)
    assert (act.step, act.failed, list(act.lines)) == (Step.FAIL, ("web",), ["web"])
    assert "hook failed" in act.error
    assert set(act.arrived) == {"api"}


NAMES = ("web", "api", "ui", "db")


@given(order=st.permutations(NAMES))
def test_all_that_failed_or_arrived_by_then_is_named_whatever_is_looked_at_first(order: list[str]) -> None:
    wave = [a_deployment(name) for name in order]
    seen = {"web": FAILED, "api": replace(FAILED, operation_message="no such image"), "ui": ARRIVED, "db": WRITTEN}
    act = decide(a_hop(), facts(seen, wave=wave), NOW)
    assert (act.step, set(act.failed), set(act.arrived)) == (Step.FAIL, {"web", "api"}, {"ui"})
    assert set(act.lines) == {"web", "api", "db"}
    assert "hook failed" in act.error
    assert "no such image" in act.error
    assert "runs" not in act.error


@given(order=st.permutations(NAMES))
def test_each_deployment_that_diverged_is_handed_to_the_person_who_is_to_decide(order: list[str]) -> None:
    seen = {"web": DIVERGED, "api": DIVERGED, "ui": ARRIVED, "db": BEHIND}
    act = decide(a_hop(), facts(seen, wave=[a_deployment(name) for name in order]), NOW)
    assert (act.step, len(act.diverged), set(act.arrived)) == (Step.DIVERGE, 2, {"ui"})
    # What failed needs somebody in any case, who finds the rest judged again at `retry`.
    act = decide(a_hop(), facts(seen | {"db": FAILED}, wave=[a_deployment(name) for name in order]), NOW)
    assert (act.step, act.failed) == (Step.FAIL, ("db",))


@pytest.mark.parametrize(
    ("requested", "touched", "step"),
    [({}, 0, Step.WAIT), ({"web": NOW}, 0, Step.FAIL), ({}, int(Touch.REQUESTED), Step.FAIL)],
)
def test_a_failure_of_auto_sync_counts_once_we_wrote(requested: dict[str, datetime], touched: int, step: Step) -> None:
    failed = replace(WRITTEN, operation_key="", auto_synced=True, operation_phase=OperationPhase.FAILED)
    spec = replace(WEB, write=None)
    seen = facts({"web": failed}, wave=[spec], requested=requested)
    assert decide(a_hop(touched={"web": touched}), seen, NOW).step is step


def test_time_that_runs_out_fails_the_wave_with_a_line_for_each_that_did_not_arrive() -> None:
    late = facts({"web": BEHIND, "api": BEHIND}, until=NOW)
    act = decide(a_hop(), late, NOW)
    assert (act.step, act.failed, set(act.lines)) == (Step.FAIL, (), {"web", "api"})
    assert decide(a_hop(blocked="a window"), late, NOW).step is Step.WRITE


def test_what_hindered_a_write_is_named() -> None:
    hindered = {"web": WriteResult(outcome=WriteOutcome.BUSY, message="another operation is in progress")}
    act = decide(a_hop(), facts({"web": BEHIND}, hindered=hindered), NOW)
    assert "another operation" in act.lines["web"]


def test_a_target_that_diverged_is_handed_back_unless_a_person_accepted_exactly_that() -> None:
    act = decide(a_hop(), facts({"web": DIVERGED}), NOW)
    assert act.step is Step.DIVERGE
    assert [one.observation for one in act.diverged] == [DIVERGED]
    assert decide(a_hop(override=(DIVERGED,)), facts({"web": DIVERGED}), NOW).step is Step.WRITE
    assert decide(a_hop(override=(BEHIND,)), facts({"web": DIVERGED}), NOW).step is Step.DIVERGE


def test_a_write_that_was_set_back_is_repeated_until_it_means_something() -> None:
    seen = facts({"web": BEHIND}, requested={"web": NOW})
    act = decide(a_hop(), seen, NOW)
    assert act.step is Step.WRITE
    assert [(one.deployment, one.repeats, bool(one.reverted)) for one in act.lost] == [("web", 1, True)]
    assert decide(a_hop(repeats={"web": REPEATS - 1}), seen, NOW).step is Step.WRITE
    last = decide(a_hop(repeats={"web": REPEATS}), seen, NOW)
    assert (last.step, last.failed) == (Step.FAIL, ("web",))
    assert [one.repeats for one in last.lost] == [REPEATS + 1]


def test_a_sync_that_does_not_begin_is_repeated_some_times_and_then_only_waited_for() -> None:
    seen = facts({"web": replace(WRITTEN, operation_key="")}, requested={"web": NOW})
    assert decide(a_hop(), seen, NOW).step is Step.WAIT
    act = decide(a_hop(), seen, NOW + MINUTE)
    assert (act.step, act.lost) == (Step.WRITE, [Loss(deployment="web", repeats=1)])
    assert decide(a_hop(repeats={"web": REPEATS - 1}), seen, NOW + MINUTE).step is Step.WRITE
    assert decide(a_hop(repeats={"web": REPEATS}), seen, NOW + MINUTE).step is Step.WAIT


def test_our_revision_that_is_out_of_sync_is_synced_once() -> None:
    drifted = replace(ARRIVED, sync_status="OutOfSync", settled=False)
    assert decide(a_hop(), facts({"web": drifted}), NOW).step is Step.WRITE
    assert decide(a_hop(), facts({"web": drifted}, requested={"web": NOW}), NOW).step is Step.WAIT


def test_waves_follow_each_other_and_one_that_arrived_is_passed_over() -> None:
    first, second = a_deployment("web", wave=1), a_deployment("api", wave=2)
    wave = next_wave(a_hop(), [second, first])
    assert wave is not None
    assert (wave.number, wave.first, list(wave.deployments)) == (1, True, [first])
    done = a_hop(results={"web": result_of(first, None, ApplicationOutcome.PROMOTED)})
    wave = next_wave(done, [second, first])
    assert wave is not None
    assert (wave.number, wave.first, list(wave.deployments)) == (2, False, [second])
    assert next_wave(a_hop(results={"web": done.results["web"], "api": done.results["web"]}), [second, first]) is None


@given(seen=st.lists(st.sampled_from([BEHIND, WRITTEN, ARRIVED, DIVERGED]), min_size=1, max_size=4), late=st.booleans())
def test_nothing_that_arrived_is_written_and_all_that_is_written_is_known_to_be_behind(
    seen: list[Observation], late: bool
) -> None:
    observed = {f"web-{number}": replace(one, deployment=f"web-{number}") for number, one in enumerate(seen)}
    act = decide(a_hop(), facts(observed, until=NOW if late else NOW + MINUTE), NOW)
    names = {one.name for one in act.behind}
    assert not names & set(act.arrived)
    assert all(observed[name].runs == OLD for name in names)
    assert (act.step is Step.ARRIVED) is all(one is ARRIVED for one in seen)
    assert (act.step is Step.DIVERGE) is (DIVERGED in seen)
