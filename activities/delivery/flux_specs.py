"""What an Environment declares of a deployment that Flux brings: who reports of it, and where its tag stands. Pure."""

from dataclasses import replace

from activities.failures import failure_from
from activities.models.configuration import DeploymentSpec, FluxSpec, TagPlace
from activities.models.tracking import RepositoryView
from activities.ports import MissingReason, ReferenceMissing
from crds.rules.flux_deliveries import tag_edit
from crds.rules.git_writes import file_error
from crds.rules.substitution import SubstitutionError, render
from crds.v1alpha1.deployment import Deployment, FluxDeployment
from crds.v1alpha1.environment import Environment

PLACE_BYTES = 1024
"""Of a path, with its variables replaced."""


def brought_by_flux(
    spec: DeploymentSpec,
    environment: Environment,
    deployment: Deployment,
    flux: FluxDeployment,
    repository: RepositoryView,
) -> DeploymentSpec:
    """Return the deployment with who reports of it; one of which nothing shows what it runs has that as its failure."""
    cluster = flux.cluster_ref.name if flux.cluster_ref is not None else ""
    reported = FluxSpec(environment=environment.metadata.name, repository=repository.name, cluster=cluster)
    spec = replace(spec, application=flux.application, flux=reported)
    if spec.image is None:
        return spec
    try:
        return replace(spec, flux=replace(reported, tag=_tag_place(spec, environment, deployment, repository)))
    except ReferenceMissing as error:
        return replace(spec, failure=failure_from(error).brief())


def _tag_place(
    spec: DeploymentSpec, environment: Environment, deployment: Deployment, repository: RepositoryView
) -> TagPlace:
    write, edit = environment.write_of(deployment), tag_edit(environment, deployment)
    if write is None or write.git is None or edit is None:
        message = f"deployment `{spec.name}` is recognised by its image, and an event of Flux names none: "
        message += "`write.git` must name the file in which the tag stands"
        raise _unrecognised(environment, message)
    variables = {
        "repository.name": repository.repository,
        "repository.owner": repository.owner,
        "repository.fullName": repository.full_name,
        "targetEnvironment": environment.metadata.name,
        "component.name": spec.component,
        "deployment.name": spec.name,
        **{f"target.vars.{name}": value for name, value in environment.spec.vars.items()},
    }
    try:
        file, yaml_path = render(edit.file, variables), render(edit.yaml_path or "", variables)
    except SubstitutionError as error:
        raise _unrecognised(environment, f"where the tag of `{spec.name}` stands is not known: {error}") from None
    problem = "is too long" if max(map(len, (file.encode(), yaml_path.encode()))) > PLACE_BYTES else file_error(file)
    if problem is not None:
        raise _unrecognised(environment, f"`{file[:100]}`, where the tag of `{spec.name}` stands, {problem}")
    return TagPlace(
        repository=write.git.repository_ref.name, file=file, image=edit.kustomize_image or "", yaml_path=yaml_path
    )


def _unrecognised(environment: Environment, message: str) -> ReferenceMissing:
    return ReferenceMissing(f"Environment/{environment.metadata.name}", MissingReason.INVALID, message)
