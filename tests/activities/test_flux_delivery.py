"""What runs where Flux deploys: from what its events reported, and from the files of the commit that was applied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities import host_memory
from activities.configuration import ResourceConfigActivities
from activities.delivery.flux import FluxObserver
from activities.delivery.observers import EachObserver
from activities.delivery.refreshing import refresh
from activities.delivery.seam import Order
from activities.models.configuration import DeploymentSpec, FluxSpec, ReadEnvironmentInput, TagPlace
from activities.models.delivery import Observation, OperationPhase
from activities.models.reconciliations import FluxReport, Reconciled, Reconciliation, first
from activities.ports import PlaceSilent
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Health
from providers.errors import ProviderNotFound, ProviderUnavailable
from providers.models import BranchCommit, NewCommit
from tests.activities.cluster import shop
from tests.activities.fakes import NEW, OLD, FakeDeployments, FakeOpener, FakePlaces, FakeScm, application

CONFIG = "f" * 40
"""A commit of the repository of configuration."""
FLUX = FluxSpec(environment="staging", repository="web", cluster="eu")
BY_REVISION = DeploymentSpec(
    name="web", component="web", wave=0, instance="", project="", application="flux-system/web", flux=FLUX
)
TAG = TagPlace(repository="config", file="staging/kustomization.yaml", image="example.com/web")
BY_IMAGE = replace(BY_REVISION, image="example.com/web", tag="sha-${revision}", flux=replace(FLUX, tag=TAG))


@dataclass
class Files:
    """Files of a repository, by commit."""

    at: Mapping[str, Mapping[str, str]]
    reads: list[str] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    async def head(self, branch: str) -> str | None:
        raise AssertionError("files alone are read")

    async def log(self, branch: str, limit: int) -> tuple[BranchCommit, ...]:
        raise AssertionError("files alone are read")

    async def commit(self, wanted: NewCommit) -> str:
        raise AssertionError("files alone are read")

    async def read(self, path: str, revision: str) -> bytes | None:
        self.reads.append(path)
        if self.fails:
            raise self.fails.pop(0)
        if revision not in self.at:
            raise ProviderNotFound("no such commit")
        text = self.at[revision].get(path)
        return None if text is None else text.encode()


def kustomization(tag: str) -> dict[str, str]:
    return {TAG.file: f"images:\n- name: example.com/web\n  newTag: {tag}\n"}


def report(phase: Reconciled = Reconciled.APPLIED, *, minute: int = 0, **changes: Any) -> FluxReport:
    values: dict[str, Any] = {
        "cluster": "eu",
        "kustomization": "flux-system/web",
        "at": datetime(2026, 1, 31, 10, minute, tzinfo=UTC),
        "phase": phase,
        "revision": NEW,
        "reason": "HealthCheckFailed" if phase is Reconciled.FAILED else phase.value,
        "message": "Deployment/web is not ready",
        **changes,
    }
    return FluxReport(**values)


def known(*reports: FluxReport) -> tuple[Reconciliation, ...]:
    found = first(reports[0])
    for one in reports[1:]:
        found = found.after(one)
    return (found,)


async def observed(
    reports: tuple[Reconciliation, ...] | PlaceSilent,
    deployment: DeploymentSpec = BY_REVISION,
    files: Files | None = None,
    observer: FluxObserver | None = None,
) -> Observation:
    opener = FakeOpener(scm=FakeScm(branches=files), reconciled=reports)
    answer = await (observer or FluxObserver(opener)).observe("shop", [deployment])
    return answer.observations[0]


async def test_without_an_event_what_runs_is_unknown_and_the_way_of_its_events_is_named() -> None:
    for reports in ((), known(report(cluster="us")), known(report(kustomization="flux-system/api"))):
        seen = await observed(reports)
        assert (seen.runs, seen.settled, seen.passing) == (None, False, False)
        assert seen.failure is not None
        assert (seen.failure.kind, seen.failure.object) == (FailureKind.UNREPORTED, "Kustomization/flux-system/web")
        assert "/flux/shop/eu" in seen.problem
    unsigned = await observed((), replace(BY_REVISION, flux=replace(FLUX, cluster="")))
    assert "--events-addr" in unsigned.problem


async def test_a_failure_before_any_success_shows_the_text_of_flux_and_not_that_nothing_runs() -> None:
    seen = await observed(known(report(Reconciled.FAILED)))
    assert seen.failure is not None
    assert seen.failure.kind is FailureKind.UNREPORTED
    assert "HealthCheckFailed: Deployment/web is not ready" in seen.problem


async def test_what_was_applied_runs_and_a_failure_after_it_is_shown_with_it() -> None:
    seen = await observed(known(report()))
    assert (seen.runs, seen.settled, seen.health, seen.sync_status) == (NEW, True, Health.HEALTHY, "Synced")
    failed = await observed(known(report(revision=OLD), report(Reconciled.FAILED, minute=1)))
    assert (failed.runs, failed.written, failed.operating, failed.settled) == (OLD, NEW, None, False)
    assert (failed.operation_phase, failed.health) == (OperationPhase.FAILED, Health.DEGRADED)
    assert failed.message == failed.operation_message == "HealthCheckFailed: Deployment/web is not ready"
    moving = await observed(known(report(revision=OLD), report(Reconciled.PROGRESSING, minute=1)))
    assert (moving.runs, moving.operating, moving.operation_phase) == (OLD, NEW, OperationPhase.RUNNING)
    assert moving.is_rolling_out(NEW)


async def test_the_commit_that_a_person_annotated_wins_where_the_artifact_is_a_commit() -> None:
    assert (await observed(known(report(revision=CONFIG, commit=OLD)))).runs == OLD


async def test_a_commit_that_the_repository_does_not_have_is_a_problem_and_no_artifact() -> None:
    seen = await observed(known(report(revision=CONFIG)))
    assert seen.failure is not None
    assert (seen.failure.kind, seen.failure.object) == (FailureKind.NOT_FOUND, "GitRepository/web")
    assert "declare `image` and `tag`" in seen.problem
    nameless = await observed(known(report(revision="")))
    assert nameless.failure is not None
    assert nameless.failure.kind is FailureKind.UNREPORTED


async def test_of_configuration_the_tag_in_the_file_of_the_applied_commit_runs() -> None:
    files = Files({CONFIG: kustomization(f"sha-{NEW}"), "d" * 40: kustomization(f"sha-{OLD}")})
    opener = FakeOpener(scm=FakeScm(branches=files), reconciled=known(report(revision=CONFIG)))
    observer = FluxObserver(opener)
    seen = (await observer.observe("shop", [BY_IMAGE])).observations[0]
    assert (seen.runs, seen.tag, seen.config_revision, seen.settled) == (NEW, f"sha-{NEW}", CONFIG, True)
    opener.reconciled = known(report(revision="d" * 40), report(Reconciled.FAILED, minute=1, revision=CONFIG))
    failed = (await observer.observe("shop", [BY_IMAGE])).observations[0]
    assert (failed.runs, failed.written) == (OLD, NEW)
    # A commit never changes: each was read once.
    assert len(files.reads) == 2


@pytest.mark.parametrize("value", ["example.com/web:sha-{revision}", "sha-{revision}"])
async def test_a_tag_is_recognised_in_a_value_with_its_image_too(value: str) -> None:
    text = f"web:\n  image: {value.format(revision=NEW)}\n"
    place = TagPlace(repository="config", file="values.yaml", yaml_path="web.image")
    deployment = replace(BY_IMAGE, flux=replace(FLUX, tag=place))
    seen = await observed(known(report(revision=CONFIG)), deployment, Files({CONFIG: {"values.yaml": text}}))
    assert (seen.runs, seen.tag) == (NEW, f"sha-{NEW}")


@pytest.mark.parametrize(
    ("files", "kind", "text"),
    [
        (Files({}), FailureKind.NOT_FOUND, "has no commit ffffffffffff"),
        (Files({CONFIG: {}}), FailureKind.MISCONFIGURED, "does not exist"),
        (Files({CONFIG: {TAG.file: "images: []"}}), FailureKind.MISCONFIGURED, "has no `images"),
        (Files({CONFIG: kustomization("latest")}), FailureKind.MISCONFIGURED, "`sha-${revision}` does not make"),
        (Files({}, fails=[ProviderUnavailable("503", status=503)]), FailureKind.UNAVAILABLE, "503"),
        (None, FailureKind.MISCONFIGURED, "does not exist"),
    ],
)
async def test_what_the_files_do_not_show_is_a_problem_that_names_the_repository(
    files: Files | None, kind: FailureKind, text: str
) -> None:
    seen = await observed(known(report(revision=CONFIG)), BY_IMAGE, files)
    assert seen.failure is not None
    assert (seen.failure.kind, seen.failure.object) == (kind, "GitRepository/config")
    assert text in seen.problem
    assert seen.runs is None


async def test_what_a_commit_holds_is_believed_of_the_host_that_answered_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_memory, "OPENED_AGAIN", timedelta(0))
    forged, real = (Files(at={CONFIG: kustomization(f"sha-{revision}")}) for revision in (NEW, OLD))
    reports = known(report(revision=CONFIG))
    opener = FakeOpener(scm=FakeScm(branches=forged), reconciled=reports)
    observer = FluxObserver(opener)
    assert [one.runs for one in (await observer.observe("shop", [BY_IMAGE])).observations] == [NEW]
    opener.scm = FakeScm(branches=real)
    assert [one.runs for one in (await observer.observe("shop", [BY_IMAGE])).observations] == [OLD]


async def test_a_place_that_gives_no_answer_is_a_failure_that_passes() -> None:
    seen = await observed(PlaceSilent("no worker"))
    assert seen.failure is not None
    assert (seen.failure.object, seen.passing) == ("Environment/staging", True)


async def test_deployments_of_argo_cd_and_of_flux_are_read_side_by_side_in_their_order() -> None:
    argocd = FakeDeployments(applications={"web-staging": application()})
    opener = FakeOpener(scm=FakeScm(), argocd=argocd, reconciled=known(report()))
    own = replace(BY_REVISION, name="own", instance="main", project="web", application="web-staging", flux=None)
    answer = await EachObserver(opener).observe("shop", [BY_REVISION, own])
    assert [(one.deployment, bool(one.problem)) for one in answer.observations] == [("web", False), ("own", False)]
    order = Order(namespace="shop", deployments=(BY_REVISION,), artifacts=(), key="k")
    asked = len(argocd.calls)
    await refresh(opener, order)
    assert len(argocd.calls) == asked


async def read(*deployments: Mapping[str, Any], components: Sequence[Mapping[str, Any]] = ()) -> Any:
    cluster = shop()
    cluster.add("Environment", "flux", {"deployments": list(deployments), "vars": {"cluster": "eu"}})
    if components:
        spec = {"scmProviderRef": {"name": "github"}, "github": {"owner": "acme", "name": "web"}}
        cluster.add("GitRepository", "web", {**spec, "components": list(components)})
    activities = ResourceConfigActivities(cluster.port(), FakeOpener(scm=FakeScm()), FakePlaces())
    request = ReadEnvironmentInput(namespace="shop", environment="flux", repository="web")
    return await ActivityEnvironment().run(activities.read_environment, request)


KUSTOMIZATION = {"kustomization": "web", "namespace": "flux-system", "clusterRef": {"name": "eu"}}
IMAGE = {"name": "web", "paths": ["**"], "image": "example.com/web", "tag": "sha-${revision}"}


async def test_an_environment_names_whose_events_report_of_a_deployment_and_where_its_tag_stands() -> None:
    plain = {"name": "web", "repositoryRef": {"name": "web"}, "flux": KUSTOMIZATION}
    [one] = (await read(plain)).environment.deployments
    assert (one.application, one.flux) == (
        "flux-system/web",
        FluxSpec(environment="flux", repository="web", cluster="eu"),
    )
    edits = [
        {"file": "notes.yaml", "yamlPath": "by", "value": "${targetEnvironment}"},
        {"file": "${target.vars.cluster}/kustomization.yaml", "kustomizeImage": "example.com/web"},
    ]
    write = {"git": {"repositoryRef": {"name": "config"}, "branch": "main", "edits": edits}}
    [reported] = (await read({**plain, "write": write}, components=[IMAGE])).environment.deployments
    place = TagPlace(repository="config", file="eu/kustomization.yaml", image="example.com/web")
    assert reported.flux.tag == place


async def test_a_deployment_by_image_without_a_file_that_holds_its_tag_is_unreadable_alone() -> None:
    plain = {"name": "web", "repositoryRef": {"name": "web"}, "flux": KUSTOMIZATION}
    [one] = (await read(plain, components=[IMAGE])).environment.deployments
    assert "`write.git` must name" in one.problem
    assert "`write.git` must name" in (await observed(known(report()), one)).problem
