"""Work on the largest of what tenants and hosts write: monitors, remarks, repositories, Providers, ended trackers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

from activities import commit_statuses, discovery, environments, finished_trackers, instructions
from activities.delivery import proposals
from activities.drift import presenting, publishing, reading
from activities.drift.judging import DriftJudgement
from activities.flux import subscriptions
from activities.models.commit_statuses import PostCommitStatusInput
from activities.models.drift import DriftChange, Silence, Verdict
from activities.models.repository_sync import ListCursor
from activities.state_labels import LabelNames
from crds.api.ports import Document, Page
from crds.reasons.vocabulary import Drift
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.drift_monitor import DriftMonitor
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.flux_provider import Provider
from crds.v1alpha1.git_repository import Discovery, GitRepository
from providers import models
from providers.cursors import LOOK_PAGES, LOOK_REMARKS
from providers.models import HostPullRequest, LabelEvent, Person, Remark, StatusState
from providers.pull_request_lists import ListedPullRequest
from tests.architecture.largest import largest
from tests.crds.resources import deployment, document, environment_document
from tests.security.measuring import Work
from tests.security.test_large_resources import large_repository
from worker.watcher import entries

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MONITORS = 2000
"""Of one tracker, whose label everybody may set who may create monitors."""
REMARK = "/pilotage " + "x" * 1990


def of_monitors() -> Iterator[Work]:
    spec = {
        "trackerRef": {"name": "web-1"}, "environment": "prod", "deployment": "web", "application": "web",
        "project": "shop", "instanceRef": {"name": "argocd"}, "repositoryRef": {"name": "web"},
        "revision": "a" * 40, "promotedAt": "2026-11-20T12:00:00Z",
    }  # fmt: skip
    baseline = {"promotedAt": "2026-11-20T12:00:00Z", "parameters": [f"p{n}{'=' * 200}" for n in range(21)]}
    status = {"kind": "RevisionMoved", "expected": "`" * 4096, "observed": "|" * 4096, "baseline": baseline}
    made = {**document("DriftMonitor", "m", spec), "status": status}
    made["metadata"] |= {"uid": "u", "generation": 1}
    yield partial(presenting.notice_of, Page(items=(made,) * MONITORS, resource_version="1"))
    yield partial(entries.read_monitor, made)
    yield partial(publishing.rendered_change, largest_change(), NOW, made)
    yield partial(publishing.rendered_silence, largest(Silence), NOW, made)
    monitor = DriftMonitor.from_wire({**made, "status": {"baseline": baseline}})
    yield partial(reading.promoted, monitor)
    yield partial(reading.as_reading, monitor, "x" * 64, DriftJudgement(verdict=Verdict(kind=Drift.UNKNOWN)))


def largest_change() -> DriftChange:
    """Return the largest change of the monitor above."""
    return DriftChange(
        monitor="m", uid="u", generation=1, tracker="web-1", seen="x" * 64, verdict=largest(Verdict),
        promoted_at=NOW, parameters={f"p{number}": "x" * 16 for number in range(21)},
    )  # fmt: skip


def of_repositories(change: HostPullRequest) -> Iterator[Work]:
    yield partial(discovery.digest, change)
    yield partial(proposals.led_elsewhere, change, "main")
    yield partial(proposals.not_merged, change, "main")
    template = {f"K{number}": "x" * 63 for number in range(32)}
    found = large_repository()
    found["spec"]["discovery"] = {
        "baseBranches": [{"baseBranch": f"main-{number}", "environment": "dev"} for number in range(50)],
        "trackerTemplate": {"labels": template, "annotations": template},
        "requiredLabels": ["x" * 100] * 20,
        "authors": [f"{'x' * 250}{number}" for number in range(200)],
    }
    repository = GitRepository.from_wire(found)
    yield partial(discovery.tracker_document, repository, 1, "dev")
    listed = ListedPullRequest(change=change, updated_at=NOW)
    yield partial(discovery.environment_for, _discovery(repository), listed, NOW)
    yield partial(discovery.is_open, listed)
    shown = document(
        "PullRequestTracker", "web-1", {"repositoryRef": {"name": "web"}, "number": 1, "environment": "dev"}
    )
    pull_request = {"number": 1, "title": change.title, "labels": ["x" * 256] * 100}
    yield partial(
        discovery.is_shown, {**shown, "status": {"attempt": 1, "pullRequest": pull_request}}, listed, LabelNames()
    )
    yield partial(discovery.after_page, ListCursor(), [listed] * 100, "", "x" * 256, now=NOW)
    places = [deployment(f"d{number}", component="c49") for number in range(100)]
    yield partial(
        environments.deployment_named, Environment.from_wire(environment_document("prod", *places)), repository,
        "d99", "web",
    )  # fmt: skip


def _discovery(repository: GitRepository) -> Discovery:
    assert repository.spec.discovery is not None
    return repository.spec.discovery


def of_ended(tracker: Document) -> Iterator[Work]:
    yield partial(finished_trackers.is_due, tracker, "web", timedelta(days=7), NOW)
    yield partial(finished_trackers.record_lines, GitRepository.from_wire(large_repository()), tracker)


def of_steering() -> Iterator[Work]:
    person = Person(id="8", name="x" * 256)
    events = [
        LabelEvent(id=str(number), label="pilotage/hold", added=True, by=person, at=NOW, own=False)
        for number in range(LOOK_PAGES * 100)
    ]
    yield partial(instructions.by_labels, LabelNames(), events, NOW)
    remarks = [Remark(id="9", body=REMARK, by=person, at=NOW, own=False, edited=False)] * LOOK_REMARKS
    yield partial(instructions.by_comments, remarks)


def of_posting() -> Iterator[Work]:
    request = largest(PostCommitStatusInput)
    wanted = models.CommitStatus(context="x" * 255, state=StatusState.ERROR, description="x" * 4096)
    shown = models.CommitStatus(context="x" * 255, state=StatusState.ERROR, description=f"{'.' * 4095}…")
    yield partial(commit_statuses.judge, request, wanted, shown)
    sources = [
        {"kind": "Kustomization", "name": "x" * 253, "matchLabels": {f"K{number}": "x" * 63 for number in range(16)}}
    ] * 50
    declared = {"providerRef": {"name": "git"}, "eventSources": sources, "inclusionList": ["x" * 1024] * 20}
    yield partial(subscriptions.from_commit_status, CommitStatus.from_wire(document("CommitStatus", "x", declared)))
    spec = {
        "type": "github", "address": "x" * 2048, "secretRef": {"name": "s"}, "commitStatusExpr": "x" * 2048,
    }  # fmt: skip
    yield partial(subscriptions.from_provider, Provider.from_wire(document("Provider", "x", spec)))
