"""Validation of what Flux deploys: whether its revisions can be recognised. Pure."""

from collections.abc import Mapping

from crds.rules.field_errors import FieldError
from crds.rules.git_writes import recognises
from crds.rules.substitution import SubstitutionError, names_in
from crds.v1alpha1.deployment import Deployment, GitEdit
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import Component, GitRepository

_OF_THE_HOP = "sourceEnvironment"


def tag_edit(environment: Environment, deployment: Deployment) -> GitEdit | None:
    """Return the edit that shows where the tag of a deployment stands; None where none does."""
    write = environment.write_of(deployment)
    edits = write.git.edits if write is not None and write.git is not None else ()
    return next((one for one in edits if recognises(one)), None)


def flux_errors(environment: Environment, repositories: Mapping[str, GitRepository] | None) -> list[FieldError]:
    """Find deployments of Flux of which no event could show what they run.

    An event names a commit of configuration. Which image that deploys stands in its files, that `write.git` names.
    """
    errors: list[FieldError] = []
    for index, deployment in enumerate(environment.spec.deployments):
        if deployment.flux is None or not _by_image(deployment, repositories or {}):
            continue
        path, edit = f"spec.deployments[{index}].flux", tag_edit(environment, deployment)
        if edit is None:
            message = (
                "an event names a commit of configuration, not the image: `write.git` must name the file in which the "
                "tag of the component stands"
            )
            errors.append(FieldError(path=path, message=message))
        elif _OF_THE_HOP in {*_names(edit.file), *_names(edit.yaml_path or "")}:
            message = (
                f"`${{{_OF_THE_HOP}}}` cannot be part of the place where the tag stands: it has no value in events"
            )
            errors.append(FieldError(path=path, message=message))
    return errors


def _by_image(deployment: Deployment, repositories: Mapping[str, GitRepository]) -> bool:
    repository = repositories.get(deployment.repository_ref.name)
    component = _component(deployment, repository) if repository is not None else None
    return component is not None and component.image is not None


def _component(deployment: Deployment, repository: GitRepository) -> Component | None:
    components = repository.spec.components
    if deployment.component is None:
        return components[0] if len(components) == 1 else None
    return next((one for one in components if one.name == deployment.component), None)


def _names(template: str) -> tuple[str, ...]:
    try:
        return names_in(template)
    except SubstitutionError:
        return ()
