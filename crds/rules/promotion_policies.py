"""What the API server cannot check: whether resources fit together. Pure; every error at once, with its field path."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pydantic_core import to_json

from crds.conditions import Condition, ConditionType, make_condition
from crds.model import Scope
from crds.reasons.conditions import ConditionReason
from crds.rules.field_errors import FieldError, summarize
from crds.rules.gates import gate_errors
from crds.rules.jobs import job_error, parameters_error
from crds.rules.selection import WAY_LIMIT, PolicyIndex
from crds.rules.substitution import SubstitutionError, allowed_names, names_in, unknown_names
from crds.rules.ways import Chain, TooManyWays, Ways
from crds.v1alpha1.environment import Environment
from crds.v1alpha1.git_repository import GitRepository, Labels
from crds.v1alpha1.kinds import BY_KIND
from crds.v1alpha1.promotion_policy import PolicyTest, PromotionPolicy
from crds.v1alpha1.test_runner import TestRunner

_ANY_REPOSITORY = ""
_MAX_NAME_SHOWN = 64


MAX_TESTS_BYTES = 100_000
"""All tests of a policy as JSON: every promotion carries them twice, in its snapshot and in its round."""


def validate_policy(
    policy: PromotionPolicy,
    *,
    runners: Mapping[str, TestRunner] | None = None,
    environments: Mapping[str, Environment] | None = None,
    all_policies: Iterable[PromotionPolicy] | PolicyIndex = (),
    repositories: Mapping[str, GitRepository] | None = None,
    require_final: bool = False,
) -> list[FieldError]:
    """Find everything that keeps a policy from being followed. An index of all policies holds this one too.

    Mappings are by name, of the policy's namespace; None means that these resources are not known, so that nothing is
    reported about them. `require_final` also refuses a chain that ends in an environment that is not final: in a
    cluster the missing policy may still come and the tracker waits for it, in a set of files it is a mistake.
    """
    errors = _environment_errors(policy, environments)
    errors += _target_errors(policy, environments)
    errors += gate_errors(policy, (environments or {}).get(policy.spec.target_environment))
    # The parameters of tests beyond the bound take longer to read than others can wait.
    errors += _label_errors(policy, repositories)
    errors += _size_errors(policy) or _test_errors(policy, runners, environments, repositories)
    if policy.spec.source_environment != policy.spec.target_environment:
        errors += _chain_errors(policy, environments or {}, all_policies, require_final=require_final)
    for index, reference in enumerate(policy.spec.repository_refs):
        errors += repository_errors(f"spec.repositoryRefs[{index}].name", reference.name, repositories)
    return errors


def _size_errors(policy: PromotionPolicy) -> list[FieldError]:
    size = len(to_json(policy.spec.tests))
    if size <= MAX_TESTS_BYTES:
        return []
    message = (
        f"all tests together have {size} bytes, and at most {MAX_TESTS_BYTES} are allowed, as each promotion carries "
        "them: shorten their parameters, or let the job read long ones itself"
    )
    return [FieldError(path="spec.tests", message=message)]


def _label_errors(policy: PromotionPolicy, repositories: Mapping[str, GitRepository] | None) -> list[FieldError]:
    """Find a label that Pilotage would take for one of its own: for a state, or for the place of a change."""
    label = policy.spec.effective_label
    named = [reference.name for reference in policy.spec.repository_refs] or list(repositories or ())
    meant = [repositories[name] for name in named if name in repositories] if repositories is not None else []
    prefixes = dict.fromkeys([Labels().prefix, *(one.spec.labels.prefix for one in meant)])
    # At most hosts labels that differ in case alone are the same.
    taken = [prefix for prefix in prefixes if label.lower().startswith(prefix.lower())]
    return [
        FieldError(path="spec.label", message=f"`{label}` begins with `{prefix}`, as Pilotage's own labels do")
        for prefix in taken
    ]


def repository_errors(path: str, name: str, repositories: Mapping[str, GitRepository] | None) -> list[FieldError]:
    """Find what keeps the pull requests of a repository that is named from being promoted."""
    if repositories is None:
        return []
    repository = repositories.get(name)
    if repository is None:
        return [missing(path, "GitRepository", name)]
    error = repository.spec.promotion_error
    return [FieldError(path=path, message=f"GitRepository `{name}` {error}")] if error else []


def valid_condition(errors: Iterable[FieldError], *, now: datetime, generation: int | None = None) -> Condition:
    """Write errors as the condition `Valid`; the reason is the errors' own where they agree."""
    found = list(errors)
    reasons = {error.reason for error in found}
    reason = ConditionReason.VALID if not found else reasons.pop() if len(reasons) == 1 else ConditionReason.INVALID
    message = summarize(found) if found else "everything that this resource names fits together"
    return make_condition(
        ConditionType.VALID,
        status=not found,
        reason=reason.value,
        message=message,
        now=now,
        observed_generation=generation,
    )


def _environment_errors(policy: PromotionPolicy, environments: Mapping[str, Environment] | None) -> list[FieldError]:
    source, target = policy.spec.source_environment, policy.spec.target_environment
    errors: list[FieldError] = []
    for path, name in (("spec.sourceEnvironment", source), ("spec.targetEnvironment", target)):
        if not name:
            errors.append(FieldError(path=path, message="must name an Environment"))
        elif environments is not None and name not in environments:
            errors.append(missing(path, "Environment", name))
    if source and source == target:
        errors.append(
            FieldError(path="spec.targetEnvironment", message=f"is `{target}`, the same as sourceEnvironment")
        )
    if policy.spec.timeout <= timedelta(0):
        errors.append(FieldError(path="spec.timeout", message="must be positive"))
    return errors


def _target_errors(policy: PromotionPolicy, environments: Mapping[str, Environment] | None) -> list[FieldError]:
    """Find repositories that the target has no writable deployment for."""
    target = (environments or {}).get(policy.spec.target_environment)
    if target is None:
        return []
    writable = {
        deployment.repository_ref.name
        for deployment in target.spec.deployments
        if target.write_of(deployment) is not None
    }
    wanted = [reference.name for reference in policy.spec.repository_refs]
    missing_repositories = (
        [name for name in wanted if name not in writable] if wanted else [] if writable else [_ANY_REPOSITORY]
    )
    return [
        FieldError(
            path="spec.targetEnvironment",
            message=f"Environment `{target.metadata.name}` has no deployment with `write`"
            + (f" for GitRepository `{name}`" if name else "")
            + "; set spec.write or deployments[].write there",
            reason=ConditionReason.TARGET_NOT_WRITABLE,
        )
        for name in missing_repositories
    ]


def _test_errors(
    policy: PromotionPolicy,
    runners: Mapping[str, TestRunner] | None,
    environments: Mapping[str, Environment] | None,
    repositories: Mapping[str, GitRepository] | None,
) -> list[FieldError]:
    errors: list[FieldError] = []
    first: dict[str, int] = {}
    for index, test in enumerate(policy.spec.tests):
        path = f"spec.tests[{index}]"
        if test.name in first:
            message = f"`{test.name}` is also the name of spec.tests[{first[test.name]}]"
            errors.append(FieldError(path=f"{path}.name", message=message))
        first.setdefault(test.name, index)
        if test.timeout <= timedelta(0):
            errors.append(FieldError(path=f"{path}.timeout", message="must be positive"))
        errors += _runner_errors(test, path, runners)
        errors += _parameter_errors(policy, test, path, environments)
        errors += _component_errors(policy, test, path, repositories)
    return errors


def _runner_errors(test: PolicyTest, path: str, runners: Mapping[str, TestRunner] | None) -> list[FieldError]:
    if runners is None:
        return []
    runner = runners.get(test.runner_ref.name)
    if runner is None:
        return [missing(f"{path}.runnerRef.name", "TestRunner", test.runner_ref.name)]
    try:
        runner_type = runner.spec.type
    except ValueError as error:
        return [FieldError(path=f"{path}.runnerRef.name", message=f"TestRunner `{test.runner_ref.name}`: {error}")]
    found = (("job", job_error(runner_type, test.job)), ("parameters", parameters_error(runner.spec, test.parameters)))
    return [
        FieldError(path=f"{path}.{field}", message=f"{runner_type.value}: {message}")
        for field, message in found
        if message is not None
    ]


def _parameter_errors(
    policy: PromotionPolicy, test: PolicyTest, path: str, environments: Mapping[str, Environment] | None
) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, value in test.parameters.items():
        field = f"{path}.parameters.{name[:_MAX_NAME_SHOWN]}"
        if not name.strip():
            errors.append(FieldError(path=f"{path}.parameters", message="a parameter needs a name"))
        errors += template_errors(field, value)
        if environments is not None:
            errors += _missing_vars(policy, field, value, environments)
    return errors


def missing(path: str, kind: str, name: str) -> FieldError:
    """Report that a named resource does not exist, and where it would have to."""
    where = " in this namespace" if BY_KIND[kind].definition.scope is Scope.NAMESPACED else ""
    return FieldError(
        path=path, message=f"{kind} `{name}` does not exist{where}", reason=ConditionReason.REFERENCE_NOT_FOUND
    )


def template_errors(path: str, template: str) -> list[FieldError]:
    """Find broken syntax and unknown variables in a template."""
    try:
        unknown = unknown_names(template)
    except SubstitutionError as error:
        return [FieldError(path=path, message=str(error))]
    return [
        FieldError(
            path=path,
            message=f"unknown variable `${{{name[:_MAX_NAME_SHOWN]}}}`; allowed are {allowed_names()}",
        )
        for name in unknown
    ]


def _missing_vars(
    policy: PromotionPolicy, path: str, template: str, environments: Mapping[str, Environment]
) -> list[FieldError]:
    """Find `source.vars.X` and `target.vars.X` that the environment does not define."""
    try:
        names = names_in(template)
    except SubstitutionError:
        return []
    errors: list[FieldError] = []
    sides = (("source.vars.", policy.spec.source_environment), ("target.vars.", policy.spec.target_environment))
    for prefix, environment_name in sides:
        environment = environments.get(environment_name)
        for name in names:
            key = name.removeprefix(prefix)
            if name.startswith(prefix) and environment is not None and key not in environment.spec.vars:
                message = f"`${{{name}}}`: Environment `{environment_name}` has no spec.vars.{key}"
                errors.append(FieldError(path=path, message=message))
    return errors


def _component_errors(
    policy: PromotionPolicy, test: PolicyTest, path: str, repositories: Mapping[str, GitRepository] | None
) -> list[FieldError]:
    if repositories is None or not test.components:
        return []
    wanted = [reference.name for reference in policy.spec.repository_refs] or list(repositories)
    meant = [repositories[name] for name in wanted if name in repositories]
    known = {component.name for repository in meant for component in repository.spec.components}
    return [
        FieldError(path=f"{path}.components[{index}]", message=f"no repository of this policy has a component `{name}`")
        for index, name in enumerate(test.components)
        if name not in known
    ]


def _chain_errors(
    policy: PromotionPolicy,
    environments: Mapping[str, Environment],
    all_policies: Iterable[PromotionPolicy] | PolicyIndex,
    *,
    require_final: bool,
) -> list[FieldError]:
    """Find ways through this policy that pass an environment twice, or that end before a final one."""
    index = all_policies if isinstance(all_policies, PolicyIndex) else _indexed(policy, all_policies)
    try:
        chains = Ways(index, environments).of_each(policy)
    except TooManyWays:
        message = "too many ways lead on from here: name the repositories that this policy is for"
        return [FieldError(path="spec.repositoryRefs", message=message)]
    found = (_chain_error(chain, require_final=require_final) for chain in chains)
    messages = dict.fromkeys(message for message in found if message is not None)
    return [FieldError(path="spec.targetEnvironment", message=message) for message in messages]


def _indexed(policy: PromotionPolicy, all_policies: Iterable[PromotionPolicy]) -> PolicyIndex:
    others = [other for other in all_policies if other.metadata.name != policy.metadata.name]
    return PolicyIndex([*others, policy])


def _chain_error(chain: Chain, *, require_final: bool) -> str | None:
    way = " → ".join(chain.environments)
    last = chain.environments[-1]
    if chain.loops:
        return f"environment `{last}` would be visited twice: {way}"
    if chain.too_long:
        return f"a change passes {WAY_LIMIT} environments at most, and `{last}` is one more: {way}"
    if require_final and not chain.ends_final:
        return f"the way ends in `{last}`, which is not final, and no policy leads out of it: {way}"
    return None
