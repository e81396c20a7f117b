"""Ask CI systems beforehand whether a run whose start was not confirmed could be found again by its key."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from pydantic import ValidationError

from activities.environments import read_resource
from activities.failures import describe
from activities.models.budgets import TEXT_BYTES
from activities.ports import MissingReason, ReferenceMissing
from crds.api.ports import ApiError, ApiResource, Document, Kubernetes
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.promotion_policy import PromotionPolicy
from crds.v1alpha1.test_runner import RunnerType, TestRunner
from providers.errors import ProviderError, ProviderNotFound, ProviderRejected
from providers.http import HttpClients
from providers.ports import TestRuns
from providers.redaction import redacted_line
from worker.cli import session
from worker.cli.exits import CliError, ExitCode
from worker.cli.options import ClusterTarget
from worker.cli.validating import Loaded, LocatedError
from worker.logs import configure_logs
from worker.opening.resources import ClusterOpener, open_clients
from worker.settings import InvalidSettings, Settings, load_settings

_ADVICE = {
    RunnerType.JENKINS: "declare the parameter `PROMOTION_KEY` in the job",
    RunnerType.GITHUB_ACTIONS: "the workflow file must be there, hold `run-name: ${{ inputs.promotion_key }}`, and be "
    "readable to the credential (contents: read)",
    RunnerType.GITLAB_CI: "show it by `workflow: name` in the CI file, or let the credential read pipelines' variables",
}


@dataclass(frozen=True, kw_only=True)
class _Test:
    """One test of a policy. `finding` is where it is written."""

    namespace: str
    runner: str
    job: str
    finding: LocatedError

    def warn(self, message: str) -> LocatedError:
        return replace(self.finding, message=redacted_line(message, limit=TEXT_BYTES))


class _Planned:
    """The cluster as it would be with the TestRunners and GitRepositories of the files.

    Providers of the files do not count: they name the host to which a credential is sent, and a file that is
    proposed must not send the credentials of the person who checks it elsewhere.
    """

    def __init__(self, cluster: session.Cluster, loaded: Loaded, namespace: str) -> None:
        self._files: dict[tuple[str, str, str], Document] = {}
        for kind in (TestRunner.definition.kind, GitRepository.definition.kind):
            for _, document in loaded.of_kind(kind):
                metadata = document["metadata"]
                home = str(metadata.get("namespace") or namespace)
                self._files[kind, home, str(metadata.get("name"))] = document
        self._cluster = cluster
        self.get_secret = cluster.get_secret

    async def get(self, resource: ApiResource, namespace: str | None, name: str) -> Document:
        found = self._files.get((resource.kind, namespace or "", name))
        return await self._cluster.get(resource, namespace, name) if found is None else found


@dataclass(frozen=True, kw_only=True)
class _Runners:
    """Open runners and ask them."""

    cluster: Kubernetes
    planned: Kubernetes
    http: HttpClients
    system_namespace: str

    async def warnings(self, namespace: str, runner: str, jobs: Iterable[str]) -> dict[str, str]:
        """Return what to warn of, by job; one question at a time, to stay below every limit."""
        found: dict[str, str] = {}
        try:
            kind, runs = await self._open(namespace, runner)
            for job in jobs:
                found[job] = await _judge(kind, runs, job)
        except (ReferenceMissing, ApiError, ProviderError) as error:
            # Not about one job: the others would only wait for the same.
            found = {job: found.get(job, _not_known(job, error)) for job in jobs}
        return found

    async def _open(self, namespace: str, runner: str) -> tuple[RunnerType, TestRuns]:
        spec = (await read_resource(self.planned, TestRunner, namespace, runner)).spec
        source = self.planned
        if spec.secret_ref is not None:
            # A runner names who gets its Secret: only one that is applied may do that.
            source = self.cluster
            if (await read_resource(source, TestRunner, namespace, runner)).spec != spec:
                message = "the file and the cluster name different Secrets for it: apply the file first"
                raise ReferenceMissing(f"TestRunner/{runner}", MissingReason.NOT_APPLIED, message)
        opener = ClusterOpener(source, self.http, system_namespace=self.system_namespace)
        runs = await opener.ci_runs(namespace, runner)
        return spec.type, runs


def look(target: ClusterTarget, loaded: Loaded) -> tuple[LocatedError, ...]:
    """Return a warning for each test whose runs do not show their key, or whose runner could not be asked.

    Raises CliError for a wrong setting only: whatever is away or forbidden is a warning.
    """
    try:
        # The name belongs to the processes; nothing here depends on it.
        settings = load_settings(installation="validate")
    except InvalidSettings as error:
        raise CliError("\n".join(error.lines), code=ExitCode.USAGE) from error
    # Unconfigured, each call to a host would be a line on standard output.
    configure_logs(style=settings.log_format, level="warning")
    return asyncio.run(_look(target, loaded, settings)) if any(_tests(loaded, "")) else ()


async def _look(target: ClusterTarget, loaded: Loaded, settings: Settings) -> tuple[LocatedError, ...]:
    try:
        async with session.opener(target) as cluster, open_clients(settings) as http:
            namespace = target.namespace or cluster.default_namespace
            # Connections only read, by the two calls that this has.
            planned = cast("Kubernetes", _Planned(cluster, loaded, namespace))
            own = cast("Kubernetes", cluster)
            runners = _Runners(cluster=own, planned=planned, http=http, system_namespace=settings.system_namespace)
            tests = tuple(_tests(loaded, namespace))
            jobs: dict[tuple[str, str], set[str]] = {}
            for test in tests:
                jobs.setdefault((test.namespace, test.runner), set()).add(test.job)
            found = await asyncio.gather(*(runners.warnings(*runner, jobs[runner]) for runner in jobs))
    except ApiError as error:
        return tuple(test.warn(_not_known(test.job, error)) for test in _tests(loaded, ""))
    answers = dict(zip(jobs, found, strict=True))
    return tuple(test.warn(text) for test in tests if (text := answers[test.namespace, test.runner][test.job]))


async def _judge(kind: RunnerType, runs: TestRuns, job: str) -> str:
    try:
        if await runs.traceable(job):
            return ""
    except (ProviderNotFound, ProviderRejected) as error:
        return _not_known(job, error)
    return (
        f"runs of `{job}` do not show their promotion key: one whose start is not confirmed cannot be found and ends "
        f"as Error (TriggerUnknown); {_ADVICE[kind]}"
    )


def _not_known(job: str, error: Exception) -> str:
    why = describe(error)
    if isinstance(error, ReferenceMissing) and error.reason is MissingReason.FORBIDDEN:
        why = f"you may not read {error.what}, whose credential the question needs"
    return f"not known whether runs of `{job}` show their promotion key: {why}"


def _tests(loaded: Loaded, namespace: str) -> Iterator[_Test]:
    kind = PromotionPolicy.definition.kind
    for place, document in loaded.of_kind(kind):
        try:
            policy = PromotionPolicy.from_wire(document)
        except ValidationError:
            continue
        home, name = policy.metadata.namespace or namespace, policy.metadata.name
        for index, test in enumerate(policy.spec.tests):
            finding = LocatedError(place=place, kind=kind, name=name, path=f"spec.tests[{index}].job", message="")
            yield _Test(namespace=home, runner=test.runner_ref.name, job=test.job, finding=finding)
