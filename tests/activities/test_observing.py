"""What an application's state shows: what runs, and when it is believed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.delivery import OperationPhase
from activities.observing import differs, is_settled, needs_refresh
from activities.running import revision_of_tag
from tests.activities.fakes import NEW, NOON, OLD, application, observe

SPEC = DeploymentSpec(
    name="web", component="web", wave=0, instance="argocd", project="shop", application="web-staging", write=WriteSpec()
)
BY_IMAGE = replace(
    SPEC,
    image="registry:5000/acme/web",
    tag="sha-${revision}",
    write=WriteSpec(kind=WriteKind.KUSTOMIZE_IMAGE, image="registry:5000/acme/web"),
)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("changes", "settled"),
    [
        ({}, True),
        ({"finished_at": None, "reconciled_at": None, "phase": ""}, True),
        ({"reconciled_at": None}, False),
        ({"reconciled_at": NOON - SECOND}, False),
        # One second's resolution: equality alone proves nothing.
        ({"reconciled_at": NOON}, True),
        ({"reconciled_at": NOON, "operation_synced_revisions": (NEW,)}, False),
        ({"reconciled_at": NOON, "sync_status": "OutOfSync"}, False),
        ({"sync_status": "OutOfSync"}, False),
        ({"health": "Progressing"}, False),
        ({"health": "Degraded"}, False),
        ({"operation_pending": True}, False),
        ({"phase": "Running"}, False),
        ({"phase": "Terminating"}, False),
    ],
)
def test_success_is_believed_only_from_state_newer_than_the_operation(changes: dict[str, Any], settled: bool) -> None:
    assert is_settled(application(**changes)) is settled


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, False),
        ({"reconciled_at": NOON, "sync_status": "OutOfSync", "phase": "Failed"}, True),
        ({"reconciled_at": NOON - SECOND, "phase": "Running"}, False),
    ],
)
def test_a_refresh_is_wanted_once_an_operation_ended_unseen(changes: dict[str, Any], wanted: bool) -> None:
    assert needs_refresh(application(**changes)) is wanted


def test_an_operation_shows_its_revision_and_phase() -> None:
    seen = observe(SPEC, application(operation_pending=True, operation_revisions=(NEW,), target_revisions=(NEW,)))
    assert (seen.runs, seen.written, seen.operating) == (OLD, NEW, NEW)
    assert seen.operation_phase is OperationPhase.RUNNING


def test_a_branch_is_no_written_revision_but_still_the_value_to_compare() -> None:
    seen = observe(SPEC, application(target_revisions=("main",)))
    assert (seen.written, seen.written_raw) == (None, "main")


def test_an_artifact_is_recognised_by_image_and_tag() -> None:
    state = application(
        images=(f"registry:5000/acme/web:sha-{NEW}@sha256:{'0' * 64}", "redis:7"),
        kustomize_images=(f"registry:5000/acme/web:sha-{NEW}",),
        kustomize_paths=("/spec/source/kustomize/images/0",),
    )
    seen = observe(BY_IMAGE, state)
    assert (seen.runs, seen.written, seen.tag) == (NEW, NEW, f"sha-{NEW}")
    assert (seen.config_revision, seen.settled) == (OLD, True)


def test_during_a_rollout_the_old_image_runs_and_nothing_is_settled() -> None:
    state = application(
        images=(f"registry:5000/acme/web:sha-{NEW}", f"registry:5000/acme/web:sha-{OLD}"),
        kustomize_images=(f"registry:5000/acme/web:sha-{NEW}",),
        kustomize_paths=("/spec/source/kustomize/images/0",),
        health="Progressing",
    )
    seen = observe(BY_IMAGE, state)
    assert (seen.runs, seen.operating, seen.settled) == (OLD, NEW, False)


def test_an_image_whose_tag_no_template_made_runs_nothing_known() -> None:
    seen = observe(BY_IMAGE, application(images=("registry:5000/acme/web:latest",)))
    assert (seen.runs, seen.tag) == (None, "latest")
    assert "`latest`" in seen.problem


def test_an_image_without_a_tag_and_one_that_is_not_listed_are_problems_by_that_name() -> None:
    assert "without a tag" in observe(BY_IMAGE, application(images=("registry:5000/acme/web@sha256:00",))).problem
    assert "lists no image registry:5000/acme/web" in observe(BY_IMAGE, application(images=("redis:7",))).problem
    assert "scaled to zero" in observe(BY_IMAGE, application(images=())).problem


NEVER: dict[str, Any] = {
    "synced_revisions": (NEW,),
    "deployed_revisions": (),
    "operation_synced_revisions": (),
    "sync_status": "OutOfSync",
    "health": "Missing",
    "phase": "",
}


@pytest.mark.parametrize("spec", [SPEC, BY_IMAGE], ids=["by revision", "by image"])
def test_only_an_application_that_was_never_deployed_runs_nothing(spec: DeploymentSpec) -> None:
    seen = observe(spec, application(**NEVER))
    assert (seen.runs, seen.problem) == (None, "")
    # Its first sync failed: nothing of it is complete, and the next change must be able to repair it.
    seen = observe(spec, application(**{**NEVER, "phase": "Failed", "health": "Degraded"}))
    assert (seen.runs, seen.problem) == (None, "")
    assert observe(spec, application(**{**NEVER, "history_kept": False, "health": "Healthy"})).problem


def test_a_history_that_is_not_kept_leaves_what_the_last_sync_brought() -> None:
    state = application(sync_status="OutOfSync", deployed_revisions=(), history_kept=False, synced_revisions=(NEW,))
    assert (observe(SPEC, state).runs, observe(SPEC, state).problem) == (OLD, "")


def test_a_source_that_the_last_sync_did_not_have_runs_nothing_known() -> None:
    state = application(
        sync_status="OutOfSync",
        deployed_revisions=("",),
        repo_urls=("https://scm.example/acme/web.git",),
    )
    seen = observe(replace(SPEC, repository="acme/web"), state)
    assert (seen.runs, "had other sources" in seen.problem) == (None, True)


def test_two_tags_are_named_and_do_not_block_where_the_spec_shows_ours() -> None:
    images = (f"registry:5000/acme/web:sha-{OLD}", f"registry:5000/acme/web:sha-{NEW}")
    written: dict[str, Any] = {"kustomize_images": (f"registry:5000/acme/web:sha-{NEW}",), "kustomize_paths": ("/x",)}
    seen = observe(BY_IMAGE, application(images=images, **written))
    assert (seen.runs, seen.operating, seen.tag, seen.settled) == (NEW, None, f"sha-{NEW}", True)
    assert all(image.rpartition(":")[2] in seen.message for image in images)
    by_revision = replace(BY_IMAGE, write=WriteSpec())
    unknown = observe(by_revision, application(images=images))
    assert (unknown.settled, {unknown.runs, unknown.operating}) == (False, {OLD, NEW})
    assert all(image.rpartition(":")[2] in unknown.message for image in images)


def test_an_application_that_deploys_another_repository_reports_it() -> None:
    seen = observe(replace(SPEC, repository="acme/api"), application())
    assert "https://scm.example/acme/web.git, not acme/api" in seen.message


@pytest.mark.parametrize(
    ("template", "tag", "revision"),
    [
        ("sha-${revision}", f"sha-{OLD}", OLD),
        ("${revision}", OLD[:12], OLD[:12]),
        ("v1.${revision}", f"v1x{OLD}", None),
        ("latest", "latest", None),
        ("${revision", OLD, None),
        ("${revision}-${revision}", f"{OLD}-{OLD}", OLD),
        ("${revision}-${revision}", f"{OLD}-{NEW}", None),
        ("${component.name}-${revision}", f"a-b-{OLD}", OLD),
        ("${component.name}" * 12 + "${revision}!", "a" * 128, None),
        ("${component.name}" * 12 + "${revision}!", "a" * 4000, None),
        ("${component.name}${revision}", "a" * 4000 + OLD, None),
    ],
)
def test_a_tag_leads_back_to_its_revision(template: str, tag: str, revision: str | None) -> None:
    assert revision_of_tag(template, tag) == revision


def test_texts_that_flap_are_no_change_that_matters() -> None:
    known = observe(SPEC, application(health_message="1 of 2 updated"))
    assert not differs(known, observe(SPEC, application(health_message="2 of 2 updated")))
    assert differs(known, observe(SPEC, application(health="Degraded")))
    assert differs(None, known)


def test_what_a_sync_without_prune_left_is_named_with_the_way_out() -> None:
    left: dict[str, Any] = {"sync_status": "OutOfSync", "prunable": ("ConfigMap shop/web-1", "ConfigMap shop/web-2")}
    assert "ConfigMap shop/web-1 and 1 more" in observe(SPEC, application(**left)).message
    assert "write.argocd.prune" in observe(SPEC, application(**left)).message
    assert "confirm or delete" in observe(SPEC, application(**left, auto_prune=True)).message
    assert "pruned" not in observe(SPEC, application(**left, operation_pending=True)).message


def test_the_resource_that_is_not_well_is_named() -> None:
    seen = observe(SPEC, application(health="Degraded", ill=("Deployment shop/web is Degraded: exceeded deadline",)))
    assert "Deployment shop/web is Degraded: exceeded deadline" in seen.message


def test_each_error_that_argo_cd_names_is_shown_once() -> None:
    errors = ("ComparisonError: no such path", "SyncError: denied", "ComparisonError: no such path")
    assert observe(SPEC, application(errors=errors)).message == "ComparisonError: no such path; SyncError: denied"
