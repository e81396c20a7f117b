"""Branches, and values in files, that several Environments write: the oldest has them, the others write nothing. Pure.

Who may configure an Environment of their own could else write what belongs to another one, past its gates. Who merges
into a branch writes all of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crds.reasons.conditions import ConditionReason
from crds.rules.field_errors import FieldError
from crds.rules.shared_applications import Claimant, claimant
from crds.rules.substitution import SubstitutionError, names_in, render
from crds.rules.yaml_paths import ByField, ByKey, Step, YamlPath, YamlPathError, parse_path
from crds.v1alpha1.deployment import BranchWrite, Deployment, GitEdit, GitWrite
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository

_SOURCE = "sourceEnvironment"

Repositories = Mapping[tuple[str, str], GitRepository]
"""By namespace and name."""


@dataclass(frozen=True, slots=True)
class WrittenValue:
    """One value in one file, or a whole branch."""

    branch: tuple[str, str]
    """The repository as its host names it, and the branch."""
    file: str = ""
    """Empty for the whole branch."""
    path: YamlPath = ()

    @property
    def place(self) -> tuple[Step, ...]:
        """The way from the branch to the value."""
        return (ByKey(name=self.file), *self.path) if self.file else ()


def values_of(
    environment: Environment, repositories: Repositories, sources: Iterable[str]
) -> dict[str, tuple[WrittenValue, ...]]:
    """Return what an Environment writes, by deployment; `sources` are Environments that changes may come from.

    What cannot be rendered, or is in no known repository, cannot be written either.
    """
    known = tuple(sources)
    return {
        deployment.name: tuple(
            _values(environment, deployment, write.git, repositories, known)
            if write.git is not None
            else _merged(environment, write.branch, repositories)
        )
        for deployment in environment.spec.deployments
        if (write := environment.write_of(deployment)) is not None
    }


def _merged(environment: Environment, merge: BranchWrite | None, repositories: Repositories) -> Iterator[WrittenValue]:
    namespace = environment.metadata.namespace or ""
    written = repositories.get((namespace, merge.repository_ref.name)) if merge is not None else None
    if merge is not None and written is not None:
        for repository in _names(written):
            yield WrittenValue(branch=(repository, merge.target))


def _values(
    environment: Environment, deployment: Deployment, git: GitWrite, repositories: Repositories, sources: Iterable[str]
) -> Iterator[WrittenValue]:
    namespace = environment.metadata.namespace or ""
    written = repositories.get((namespace, git.repository_ref.name))
    own = repositories.get((namespace, deployment.repository_ref.name))
    if written is None:
        return
    variables = {
        "targetEnvironment": environment.metadata.name,
        "deployment.name": deployment.name,
        "component.name": _component(deployment, own),
        **{f"target.vars.{name}": value for name, value in environment.spec.vars.items()},
        **_of_repository(own),
    }
    for edit in git.edits:
        for file, path in _places(edit, variables, sources):
            for repository in _names(written):
                yield WrittenValue(branch=(repository, git.branch), file=file, path=path)


def _places(edit: GitEdit, variables: Mapping[str, str], sources: Iterable[str]) -> Iterator[tuple[str, YamlPath]]:
    try:
        used = {*names_in(edit.file), *names_in(edit.yaml_path or "")}
        for source in sources if _SOURCE in used else ("",):
            values = {**variables, _SOURCE: source}
            path = (ByKey(name="images"), ByField(field="name", value=edit.kustomize_image or ""))
            yield render(edit.file, values), parse_path(render(edit.yaml_path, values)) if edit.yaml_path else path
    except (SubstitutionError, YamlPathError):
        return


def _component(deployment: Deployment, own: GitRepository | None) -> str:
    if deployment.component is not None or own is None:
        return deployment.component or ""
    return own.spec.components[0].name if own.spec.components else own.metadata.name


def _of_repository(own: GitRepository | None) -> Mapping[str, str]:
    try:
        hosted = own.spec.hosted if own is not None else None
    except ValueError:
        hosted = None
    if hosted is None:
        return {}
    owner = hosted.full_name.rpartition("/")[0]
    return {"repository.name": hosted.name, "repository.owner": owner, "repository.fullName": hosted.full_name}


def _names(repository: GitRepository) -> Iterator[str]:
    """Yield the names of a repository at its host: one that is named by its number has two."""
    try:
        yield f"{repository.spec.host.value}/{repository.spec.hosted.full_name.lower()}"
    except ValueError:
        return
    if repository.spec.gitlab is not None and repository.spec.gitlab.project_id is not None:
        yield f"{repository.spec.host.value}#{repository.spec.gitlab.project_id}"


class _Node:
    """A branch, or a place within it: who writes it, and what is below it."""

    def __init__(self) -> None:
        self.end: Claimant | None = None
        self.least: Claimant | None = None
        """The oldest of all that write here or below."""
        self.keys: dict[str, _Node] = {}
        self.entries: dict[Step, _Node] = {}
        self.kinds: list[tuple[Claimant, str]] = []
        """The two oldest that find an entry of a list in different ways: by position, or by one of its fields."""

    def child(self, step: Step, one: Claimant) -> "_Node":
        """Return what a step leads to, to be written there by this one."""
        if isinstance(step, ByKey):
            return self.keys.setdefault(step.name, _Node())
        kind = _kind(step)
        known = min([(one, kind), *(best for best in self.kinds if best[1] == kind)])
        self.kinds = sorted([known, *(best for best in self.kinds if best[1] != kind)])[:2]
        return self.entries.setdefault(step, _Node())

    def otherwise_found(self, step: Step) -> Claimant | None:
        """Return the oldest that may mean the same entry, since it is found in another way."""
        return next((best for best, kind in self.kinds if kind != _kind(step)), None)


def _kind(step: Step) -> str:
    return f"={step.field}" if isinstance(step, ByField) else "position"


class Writers:
    """Who writes which values; of each the oldest. Looking one up costs the length of its path."""

    def __init__(self) -> None:
        self._branches: dict[tuple[str, str], _Node] = {}

    def add(self, environment: Environment, repositories: Repositories, sources: Iterable[str]) -> None:
        """Take what an Environment writes."""
        one = claimant(environment)
        for values in values_of(environment, repositories, sources).values():
            for value in values:
                node = self._branches.setdefault(value.branch, _Node())
                node.least = min(node.least or one, one)
                for step in value.place:
                    node = node.child(step, one)
                    node.least = min(node.least or one, one)
                node.end = min(node.end or one, one)

    def older(self, one: Claimant, value: WrittenValue) -> Claimant | None:
        """Return an older Environment that may write the value, what is around it, or what is within it."""
        node: _Node | None = self._branches.get(value.branch)
        for step in value.place:
            if node is None or (node.end is not None and node.end < one):
                break
            if isinstance(step, ByKey):
                node = node.keys.get(step.name)
                continue
            other = node.otherwise_found(step)
            if other is not None and other < one:
                return other
            node = node.entries.get(step)
        else:
            found = node.least if node is not None else None
            return found if found is not None and found < one else None
        return node.end if node is not None else None


def writers_of(
    environments: Iterable[Environment], repositories: Repositories, names: Mapping[str, Iterable[str]]
) -> Writers:
    """Return who writes which values; `names` are those of the Environments of each namespace."""
    found = Writers()
    for environment in environments:
        found.add(environment, repositories, names.get(environment.metadata.namespace or "", ()))
    return found


def writes_branches(environment: Environment) -> bool:
    """Return whether an Environment writes any branch of a repository, or files in it."""
    writes = (environment.spec.write, *(one.write for one in environment.spec.deployments))
    return any(write is not None and write.argocd is None for write in writes)


def branch_errors(
    environment: Environment, writers: Writers, repositories: Repositories, sources: Iterable[str]
) -> list[FieldError]:
    """Find the deployments of which an older Environment writes a value, or the branch."""
    one, errors = claimant(environment), list[FieldError]()
    written = values_of(environment, repositories, sources)
    for index, deployment in enumerate(environment.spec.deployments):
        for value in written.get(deployment.name, ()):
            owner = writers.older(one, value)
            if owner is not None:
                errors.append(_taken(f"spec.deployments[{index}]", value, owner))
                break
    return errors


def _taken(path: str, value: WrittenValue, owner: Claimant) -> FieldError:
    branch = value.branch[1]
    if value.file:
        message = f"`{value.file}` on branch `{branch}` is written by {owner} at the same place, which is older"
        message += ": this one does not write it. Write it in one Environment only"
        return FieldError(path=path, message=message, reason=ConditionReason.FILE_TAKEN)
    message = f"branch `{branch}` is written by {owner}, which is older: this one merges nothing into it. "
    message += "Give each Environment a branch of its own"
    return FieldError(path=path, message=message, reason=ConditionReason.BRANCH_TAKEN)
