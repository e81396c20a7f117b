"""Open what resources name: looked up in each activity, so that what changed counts in moments; the rest stays open.

How a vendor's options come from what people declare stands in a module of that vendor; which adapter takes them stands
in providers/registry.py. A new vendor adds a line to each of the tables below.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from activities.environments import read_resource, view_repository
from activities.models.reconciliations import Reconciliation
from activities.ports import MissingReason, OpenSink, PlaceSilent, PostingProvider, ReferenceMissing, Repository
from activities.refusals import note_answer
from crds.api.mirror import read_through
from crds.api.ports import ApiNotFound, Document, Kubernetes, resource_of
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.environment_status import EnvironmentHold
from crds.v1alpha1.git_repository import GitRepository, GitRepositorySpec, RepositoryMode
from crds.v1alpha1.scm_host import ScmHost
from crds.v1alpha1.test_runner import HOSTED_BY, HostedRunner, RunnerType, TestRunner
from providers import ports
from providers.argocd.options import ArgoCDOptions
from providers.credentials import fingerprint
from providers.http import HttpClients, HttpOptions
from providers.models import Credential, ScmIdentity
from providers.registry import (
    Access,
    HostOptions,
    TestRunOptions,
    open_deployments,
    open_scm_host,
    open_test_runs,
)
from worker.authorities import read_authorities
from worker.opening import azure_devops, bitbucket, gitea, github, gitlab, jenkins
from worker.opening.credentials import Credentials, ScmAccess
from worker.opening.event_sinks import EventSinks
from worker.opening.kept import Kept
from worker.opening.postings import PostingProviders
from worker.settings import Settings
from worker.tracing import trace_call

Options = TypeVar("Options")
Reports = Callable[[str, str, str], Awaitable[tuple[Reconciliation, ...]]]
"""By namespace, Environment and GitRepository."""

_ENVIRONMENTS = resource_of(Environment.definition)
_REPOSITORIES = resource_of(GitRepository.definition)


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[HttpClients]:
    """Open the HTTP clients of one process, bounded as the settings are."""
    options = HttpOptions(
        allow_http=settings.allow_http,
        allowed_hosts=settings.allowed_hosts,
        # Kubernetes gives it to every pod.
        cluster_addresses=tuple(filter(None, (os.environ.get("KUBERNETES_SERVICE_HOST"),))),
        authorities=await asyncio.to_thread(read_authorities, settings.extra_ca),
        in_flight_limit=settings.scm_in_flight,
        trace=trace_call,
        answered=note_answer,
    )
    clients = HttpClients(options)
    try:
        yield clients
    finally:
        await clients.aclose()


# Keyed by the block that a person wrote; each entry takes that block, which no type of Python's expresses.
HOSTS: Mapping[ScmHost, Callable[[Any, GitRepository | None], HostOptions]] = {
    ScmHost.GITHUB: github.host_options,
    ScmHost.GITLAB: gitlab.host_options,
    ScmHost.GITEA: gitea.gitea_options,
    ScmHost.FORGEJO: gitea.forgejo_options,
    ScmHost.BITBUCKET_CLOUD: bitbucket.cloud_options,
    ScmHost.BITBUCKET_DATA_CENTER: bitbucket.data_center_options,
    ScmHost.AZURE_DEVOPS: azure_devops.host_options,
}
# Of these, each entry takes the block, that of the repository's host, and the repository.
HOSTED_CI: Mapping[RunnerType, Callable[[Any, Any, GitRepository], TestRunOptions]] = {
    RunnerType.GITHUB_ACTIONS: github.run_options,
    RunnerType.GITLAB_CI: gitlab.run_options,
}


@dataclass(frozen=True, kw_only=True)
class CiServer:
    """How a CI system with a server of its own is opened."""

    options: Callable[[Any], TestRunOptions]
    keys: str
    """Keys of its Secret, as people read them."""


CI_SERVERS: Mapping[RunnerType, CiServer] = {
    RunnerType.JENKINS: CiServer(options=jenkins.run_options, keys="`username` and `token`"),
}


class ClusterOpener:
    """Implement the openers of activities.ports over custom resources and Secrets of one cluster."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        http: HttpClients,
        *,
        system_namespace: str,
        flux_alerts: bool = False,
        reports: Reports | None = None,
    ) -> None:
        """Take what knows what Flux reported; None for a process that reads no deployments."""
        self._kubernetes = kubernetes
        self._http = http
        self._reports = reports
        self._credentials = Credentials(kubernetes, system_namespace=system_namespace)
        self._kept = Kept()
        self._postings = PostingProviders(kubernetes, http, self._credentials, self._kept, flux_alerts=flux_alerts)
        self._sinks = EventSinks(kubernetes, http, self._credentials, self._kept)

    async def repository(self, namespace: str, name: str) -> Repository:
        """Open a GitRepository at its host."""
        declared = await read_resource(self._kubernetes, GitRepository, namespace, name)
        view = view_repository(declared)
        scm = await self._credentials.scm(namespace, declared)
        host = self._host(f"GitRepository/{name}", scm, namespace, name, declared)
        spec = declared.spec
        return Repository(view=view, host=host, show=spec.show, label_prefix=spec.labels.prefix, mode=spec.mode)

    async def repository_check(self, namespace: str, name: str) -> ports.Checkable:
        """Open a GitRepository to be checked."""
        declared = await read_resource(self._kubernetes, GitRepository, namespace, name)
        scm = await self._credentials.scm(namespace, declared)
        return self._host(f"GitRepository/{name} check", scm, namespace, name, declared)

    async def provider_check(self, namespace: str, name: str) -> ports.Checkable:
        """Open the host of an ScmProvider to be checked, or with no namespace that of a ClusterScmProvider."""
        scm = await self._credentials.provider(namespace, name)
        return self._host(f"{scm.provider_kind}/{name}", scm, namespace, "", None)

    async def observed(self, namespace: str, named: str) -> str:
        """Return the GitRepository of that name, or of that name at its host, where it is only observed; else empty."""
        page = await self._kubernetes.list_all(_REPOSITORIES, namespace)
        observing = [one for one in page.items if one["spec"].get("mode") == RepositoryMode.OBSERVE]
        return next((one["metadata"]["name"] for one in observing if _is_called(one, named)), "")

    async def held(self, namespace: str, environment: str) -> EnvironmentHold | None:
        """Return an environment's hold that lasts longest; None where no one holds it, or it is not there."""
        try:
            # Not from memory: a hold counts from the moment at which it is answered.
            with read_through():
                document = await self._kubernetes.get(_ENVIRONMENTS, namespace, environment)
        except ApiNotFound:
            return None
        found = (document.get("status") or {}).get("holds") or ()
        now = datetime.now(UTC)
        lasting = [hold for one in found if (hold := EnvironmentHold.from_wire(one)).lasts(now)]
        return max(lasting, key=lambda hold: hold.until, default=None)

    async def ci_runs(self, namespace: str, runner: str) -> ports.TestRuns:
        """Open a TestRunner."""
        what = f"TestRunner/{runner}"
        spec = (await read_resource(self._kubernetes, TestRunner, namespace, runner)).spec
        try:
            kind = spec.type
        except ValueError as error:
            raise _invalid(what, str(error)) from None
        own = None
        if spec.secret_ref is not None:
            ca, proxy = spec.ca_secret_ref, spec.proxy_secret_ref
            own = await self._credentials.read(namespace, spec.secret_ref, ca=ca, proxy=proxy, user=what)
        if spec.hosted is not None:
            return await self._hosted_runs(namespace, what, kind, spec.hosted, own)
        if own is None:
            raise _invalid(what, f"spec.secretRef with {CI_SERVERS[kind].keys} must be set")
        return self._runs(namespace, what, CI_SERVERS[kind].options(spec.blocks[kind]), own)

    async def deployments(self, namespace: str, instance: str) -> ports.Deployments:
        """Open an ArgoCDInstance."""
        what = f"ArgoCDInstance/{instance}"
        spec = (await read_resource(self._kubernetes, ArgoCDInstance, namespace, instance)).spec
        credential = await self._credentials.read(
            namespace, spec.secret_ref, ca=spec.ca_secret_ref, proxy=spec.proxy_secret_ref, user=what
        )
        options = ArgoCDOptions(server=spec.server)
        opened = partial(open_deployments, options, self._access(credential))
        return self._kept.get(what, opened, namespace, repr(options), fingerprint(credential))

    async def reconciliations(self, namespace: str, environment: str, repository: str) -> tuple[Reconciliation, ...]:
        """Return what events of Flux reported of a place's Kustomizations."""
        if self._reports is None:
            raise PlaceSilent("this process asks no workflows")
        return await self._reports(namespace, environment, repository)

    async def posting_provider(self, namespace: str, name: str, *, flux: bool = False) -> PostingProvider:
        """Open a Provider of commit statuses; with `flux` one of Flux's own group, where the operator serves those."""
        return await self._postings.open(namespace, name, flux=flux)

    async def event_sink(self, namespace: str, name: str) -> OpenSink:
        """Open an EventSink."""
        return await self._sinks.open(namespace, name)

    def _access(self, credential: Credential) -> Access:
        return Access(http=self._http, credential=credential)

    def _host(
        self, what: str, scm: ScmAccess, namespace: str, name: str, declared: GitRepository | None
    ) -> ports.ScmHost:
        """Open a repository at its host, or without one the host alone."""
        options = _chosen(HOSTS, scm, what)(scm.block, declared)
        opened = partial(open_scm_host, options, self._access(scm.credential), _identity(scm, namespace, name))
        return self._kept.get(what, opened, namespace, *scm.key, repr(options))

    async def _hosted_runs(
        self, namespace: str, what: str, kind: RunnerType, block: HostedRunner, own: Credential | None
    ) -> ports.TestRuns:
        """Open the CI system of a repository; its credential is used unless the runner has one of its own."""
        declared = await read_resource(self._kubernetes, GitRepository, namespace, block.repository_ref.name)
        scm = await self._credentials.scm(namespace, declared)
        if scm.host is not HOSTED_BY[kind]:
            raise _invalid(what, f"GitRepository `{declared.metadata.name}` is at a {scm.host.value} host")
        options = HOSTED_CI[kind](block, scm.block, declared)
        # Whichever Secret is sent, the host is behind the same proxy and signed by the same authority.
        credential = replace(own, route=scm.credential.route) if own else scm.credential
        return self._runs(namespace, what, options, credential, *scm.key)

    def _runs(
        self, namespace: str, what: str, options: TestRunOptions, credential: Credential, *key: str
    ) -> ports.TestRuns:
        opened = partial(open_test_runs, options, self._access(credential))
        return self._kept.get(what, opened, namespace, repr(options), fingerprint(credential), *key)


def _is_called(document: Document, named: str) -> bool:
    if document["metadata"]["name"] == named:
        return True
    try:
        return GitRepositorySpec.from_wire(document["spec"]).hosted.full_name == named
    except ValueError:
        # What cannot be understood names no repository.
        return False


def _identity(scm: ScmAccess, namespace: str, name: str) -> ScmIdentity:
    return ScmIdentity(
        git_repository=name,
        git_repository_namespace=namespace,
        scm_provider=scm.provider,
        scm_provider_kind=scm.provider_kind,
    )


def _chosen(table: Mapping[ScmHost, Options], scm: ScmAccess, what: str) -> Options:
    if scm.host not in table:
        works = ", ".join(host.value for host in table)
        raise _invalid(what, f"`{scm.host.value}` is no SCM host that this version works with; it works with {works}")
    return table[scm.host]


def _invalid(what: str, message: str) -> ReferenceMissing:
    return ReferenceMissing(what, MissingReason.INVALID, message)
