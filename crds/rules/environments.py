"""Validation of what policies stand on: environments and repositories. Pure; every error at once."""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta

from crds.paths import Overlaps, TooCostly, path_error
from crds.rules.field_errors import FieldError
from crds.rules.flux_deliveries import flux_errors
from crds.rules.git_writes import git_write_errors
from crds.rules.label_syntax import selector_errors
from crds.rules.promotion_policies import missing, repository_errors, template_errors
from crds.rules.substitution import VARIABLE_NAME, SubstitutionError, names_in, render
from crds.v1alpha1.deployment import ArgoCDDeployment
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import Component, GitRepository
from crds.v1alpha1.scm_host import SHOWS_NO_TEAMS

# A tag must lead back from what runs to a revision, so that nothing else that changes may be part of it.
_TAG_VARIABLES = frozenset({"revision", "repository.name", "repository.owner", "repository.fullName", "component.name"})
# https://github.com/distribution/reference: tag = [\w][\w.-]{0,127}
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_EXAMPLE_REVISION = "0123456789abcdef0123456789abcdef01234567"


def validate_environment(
    environment: Environment,
    *,
    instances: Collection[str] | None = None,
    repositories: Mapping[str, GitRepository] | None = None,
) -> list[FieldError]:
    """Find everything that keeps an environment from being observed or written.

    `instances` are names of ArgoCDInstances; None means that these resources are not known.
    """
    spec = environment.spec
    errors = [
        FieldError(path=f"spec.vars.{name[:64]}", message="is no name for a variable: write letters, digits, `_`, `-`")
        for name in spec.vars
        if VARIABLE_NAME.fullmatch(name) is None
    ]
    if spec.delivery_timeout <= timedelta(0):
        errors.append(FieldError(path="spec.deliveryTimeout", message="must be positive"))
    errors += _deployment_errors(environment, instances, repositories)
    errors += _command_errors(environment, repositories)
    return errors + git_write_errors(environment, repositories) + flux_errors(environment, repositories)


def _command_errors(environment: Environment, repositories: Mapping[str, GitRepository] | None) -> list[FieldError]:
    """Find teams that no one can be a member of: none of the hosts of what is deployed here shows who is in one."""
    names = {deployment.repository_ref.name for deployment in environment.spec.deployments}
    declared = (repositories[name].spec for name in names if name in repositories) if repositories is not None else ()
    # One without a host, or with two, is an error of its own.
    hosts = {spec.host for spec in declared if not spec.promotion_error}
    if not hosts or not hosts <= SHOWS_NO_TEAMS:
        return []
    message = f"{', '.join(sorted(hosts))} does not show who is in a team: remove it, and use `pilotage promote`"
    return [
        FieldError(path=f"spec.commands[{index}].scmTeam", message=message)
        for index, _ in enumerate(environment.spec.commands)
    ]


def _deployment_errors(
    environment: Environment, instances: Collection[str] | None, repositories: Mapping[str, GitRepository] | None
) -> list[FieldError]:
    errors: list[FieldError] = []
    names: dict[str, int] = {}
    applications: dict[tuple[str, str], int] = {}
    for index, deployment in enumerate(environment.spec.deployments):
        path = f"spec.deployments[{index}]"
        if names.setdefault(deployment.name, index) != index:
            message = f"`{deployment.name}` is also the name of spec.deployments[{names[deployment.name]}]"
            errors.append(FieldError(path=f"{path}.name", message=message))
        if deployment.argocd is not None:
            errors += _argocd_errors(f"{path}.argocd", index, deployment.argocd, instances, applications)
        if repositories is not None:
            errors += _component_errors(path, deployment.repository_ref.name, deployment.component, repositories)
    return errors


def _argocd_errors(
    path: str,
    index: int,
    argocd: ArgoCDDeployment,
    instances: Collection[str] | None,
    applications: dict[tuple[str, str], int],
) -> list[FieldError]:
    """Check Applications; `applications` are those of the deployments before, and gain this one's."""
    errors: list[FieldError] = []
    if instances is not None and argocd.instance_ref.name not in instances:
        errors.append(missing(f"{path}.instanceRef.name", "ArgoCDInstance", argocd.instance_ref.name))
    if argocd.selector is not None and not argocd.selector.to_query():
        errors.append(FieldError(path=f"{path}.selector", message="is empty, which selects nothing"))
    if argocd.selector is not None:
        errors += selector_errors(f"{path}.selector", argocd.selector)
    if argocd.application is not None:
        key = (argocd.instance_ref.name, argocd.application)
        if applications.setdefault(key, index) != index:
            message = f"`{argocd.application}` is also the application of spec.deployments[{applications[key]}]"
            errors.append(FieldError(path=f"{path}.application", message=message))
    return errors


def _component_errors(
    path: str, repository_name: str, component: str | None, repositories: Mapping[str, GitRepository]
) -> list[FieldError]:
    if errors := repository_errors(f"{path}.repositoryRef.name", repository_name, repositories):
        return errors
    repository = repositories[repository_name]
    known = [known.name for known in repository.spec.components]
    if component is None and known:
        message = f"must be one of {', '.join(known)}: GitRepository `{repository_name}` has components"
        return [FieldError(path=f"{path}.component", message=message)]
    if component is not None and component not in known:
        message = f"GitRepository `{repository_name}` has no component `{component}`"
        return [FieldError(path=f"{path}.component", message=message)]
    return []


def validate_repository(repository: GitRepository, *, providers: Collection[str] | None = None) -> list[FieldError]:
    """Find components that cannot be distinguished or recognised where they run.

    `providers` are the known providers, each as `<kind>/<name>`; None means that they are not known.
    """
    errors: list[FieldError] = []
    reference = repository.spec.scm_provider_ref
    if providers is not None and f"{reference.kind.value}/{reference.name}" not in providers:
        errors.append(missing("spec.scmProviderRef.name", reference.kind.value, reference.name))
    names: dict[str, int] = {}
    for index, component in enumerate(repository.spec.components):
        path = f"spec.components[{index}]"
        if names.setdefault(component.name, index) != index:
            message = f"`{component.name}` is also the name of spec.components[{names[component.name]}]"
            errors.append(FieldError(path=f"{path}.name", message=message))
        problems = ((position, path_error(glob)) for position, glob in enumerate(component.paths))
        errors += [
            FieldError(path=f"{path}.paths[{position}]", message=problem)
            for position, problem in problems
            if problem is not None
        ]
        errors += _image_errors(component, path)
    return errors + _overlap_errors(repository.spec.components)


def _overlap_errors(components: tuple[Component, ...]) -> list[FieldError]:
    errors: dict[tuple[int, int, int], FieldError] = {}
    try:
        for second, position, first, other in Overlaps().among([component.paths for component in components]):
            if (second, position, first) not in errors:
                glob, shared = components[second].paths[position], components[first].paths[other]
                message = f"`{glob}` overlaps `{shared}` of spec.components[{first}] (`{components[first].name}`)"
                path = f"spec.components[{second}].paths[{position}]"
                errors[second, position, first] = FieldError(path=path, message=message)
    except TooCostly:
        message = "too many globs begin with a wildcard to be compared: begin them with the folder that they are about"
        return [*errors.values(), FieldError(path="spec.components", message=message)]
    return list(errors.values())


def _image_errors(component: Component, path: str) -> list[FieldError]:
    if component.image is not None and component.tag is None:
        message = (
            "is required with image, since Pilotage recognises by it what runs; write for example `sha-${revision}`"
        )
        return [FieldError(path=f"{path}.tag", message=message)]
    if component.tag is None:
        return []
    errors = template_errors(f"{path}.tag", component.tag)
    if component.image is None:
        errors.append(FieldError(path=f"{path}.image", message="is required with tag"))
    if component.image is not None and (":" in component.image.rsplit("/", 1)[-1] or "@" in component.image):
        errors.append(FieldError(path=f"{path}.image", message="must not have a tag or digest; write the tag in `tag`"))
    return errors + ([] if errors else _tag_errors(component.tag, f"{path}.tag"))


def _tag_errors(template: str, path: str) -> list[FieldError]:
    names = names_in(template)
    if "revision" not in names:
        message = "must contain `${revision}`: else no revision matches the tag that runs"
        return [FieldError(path=path, message=message)]
    refused = [name for name in names if name not in _TAG_VARIABLES]
    if refused:
        listed = ", ".join(f"`${{{name}}}`" for name in refused)
        message = f"{listed} cannot be part of a tag: only revision, repository.* and component.name can"
        return [FieldError(path=path, message=message)]
    try:
        example = render(template, dict.fromkeys(names, "x") | {"revision": _EXAMPLE_REVISION})
    except SubstitutionError as error:
        return [FieldError(path=path, message=str(error))]
    if _TAG.fullmatch(example) is None:
        message = f"`{example[:160]}` is not an image tag: letters, digits, `_`, `.` and `-`, at most 128"
        return [FieldError(path=path, message=message)]
    return []
