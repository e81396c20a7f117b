"""Which GitRepositories name the same repository at the same host."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from crds.reasons.conditions import ConditionReason
from crds.rules.field_errors import FieldError
from crds.rules.label_syntax import annotation_errors, label_errors
from crds.v1alpha1.git_repository import GitRepository

Oldest: TypeAlias = Mapping[tuple[str, ...], GitRepository]
"""The oldest GitRepository of each repository, by `identity`."""


def oldest_of(all_: Iterable[GitRepository]) -> Oldest:
    """Find the oldest of each repository, once for all that are compared with it."""
    youngest_first = sorted(all_, key=_age, reverse=True)
    return {named: one for one in youngest_first if (named := identity(one)) is not None}


def older_rival(repository: GitRepository, oldest: Oldest) -> GitRepository | None:
    """Return the oldest other GitRepository of the namespace that names the same repository, if it is older.

    Those of other namespaces are tenants of their own: they have their own credentials, and are none of ours to name.
    """
    mine = identity(repository)
    if mine is None:
        return None
    found = oldest.get(mine)
    return found if found is not None and _age(found) < _age(repository) else None


def conflict_errors(repository: GitRepository, oldest: Oldest) -> list[FieldError]:
    """Name the older GitRepository whose pull requests are these."""
    rival = older_rival(repository, oldest)
    if rival is None:
        return []
    field = repository.spec.host.value
    message = f"GitRepository `{rival.metadata.name}` names the same repository, and is older: delete one of the two"
    return [FieldError(path=f"spec.{field}", message=message, reason=ConditionReason.CONFLICT)]


def discovery_errors(repository: GitRepository, environments: Collection[str] | None) -> list[FieldError]:
    """Find what keeps `discovery` from making trackers: missing environments, labels that no object can have.

    None as `environments` judges none of them.
    """
    discovery = repository.spec.discovery
    if discovery is None:
        return []
    path, template = "spec.discovery.trackerTemplate", discovery.tracker_template
    errors = label_errors(f"{path}.labels", template.labels)
    errors += annotation_errors(f"{path}.annotations", template.annotations)
    if environments is None:
        return errors
    return errors + [
        FieldError(
            path=f"spec.discovery.baseBranches[{position}].environment",
            message=f"Environment `{one.environment}` does not exist",
            reason=ConditionReason.REFERENCE_NOT_FOUND,
        )
        for position, one in enumerate(discovery.base_branches)
        if one.environment not in environments
    ]


def identity(repository: GitRepository) -> tuple[str, ...] | None:
    """Return what is the same for two resources of one repository: namespace, provider and name, without case.

    None where the spec names no repository.
    """
    spec = repository.spec
    try:
        hosted = spec.hosted
    except ValueError:
        return None
    provider = spec.scm_provider_ref
    named = str(spec.gitlab.project_id) if spec.gitlab is not None and spec.gitlab.project_id else hosted.full_name
    return (repository.metadata.namespace or "", provider.kind.value, provider.name, named.lower())


def _age(repository: GitRepository) -> tuple[str, str]:
    """Return what orders resources by age; the name decides within a second, and before they were created."""
    created = repository.metadata.creation_timestamp
    return (created.isoformat() if created is not None else "9999", repository.metadata.name)
