"""Selectors that could not be resolved for a moment stand for what they selected before. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from activities.models.configuration import DeploymentSpec, EnvironmentView


def with_known(view: EnvironmentView, known: EnvironmentView | None) -> EnvironmentView:
    """Return the view with the applications that were known, where an Argo CD did not answer which they are now."""
    if known is None or not any(one.unresolved and one.passing for one in view.deployments):
        return view
    found = [one for spec in view.deployments for one in _selected(spec, known)]
    return replace(view, deployments=tuple(sorted(found, key=lambda one: (one.wave, one.name))))


def _selected(spec: DeploymentSpec, known: EnvironmentView) -> Iterator[DeploymentSpec]:
    before = [one for one in known.deployments if _is_of(one, spec)] if spec.unresolved and spec.passing else []
    if not before:
        yield spec
    for one in before:
        # How it is written, and when, is as declared by now.
        yield replace(spec, name=one.name, application=one.application, failure=None)


def _is_of(one: DeploymentSpec, spec: DeploymentSpec) -> bool:
    same = (one.instance, one.project, one.component) == (spec.instance, spec.project, spec.component)
    return same and not one.unresolved and one.name == f"{spec.name}/{one.application}"
