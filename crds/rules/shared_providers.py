"""Validation of ClusterScmProviders: what a schema cannot check. Pure."""

from crds.rules.field_errors import FieldError
from crds.rules.label_syntax import selector_errors
from crds.v1alpha1.cluster_scm_provider import ClusterScmProviderSpec


def validate_shared_provider(spec: ClusterScmProviderSpec) -> list[FieldError]:
    """Find selectors of namespaces that no label could have, by which a mistyped one would allow every namespace."""
    errors = selector_errors("spec.allowedNamespaces", spec.allowed_namespaces)
    for index, allowed in enumerate(spec.repositories):
        if allowed.namespaces is not None:
            errors += selector_errors(f"spec.repositories[{index}].namespaces", allowed.namespaces)
    return errors
