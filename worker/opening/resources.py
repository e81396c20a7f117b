"""Open what resources name: read at each use, so that what changed counts at once; what did not is kept open."""

import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar, cast

from activities.environments import read_resource, view_repository
from activities.models.tracking import Problem
from activities.ports import ReferenceMissing, Repository
from crds.api.ports import Kubernetes
from crds.v1alpha1.argocd_instance import ArgoCDInstance
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.test_runner import GitHubActionsRunner, GitLabCIRunner, TestRunner, TestRunnerSpec
from providers.credentials import fingerprint
from providers.errors import ProviderRejected
from providers.http import HttpClients, HttpOptions
from providers.models import Credential, ScmIdentity
from providers.ports import Checkable, Deployments, ScmHost, TestRuns
from providers.registry import build_deployments, build_scm_check, build_scm_host, build_test_runs
from worker.opening.credentials import Credentials, ScmAccess
from worker.opening.runs_at_ref import RunsAtRef
from worker.settings import Settings
from worker.tracing import trace_call

_KEPT = 1000

Port = TypeVar("Port")


@asynccontextmanager
async def open_clients(settings: Settings) -> AsyncIterator[HttpClients]:
    """Open the HTTP clients of one process, bounded as the settings say."""
    options = HttpOptions(
        allow_http=settings.allow_http,
        allowed_hosts=settings.allowed_hosts,
        # Kubernetes gives it to every pod.
        cluster_addresses=tuple(filter(None, (os.environ.get("KUBERNETES_SERVICE_HOST"),))),
        in_flight_limit=settings.scm_in_flight,
        trace=trace_call,
    )
    clients = HttpClients(options)
    try:
        yield clients
    finally:
        await clients.aclose()


class ResourceConnections:
    """Implement activities.ports.Connections over custom resources and Secrets of one cluster."""

    def __init__(self, kubernetes: Kubernetes, http: HttpClients, *, system_namespace: str) -> None:
        self._kubernetes = kubernetes
        self._http = http
        self._credentials = Credentials(kubernetes, system_namespace=system_namespace)
        self._open: OrderedDict[tuple[str, ...], object] = OrderedDict()

    async def repository(self, namespace: str, name: str) -> Repository:
        """Open a GitRepository at its host."""
        declared = await read_resource(self._kubernetes, GitRepository, namespace, name)
        view = view_repository(declared)
        scm = await self._credentials.scm(namespace, declared)
        what = f"GitRepository/{name}"
        host: ScmHost = self._at_host(build_scm_host, what, scm, namespace, name, view.owner, view.repository)
        return Repository(view=view, host=host)

    async def repository_check(self, namespace: str, name: str) -> Checkable:
        """Open a GitRepository to be checked, also where Pilotage uses no more than its CI."""
        declared = await read_resource(self._kubernetes, GitRepository, namespace, name)
        view = view_repository(declared)
        scm = await self._credentials.scm(namespace, declared)
        number = declared.spec.gitlab.project_id if declared.spec.gitlab else None
        path = ("", str(number)) if number else (view.owner, view.repository)
        return self._at_host(build_scm_check, f"GitRepository/{name} check", scm, namespace, name, *path)

    async def provider_check(self, namespace: str, name: str) -> Checkable:
        """Open the host of an ScmProvider to be checked, or with no namespace that of a ClusterScmProvider."""
        scm = await self._credentials.provider(namespace, name)
        return self._at_host(build_scm_check, f"{scm.provider_kind}/{name}", scm, namespace, "", "", "")

    async def runs_of(self, namespace: str, runner: str) -> TestRuns:
        """Open a TestRunner."""
        what = f"TestRunner/{runner}"
        spec = (await read_resource(self._kubernetes, TestRunner, namespace, runner)).spec
        try:
            kind = spec.type.value
        except ValueError as error:
            raise ReferenceMissing(Problem(what=what, reason="Invalid", message=str(error))) from None
        own = await self._credentials.read(namespace, spec.secret_ref, user=what) if spec.secret_ref else None
        block = spec.github_actions or spec.gitlab_ci
        if block is not None:
            return await self._hosted_runs(namespace, what, kind, block, own)
        return self._jenkins(namespace, what, spec, own)

    async def deployments(self, namespace: str, instance: str) -> Deployments:
        """Open an ArgoCDInstance."""
        what = f"ArgoCDInstance/{instance}"
        spec = (await read_resource(self._kubernetes, ArgoCDInstance, namespace, instance)).spec
        credential = await self._credentials.read(namespace, spec.secret_ref, ca=spec.ca_secret_ref, user=what)

        def build() -> Deployments:
            return build_deployments(base=spec.server, credential=credential, http=self._http)

        return self._kept(what, build, namespace, spec.server, fingerprint(credential))

    def _at_host(
        self,
        build: Callable[..., Port],
        what: str,
        scm: ScmAccess,
        namespace: str,
        name: str,
        owner: str,
        repository: str,
    ) -> Port:
        identity = ScmIdentity(
            git_repository=name,
            git_repository_namespace=namespace,
            scm_provider=scm.provider,
            scm_provider_kind=scm.provider_kind,
        )
        opened = partial(
            build,
            scm.kind,
            base=scm.base,
            owner=owner,
            repository=repository,
            credential=scm.credential,
            identity=identity,
            http=self._http,
            app_id=scm.app_id,
            installation_id=scm.installation_id,
        )
        return self._kept(what, opened, namespace, *scm.key, owner, repository)

    def _jenkins(self, namespace: str, what: str, spec: TestRunnerSpec, own: Credential | None) -> TestRuns:
        jenkins = spec.jenkins
        if jenkins is None or own is None:
            lacking = "spec.jenkins" if jenkins is None else "spec.secretRef with `username` and `token`"
            raise ReferenceMissing(Problem(what=what, reason="Invalid", message=f"{lacking} must be set"))
        results = {"unstable": jenkins.unstable.value}

        def build() -> TestRuns:
            return build_test_runs("jenkins", base=jenkins.url, credential=own, http=self._http, results=results)

        return self._kept(what, build, namespace, jenkins.url, fingerprint(own), *results.values())

    async def _hosted_runs(
        self, namespace: str, what: str, kind: str, block: GitHubActionsRunner | GitLabCIRunner, own: Credential | None
    ) -> TestRuns:
        """Open the CI system of a repository; its credential is used unless the runner has one of its own."""
        declared = await read_resource(self._kubernetes, GitRepository, namespace, block.repository_ref.name)
        view = view_repository(declared)
        scm = await self._credentials.scm(namespace, declared)
        credential = own or scm.credential
        results = _knobs(block)
        given = {"parameters_as": block.parameters_as.value} if isinstance(block, GitLabCIRunner) else {}
        number = declared.spec.gitlab.project_id if declared.spec.gitlab else None
        project = str(number) if number else view.full_name

        def build() -> TestRuns:
            return build_test_runs(
                kind,
                base=scm.base,
                credential=credential,
                http=self._http,
                owner=view.owner,
                repository=view.repository,
                project=project,
                app_id=scm.app_id,
                installation_id=scm.installation_id,
                results=results,
                **given,
            )

        key = (*scm.key, fingerprint(credential), project, str(results), *given.values())
        runs = self._kept(what, build, namespace, kind, *key)
        ref = block.ref if isinstance(block, GitHubActionsRunner) else None
        return RunsAtRef(runs, ref) if ref else runs

    def _kept(self, what: str, build: Callable[[], Port], *key: str) -> Port:
        """Return what is open under this key, else open it; adapters remember tokens and features while kept."""
        whole = (what, *key)
        if whole not in self._open:
            try:
                self._open[whole] = build()
            except ProviderRejected as error:
                raise ReferenceMissing(Problem(what=what, reason="Invalid", message=str(error))) from None
            if len(self._open) > _KEPT:
                self._open.popitem(last=False)
        self._open.move_to_end(whole)
        return cast(Port, self._open[whole])


def _knobs(block: GitHubActionsRunner | GitLabCIRunner) -> Mapping[str, str]:
    if isinstance(block, GitHubActionsRunner):
        return {"skipped": block.skipped.value, "neutral": block.neutral.value}
    return {"skipped": block.skipped.value, "manual": block.manual.value}
