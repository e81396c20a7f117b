"""What the receiver keeps of each object: enough to find the workflows that a webhook concerns, and no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from activities.models.tracking import TrackerRef
from crds.api.ports import Document
from crds.api.publishing import status_of
from crds.reasons.vocabulary import TERMINAL_STATES
from crds.v1alpha1.git_repository import GitRepositorySpec, ProviderKind
from crds.v1alpha1.scm_host import ScmHost
from crds.v1alpha1.test_runner import RunnerType, TestRunnerSpec
from crds.v1alpha1.tests_status import TestState

_OPEN = frozenset({TestState.QUEUED.value, TestState.RUNNING.value})
_MERGED = "Merged"


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRun:
    """A run of a test that is not final yet."""

    runner: str
    key: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackerEntry:
    """Keep of a tracker which workflow is its own, and what that waits for outside."""

    ref: TrackerRef
    repository: str
    number: int
    over: bool
    """Whether the attempt asked for has ended."""
    merged: bool
    """Whether the workflow knows of the merge: it reads the pull request no more."""
    runs: tuple[OpenRun, ...]
    awaited: tuple[tuple[str, int], ...] = ()
    """Repository and number of each pull request that it opened and waits for."""


def read_tracker(document: Document) -> TrackerEntry:
    """Keep what matters of a tracker."""
    metadata, spec, status = document["metadata"], document["spec"], status_of(document)
    attempt = int(spec.get("attempt", 1))
    current = status.get("attempt") == attempt
    namespace = intern(metadata["namespace"])
    return TrackerEntry(
        ref=TrackerRef(namespace=namespace, name=metadata["name"], uid=metadata["uid"], attempt=attempt),
        repository=intern(spec["repositoryRef"]["name"]),
        number=int(spec["number"]),
        over=bool(metadata.get("deletionTimestamp")) or (current and status.get("state") in TERMINAL_STATES),
        merged=current and (status.get("pullRequest") or {}).get("state") == _MERGED,
        runs=tuple(
            OpenRun(
                runner=intern(str(test.get("runner") or "")),
                key=str(test.get("key") or ""),
                url=plain_url(str(test.get("url") or "")),
            )
            for test in (status.get("tests") or () if current else ())
            if test.get("state") in _OPEN
        ),
        awaited=tuple(
            (intern(str(one.get("repository") or "")), int(one.get("number") or 0))
            for one in ((status.get("hop") or {}).get("pullRequests") or () if current else ())
        ),
    )


def plain_url(url: str) -> str:
    """Return an address in the one form in which addresses of runs are compared."""
    return url.partition("#")[0].partition("?")[0].rstrip("/")


@dataclass(frozen=True, kw_only=True, slots=True)
class RepositoryEntry:
    """Keep where a repository is."""

    provider_kind: ProviderKind
    provider: str
    host: ScmHost
    full_name: str
    """In lower case: no host has two repositories that differ by case alone."""
    project_id: int
    uid: str
    discovers: bool
    """Whether pull requests get trackers by themselves."""


def read_repository(document: Document) -> RepositoryEntry:
    """Keep what matters of a GitRepository. Raises ValueError where none or several hosts are set."""
    spec = GitRepositorySpec.from_wire(document["spec"])
    return RepositoryEntry(
        provider_kind=spec.scm_provider_ref.kind,
        provider=spec.scm_provider_ref.name,
        host=spec.host,
        full_name=spec.hosted.full_name.lower(),
        project_id=(spec.gitlab.project_id or 0) if spec.gitlab is not None else 0,
        uid=document["metadata"]["uid"],
        discovers=spec.discovery is not None,
    )


def read_provider(document: Document) -> ScmHost:
    """Keep the host of an ScmProvider or ClusterScmProvider. Raises ValueError where none or several are set."""
    [host] = [host for host in ScmHost if host.value in document["spec"]]
    return host


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerEntry:
    """Keep which CI system a TestRunner is, and the GitRepository whose CI that is; empty for one of its own."""

    type: RunnerType
    repository: str


def read_runner(document: Document) -> RunnerEntry:
    """Keep what matters of a TestRunner. Raises ValueError where none or several systems are set."""
    spec = TestRunnerSpec.from_wire(document["spec"])
    return RunnerEntry(type=spec.type, repository=spec.hosted.repository_ref.name if spec.hosted is not None else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentEntry:
    """Keep which application is deployed where; an empty `application` stands for a selector, which may mean any."""

    instance: str
    project: str
    application: str
    repository: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentEntry:
    """Keep what an Environment deploys."""

    argocd: Mapping[tuple[str, str], tuple[DeploymentEntry, ...]]
    """By instance and application."""
    flux: Mapping[tuple[str, str], frozenset[str]]
    """GitRepositories by cluster and Kustomization; the cluster is the Secret that it signs with, or empty."""


def read_environment(document: Document) -> EnvironmentEntry:
    """Keep what an Environment deploys."""
    argocd_found: dict[tuple[str, str], tuple[DeploymentEntry, ...]] = {}
    flux_found: dict[tuple[str, str], frozenset[str]] = {}
    for one in document["spec"].get("deployments") or ():
        repository = intern(one["repositoryRef"]["name"])
        if argocd := one.get("argocd"):
            entry = DeploymentEntry(
                instance=intern(argocd["instanceRef"]["name"]),
                project=intern(argocd["project"]),
                application=argocd.get("application") or "",
                repository=repository,
            )
            where = entry.instance, entry.application
            argocd_found[where] = (*argocd_found.get(where, ()), entry)
        if flux := one.get("flux"):
            cluster = str((flux.get("clusterRef") or {}).get("name", ""))
            named = cluster, f"{flux['namespace']}/{flux['kustomization']}"
            flux_found[named] = flux_found.get(named, frozenset()) | {repository}
    return EnvironmentEntry(argocd=argocd_found, flux=flux_found)


def read_uid(document: Document) -> str:
    """Keep which one an object is."""
    return str(document["metadata"]["uid"])
