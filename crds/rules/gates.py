"""What the owner of an environment requires of each policy that leads there. Pure; every error at once."""

from crds.reasons.conditions import ConditionReason
from crds.rules.field_errors import FieldError
from crds.v1alpha1.environment import Environment, GateTest
from crds.v1alpha1.promotion_policy import PolicyTest, PromotionPolicy


def gate_errors(policy: PromotionPolicy, target: Environment | None) -> list[FieldError]:
    """Find the gates of the target that a policy misses or weakens; None means that the target is not known."""
    if target is None:
        return []
    where = f"Environment `{target.metadata.name}`"
    errors: list[FieldError] = []
    if target.spec.gates.people and policy.spec.auto_promote:
        message = f"must be false: spec.gates.people of {where} requires that a person approves"
        errors.append(_missing("spec.autoPromote", message))
    positions = {test.name: index for index, test in enumerate(policy.spec.tests)}
    for gate in target.spec.gates.tests:
        if not _concerns(gate, policy):
            continue
        index = positions.get(gate.name)
        if index is None:
            errors.append(_missing("spec.tests", f"misses `{gate.name}`, which spec.gates of {where} requires"))
            continue
        for field, message in _weaknesses(gate, policy.spec.tests[index]):
            text = f"{message}: spec.gates of {where} requires the test `{gate.name}`"
            errors.append(_missing(f"spec.tests[{index}].{field}", text))
    return errors


def _concerns(gate: GateTest, policy: PromotionPolicy) -> bool:
    """Return whether a policy is for a repository of the gate; one without repositories is for all."""
    named = {reference.name for reference in policy.spec.repository_refs}
    wanted = {reference.name for reference in gate.repository_refs}
    return not named or not wanted or bool(named & wanted)


def _weaknesses(gate: GateTest, test: PolicyTest) -> list[tuple[str, str]]:
    """Return (field, what it must be) of what makes the test another one than the gate's."""
    found: list[tuple[str, str]] = []
    if not test.required:
        found.append(("required", "must be true"))
    if test.components:
        found.append(("components", "must be empty, so that the test is run for every component"))
    if gate.runner_ref is not None and test.runner_ref.name != gate.runner_ref.name:
        found.append(("runnerRef.name", f"must be `{gate.runner_ref.name}`"))
    if gate.job is not None and test.job != gate.job:
        found.append(("job", f"must be `{gate.job[:256]}`"))
    return found


def _missing(path: str, message: str) -> FieldError:
    return FieldError(path=path, message=message, reason=ConditionReason.GATE_MISSING)
