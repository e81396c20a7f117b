"""Validation of EventSinks: what a schema cannot check. Pure."""

from collections.abc import Collection

from crds.rules.field_errors import FieldError
from crds.rules.promotion_policies import missing
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.event_sink import EventSink
from crds.v1alpha1.git_repository import GitRepository


def validate_event_sink(
    sink: EventSink, *, repositories: Collection[str] | None, environments: Collection[str] | None
) -> list[FieldError]:
    """Find repositories and environments that do not exist: nothing of them would be sent. None = it is not known."""
    spec, errors = sink.spec, list[FieldError]()
    for index, reference in enumerate(spec.repository_refs):
        if repositories is not None and reference.name not in repositories:
            path = f"spec.repositoryRefs[{index}].name"
            errors.append(missing(path, GitRepository.definition.kind, reference.name))
    for index, name in enumerate(spec.environments):
        if environments is not None and name not in environments:
            errors.append(missing(f"spec.environments[{index}]", Environment.definition.kind, name))
    return errors
