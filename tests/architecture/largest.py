"""Build the largest legal value of a wire type: each text, list and map as long as what bounds it allows."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic_core import to_json

from activities.delivery.flux_specs import PLACE_BYTES
from activities.models.bounds import Bytes, First, Last
from activities.models.budgets import (
    DRIFT_OWED,
    DRIFT_READINGS,
    DRIFT_SILENCES,
    EVENT_ARTIFACTS,
    EVENTS_KEPT,
    FIELDS_KEPT,
    MENTION_BYTES,
    MOVES_KEPT,
    READING_BYTES,
    SHORT_BYTES,
    SINK_ATTEMPTS,
    TRACKERS_LISTED,
    VIEW_BYTES,
)
from activities.models.configuration import DeploymentSpec, EnvironmentView, TestSpec
from activities.models.delivery import Observation, ReadDeploymentsResult
from activities.models.places import PlaceReading
from activities.models.revisions import PAIRS_PER_CALL
from crds.fields import NAME_MAX_LENGTH
from crds.rules.promotion_policies import MAX_TESTS_BYTES
from crds.v1alpha1.deployment import ArgoCDDeployment, ArgoCDWrite, BranchWrite, GitEdit, GitWrite
from crds.v1alpha1.drift_monitor import MAX_PARAMETERS, MONITOR_NAME_MAX_LENGTH
from crds.v1alpha1.environment import EnvironmentSpec
from crds.v1alpha1.environment_status import MAX_HISTORY, MAX_MEMBERS
from crds.v1alpha1.git_repository import Component, GitRepositorySpec
from crds.v1alpha1.promotion_policy import PolicyTest, PromotionPolicySpec
from crds.v1alpha1.tracker_status import MAX_APPLICATIONS
from workflows.environment.members import DEPARTED_KEPT
from workflows.environment.reports import KEPT as REPORTS_KEPT
from workflows.promotion.monitoring import KEPT as UNWATCHED_KEPT
from workflows.promotion.state import (
    ANSWERS_KEPT,
    RECORDS_KEPT,
    SUPERSEDED_KEPT,
)
from workflows.promotion.steered import INSTRUCTIONS_SHOWN, STEERING_LABELS_KEPT
from workflows.promotion.steps.proposing import SHOWN_AT_MOST

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
WIDE = "🚢"
"""Four bytes of UTF-8: a bound in characters would let four times as much through."""


def most(model: type[BaseModel], field: str) -> int:
    """Return the longest text, list or map that a custom resource's field may hold."""
    info = model.model_fields[field]
    optional = (mark for kind in get_args(info.annotation) for mark in getattr(kind, "__metadata__", ()))
    marks = [*info.metadata, *optional]
    nested = [inner for mark in marks for inner in getattr(mark, "metadata", [mark])]
    return next(mark.max_length for mark in nested if isinstance(mark, MaxLen))


NAME = NAME_MAX_LENGTH
APPLICATION = 253
TESTS = most(PromotionPolicySpec, "tests")
COMPONENTS = most(GitRepositorySpec, "components")
VARIABLES = most(EnvironmentSpec, "vars")
VALUE = 1024
"""Characters of a variable's value, all of which may be wide."""

TEXTS: dict[str, int] = {
    "namespace": NAME,
    "environment": NAME,
    "repository": 2 * NAME,
    "source": NAME,
    "target": NAME,
    "component": NAME,
    "runner": NAME,
    "instance": NAME,
    "installation": NAME,
    "name": NAME,
    "deployment": NAME + 1 + APPLICATION,
    "application": APPLICATION,
    "tracker": NAME + 11,
    "holder": NAME + 11,
    "after": NAME + 11,
    "brought_by": NAME + 11,
    "uid": 36,
    "workflow_id": 500,
    "id": 500,
    "run_id": 36,
    "key": 64,
    "operation_key": 64,
    "revision": 64,
    "base": 64,
    "head": 64,
    "runs": 64,
    "written": 64,
    "operating": 64,
    "config_revision": 64,
    "head_sha": 64,
    "merge_sha": 64,
    "sha": 64,
    "written_raw": most(Component, "tag"),
    "expected": most(Component, "tag"),
    "tag": most(Component, "tag"),
    "image": most(Component, "image"),
    "parameter": most(ArgoCDWrite, "parameter"),
    "project": most(ArgoCDDeployment, "project"),
    "job": most(PolicyTest, "job"),
    "kind": NAME,
    "health": 16,
    "reason": 64,
    "number": 20,
    "state": 16,
    "monitor": MONITOR_NAME_MAX_LENGTH,
    "cursor": MONITOR_NAME_MAX_LENGTH,
    "seen": 16,
    "shown_tracker": NAME + 11,
    "label": most(PromotionPolicySpec, "label"),
    "provider": APPLICATION,
    "policy": NAME,
    "provider_uid": 36,
    "commit": 64,
    "context": 4 * 255,
    "subscription": len("CommitStatus//") + NAME + APPLICATION,
    "commit_status": APPLICATION,
}
"""Bytes of texts that name something and are never cut, by field; a field that is not here must be bounded by type."""


def largest(kind: Any, path: str = "") -> Any:
    """Return the largest value of a type. Raises AssertionError, naming the field, where nothing bounds it."""
    if kind in SPECIAL:
        return SPECIAL[kind]()
    origin = get_origin(kind)
    if origin is Annotated:
        return _marked(kind, path)
    if origin in (Union, UnionType):
        return largest(next(one for one in get_args(kind) if one is not NoneType), path)
    if origin is tuple or origin is list:
        return origin(largest(get_args(kind)[0], path) for _ in range(_count(path)))
    if origin is dict:
        return {f"{one:03d}" + "k" * NAME: largest(get_args(kind)[1], f"{path}[]") for one in range(_count(path))}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return max(kind, key=lambda one: len(str(one.value)))
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind, include_extras=True)
        return kind(**{one.name: largest(hints[one.name], f"{kind.__name__}.{one.name}") for one in fields(kind)})
    if kind is str:
        return LISTED.get(path) or "n" * _length(path)
    return _plain(kind, path)


def _plain(kind: Any, path: str) -> Any:
    plain: dict[Any, Any] = {bool: False, int: 10**15, float: 10.0**15, datetime: NOW, timedelta: timedelta(days=999)}
    assert kind in plain, f"{path}: nothing bounds how large {kind} may be"
    return plain[kind]


def _marked(kind: Any, path: str) -> Any:
    inner, *marks = get_args(kind)
    for mark in marks:
        if isinstance(mark, Bytes):
            return WIDE * (mark.limit // 4)
        if isinstance(mark, First | Last):
            return tuple(largest(get_args(inner)[0], path) for _ in range(mark.limit))
    raise AssertionError(f"{path}: no mark of {kind} bounds it")


def _length(path: str) -> int:
    name = path.partition(".")[2].removesuffix("[]")
    assert path in LENGTHS or name in TEXTS, f"{path} is a text without a bound: mark it (activities/models/bounds.py)"
    return LENGTHS.get(path, TEXTS.get(name, 0))


def _count(path: str) -> int:
    name = path.partition(".")[2]
    assert path in COUNTS or name in COUNTS, f"{path} is a list without a bound: mark it (activities/models/bounds.py)"
    return COUNTS.get(path, COUNTS.get(name, 0))


LISTED = {
    "ApplicationResult.result": "AlreadyContained",
    "ConditionStatus.reason": "R" * 64,
    "ConditionStatus.status": "Unknown",
    "ConditionStatus.type": "T" * 64,
    "DeploymentStatus.health": "Progressing",
    "DeploymentStatus.not_writable_reason": "NotPermitted",
    "MemberStatus.phase": "Working",
    "Observation.obstacle": "NotPermitted",
    "TestAggregateResult.results[]": "Cancelled",
    "TestStatus.state": "Cancelled",
}
"""Texts of a closed list; the longest."""

LENGTHS: dict[str, int] = {
    "Command.request_id": 128,
    "ReadInstructionsInput.label_cursor": 128,
    "ReadInstructionsInput.comment_cursor": 128,
    "ReadInstructionsInput.teams[]": 255,
    "PromotionState.label_cursor": 128,
    "PromotionState.comment_cursor": 128,
    "PromotionState.steering_labels": 128,
    "PromotionState.scm_account": 128,
    "PromotionState.steering_problem": 1000,
    "PromotionState.steering_unsupported": 300,
    "PromotionState.cleared": 50,
    "PromotionState.sync_request": 128,
    "Command.target_environment": NAME,
    "Command.seen[]": 3 * 64,
    "ObserverState.environment_object": 300,
    "Sent.deployments[]": 16,
    "Sent.seen": 16,
    "Sent.text": 16,
    "Hop.approved_by": 300,
    "Hop.blocked": 1000,
    "Hop.error": 1000,
    "Hop.nonce": 64,
    "Hop.refusal_message": 1000,
    "Hop.source_moved": 300,
    "Hold.by": 300,
    "Hold.reason": 1000,
    "Hold.untold": 300,
    "Hop.remedy": 1000,
    "ComparerState.problem": 1200,
    "Observed.moved_by[]": NAME + 11,
    "PolicyRef.name": NAME,
    "PromotionRecord.result": 20,
    "PromotionInput.ui_url": 512,
    "PromotionStart.ui_url": 512,
    "RefusedPart.part": 300,
    "Remembered.seen": 32,
    "RosterState.vanished": NAME + 11,
    "PromotionState.ahead": NAME,
    "PromotionState.arrived": NAME,
    "PromotionState.components": NAME,
    "PromotionState.farewells_owed": NAME,
    "PromotionState.labels": 50,
    "PromotionState.member_of[]": 6,
    "PromotionState.urls[]": 512,
    "PromotionState.message": 1000,
    "PromotionState.policies": NAME,
    "PromotionState.question": 300,
    "PromotionState.presentation_error": 1000,
    "PromotionState.relations[]": 10,
    "PromotionState.superseded": 300,
    "DeliverApplicationInput.allowed": 64,
    "DeliverFilesInput.allowed": 64,
    "DeliverFilesInput.variables[]": 4 * VALUE,
    "FluxReport.cluster": NAME,
    "FluxReport.kustomization": NAME + 1 + NAME,
    "FluxSpec.cluster": NAME,
    "TagPlace.file": PLACE_BYTES,
    "TagPlace.image": 4 * most(GitEdit, "kustomize_image"),
    "TagPlace.yaml_path": PLACE_BYTES,
    "Gate.name": NAME,
    "GitEditSpec.file": 4 * most(GitEdit, "file"),
    "GitEditSpec.yaml_path": 4 * most(GitEdit, "yaml_path"),
    "GitEditSpec.value": 4 * most(GitEdit, "value"),
    "GitWriteSpec.branch": 4 * most(GitWrite, "branch"),
    "BranchWriteSpec.source": 4 * most(BranchWrite, "source"),
    "BranchWriteSpec.target": 4 * most(BranchWrite, "target"),
    "BranchWriteSpec.title": 4 * most(BranchWrite, "title"),
    "BranchWriteSpec.body": 4 * most(BranchWrite, "body"),
    "BranchWriteSpec.labels": 4 * 50,
    "Proposal.shown": 16,
    "RunRef.digests[]": 16,
    "SyncApplicationInput.allowed": 64,
    "TestProgress.foreign": 300,
    "TestProgress.later": 300,
    "TestProgress.message": 300,
    "TestProgress.summary": 300,
    "TestProgress.error": 1000,
    "TestProgress.url": 512,
    "Component.paths": 512,
    "WriteSpec.source_name": 253,
    "WriteSpec.source_path": 1024,
    "DesiredStatus.context": 255,
    "DesiredStatus.description": 140 * 4,
    "DesiredStatus.url": 512,
    "CreateDriftMonitorsResult.monitors": MONITOR_NAME_MAX_LENGTH,
    "DriftChange.parameters[]": 16,
    "DriftWorkflowInput.owed": NAME + 11,
    "DriftReading.parameters[]": 16,
    "LookForDriftInput.first": MONITOR_NAME_MAX_LENGTH,
    "LookForDriftInput.projects": most(ArgoCDDeployment, "project"),
    "FindPolicyResult.nonce": 64,
    "AwaitedPullRequest.repository": NAME,
    "HopStatus.diverged[]": 3 * 64,
    "Mention.body": MENTION_BYTES,
    "Mention.key": 300,
    "PresentInput.ui_url": 2 * 512,
    "PlaceSignal.moved_by[]": NAME + 11,
    "PresentInput.comment": 65_536,
    "PresentInput.labels": 50,
    "PresentInput.state_label": 50,
    "PresentInput.place_label": 13 + NAME,
    "PresentInput.steering_labels": 50,
    "PresentInput.cleared": 50,
    "LabelsLeft.state": 50,
    "Shown.comment_digest": 64,
    "Shown.deployments_refused": 300,
    "DesiredDeployment.description": 60,
    "DesiredDeployment.environment": NAME,
    "DesiredDeployment.environment_url": 512,
    "DesiredDeployment.log_url": 512,
    "DesiredDeployment.sha": 40,
    "EnvironmentView.url": 512,
    "Shown.comment_id": 64,
    "Shown.labels": 13 + NAME,
    "Shown.mentions": 300,
    "TrackerRef.name": NAME + 11,
    "RoundTest.variables[]": 512,
    "TriggerRoundInput.variables[]": 4 * VALUE,
    "TriggerTestInput.test": NAME,
    "CancelTestsResult.cancelled": 64,
    "FindPolicyResult.names": NAME,
    "FindPolicyResult.ahead": NAME,
    "ListChangedFilesResult.components": NAME,
    "MemberSignal.components": NAME,
    "MemberSignal.role": 6,
    "Observation.url": 512,
    "RepositoryView.owner": 255,
    "RepositoryView.full_name": 512,
    "PresentInput.marker": 200,
    "TriggerTestInput.parameters[]": 1500,
    "TriggerTestInput.variables[]": 4 * VALUE,
}
COUNTS: dict[str, int] = {
    # A round is voided or there; and of all commands promote alone has what was seen.
    "deployments": MAX_APPLICATIONS,
    "observations": MAX_APPLICATIONS,
    "observed": MAX_APPLICATIONS,
    "known": MAX_APPLICATIONS,
    "moved_by": MAX_APPLICATIONS,
    "applications": MAX_APPLICATIONS,
    "artifacts": COMPONENTS,
    "components": COMPONENTS,
    "tests": TESTS,
    "runs": TESTS,
    "reports": TESTS,
    "cancelled": TESTS,
    "members": MAX_MEMBERS,
    "history": MAX_HISTORY,
    "compared": PAIRS_PER_CALL,
    "pairs": PAIRS_PER_CALL,
    "relations": PAIRS_PER_CALL,
    "unanswered": PAIRS_PER_CALL,
    "ahead": 50,
    "Inbox.under_way": 1,
    "KeptReports.known": REPORTS_KEPT,
    "Command.seen": MAX_APPLICATIONS,
    "RosterState.older": TRACKERS_LISTED,
    # Of parameters that share the bytes of a policy's tests.
    "RunRef.digests": MAX_TESTS_BYTES // TESTS // (NAME + 16),
    "Sent.deployments": 1,
    "EnvironmentState.relations": 5000,
    "EnvironmentState.sent": 1000,
    "Hop.repeats": MAX_APPLICATIONS,
    "Hop.touched": MAX_APPLICATIONS,
    "Hop.results": MAX_APPLICATIONS,
    "Hop.source_moved": MOVES_KEPT,
    "Hop.voided": 0,
    "Inbox.waiting": 1,
    "Observed.since": MAX_APPLICATIONS,
    "RosterState.awaited": TRACKERS_LISTED,
    "RosterState.departed": DEPARTED_KEPT,
    "RosterState.members": 1000,
    "PromotionState.answers": ANSWERS_KEPT,
    "PromotionState.views": 2,
    "PromotionState.arrived": 100,
    "PromotionState.cancels": 20,
    "PromotionState.farewells_owed": 100,
    "PromotionState.member_of": 100,
    "PromotionState.urls": 100,
    "PromotionState.pending_events": EVENTS_KEPT,
    "PromotionState.policies": FIELDS_KEPT,
    "PromotionState.relations": 2 * 3 * MAX_APPLICATIONS,
    "superseded": SUPERSEDED_KEPT,
    "PresentInput.deployments": 20,
    "Shown.deployments": 20,
    # The target and the source of a hop.
    "SendViewsInput.views": 2,
    "OpenHopInput.farewells": 2,
    # All places ahead and the source.
    "OpenHopInput.received": 51,
    "DeliverApplicationInput.allowed": 3,
    "SyncApplicationInput.allowed": 3,
    "DeliverFilesInput.allowed": 3 * MAX_APPLICATIONS,
    "DeliverFilesInput.variables": VARIABLES,
    "DeliverFilesResult.written": MAX_APPLICATIONS,
    "DeliverFilesInput.gates": TESTS,
    # Each deployment may be written to a branch of its own.
    "Hop.proposals": most(EnvironmentSpec, "deployments"),
    "Round.proposals": SHOWN_AT_MOST,
    "BranchWriteSpec.labels": most(BranchWrite, "labels"),
    "GitWriteSpec.edits": most(GitWrite, "edits"),
    "override": MAX_APPLICATIONS,
    "refused": MAX_APPLICATIONS,
    "PresentResult.refused": 20,
    "PlaceStatus.deployments": 100,
    "TestAggregateResult.results": TESTS,
    "TestAggregateResult.failure_reasons": TESTS,
    "promotions": RECORDS_KEPT,
    "records": RECORDS_KEPT,
    "events": EVENTS_KEPT,
    # By bytes rather: the largest has room for a few.
    "DeliverEventsInput.events": 6,
    "EventSinkInput.waiting": 12,
    "EventSinkInput.seen": SINK_ATTEMPTS,
    "PromotionEvent.artifacts": EVENT_ARTIFACTS,
    "conditions": 6,
    "Component.paths": 1,
    "HopStatus.diverged": MAX_APPLICATIONS,
    "ListTrackersResult.trackers": TRACKERS_LISTED,
    "CreateDriftMonitorsInput.clusters": most(EnvironmentSpec, "deployments"),
    "CreateDriftMonitorsResult.monitors": MAX_APPLICATIONS,
    "DriftChange.parameters": MAX_PARAMETERS,
    "DriftReading.parameters": MAX_PARAMETERS,
    "LookForDriftInput.first": DRIFT_READINGS,
    "LookForDriftInput.projects": DRIFT_SILENCES,
    "PublishDriftInput.changes": DRIFT_READINGS,
    "PublishDriftInput.silent": DRIFT_SILENCES,
    "DriftWorkflowInput.pending": DRIFT_READINGS,
    "DriftWorkflowInput.silent": DRIFT_SILENCES,
    "DriftWorkflowInput.owed": DRIFT_OWED,
    "DriftWorkflowInput.gone": DRIFT_OWED,
    "DriftWorkflowInput.syncs": DRIFT_OWED,
    "PromotionState.unwatched": UNWATCHED_KEPT,
    "labels": 100,
    "mentions": 100,
    "PresentInput.steering_labels": 3,
    "PresentInput.reactions": INSTRUCTIONS_SHOWN,
    "PromotionState.reactions": INSTRUCTIONS_SHOWN,
    "PromotionState.instructions": INSTRUCTIONS_SHOWN,
    "PromotionState.cleared": 3,
    "PromotionState.steering_labels": STEERING_LABELS_KEPT,
    "ReadInstructionsInput.teams": 1,
    "PresentInput.cleared": 3,
    "statuses": 100,
    "TriggerTestInput.parameters": most(PolicyTest, "parameters"),
    "TriggerRoundInput.variables": VARIABLES,
    "PollTestsResult.source": MAX_APPLICATIONS,
    "TriggerRoundResult.source": MAX_APPLICATIONS,
    # What names a run and its artifact; the rest is the same for every test of a round.
    "RoundTest.variables": 6,
    "TriggerTestInput.variables": VARIABLES,
}


def _tests() -> tuple[TestSpec, ...]:
    """Return as many tests as a policy may have, whose parameters fill what all of them may have together."""
    test = partial(
        TestSpec,
        runner="r" * NAME,
        job="j" * 200,
        required=True,
        timeout=timedelta(hours=1),
        components=("c" * NAME,) * 3,
    )
    return tuple(test(name=f"{one:03d}" + "t" * (NAME - 3), parameters={"P": "v" * 900}) for one in range(TESTS))


def _view() -> EnvironmentView:
    """Return as many applications as an Environment may have of a repository, within what they may have together."""

    def deployment(number: int) -> DeploymentSpec:
        name = f"{number:03d}" + "a" * (APPLICATION - 3)
        return DeploymentSpec(
            name=f"{'d' * NAME}/{name}",
            component="c" * NAME,
            wave=1000,
            instance="i" * NAME,
            project="p" * NAME,
            application=name,
        )

    return EnvironmentView(
        name="e" * NAME,
        final=False,
        vars={"V": "v" * 1024},
        delivery_timeout=timedelta(hours=1),
        deployments=tuple(deployment(number) for number in range(MAX_APPLICATIONS)),
        notify=("n" * 255,) * most(EnvironmentSpec, "notify"),
    )


def _reading() -> PlaceReading:
    """Return what who joins a place brings at most: as many applications as fit."""
    view, seen = _view(), largest(Observation)
    each = len(to_json(view.deployments[0])) + len(to_json(seen))
    fit = (READING_BYTES - len(to_json(replace(view, deployments=()))) - SHORT_BYTES) // each
    deployments = ReadDeploymentsResult(observations=(seen,) * fit, read_at=NOW)
    return PlaceReading(environment=replace(view, deployments=view.deployments[:fit]), deployments=deployments)


SPECIAL: dict[Any, Callable[[], Any]] = {
    EnvironmentView: _view,
    PlaceReading: _reading,
    tuple[DeploymentSpec, ...]: lambda: _view().deployments,
    tuple[TestSpec, ...]: _tests,
    TestSpec: lambda: _tests()[0],
}
"""Values that an edge bounds as a whole: a policy's tests (Valid=False), what an Environment deploys, and what is read
of it as a member joins (activities/joining.py)."""


def within_their_edges() -> bool:
    """Return whether what the edges bound as a whole fills most of it and no more."""
    tests, view = len(to_json(_tests())), len(to_json(_view()))
    fits = MAX_TESTS_BYTES // 2 < tests <= MAX_TESTS_BYTES and VIEW_BYTES // 2 < view <= VIEW_BYTES
    return fits and READING_BYTES // 2 < len(to_json(_reading())) <= READING_BYTES
