"""What tools that know only the standard conditions make of our resources: kstatus, Argo CD's Lua, Flux's CEL."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from ruamel.yaml import YAML

from activities.models.status import ConditionStatus, TrackerStatus, WaitingFor
from activities.resources import render_tracker_status
from crds.api.publishing import merge_own_conditions, with_summary
from crds.conditions import Condition, ConditionType, make_condition
from crds.readiness import answered
from crds.reasons.conditions import ConditionReason
from crds.reasons.vocabulary import State, Waiting
from crds.v1alpha1.kinds import BY_KIND, KINDS
from tests.crds.lua import run_lua

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "operate" / "gitops.md").read_text()
LUA = re.findall(r"```lua\n(.*?)```", PAGE, re.DOTALL)[0]
FLUX = YAML(typ="safe").load(re.findall(r'```yaml for="Flux"\n(spec:.*?)```', PAGE, re.DOTALL)[0])["spec"][
    "healthCheckExprs"
][0]
CURRENT, IN_PROGRESS, FAILED = "Current", "InProgress", "Failed"
ARGO = {"Healthy": CURRENT, "Suspended": CURRENT, "Progressing": IN_PROGRESS, "Degraded": FAILED}

Document = dict[str, Any]


def kstatus(document: Mapping[str, Any]) -> str:
    """Judge a custom resource as cli-utils' `status.Compute` does, in its order.

    https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/status/generic.go
    """
    metadata, status = document["metadata"], document.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation", 0):
        return IN_PROGRESS
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    if conditions.get("Reconciling") == "True":
        return IN_PROGRESS
    if conditions.get("Stalled") == "True":
        return FAILED
    ready = conditions.get("Ready")
    return CURRENT if ready in (None, "True") else IN_PROGRESS


def argo_cd(document: Mapping[str, Any]) -> str:
    return str(run_lua(LUA, {"obj": dict(document)})["status"])


def flux(document: Mapping[str, Any]) -> str:
    """Evaluate the expressions in Flux's order; none that holds means in progress."""
    environment = celpy.Environment()
    fields = {name: json_to_cel(value) for name, value in document.items()}
    for verdict, name in ((IN_PROGRESS, "inProgress"), (FAILED, "failed"), (CURRENT, "current")):
        try:
            if environment.program(environment.compile(FLUX[name])).evaluate(fields):
                return verdict
        except CELEvalError:
            # A field that is not there yet: Flux asks again until its timeout.
            return IN_PROGRESS
    return IN_PROGRESS


def judged(document: Mapping[str, Any]) -> str:
    """Return the verdict in which all three agree."""
    verdicts = {kstatus(document), ARGO[argo_cd(document)], flux(document)}
    assert len(verdicts) == 1, (verdicts, document)
    return verdicts.pop()


def condition(kind: ConditionType, status: bool | None, reason: str, *, generation: int = 1) -> Condition:
    return make_condition(
        kind, status=status, reason=reason, now=NOW, message=f"{reason} it is", observed_generation=generation
    )


def resource(kind: str, *conditions: Condition, generation: int = 1, **status: Any) -> Document:
    """A resource with these conditions, written as our controllers write them."""
    bare: Document = {"apiVersion": "pilotage.dev/v1alpha1", "kind": kind, "metadata": {"generation": generation}}
    summed = with_summary(BY_KIND[kind].definition, bare, conditions, NOW, status=status)
    return {**bare, "status": {**status, "observedGeneration": 1, "conditions": merge_own_conditions((), summed)}}


TRUE = {
    "PromotionPolicy": (ConditionType.VALID,),
    "Environment": (ConditionType.VALID, ConditionType.WRITABLE),
    "GitRepository": (ConditionType.VALID, ConditionType.REACHABLE),
    "ScmProvider": (ConditionType.REACHABLE,),
    "ClusterScmProvider": (ConditionType.REACHABLE,),
    "TestRunner": (ConditionType.REACHABLE,),
    "ArgoCDInstance": (ConditionType.REACHABLE,),
    "DriftMonitor": (ConditionType.IN_PLACE,),
    "Provider": (ConditionType.VALID, ConditionType.REACHABLE),
    "CommitStatus": (ConditionType.VALID,),
    "EventSink": (ConditionType.VALID, ConditionType.DELIVERED),
    "PullRequestTracker": (
        ConditionType.ACCEPTED,
        ConditionType.WORKFLOW_AVAILABLE,
        ConditionType.REFERENCES_RESOLVED,
    ),
}


def test_every_kind_is_judged_here() -> None:
    assert {*TRUE, "PromotionCommand"} == {model.definition.kind for model in KINDS}


@pytest.mark.parametrize("kind", TRUE)
def test_a_kind_is_ready_once_each_of_its_conditions_is_true(kind: str) -> None:
    good = [condition(one, True, one.value) for one in TRUE[kind]]
    assert judged(resource(kind, *good)) == CURRENT
    for index, one in enumerate(TRUE[kind]):
        others = [*good[:index], *good[index + 1 :]]
        assert judged(resource(kind, *others, condition(one, False, "Invalid"))) == FAILED
        assert judged(resource(kind, *others, condition(one, False, ConditionReason.UNAVAILABLE))) == IN_PROGRESS
        assert judged(resource(kind, *others, condition(one, None, ConditionReason.RATE_LIMITED))) == IN_PROGRESS
        if one not in (ConditionType.WRITABLE, ConditionType.DELIVERED):
            assert judged(resource(kind, *others)) == IN_PROGRESS


@pytest.mark.parametrize("kind", ["PromotionPolicy", "TestRunner", "GitRepository"])
def test_what_was_published_of_an_older_spec_makes_nothing_ready(kind: str) -> None:
    older = [condition(one, True, one.value, generation=1) for one in TRUE[kind]]
    document = resource(kind, *older, generation=2)
    assert judged(document) == IN_PROGRESS
    # Also once another condition was written for the newer spec.
    document["status"]["observedGeneration"] = 2
    assert judged(document) == IN_PROGRESS


STATES = {
    State.TESTS_FAILED: FAILED,
    State.PROMOTION_FAILED: FAILED,
    State.AWAITING_POLICY: FAILED,
}


def tracker(status: TrackerStatus, *, available: bool = True) -> Document:
    metadata = {"uid": "u", "generation": 1}
    ours = [
        condition(ConditionType.ACCEPTED, True, "Accepted"),
        condition(ConditionType.WORKFLOW_AVAILABLE, available, "Running" if available else "Lost"),
    ]
    before: Document = {"metadata": metadata, "status": {"conditions": [one.to_wire() for one in ours]}}
    rendered = render_tracker_status(status, before)
    merged = {one["type"]: one for one in (*before["status"]["conditions"], *rendered["conditions"])}
    return {
        "kind": "PullRequestTracker",
        "metadata": metadata,
        "status": {**rendered, "conditions": list(merged.values())},
    }


def status_in(state: State, reason: str = "", *, resolved: str = "") -> TrackerStatus:
    waiting = None if state.terminal else WaitingFor(what=Waiting.VERDICT, unblock_with="wait for it")
    references = ConditionStatus(
        type="ReferencesResolved", status="False" if resolved else "True", reason=resolved or "Resolved"
    )
    return TrackerStatus(
        state=state,
        sequence=1,
        attempt=1,
        observed_generation=1,
        reason=reason or str(state),
        message="so it is",
        waiting_for=waiting,
        conditions=(references,),
    )


@pytest.mark.parametrize("state", State)
def test_a_tracker_is_stalled_only_where_a_person_must_act(state: State) -> None:
    assert judged(tracker(status_in(state))) == STATES.get(state, CURRENT)


def test_a_tracker_needs_its_references_and_its_workflow() -> None:
    assert judged(tracker(status_in(State.TESTING, resolved="TestRefused"))) == FAILED
    assert judged(tracker(status_in(State.TESTING, resolved="Unavailable"))) == IN_PROGRESS
    assert judged(tracker(status_in(State.TESTING), available=False)) == FAILED
    assert judged(tracker(status_in(State.READY_TO_PROMOTE, "TargetDiverged"))) == FAILED
    assert judged(tracker(status_in(State.READY_TO_PROMOTE, "BlockedBy"))) == CURRENT


def test_what_waits_for_a_person_by_design_is_suspended_to_argo_cd_and_no_fault() -> None:
    document = tracker(status_in(State.READY_TO_PROMOTE, "AwaitingPromote"))
    document["status"]["waitingFor"] = {"what": "PromoteCommand", "unblockWith": "pilotage promote web-412"}
    assert run_lua(LUA, {"obj": document}) == {"status": "Suspended", "message": "pilotage promote web-412"}
    assert judged(document) == CURRENT


@pytest.mark.parametrize(("accepted", "verdict"), [(True, CURRENT), (False, FAILED)])
def test_a_command_is_ready_once_it_is_accepted(accepted: bool, verdict: str) -> None:
    conditions = answered(accepted=accepted, message="so it is", generation=1, now=NOW)
    document = {
        "kind": "PromotionCommand",
        "metadata": {"generation": 1},
        "status": {"observedGeneration": 1, "conditions": [one.to_wire() for one in conditions]},
    }
    assert judged(document) == verdict


def test_what_was_not_looked_at_yet_is_in_progress_to_argo_cd_and_flux() -> None:
    bare: Document = {"kind": "TestRunner", "metadata": {"generation": 1}}
    assert ARGO[argo_cd(bare)] == flux(bare) == IN_PROGRESS
    assert ARGO[argo_cd({**bare, "status": {}})] == flux({**bare, "status": {}}) == IN_PROGRESS
