"""Validation of delivery by Git: branches, paths, templates, and whether what is written is recognised again. Pure."""

import re
from collections.abc import Iterator, Mapping

from crds.rules.field_errors import FieldError
from crds.rules.promotion_policies import repository_errors, template_errors
from crds.rules.substitution import SubstitutionError, names_in, render
from crds.rules.yaml_paths import YamlPathError, parse_path
from crds.v1alpha1.deployment import BranchWrite, Deployment, GitEdit, GitWrite, Write
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository
from crds.v1alpha1.scm_host import WRITES_NO_FILES

# Which file is written must not depend on what the author of a pull request chooses.
_PLACE_VARIABLES = frozenset(
    {
        "repository.name",
        "repository.owner",
        "repository.fullName",
        "sourceEnvironment",
        "targetEnvironment",
        "component.name",
        "deployment.name",
    }
)
_OWN_VARIABLES = "target.vars."
_OF_ONE_DEPLOYMENT = frozenset({"component.name", "deployment.name", "revision", "artifact.image", "artifact.tag"})
_RECOGNISED_BY = frozenset({"revision", "artifact.tag"})
_STANDS_FOR_ANY = "x"
# git check-ref-format, as far as hosts take it.
_BRANCH = re.compile(
    r"(?!.*(?:\.\.|//|@\{|\.lock(?:/|$)|/\.))[^\x00-\x20\x7f~^:?*\[\\/.][^\x00-\x20\x7f~^:?*\[\\]*(?<![/.])"
)


def git_write_errors(
    environment: Environment, repositories: Mapping[str, GitRepository] | None = None
) -> list[FieldError]:
    """Find what keeps the files of an environment from being written."""
    errors: list[FieldError] = []
    for path, write in _writes(environment):
        if write.git is not None:
            errors += _write_errors(environment, f"{path}.git", write.git, repositories)
        if write.branch is not None:
            errors += _merge_errors(environment, f"{path}.branch", write.branch, repositories)
    for index, deployment in enumerate(environment.spec.deployments):
        write_of = environment.write_of(deployment)
        if write_of is not None and write_of.git is not None and repositories is not None:
            errors += _tag_errors(f"spec.deployments[{index}].component", deployment, write_of.git, repositories)
    return errors


def uses_tag(edit: GitEdit) -> bool:
    """Return whether an edit writes the tag of an artifact."""
    return edit.kustomize_image is not None or bool({"artifact.tag", "artifact.image"} & set(_names(edit.value or "")))


def recognises(edit: GitEdit) -> bool:
    """Return whether from what an edit writes its revision can be read back."""
    return edit.kustomize_image is not None or bool(_RECOGNISED_BY & set(_names(edit.value or "")))


def file_error(path: str) -> str | None:
    """Return why a text names no file within a repository; None for one that does."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in path or not path.isprintable():
        return "is no path of a file within the repository: write for example `apps/web/kustomization.yaml`"
    return "is within `.git`" if parts[0].lower() == ".git" else None


def _writes(environment: Environment) -> Iterator[tuple[str, Write]]:
    if environment.spec.write is not None:
        yield "spec.write", environment.spec.write
    for index, deployment in enumerate(environment.spec.deployments):
        if deployment.write is not None:
            yield f"spec.deployments[{index}].write", deployment.write


def _write_errors(
    environment: Environment, path: str, write: GitWrite, repositories: Mapping[str, GitRepository] | None
) -> list[FieldError]:
    errors: list[FieldError] = []
    if repositories is not None:
        errors += _repository_errors(f"{path}.repositoryRef.name", write.repository_ref.name, repositories)
    errors += _branch_errors(f"{path}.branch", write.branch)
    for index, edit in enumerate(write.edits):
        errors += _edit_errors(environment, f"{path}.edits[{index}]", edit)
    if not any(map(recognises, write.edits)):
        message = (
            "Pilotage could not recognise what the branch holds: at least one edit must have `kustomizeImage`, or "
            "`${artifact.tag}` or `${revision}` in its `value`"
        )
        errors.append(FieldError(path=f"{path}.edits", message=message))
    return errors


def _merge_errors(
    environment: Environment, path: str, write: BranchWrite, repositories: Mapping[str, GitRepository] | None
) -> list[FieldError]:
    errors = repository_errors(f"{path}.repositoryRef.name", write.repository_ref.name, repositories)
    errors += _branch_errors(f"{path}.source", write.source) + _branch_errors(f"{path}.target", write.target)
    for name, template in (("title", write.title or ""), ("body", write.body or "")):
        errors += _text_errors(environment, f"{path}.{name}", template)
    return errors


def _branch_errors(path: str, branch: str) -> list[FieldError]:
    return [] if _BRANCH.fullmatch(branch) else [FieldError(path=path, message="is no name of a branch")]


def _text_errors(environment: Environment, path: str, template: str) -> list[FieldError]:
    """Check a template about all deployments of a branch: what only one of them has is none of its variables."""
    if errors := template_errors(path, template):
        return errors
    if refused := [name for name in names_in(template) if name in _OF_ONE_DEPLOYMENT]:
        listed = ", ".join(f"`${{{name}}}`" for name in refused)
        return [
            FieldError(path=path, message=f"{listed} cannot be part of it: the pull request is about all deployments")
        ]
    return _missing_values(environment, path, template)


def _repository_errors(path: str, name: str, repositories: Mapping[str, GitRepository]) -> list[FieldError]:
    """Find a repository that is missing, or whose host does not write files as they must be written."""
    if errors := repository_errors(path, name, repositories):
        return errors
    host = repositories[name].spec.host
    if host not in WRITES_NO_FILES:
        return []
    message = f"GitRepository `{name}` is at {host.value}, which writes one file a commit: name one at another host"
    return [FieldError(path=path, message=message)]


def _edit_errors(environment: Environment, path: str, edit: GitEdit) -> list[FieldError]:
    errors = _place_errors(environment, f"{path}.file", edit.file)
    if not errors and (problem := file_error(_example(edit.file))) is not None:
        errors.append(FieldError(path=f"{path}.file", message=problem))
    if edit.yaml_path is not None:
        wrong = _place_errors(environment, f"{path}.yamlPath", edit.yaml_path)
        if not wrong:
            try:
                parse_path(_example(edit.yaml_path))
            except YamlPathError as error:
                wrong = [FieldError(path=f"{path}.yamlPath", message=str(error))]
        errors += wrong
    if edit.value is not None:
        errors += template_errors(f"{path}.value", edit.value) or _missing_values(
            environment, f"{path}.value", edit.value
        )
    image = edit.kustomize_image
    if image is not None and (":" in image.rsplit("/", 1)[-1] or "@" in image or re.search(r'[\[\]"\s]', image)):
        message = "must be an image as the kustomization names it, without tag or digest"
        errors.append(FieldError(path=f"{path}.kustomizeImage", message=message))
    return errors


def _place_errors(environment: Environment, path: str, template: str) -> list[FieldError]:
    """Check a template whose variables are those that the environment's owner decides alone."""
    if errors := template_errors(path, template):
        return errors
    refused = [
        name for name in names_in(template) if name not in _PLACE_VARIABLES and not name.startswith(_OWN_VARIABLES)
    ]
    if refused:
        listed = ", ".join(f"`${{{name}}}`" for name in refused)
        message = f"{listed} cannot be part of it: only repository.*, component.name, deployment.name, "
        message += "sourceEnvironment, targetEnvironment and target.vars.* can"
        return [FieldError(path=path, message=message)]
    return _missing_values(environment, path, template)


def _missing_values(environment: Environment, path: str, template: str) -> list[FieldError]:
    """Find `target.vars.X` that the environment does not define."""
    return [
        FieldError(path=path, message=f"`${{{name}}}` has no value: spec.vars has no such entry")
        for name in names_in(template)
        if name.startswith(_OWN_VARIABLES) and name.removeprefix(_OWN_VARIABLES) not in environment.spec.vars
    ]


def _tag_errors(
    path: str, deployment: Deployment, write: GitWrite, repositories: Mapping[str, GitRepository]
) -> list[FieldError]:
    """Find a deployment whose artifact has no tag although one is written."""
    repository = repositories.get(deployment.repository_ref.name)
    if repository is None or not any(uses_tag(edit) for edit in write.edits):
        return []
    components = {one.name: one for one in repository.spec.components}
    only = next(iter(components.values())) if len(components) == 1 else None
    component = components.get(deployment.component) if deployment.component else only
    if component is not None and component.tag is not None:
        return []
    message = (
        f"`write.git` writes an image tag, and GitRepository `{repository.metadata.name}` declares none: give its "
        "component `image` and `tag`, or write `${revision}`"
    )
    return [FieldError(path=path, message=message)]


def _names(template: str) -> tuple[str, ...]:
    try:
        return names_in(template)
    except SubstitutionError:
        return ()


def _example(template: str) -> str:
    return render(template, dict.fromkeys(names_in(template), _STANDS_FOR_ANY))
