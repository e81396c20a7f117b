"""Validation of Providers and CommitStatuses: what a schema cannot check. Pure."""

from collections.abc import Collection

import re2

from crds.rules.field_errors import FieldError
from crds.rules.flux_addresses import WrongAddress, repository_address
from crds.rules.flux_expressions import expression_error
from crds.v1alpha1.commit_status import CommitStatus
from crds.v1alpha1.flux_provider import Provider

_PATTERN_MEMORY_BYTES = 1024 * 1024


def validate_provider(provider: Provider) -> list[FieldError]:
    """Find an address that names no repository of the type, and an expression that makes no context."""
    errors: list[FieldError] = []
    try:
        repository_address(provider.spec.type, provider.spec.address)
    except WrongAddress as wrong:
        errors.append(FieldError(path="spec.address", message=str(wrong)))
    expression = provider.spec.commit_status_expr
    if expression and (error := expression_error(expression)):
        errors.append(FieldError(path="spec.commitStatusExpr", message=error))
    return errors


def validate_commit_status(declared: CommitStatus, *, providers: Collection[str] | None) -> list[FieldError]:
    """Find patterns that are none, and a Provider that does not exist; None = it is not known which exist."""
    spec = declared.spec
    errors: list[FieldError] = []
    if providers is not None and spec.provider_ref.name not in providers:
        errors.append(
            FieldError(path="spec.providerRef.name", message=f"Provider `{spec.provider_ref.name}` does not exist")
        )
    for field, patterns in (("inclusionList", spec.inclusion_list), ("exclusionList", spec.exclusion_list)):
        for index, pattern in enumerate(patterns):
            if error := pattern_error(pattern):
                errors.append(FieldError(path=f"spec.{field}[{index}]", message=error))
    return errors


def compiled_pattern(pattern: str) -> "re2._Regexp":
    """Compile a pattern as Flux's controllers do. Raises re2.error."""
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


def pattern_error(pattern: str) -> str | None:
    """Return why a text is no pattern; None for one that is."""
    try:
        compiled_pattern(pattern)
    except re2.error as error:
        return f"is no regular expression of RE2: {error}"
    return None
