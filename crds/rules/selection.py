"""Which policy governs a hop, and which environments follow on a repository's way."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from crds.api.ports import Document
from crds.rules.field_errors import FieldError
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.promotion_policy import PromotionPolicy

Validate = Callable[[PromotionPolicy], Sequence[FieldError]]
WAY_LIMIT = 50
"""Environments that one change passes at most: a promotion carries their names, and a hold is known to each."""


class SelectionOutcome(StrEnum):
    FOUND = "Found"
    NOT_FOUND = "PolicyNotFound"
    AMBIGUOUS = "AmbiguousPolicy"
    INVALID = "InvalidPolicy"


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The answer for one (source environment, repository); `policy` is set for FOUND, and for INVALID if readable."""

    outcome: SelectionOutcome
    policy: PromotionPolicy | None = None
    names: tuple[str, ...] = ()
    """Policies that match equally well, sorted; two or more when ambiguous."""
    errors: tuple[FieldError, ...] = ()


@dataclass(frozen=True, kw_only=True)
class UnreadablePolicy:
    """A policy that the model refuses, such as one of an older schema, as far as it shows what it is for."""

    name: str
    source: str
    repositories: tuple[str, ...]
    errors: tuple[FieldError, ...]


def unreadable_policy(document: Document, errors: Sequence[FieldError]) -> UnreadablePolicy:
    """Take from a refused policy whom it concerns; what is no name concerns no one."""
    spec = document.get("spec")
    fields: Document = spec if isinstance(spec, dict) else {}
    references = fields.get("repositoryRefs")
    return UnreadablePolicy(
        name=str(document["metadata"]["name"]),
        source=str(fields.get("sourceEnvironment", "")),
        repositories=tuple(
            str(one.get("name", "")) if isinstance(one, dict) else ""
            for one in (references if isinstance(references, list) else ())
        ),
        errors=tuple(errors),
    )


def _no_errors(_: PromotionPolicy) -> Sequence[FieldError]:
    return ()


class PolicyIndex:
    """The policies of one namespace by source environment and repository."""

    def __init__(self, policies: Iterable[PromotionPolicy], unreadable: Iterable[UnreadablePolicy] = ()) -> None:
        self._unreadable = tuple(unreadable)
        self._naming: defaultdict[tuple[str, str], list[PromotionPolicy]] = defaultdict(list)
        self._named: defaultdict[str, set[str]] = defaultdict(set)
        self._general: defaultdict[str, list[PromotionPolicy]] = defaultdict(list)
        for policy in sorted(policies, key=lambda policy: policy.metadata.name):
            source = policy.spec.source_environment
            if not policy.spec.repository_refs:
                self._general[source].append(policy)
            for name in dict.fromkeys(reference.name for reference in policy.spec.repository_refs):
                self._naming[source, name].append(policy)
                self._named[source].add(name)

    def named_at(self, environment: str) -> frozenset[str]:
        """Return the repositories that have a policy of their own from an environment."""
        return frozenset(self._named[environment]) if environment in self._named else frozenset()

    def candidates(self, *, environment: str, repository: str) -> tuple[PromotionPolicy, ...]:
        """List the policies that match best: those that name the repository, else those for all repositories."""
        return tuple(self._naming.get((environment, repository)) or self._general.get(environment) or ())

    def select(self, *, environment: str, repository: str, validate: Validate = _no_errors) -> Selection:
        """Choose the policy of a hop; a tie is never broken by name or age."""
        found, broken = self._rivals(environment, repository)
        names = tuple(sorted([*(policy.metadata.name for policy in found), *(policy.name for policy in broken)]))
        if not names:
            return Selection(outcome=SelectionOutcome.NOT_FOUND)
        if len(names) > 1:
            return Selection(outcome=SelectionOutcome.AMBIGUOUS, names=names)
        if broken:
            return Selection(outcome=SelectionOutcome.INVALID, names=names, errors=broken[0].errors)
        errors = tuple(validate(found[0]))
        outcome = SelectionOutcome.INVALID if errors else SelectionOutcome.FOUND
        return Selection(outcome=outcome, policy=found[0], names=names, errors=errors)

    def _rivals(
        self, environment: str, repository: str
    ) -> tuple[tuple[PromotionPolicy, ...], tuple[UnreadablePolicy, ...]]:
        """List all that match best; a policy that cannot be read counts, or another would quietly take its place."""
        broken = tuple(one for one in self._unreadable if one.source == environment)
        found = self._naming.get((environment, repository))
        naming = tuple(one for one in broken if repository in one.repositories)
        if found or naming:
            return tuple(found or ()), naming
        return tuple(self._general.get(environment) or ()), tuple(one for one in broken if not one.repositories)


def select_policy(
    policies: Iterable[PromotionPolicy],
    *,
    environment: str,
    repository: str,
    validate: Validate = _no_errors,
    unreadable: Iterable[UnreadablePolicy] = (),
) -> Selection:
    """Choose the policy of a hop among the policies of one namespace."""
    return PolicyIndex(policies, unreadable).select(environment=environment, repository=repository, validate=validate)


def environments_ahead(
    policies: Iterable[PromotionPolicy],
    *,
    environment: str,
    repository: str,
    environments: Mapping[str, Environment] | None = None,
) -> tuple[str, ...]:
    """List the environments that follow on a repository's way, nearest first, WAY_LIMIT at most.

    It stops at a tie and at a final one.
    """
    index = PolicyIndex(policies)
    known = environments or {}
    ahead: list[str] = []
    here = environment
    while len(ahead) < WAY_LIMIT and not (here in known and known[here].spec.final):
        found = index.candidates(environment=here, repository=repository)
        if len(found) != 1 or found[0].spec.target_environment in (environment, *ahead):
            break
        here = found[0].spec.target_environment
        ahead.append(here)
    return tuple(ahead)
