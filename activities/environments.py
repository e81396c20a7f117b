"""Read an Environment for one repository: selectors resolved, references proved, the first missing thing named."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from activities.delivery.flux_specs import brought_by_flux
from activities.failures import describe, failure_from, kind_of
from activities.models.budgets import VIEW_BYTES
from activities.models.configuration import (
    BranchWriteSpec,
    DeploymentSpec,
    EnvironmentView,
    GitEditSpec,
    GitVia,
    GitWriteSpec,
    ReadEnvironmentInput,
    WriteKind,
    WriteSpec,
)
from activities.models.failures import PASSING
from activities.models.tracking import Component, RepositoryView
from activities.ports import MissingReason, ReferenceMissing, ResourceOpener
from activities.refusals import note_read
from activities.shared_applications import SharedApplications
from crds.api.ports import ApiNotFound, Kubernetes, resource_of
from crds.resource import Resource
from crds.rules.shared_applications import split_name
from crds.v1alpha1.deployment import ArgoCDDeployment, ArgoCDWrite, BranchWrite, Deployment, GitWrite, Write
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository, RepositoryMode
from crds.v1alpha1.tracker_status import MAX_APPLICATIONS
from providers.application_models import ApplicationRef
from providers.errors import (
    ProviderError,
    ProviderMisconfigured,
    ProviderNotFound,
    ProviderUnauthorized,
    ProviderUnavailable,
)

Kind = TypeVar("Kind", bound=Resource)

RESOLVING = timedelta(seconds=40)
"""What all selectors at one Argo CD instance may take together: more than one call, less than the activity."""


async def read_resource(kubernetes: Kubernetes, kind: type[Kind], namespace: str | None, name: str) -> Kind:
    """Read one resource. Raises ReferenceMissing where it does not exist or cannot be understood."""
    what = f"{kind.definition.kind}/{name}"
    where = f" in namespace {namespace}" if namespace else ""
    try:
        resource = kind.from_wire(await kubernetes.get(resource_of(kind.definition), namespace, name))
    except ApiNotFound:
        message = f"{kind.definition.kind} `{name}` does not exist{where}: create it, or fix the name that refers to it"
        raise ReferenceMissing(what, MissingReason.NOT_FOUND, message) from None
    except ValidationError as error:
        fields = tuple(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
        message = f"{kind.definition.kind} `{name}`{where} is not valid"
        raise ReferenceMissing(what, MissingReason.INVALID, message, fields=fields) from None
    note_read(resource)
    return resource


def view_repository(repository: GitRepository) -> RepositoryView:
    """Map a GitRepository; one without components is one component of its own name. Raises ReferenceMissing."""
    name = repository.metadata.name
    try:
        hosted = repository.spec.hosted
    except ValueError as error:
        raise ReferenceMissing(f"GitRepository/{name}", MissingReason.INVALID, str(error)) from None
    components = tuple(
        Component(name=component.name, paths=component.paths, image=component.image, tag=component.tag)
        for component in repository.spec.components
    )
    return RepositoryView(
        name=name,
        owner=hosted.full_name.rpartition("/")[0],
        repository=hosted.name,
        full_name=hosted.full_name,
        components=components or (Component(name=name),),
    )


_LISTING_REASONS = {
    ProviderUnauthorized: MissingReason.REFUSED,
    ProviderNotFound: MissingReason.NOT_FOUND,
    ProviderMisconfigured: MissingReason.INVALID,
}


class EnvironmentReader:
    """Read one environment once."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        opener: ResourceOpener,
        request: ReadEnvironmentInput,
        shared: SharedApplications,
    ) -> None:
        self._kubernetes = kubernetes
        self._shared = shared
        self._opener = opener
        self._request = request

    async def read(self) -> EnvironmentView:
        """Return the view. Raises ReferenceMissing for the first thing that a person must provide.

        What only some deployments miss, such as their ArgoCDInstance or its Secret, is their own problem.
        """
        request = self._request
        environment = await read_resource(self._kubernetes, Environment, request.namespace, request.environment)
        ours = [one for one in environment.spec.deployments if one.repository_ref.name == request.repository]
        if not ours:
            message = f"it has no deployment of GitRepository `{request.repository}`: add one to spec.deployments"
            raise self._missing(MissingReason.NOTHING_DEPLOYED, message)
        declared = await read_resource(self._kubernetes, GitRepository, request.namespace, request.repository)
        repository, acts = view_repository(declared), declared.spec.mode is RepositoryMode.ACT
        components = [self._component(repository, one) for one in ours]
        resolved = await self._resolved(ours)
        missing = [one for one in resolved if isinstance(one, ReferenceMissing)]
        if len(missing) == len(ours):
            # Nothing of the environment can be seen, so that its problem is this one.
            raise missing[0]
        found: list[DeploymentSpec] = []
        for deployment, component, names in zip(ours, components, resolved, strict=True):
            # What no one writes is observed.
            write = to_write_spec(environment.write_of(deployment)) if acts else None
            spec = _to_spec(deployment, repository, component, write)
            if isinstance(names, Exception):
                found.append(_unresolved(spec, deployment, names))
            elif deployment.flux is not None:
                found.append(brought_by_flux(spec, environment, deployment, deployment.flux, repository))
            else:
                found += [_of_application(spec, deployment, name) for name in names]
        found = [await self._with_own_project(environment, one) for one in await self._shared.mark(environment, found)]
        place = environment.spec
        view = EnvironmentView(
            name=environment.metadata.name,
            final=place.final,
            vars=dict(place.vars),
            delivery_timeout=place.delivery_timeout,
            deployments=tuple(sorted(found, key=lambda one: (one.wave, one.name))),
            wave_pause=place.wave_pause,
            generation=environment.metadata.generation,
            url=place.url or "",
            teams={str(one.verb): one.scm_team for one in place.commands},
            notify=place.notify,
        )
        self._bound(view)
        return view

    async def _with_own_project(self, environment: Environment, one: DeploymentSpec) -> DeploymentSpec:
        """Ask Argo CD where only it knows whether an older Environment names the same application in another way."""
        if one.write is None or one.taken_by or one.unresolved:
            return one
        others = await self._shared.alike(environment, one)
        if not others:
            return one
        namespace, bare = split_name(one.application)
        try:
            port = await self._opener.deployments(self._request.namespace, one.instance)
            usual = (await port.get(ApplicationRef(project=one.project, name=bare))).namespace
        except (ProviderUnauthorized, ProviderNotFound):
            # What is not there, or not to be seen, under its bare name is another one than what is to be written.
            return one
        except (ReferenceMissing, ProviderError) as error:
            return replace(one, failure=failure_from(error).brief())
        owner = next((who for named, who in others.items() if (named or usual) == (namespace or usual)), None)
        return one if owner is None else replace(one, taken_by=str(owner))

    def _bound(self, view: EnvironmentView) -> None:
        """Refuse what no promotion could carry, rather than a part of it in silence."""
        count, size = len(view.deployments), len(to_json(view))
        if count > MAX_APPLICATIONS:
            message = f"it has {count} applications of GitRepository `{self._request.repository}`, and at most "
            message += f"{MAX_APPLICATIONS} are allowed: divide it into several Environments"
            raise self._missing(MissingReason.TOO_LARGE, message)
        if size > VIEW_BYTES:
            message = f"its variables, and the names and images of its {count} applications of GitRepository "
            message += f"`{self._request.repository}`, have {size} bytes, and at most {VIEW_BYTES} are allowed: "
            message += "divide it into several Environments, or shorten them"
            raise self._missing(MissingReason.TOO_LARGE, message)

    def _component(self, repository: RepositoryView, deployment: Deployment) -> Component:
        named = {component.name: component for component in repository.components}
        if deployment.component is None and len(named) == 1:
            return repository.components[0]
        if deployment.component in named:
            return named[deployment.component]
        given = f"names component `{deployment.component}`" if deployment.component else "names no component"
        message = f"deployment `{deployment.name}` {given}; GitRepository `{repository.name}` has {', '.join(named)}"
        raise self._missing(MissingReason.INVALID, message)

    async def _resolved(
        self, deployments: Sequence[Deployment]
    ) -> list[Sequence[str] | ReferenceMissing | ProviderError]:
        """Return each deployment's applications, or why they are not known.

        Argo CD instances are asked side by side: one that is down or slow holds up none but its own deployments.
        """
        found: dict[str, Sequence[str] | ReferenceMissing | ProviderError] = {}

        async def ask(instance: str, ours: Sequence[tuple[Deployment, ArgoCDDeployment]]) -> None:
            silent: ProviderError | None = None
            until = asyncio.get_running_loop().time() + RESOLVING.total_seconds()
            for one, argocd in ours:
                try:
                    if silent is not None and argocd.selector is not None:
                        raise silent
                    async with asyncio.timeout_at(until):
                        found[one.name] = await self._applications(one, argocd)
                except TimeoutError:
                    message = f"ArgoCDInstance/{instance} did not answer within {RESOLVING.total_seconds():.0f} s"
                    found[one.name] = silent = ProviderUnavailable(message, status=504)
                except (ReferenceMissing, ProviderError) as error:
                    found[one.name] = error
                    if kind_of(error) in PASSING and isinstance(error, ProviderError):
                        # The others of this instance would wait for the same.
                        silent = error

        async with asyncio.TaskGroup() as group:
            for name, ours in _by_instance(deployments).items():
                group.create_task(ask(name, ours))
        return [(one.flux.application,) if one.flux is not None else found[one.name] for one in deployments]

    async def _applications(self, deployment: Deployment, argocd: ArgoCDDeployment) -> Sequence[str]:
        # Opening proves the instance and its Secret also where no selector asks the server.
        port = await self._opener.deployments(self._request.namespace, argocd.instance_ref.name)
        if argocd.selector is None:
            return (argocd.application or "",)
        selector = argocd.selector.to_query()
        try:
            names = await port.names(argocd.project, selector=selector) if selector else ()
        except (ProviderUnauthorized, ProviderNotFound, ProviderMisconfigured) as error:
            what = f"ArgoCDInstance/{argocd.instance_ref.name}"
            message = f"its applications cannot be listed in project {argocd.project}: {describe(error)}"
            raise ReferenceMissing(what, _LISTING_REASONS[type(error)], message) from None
        if not names:
            message = f"the selector `{selector}` of deployment `{deployment.name}` matches no application"
            raise self._missing(MissingReason.NOTHING_SELECTED, f"{message} in project {argocd.project}")
        return names

    def _missing(self, reason: MissingReason, message: str) -> ReferenceMissing:
        return ReferenceMissing(f"Environment/{self._request.environment}", reason, message)


def deployment_named(
    environment: Environment, repository: GitRepository, name: str, application: str
) -> DeploymentSpec | None:
    """Return one deployment of Argo CD as it is declared now; None where the environment has no such one.

    One that a selector stands for is named `deployment/application`.
    """
    view = view_repository(repository)
    for one in environment.spec.deployments:
        if one.name != name.partition("/")[0] or one.repository_ref.name != repository.metadata.name:
            continue
        if one.argocd is None:
            return None
        component = next((each for each in view.components if each.name == one.component), view.components[0])
        # What no one writes is observed.
        acts = repository.spec.mode is RepositoryMode.ACT
        spec = _to_spec(one, view, component, to_write_spec(environment.write_of(one)) if acts else None)
        return _of_application(spec, one, application)
    return None


def to_write_spec(write: Write | None) -> WriteSpec | None:
    """Map how a deployment is written; None means observed only."""
    if write is None:
        return None
    if write.git is not None:
        return WriteSpec(kind=WriteKind.GIT, git=_git_write_spec(write.git))
    if write.branch is not None:
        return WriteSpec(kind=WriteKind.BRANCH, branch=_branch_write_spec(write.branch))
    argocd = write.argocd or ArgoCDWrite()
    return WriteSpec(
        kind=WriteKind(argocd.set),
        image=argocd.image,
        parameter=argocd.parameter,
        allow_managed=argocd.allow_managed,
        source_name=argocd.source.name if argocd.source else None,
        source_path=argocd.source.path if argocd.source else None,
        source_position=argocd.source.position if argocd.source else None,
        prune=argocd.prune,
    )


def _git_write_spec(git: GitWrite) -> GitWriteSpec:
    return GitWriteSpec(
        repository=git.repository_ref.name,
        branch=git.branch,
        via=GitVia(git.via),
        auto_merge=git.auto_merge,
        merge_method=git.merge_method,
        edits=tuple(
            GitEditSpec(
                file=edit.file,
                image=edit.kustomize_image or "",
                yaml_path=edit.yaml_path or "",
                value=edit.value or "",
            )
            for edit in git.edits
        ),
    )


def _branch_write_spec(branch: BranchWrite) -> BranchWriteSpec:
    return BranchWriteSpec(
        repository=branch.repository_ref.name,
        source=branch.source,
        target=branch.target,
        auto_merge=branch.auto_merge,
        merge_method=branch.merge_method,
        title=branch.title or "",
        body=branch.body or "",
        labels=branch.labels,
    )


def _unresolved(
    spec: DeploymentSpec, deployment: Deployment, error: ReferenceMissing | ProviderError
) -> DeploymentSpec:
    """Return the spec of a deployment that misses something; one that names its application is read anyway."""
    if deployment.application:
        return replace(spec, application=deployment.application)
    failure = failure_from(error)
    if isinstance(error, ProviderError):
        instance = f"ArgoCDInstance/{spec.instance}"
        why = f"the applications of {instance} cannot be listed in project {spec.project}: {failure.message}"
        failure = replace(failure, object=instance, message=why)
    return replace(spec, name=deployment.name, failure=failure.brief())


def _to_spec(
    deployment: Deployment, repository: RepositoryView, component: Component, write: WriteSpec | None
) -> DeploymentSpec:
    """Map what is declared; which application it is comes later."""
    argocd = deployment.argocd
    return DeploymentSpec(
        name=deployment.name,
        component=component.name,
        wave=deployment.wave,
        instance=argocd.instance_ref.name if argocd is not None else "",
        project=argocd.project if argocd is not None else "",
        application="",
        write=write,
        image=component.image,
        tag=component.tag,
        repository=repository.full_name,
    )


def _of_application(spec: DeploymentSpec, deployment: Deployment, application: str) -> DeploymentSpec:
    """Return the deployment of one Argo CD Application; a selector stands for one for each that it finds."""
    selected = deployment.argocd is not None and deployment.argocd.selector is not None
    return replace(spec, application=application, name=f"{spec.name}/{application}" if selected else spec.name)


def _by_instance(deployments: Sequence[Deployment]) -> Mapping[str, list[tuple[Deployment, ArgoCDDeployment]]]:
    found: dict[str, list[tuple[Deployment, ArgoCDDeployment]]] = {}
    for one in deployments:
        if one.argocd is not None:
            found.setdefault(one.argocd.instance_ref.name, []).append((one, one.argocd))
    return found
