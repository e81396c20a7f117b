"""What an event reports of a Kustomization, and what is known after several."""

from datetime import UTC, datetime, timedelta

import pytest

from activities.flux.reports import report_of
from activities.models.reconciliations import FluxReport, Reconciled, first
from tests.activities.flux.events import KUSTOMIZE, NOW, SHA, event

LATER = "2026-01-31T10:05:00Z"


def report(**changes: object) -> FluxReport | None:
    return report_of(event(**changes), cluster="eu", now=NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("changes", "phase"),
    [
        ({}, Reconciled.APPLIED),
        ({"severity": "error", "reason": "HealthCheckFailed", "metadata": {}}, Reconciled.FAILED),
        ({"reason": "Progressing", "metadata": {}}, Reconciled.PROGRESSING),
        ({"reason": "DependencyNotReady", "metadata": {}}, Reconciled.PROGRESSING),
        ({"severity": "error", "reason": "HealthCheckCanceled", "metadata": {}}, Reconciled.PROGRESSING),
    ],
)
def test_an_event_reports_how_far_its_kustomization_is(changes: dict[str, object], phase: Reconciled) -> None:
    found = report(**changes)
    assert found is not None
    assert (found.phase, found.cluster, found.kustomization) == (phase, "eu", "flux-system/webapp")


def test_steps_on_the_way_and_objects_of_other_kinds_report_nothing_of_a_delivery() -> None:
    assert report(reason="GarbageCollectionSucceeded", metadata={}) is None
    # A person's annotation does not make the end of a reconciliation of a step.
    assert report(reason="Whatever", metadata={"event.toolkit.fluxcd.io/commit": SHA}) is None
    foreign = {"kind": "Kustomization", "namespace": "a", "name": "b", "apiVersion": "kustomize.config.k8s.io/v1"}
    assert report(involvedObject=foreign) is None
    assert report(involvedObject={**foreign, "kind": "HelmRelease"}) is None


def test_the_commit_of_the_source_and_that_of_a_person_are_kept_apart() -> None:
    built = {f"{KUSTOMIZE}/revision": "latest@sha256:" + "b" * 64, f"{KUSTOMIZE}/originRevision": f"main@sha1:{SHA}"}
    named = {"event.toolkit.fluxcd.io/commit": "c" * 40}
    found = report(metadata={**built, **named, f"{KUSTOMIZE}/commit_status": "update"})
    assert found is not None
    assert (found.revision, found.commit) == (SHA, "c" * 40)
    nonsense = report(metadata={f"{KUSTOMIZE}/revision": "main", f"{KUSTOMIZE}/commit_status": "update"})
    assert nonsense is not None
    assert (nonsense.revision, nonsense.commit) == ("", "")


def test_a_clock_that_is_ahead_outdoes_no_later_event() -> None:
    ahead = report_of(event(timestamp="2036-01-31T10:00:00Z"), cluster="", now=NOW)
    assert ahead is not None
    assert ahead.at == NOW


def made(phase: Reconciled, minute: int, revision: str = SHA) -> FluxReport:
    return FluxReport(
        kustomization="flux-system/webapp",
        at=datetime(2026, 1, 31, 10, minute, tzinfo=UTC),
        phase=phase,
        revision=revision,
        reason=phase.value,
        message=f"{phase} at {minute}",
    )


def test_an_older_event_shows_what_was_applied_before_and_changes_nothing_newer() -> None:
    failed, before = made(Reconciled.FAILED, 5), made(Reconciled.APPLIED, 1)
    known = first(failed)
    assert known.applied is None
    late = known.after(before)
    assert (late.newest, late.applied) == (failed, first(before).applied)
    assert late.after(made(Reconciled.APPLIED, 0, "d" * 40)) == late
    again = late.after(made(Reconciled.APPLIED, 6))
    assert again == first(made(Reconciled.APPLIED, 6))


def test_of_two_events_of_one_second_the_later_arrival_counts() -> None:
    failed = made(Reconciled.FAILED, 1)
    assert first(made(Reconciled.APPLIED, 1)).after(failed).newest == failed


def test_a_success_that_shows_the_same_again_is_no_news_and_another_reason_is() -> None:
    known = first(made(Reconciled.APPLIED, 1))
    assert known.after(made(Reconciled.APPLIED, 2)).shows_the_same(known)
    assert not known.after(made(Reconciled.APPLIED, 2, "d" * 40)).shows_the_same(known)
    failed = known.after(made(Reconciled.FAILED, 3))
    assert not failed.shows_the_same(known)
    assert not failed.after(made(Reconciled.FAILED, 4)).shows_the_same(failed)
    assert not known.shows_the_same(None)


@pytest.mark.parametrize("ended", [Reconciled.APPLIED, Reconciled.FAILED])
def test_of_two_events_of_one_second_the_one_that_ends_a_reconciliation_counts(ended: Reconciled) -> None:
    began, over = made(Reconciled.PROGRESSING, 1), made(ended, 1)
    assert first(began).after(over).newest == over
    assert first(over).after(began).newest == over
    following = made(Reconciled.PROGRESSING, 1, "d" * 40)
    assert first(over).after(following).newest == following
    assert first(over).after(made(Reconciled.PROGRESSING, 2)).newest.phase is Reconciled.PROGRESSING
