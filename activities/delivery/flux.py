"""Show what Flux deploys: by what its events reported, which the workflow of the place keeps.

An event names the commit that was applied. Where that is one of the application repository it is what runs. Where it
is one of configuration, the file in which `write.git` writes the tag shows what runs, as of that commit.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from activities.delivery.yaml_edits import YamlEditError, YamlFile
from activities.failures import bounded, describe, failure_from
from activities.host_memory import HostMemory, OpenHosts
from activities.models.configuration import DeploymentSpec, FluxSpec, TagPlace
from activities.models.delivery import Observation, OperationPhase, ReadDeploymentsResult
from activities.models.failures import Failure
from activities.models.reconciliations import Applied, FluxReport, Reconciled, Reconciliation
from activities.observing import unreadable
from activities.ports import PlaceSilent, ReferenceMissing, ResourceOpener
from activities.running import revision_of_tag
from crds.reasons.problems import FailureKind
from crds.reasons.vocabulary import Health
from crds.rules.yaml_paths import YamlPathError
from crds.texts.plain import short_revision
from providers.errors import ProviderError, ProviderMalformed, ProviderNotFound
from providers.reading import in_thread

_AT_ONCE = 5
_PHASES = {
    Reconciled.APPLIED: (OperationPhase.SUCCEEDED, Health.HEALTHY),
    Reconciled.PROGRESSING: (OperationPhase.RUNNING, Health.PROGRESSING),
    Reconciled.FAILED: (OperationPhase.FAILED, Health.DEGRADED),
}

Reports = Mapping[tuple[str, str], Reconciliation]


@dataclass(frozen=True, kw_only=True)
class _Brought:
    """What a commit that was applied brings of one component."""

    revision: str | None = None
    tag: str | None = None


class _Unread(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class FluxObserver:
    """Show what deployments run by the events of their Kustomizations."""

    def __init__(self, opener: ResourceOpener) -> None:
        self._opener = opener
        self._hosts = OpenHosts(opener)
        self._known: HostMemory[str] = HostMemory()
        """What commits hold, and that they exist: neither changes."""

    async def observe(
        self,
        namespace: str,
        deployments: Sequence[DeploymentSpec],
        *,
        refresh: bool = False,
        within: timedelta | None = None,
    ) -> ReadDeploymentsResult:
        """Return what each runs, in their order. There is nothing to refresh: events come by themselves."""
        gate, read_at = asyncio.Semaphore(_AT_ONCE), datetime.now(UTC)
        until = None if within is None else asyncio.get_running_loop().time() + within.total_seconds()
        places = dict.fromkeys((one.flux.environment, one.flux.repository) for one in deployments if one.flux)
        reports = {place: await self._reports(namespace, *place) for place in places}

        async def observed(one: DeploymentSpec, flux: FluxSpec) -> Observation:
            try:
                if one.failure is not None:
                    raise _Unread(one.failure)
                known = reports[flux.environment, flux.repository]
                if isinstance(known, Failure):
                    raise _Unread(known)
                async with asyncio.timeout_at(until), gate:
                    return await self._observe(namespace, one, flux, known)
            except TimeoutError:
                late = "the SCM host that knows what it runs did not answer in time"
                failure = Failure(kind=FailureKind.UNAVAILABLE, object=_object(one), message=late)
            except _Unread as error:
                failure = error.failure
            return unreadable(one, failure)

        found = await asyncio.gather(*(observed(one, one.flux) for one in deployments if one.flux is not None))
        return ReadDeploymentsResult(observations=tuple(found), read_at=read_at)

    async def _reports(self, namespace: str, environment: str, repository: str) -> Reports | Failure:
        try:
            known = await self._opener.reconciliations(namespace, environment, repository)
        except PlaceSilent as error:
            return Failure(kind=FailureKind.EXPIRED, object=f"Environment/{environment}", message=describe(error))
        return {one.newest.key: one for one in known}

    async def _observe(self, namespace: str, one: DeploymentSpec, flux: FluxSpec, reports: Reports) -> Observation:
        known = reports.get((flux.cluster, one.application))
        if known is None or known.applied is None:
            raise _Unread(_unreported(namespace, one, flux, known))
        runs = await self._brought(namespace, one, flux, known.applied)
        newest = known.newest
        applied = newest.phase is Reconciled.APPLIED
        brings = runs if applied else await self._attempted(namespace, one, flux, newest)
        return observation(one, known, runs.revision, runs.tag, brings.revision)

    async def _attempted(self, namespace: str, one: DeploymentSpec, flux: FluxSpec, report: FluxReport) -> _Brought:
        """Return what a reconciliation that has not succeeded would bring; nothing where that is not known."""
        try:
            return await self._brought(namespace, one, flux, report)
        except _Unread as error:
            if error.failure.passing:
                raise
            return _Brought()

    async def _brought(
        self, namespace: str, one: DeploymentSpec, flux: FluxSpec, report: FluxReport | Applied
    ) -> _Brought:
        if flux.tag is None:
            return _Brought(revision=await self._own(namespace, flux.repository, one, report.commit or report.revision))
        if not report.revision:
            raise _wrong(_object(one), "its event names no commit", kind=FailureKind.UNREPORTED)
        value = await self._value(namespace, flux.tag, report.revision)
        # Of an image with its tag the tag alone is recognised.
        for tag in dict.fromkeys((value, value.rpartition(":")[2])):
            if (revision := revision_of_tag(one.tag or "", tag)) is not None:
                return _Brought(revision=revision, tag=tag)
        message = (
            f"{flux.tag.file} holds `{value}` at {short_revision(report.revision)}, which `{one.tag}` does not make: "
        )
        raise _wrong(f"GitRepository/{flux.tag.repository}", f"{message}its revision is not known")

    async def _own(self, namespace: str, repository: str, one: DeploymentSpec, commit: str) -> str:
        """Return a commit that the application repository has: that of another one would never compare."""
        if not commit:
            raise _wrong(_object(one), "its event names no commit", kind=FailureKind.UNREPORTED)
        what = f"GitRepository/{repository}"
        try:
            known = self._known.get(await self._hosts.known(namespace, repository), commit)
            if known is not None:
                return known
            host = await self._hosts.open(namespace, repository)
            found = await host.revisions.resolve(commit)
        except (ProviderError, ReferenceMissing) as error:
            raise _failed(what, error) from None
        if found != commit:
            message = (
                f"it has no commit {short_revision(commit)}, which Flux applied: if that is one of configuration, "
            )
            raise _wrong(what, f"{message}declare `image` and `tag` of the component", kind=FailureKind.NOT_FOUND)
        return self._known.put(commit, host, commit)

    async def _value(self, namespace: str, place: TagPlace, commit: str) -> str:
        """Return what stands where the tag is written, as of a commit."""
        what, where = f"GitRepository/{place.repository}", f"{place.file} at {short_revision(commit)}"
        key = (place.file, place.image, place.yaml_path, commit)
        try:
            known = self._known.get(await self._hosts.known(namespace, place.repository), *key)
            if known is not None:
                return known
            host = await self._hosts.open(namespace, place.repository)
            content = await host.branches.read(place.file, commit) if host.branches is not None else None
        except ProviderNotFound:
            message = f"it has no commit {short_revision(commit)}, which Flux applied: name the repository of the "
            message += "Kustomization's source in `write.git`"
            raise _wrong(what, message, kind=FailureKind.NOT_FOUND) from None
        except ProviderMalformed as error:
            raise _wrong(what, f"{where} cannot be read: {describe(error)}") from None
        except (ProviderError, ReferenceMissing) as error:
            raise _failed(what, error) from None
        if content is None:
            raise _wrong(what, f"{where} does not exist, so that the tag that runs is not known")
        try:
            value = await in_thread(partial(_value_of, place, content))
        except (YamlEditError, YamlPathError) as error:
            raise _wrong(what, f"{where} {error}") from None
        return self._known.put(value, host, *key)


def observation(
    one: DeploymentSpec, known: Reconciliation, runs: str | None, tag: str | None, brings: str | None
) -> Observation:
    """Return what a deployment runs, and what its newest reconciliation brings, as far as that is known."""
    newest = known.newest
    phase, health = _PHASES[newest.phase]
    text = "" if newest.phase is Reconciled.APPLIED else f"{newest.reason}: {newest.message}"
    config = known.applied.revision if known.applied is not None and one.image is not None else ""
    return Observation(
        deployment=one.name,
        component=one.component,
        application=one.application,
        runs=runs,
        written=brings,
        operating=brings if newest.phase is Reconciled.PROGRESSING and brings != runs else None,
        image=one.image,
        tag=tag,
        config_revision=config or None,
        operation_phase=phase,
        operation_message=bounded(text) if newest.phase is Reconciled.FAILED else "",
        health=health,
        sync_status="Synced" if newest.phase is Reconciled.APPLIED else newest.reason,
        settled=newest.phase is Reconciled.APPLIED,
        message=bounded(text),
    )


def _value_of(place: TagPlace, content: bytes) -> str:
    # What an edit replaces is what stands there; the edited text is dropped.
    file = YamlFile(content)
    return file.set_image_tag(place.image, "x") if place.image else file.set(place.yaml_path, "x")


def _unreported(namespace: str, one: DeploymentSpec, flux: FluxSpec, known: Reconciliation | None) -> Failure:
    if known is not None:
        newest = known.newest
        message = f"no event has reported yet what it runs; the newest one states {newest.reason}: {newest.message}"
    elif flux.cluster:
        message = f"no event of it has come yet to /flux/{namespace}/{flux.cluster} of the receiver"
    else:
        message = "no event of it has come yet from a controller with --events-addr"
    return Failure(kind=FailureKind.UNREPORTED, object=_object(one), message=bounded(message))


def _object(one: DeploymentSpec) -> str:
    return f"Kustomization/{one.application}"


def _wrong(what: str, message: str, *, kind: FailureKind = FailureKind.MISCONFIGURED) -> _Unread:
    return _Unread(Failure(kind=kind, object=what, message=bounded(message)))


def _failed(what: str, error: Exception) -> _Unread:
    failure = failure_from(error)
    return _Unread(failure if failure.object else Failure(kind=failure.kind, object=what, message=failure.message))
