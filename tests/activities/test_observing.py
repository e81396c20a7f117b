"""What an application's state says: what runs, and when it is believed."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from activities.models.configuration import DeploymentSpec, WriteKind, WriteSpec
from activities.models.delivery import OperationPhase
from activities.observing import differs, is_settled, kustomize_entry, needs_refresh, observe, revision_of_tag, with_tag
from tests.activities.fakes import NEW, NOON, OLD, application

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
    )
    seen = observe(BY_IMAGE, state)
    assert (seen.runs, seen.written, seen.tag) == (NEW, NEW, f"sha-{NEW}")
    assert (seen.config_revision, seen.settled) == (OLD, True)


def test_during_a_rollout_the_old_image_runs_and_nothing_is_settled() -> None:
    state = application(
        images=(f"registry:5000/acme/web:sha-{NEW}", f"registry:5000/acme/web:sha-{OLD}"),
        kustomize_images=(f"registry:5000/acme/web:sha-{NEW}",),
    )
    seen = observe(BY_IMAGE, state)
    assert (seen.runs, seen.operating, seen.settled) == (OLD, NEW, False)


def test_an_image_whose_tag_no_template_made_runs_nothing_known() -> None:
    seen = observe(BY_IMAGE, application(images=("registry:5000/acme/web:latest",)))
    assert (seen.runs, seen.tag) == (None, "latest")
    assert "`latest`" in seen.problem


def test_an_image_without_a_tag_is_a_problem_and_one_that_does_not_run_is_none() -> None:
    assert "without a tag" in observe(BY_IMAGE, application(images=("registry:5000/acme/web@sha256:00",))).problem
    assert observe(BY_IMAGE, application(images=("redis:7",))).problem == ""


def test_an_application_that_deploys_another_repository_says_so() -> None:
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
    ],
)
def test_a_tag_leads_back_to_its_revision(template: str, tag: str, revision: str | None) -> None:
    assert revision_of_tag(template, tag) == revision


@pytest.mark.parametrize(
    ("entry", "image", "written"),
    [
        ("acme/web:1", "acme/web", "acme/web:2"),
        ("web=acme/web:1", "web", "web=acme/web:2"),
        ("host:5000/web", "host:5000/web", "host:5000/web:2"),
        ("acme/web@sha256:00", "acme/web", "acme/web:2"),
    ],
)
def test_every_form_of_a_kustomize_entry_takes_a_tag(entry: str, image: str, written: str) -> None:
    assert kustomize_entry(application(kustomize_images=("other:1", entry)), image) == entry
    assert with_tag(entry, "2") == written


def test_texts_that_flap_are_no_change_that_matters() -> None:
    known = observe(SPEC, application(health_message="1 of 2 updated"))
    assert not differs(known, observe(SPEC, application(health_message="2 of 2 updated")))
    assert differs(known, observe(SPEC, application(health="Degraded")))
    assert differs(None, known)
