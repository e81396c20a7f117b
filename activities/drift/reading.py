"""Read the applications of some monitors, and judge each; a silent server is no evidence about one application."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from activities.drift.judging import DriftJudgement, Promoted, judge, parameters_of
from activities.drift.monitors import is_about
from activities.environments import deployment_named, read_resource
from activities.failures import bounded, failure_from, last_attempt
from activities.full_revisions import FullRevisions
from activities.models.configuration import DeploymentSpec
from activities.models.delivery import Observation
from activities.models.drift import DriftReading, Verdict
from activities.observing import observe
from activities.ports import MissingReason, ReferenceMissing, ResourceOpener
from activities.reading import NO_ANSWER, SILENT_AFTER, explain, reference
from activities.running import operation_under_way
from activities.targets import target_of
from crds.api.ports import Kubernetes
from crds.reasons.vocabulary import Drift
from crds.resource import Resource
from crds.v1alpha1.drift_monitor import AutoRemediate, DriftMonitor
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from providers.errors import ProviderBusy, ProviderError, ProviderNotFound, ProviderUnavailable
from providers.ports import Deployments

READING = timedelta(seconds=60)
"""What all reads of one look may take together; what was not read by then has its turn at a later one."""
Kind = TypeVar("Kind", bound=Resource)

_AT_ONCE = 8
"""Reads at one Argo CD at a time, as for promotions."""


@dataclass(kw_only=True)
class Found:
    """What was read."""

    judged: list[tuple[DriftMonitor, DriftJudgement]] = field(default_factory=list)
    """Of each monitor of which anything is known now, in the order in which they were asked for."""
    silent: dict[str, ProviderError] = field(default_factory=dict)
    """Projects whose server answered not several times, with the last of its failures."""


@dataclass(kw_only=True)
class _Application:
    monitor: DriftMonitor
    deployment: DeploymentSpec
    seen: Observation
    parameters: dict[str, str]


class ApplicationReader:
    """Read and judge applications."""

    def __init__(self, kubernetes: Kubernetes, opener: ResourceOpener) -> None:
        self._kubernetes = kubernetes
        self._revisions = FullRevisions(opener)

    async def read(self, port: Deployments, monitors: Sequence[DriftMonitor]) -> Found:
        """Read the application of each monitor once."""
        found, gate = Found(), asyncio.Semaphore(_AT_ONCE)
        declared = _Declared(self._kubernetes)
        unanswered: dict[str, int] = defaultdict(int)
        applications: list[_Application] = []

        async def one(monitor: DriftMonitor) -> None:
            try:
                _, deployment = await declared.deployment(monitor)
            except ReferenceMissing as missing:
                found.judged.append((monitor, _unknown(failure_from(missing).text)))
                return
            async with gate:
                await ask(monitor, deployment)

        async def ask(monitor: DriftMonitor, deployment: DeploymentSpec) -> None:
            project = monitor.spec.project
            if project in found.silent:
                return
            try:
                state = await port.get(reference(deployment))
            except ProviderNotFound as error:
                missing = Verdict(
                    kind=Drift.APPLICATION_MISSING, expected=monitor.spec.application, observed=bounded(str(error))
                )
                found.judged.append((monitor, DriftJudgement(verdict=missing)))
            except ProviderError as error:
                if isinstance(error, ProviderBusy) and not last_attempt():
                    raise
                if isinstance(error, ProviderUnavailable) and error.status in NO_ANSWER:
                    unanswered[project] += 1
                    if unanswered[project] >= SILENT_AFTER:
                        found.silent[project] = error
                found.judged.append((monitor, _unknown(explain(deployment, error))))
            else:
                if operation_under_way(state):
                    # It may change everything.
                    return
                # An application may have megabytes, and more than a hundred are read for one answer.
                seen = observe(deployment, state, port.locate(target_of(deployment), state))
                parameters = parameters_of(monitor.metadata.uid or "", deployment, state)
                applications.append(
                    _Application(monitor=monitor, deployment=deployment, seen=seen, parameters=parameters)
                )

        with suppress(TimeoutError):
            async with asyncio.timeout(READING.total_seconds()):
                # In an order of chance: where some hang, others have their turn at a later look.
                await asyncio.gather(*map(one, random.sample(monitors, len(monitors))))
        found.judged += await self._judged(applications)
        places = {monitor.metadata.name: place for place, monitor in enumerate(monitors)}
        found.judged.sort(key=lambda judged: places[judged[0].metadata.name])
        return found

    async def _judged(self, applications: Sequence[_Application]) -> list[tuple[DriftMonitor, DriftJudgement]]:
        """Judge what was read, once abbreviated hashes are whole."""
        by_repository: defaultdict[tuple[str, str], list[_Application]] = defaultdict(list)
        for one in applications:
            namespace, repository = one.monitor.metadata.namespace or "", one.monitor.spec.repository_ref.name
            by_repository[namespace, repository].append(one)
        judged: list[tuple[DriftMonitor, DriftJudgement]] = []
        for (namespace, repository), ours in by_repository.items():
            seen = await self._revisions.complete_all(namespace, repository, [one.seen for one in ours])
            judged += [
                (one.monitor, judge(promoted(one.monitor), one.deployment, whole, one.parameters))
                for one, whole in zip(ours, seen, strict=True)
            ]
        return judged


class _Declared:
    """Read what monitors name, each resource once."""

    def __init__(self, kubernetes: Kubernetes) -> None:
        self._kubernetes = kubernetes
        self._known: dict[tuple[str, str, str], Resource | ReferenceMissing] = {}

    async def deployment(self, monitor: DriftMonitor) -> tuple[Environment, DeploymentSpec]:
        """Return a monitor's environment, and its deployment as it is declared now. Raises ReferenceMissing."""
        namespace, spec = monitor.metadata.namespace or "", monitor.spec
        environment = await self._read(Environment, namespace, spec.environment)
        repository = await self._read(GitRepository, namespace, spec.repository_ref.name)
        found = deployment_named(environment, repository, spec.deployment, spec.application)
        if found is None:
            message = f"Environment `{spec.environment}` has no deployment `{spec.deployment}` any more: delete the "
            message += f"DriftMonitor `{monitor.metadata.name}`, or declare the deployment again"
            raise ReferenceMissing(f"Environment/{spec.environment}", MissingReason.NOTHING_DEPLOYED, message)
        return environment, found

    async def _read(self, kind: type[Kind], namespace: str, name: str) -> Kind:
        key = (kind.definition.kind, namespace, name)
        if key not in self._known:
            try:
                self._known[key] = await read_resource(self._kubernetes, kind, namespace, name)
            except ReferenceMissing as missing:
                self._known[key] = missing
        found = self._known[key]
        if isinstance(found, kind):
            return found
        raise found if isinstance(found, ReferenceMissing) else TypeError(f"{key} is another kind")


async def declared_deployment(kubernetes: Kubernetes, monitor: DriftMonitor) -> tuple[Environment, DeploymentSpec]:
    """Return a monitor's environment, and its deployment as it is declared now. Raises ReferenceMissing."""
    return await _Declared(kubernetes).deployment(monitor)


def promoted(monitor: DriftMonitor) -> Promoted:
    """Return what a monitor compares with; a baseline of an earlier promotion is none."""
    baseline = monitor.status.baseline
    ours = baseline is not None and baseline.promoted_at == monitor.spec.promoted_at
    return Promoted(
        uid=monitor.metadata.uid or "",
        revision=monitor.spec.revision,
        parameters=_by_name(baseline.parameters) if baseline is not None and ours else None,
    )


def as_reading(monitor: DriftMonitor, seen: str, judged: DriftJudgement) -> DriftReading:
    """Return what a workflow needs to decide on it."""
    spec, status = monitor.spec, monitor.status
    return DriftReading(
        monitor=monitor.metadata.name,
        uid=monitor.metadata.uid or "",
        generation=monitor.metadata.generation,
        tracker=spec.tracker_ref.name,
        repository=spec.repository_ref.name,
        seen=seen,
        verdict=judged.verdict,
        moved=judged.moved,
        pair=judged.pair,
        runs=judged.runs,
        shown=status.kind,
        shown_tracker=status.tracker or "",
        current=status.observed_generation == monitor.metadata.generation,
        earlier=not is_about(
            status,
            generation=monitor.metadata.generation,
            tracker=spec.tracker_ref.name,
            promoted_at=spec.promoted_at,
        ),
        parameters=judged.parameters,
        promoted_at=spec.promoted_at,
        syncs=spec.auto_remediate is AutoRemediate.SYNC,
    )


def _by_name(parameters: Sequence[str]) -> dict[str, str]:
    return {name: digest for name, _, digest in (one.rpartition("=") for one in parameters)}


def _unknown(why: str) -> DriftJudgement:
    return DriftJudgement(verdict=Verdict(kind=Drift.UNKNOWN, observed=why))
