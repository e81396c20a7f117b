"""What became of a write: lost, unsynced, failed or drifted; known from observations alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.models.configuration import DeploymentSpec, FluxSpec, WriteKind, WriteSpec
from activities.models.delivery import Observation, OperationPhase
from activities.models.tracking import Artifact
from crds.reasons.vocabulary import Health
from tests.worlds.refusals import unread
from workflows.promotion.rules import following

OLD, NEW = "a" * 40, "b" * 40
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
SPEC = DeploymentSpec(
    name="web", component="web", wave=0, instance="argocd", project="shop", application="web-prod", write=WriteSpec()
)
BY_TAG = replace(SPEC, write=WriteSpec(kind=WriteKind.HELM_PARAMETER, parameter="image.tag"))
ARTIFACT = Artifact(component="web", revision=NEW, tag="sha-bbb")
WRITTEN = Observation(
    deployment="web",
    component="web",
    application="web-prod",
    runs=OLD,
    written=NEW,
    written_raw=NEW,
    operation_phase=OperationPhase.SUCCEEDED,
    health=Health.HEALTHY,
    sync_status="OutOfSync",
)


@pytest.mark.parametrize(
    ("spec", "raw", "reverted"),
    [(SPEC, NEW, False), (SPEC, "main", True), (SPEC, OLD, True), (BY_TAG, "sha-bbb", False), (BY_TAG, "sha-a", True)],
)
def test_a_write_is_lost_once_the_spec_holds_anything_else(spec: DeploymentSpec, raw: str, reverted: bool) -> None:
    assert following.is_reverted(spec, ARTIFACT, replace(WRITTEN, written_raw=raw)) is reverted


def test_what_cannot_be_read_is_no_lost_write() -> None:
    assert not following.is_reverted(SPEC, ARTIFACT, replace(WRITTEN, written_raw="", failure=unread()))


def test_what_is_not_known_to_run_is_not_shown_as_nothing() -> None:
    unreadable = replace(WRITTEN, runs=None, failure=unread("answered 401"))
    assert following.lag(SPEC, unreadable) == f"web: {unreadable.problem}"
    assert following.lag(SPEC, unreadable, "a window") == f"web: {unreadable.problem}; a window"
    assert following.lag(SPEC, replace(WRITTEN, runs=None)).startswith("web: runs nothing, ")
    # What was known before it could not be read stays what is known.
    assert following.lag(SPEC, replace(unreadable, runs=OLD)).startswith("web: runs aaaaaaaaaaaa, ")


@pytest.mark.parametrize(
    ("change", "unsynced"),
    [
        ({}, True),
        ({"operation_phase": OperationPhase.NONE}, True),
        ({"operation_phase": OperationPhase.RUNNING}, False),
        ({"operating": NEW}, False),
        # Ours, or auto-sync's, ended: what is left is a rollout.
        ({"operation_key": "ours"}, False),
        ({"auto_synced": True}, False),
        ({"failure": unread()}, False),
    ],
)
def test_a_sync_is_missing_only_where_nothing_brings_what_is_written(change: dict[str, object], unsynced: bool) -> None:
    seen = replace(WRITTEN, **change)  # type: ignore[arg-type]
    allowed = timedelta(seconds=45)
    assert following.is_unsynced(seen, key="ours", waited=allowed, allowed=allowed) is unsynced
    assert not following.is_unsynced(seen, key="ours", waited=timedelta(seconds=44), allowed=allowed)


def test_auto_syncs_own_failure_counts_once_we_wrote() -> None:
    failed = replace(WRITTEN, operation_phase=OperationPhase.FAILED, operation_message="hook failed", auto_synced=True)
    assert "auto-sync: hook failed" in following.failed_line(SPEC, failed, key="ours", requested=True)
    assert following.failed_line(SPEC, failed, key="ours", requested=False) == ""
    theirs = replace(failed, auto_synced=False, operation_key="theirs")
    assert following.failed_line(SPEC, theirs, key="ours", requested=True) == ""
    assert "hook failed" in following.failed_line(SPEC, theirs, key="theirs", requested=False)


@pytest.mark.parametrize(
    ("change", "drifted"),
    [
        ({"runs": NEW}, True),
        ({"runs": OLD}, False),
        ({"runs": NEW, "written_raw": "main"}, False),
        ({"runs": NEW, "sync_status": "Synced"}, False),
        ({"runs": NEW, "operation_phase": OperationPhase.RUNNING}, False),
    ],
)
def test_exactly_our_revision_out_of_sync_needs_one_sync(change: dict[str, object], drifted: bool) -> None:
    assert following.has_drifted(SPEC, ARTIFACT, replace(WRITTEN, **change)) is drifted  # type: ignore[arg-type]


def test_a_finished_sync_does_not_hide_what_is_wrong_since() -> None:
    seen = replace(WRITTEN, operation_message="successfully synced", message="ConfigMap web is to be pruned")
    assert following.lag(SPEC, seen).endswith("; ConfigMap web is to be pruned")
    running = replace(seen, operation_phase=OperationPhase.RUNNING, operation_message="PreSync hook Job a/b runs")
    assert following.lag(SPEC, running, "BUSY").endswith("; BUSY; PreSync hook Job a/b runs")


@pytest.mark.parametrize(
    ("left", "pause"),
    [
        (None, timedelta(minutes=1)),
        (timedelta(seconds=1), timedelta(seconds=30)),
        (timedelta(hours=8), timedelta(minutes=5)),
    ],
)
def test_a_window_is_looked_at_again_around_its_end(left: timedelta | None, pause: timedelta) -> None:
    assert following.blocked_pause(NOW + left if left else None, NOW) == pause


def test_a_deployment_of_flux_that_waits_for_flux_names_flux() -> None:
    by_git = replace(SPEC, write=WriteSpec(kind=WriteKind.GIT))
    by_flux = replace(by_git, flux=FluxSpec(environment="staging", repository="web"))
    seen = replace(WRITTEN, sync_status="Synced", message="", operation_message="")
    assert following.lag(by_flux, seen).endswith("; Flux has not picked up what is in Git")
    assert following.lag(by_git, seen).endswith("; Argo CD has not picked up what is in Git")
